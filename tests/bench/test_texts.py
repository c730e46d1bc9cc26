from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

from bench.texts import composed_texts, real_lengths, texts_of


def test_texts_are_as_long_as_real_ones() -> None:
    lengths = real_lengths()
    texts = composed_texts(len(lengths))
    assert abs(mean(map(len, texts)) - mean(lengths)) < 1
    assert len(set(texts)) == len(texts)


def test_few_texts_are_as_long_on_average_as_many() -> None:
    assert abs(mean(map(len, composed_texts(25))) - mean(real_lengths())) < 100


def test_texts_are_the_same_for_a_seed() -> None:
    assert composed_texts(3, seed=1) == composed_texts(3, seed=1)
    assert composed_texts(3, seed=1) != composed_texts(3, seed=2)


def test_texts_of_a_file_are_taken_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text("".join(json.dumps({"text": name}) + "\n" for name in "abc"))
    assert texts_of(file, 2) == ["a", "b"]
