from __future__ import annotations

import pytest

from service.rendering.language import looks_english

SENTENCES = {
    "es": "El ayuntamiento aprobó el martes un nuevo plan para construir una línea de tranvía.",
    "fr": "Le conseil municipal a voté mardi la construction d'une nouvelle ligne de tramway.",
    "de": "Der Stadtrat hat am Dienstag beschlossen, eine neue Straßenbahnlinie zu bauen.",
    "it": "Il consiglio comunale ha votato martedì la costruzione di una nuova linea in città.",
    "ru": "Городской совет во вторник проголосовал за строительство новой трамвайной линии.",
    "zh": "市议会周二投票决定修建一条从港口到大学的电车线路。",
    "lorem": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_other_languages_are_told_apart(language: str) -> None:
    assert not looks_english(SENTENCES[language])


def test_english_prose_looks_english(text: str) -> None:
    assert looks_english(text)
    assert looks_english(text.upper())


def test_few_latin_words_and_no_words_at_all_are_not_judged() -> None:
    assert looks_english("Stadtrat beschließt neue Straßenbahn")
    assert looks_english("12:30 — 14:00 !!!")


def test_only_the_first_words_are_looked_at(text: str) -> None:
    assert looks_english(text * 25 + SENTENCES["ru"] * 100)
