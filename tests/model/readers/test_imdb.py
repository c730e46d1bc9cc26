from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from model.readers import DataError, Example, read_examples
from model.readers.imdb import SEGMENT_WORDS, central_segment, segments
from model.readers.reading import source_of

WORDS = "the and a of to is br in it i this that was as film bridge town old river new".split()
INDEX = {word: i + 1 for i, word in enumerate(WORDS)}
FIRST = "the old bridge br br the film of the old bridge br br it was a film"
SECOND = "a new film br br a new town br br a new film in a new town"


def ids_of(text: str, shift: int = 0) -> list[int]:
    return [INDEX[word] + shift for word in text.split()]


def ragged(rows: Sequence[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def write(directory: Path, train: Any, test: Any, index: Any = INDEX) -> str:
    labels = {"y_train": np.zeros(len(train), int), "y_test": np.zeros(len(test), int)}
    np.savez(directory / "imdb.npz", x_train=train, x_test=test, **labels)
    (directory / "imdb_word_index.json").write_text(json.dumps(index), encoding="utf-8")
    return f"imdb:{directory}"


def test_the_most_central_segment_is_the_summary_of_the_rest(tmp_path: Path) -> None:
    address = write(tmp_path, ragged([ids_of(FIRST)]), ragged([ids_of(SECOND)]))
    assert read_examples(address) == [
        Example(
            "the old bridge it was a film",
            "the film of the old bridge",
            "gap_sentence",
            "imdb",
        ),
        Example("a new film a new town", "a new film in a new town", "gap_sentence", "imdb"),
    ]


def test_ids_as_keras_returns_them_give_the_same(tmp_path: Path) -> None:
    address = write(tmp_path, ragged([ids_of(FIRST)]), ragged([ids_of(SECOND)]))
    expected = read_examples(address)
    shifted = [[1, *ids_of(text, 3), 2] for text in (FIRST, SECOND)]
    assert read_examples(write(tmp_path, ragged(shifted[:1]), ragged(shifted[1:]))) == expected


def test_padded_reviews_of_one_length_are_read(tmp_path: Path) -> None:
    first, second = ids_of(FIRST), ids_of(SECOND)
    length = max(len(first), len(second))
    rows = [ids + [0] * (length - len(ids)) for ids in (first, second)]
    expected = read_examples(write(tmp_path, ragged([first]), ragged([second])))
    for dtype in (np.int64, object):
        array = np.array(rows, dtype)
        assert read_examples(write(tmp_path, array[:1], array[1:])) == expected


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ([1, 999], "id 999 is not in imdb_word_index.json"),
        ([1, -1], "id -1 is not in imdb_word_index.json"),
        ([], "must have two segments at least"),
        (ids_of("the film was new"), "must have two segments at least"),
        ("the film", "must be a list of integers"),
        ([1.5], "must be a list of integers"),
    ],
)
def test_a_review_that_breaks_a_rule_is_named(
    tmp_path: Path, bad: Any, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = write(tmp_path, ragged([ids_of(FIRST), bad]), ragged([ids_of(SECOND)]))
    assert len(read_examples(address, max_bad_rows=0.5)) == 2
    assert f"imdb.npz:x_train:2: {rule}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("index", "rule"),
    [
        ("{no json", "imdb_word_index.json: not JSON"),
        ("[1]", "must be a JSON object, word to integer"),
        ('{"the": "1"}', "must be a JSON object, word to integer"),
        (None, "imdb_word_index.json: can't be read"),
    ],
)
def test_a_word_index_that_breaks_a_rule_is_named(
    tmp_path: Path, index: str | None, rule: str
) -> None:
    address = write(tmp_path, ragged([ids_of(FIRST)]), ragged([]))
    path = tmp_path / "imdb_word_index.json"
    path.unlink() if index is None else path.write_text(index, encoding="utf-8")
    with pytest.raises(DataError, match=rule):
        read_examples(address)


def test_the_manifest_has_a_digest_of_both_files(tmp_path: Path) -> None:
    source = source_of(write(tmp_path, ragged([ids_of(FIRST)]), ragged([])))
    content = b"".join((tmp_path / n).read_bytes() for n in ("imdb.npz", "imdb_word_index.json"))
    assert source.sha256() == hashlib.sha256(content).hexdigest()
    assert source.name == "imdb.npz"


def test_segments_end_at_two_breaks_or_after_twenty_words() -> None:
    words = [f"w{i}" for i in range(45)]
    text = [*words, "br", "br", "br", "a", "br", "b", "br", "br"]
    assert segments(text) == [words[:20], words[20:40], words[40:], ["a", "b"]]


@given(st.lists(st.sampled_from(["br", "a", "b", "c"]), max_size=120))
def test_segments_keep_every_word_in_its_order(words: list[str]) -> None:
    parts = segments(words)
    assert [word for part in parts for word in part] == [word for word in words if word != "br"]
    assert all(0 < len(part) <= SEGMENT_WORDS for part in parts)


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), min_size=2, max_size=6))
def test_the_central_segment_is_that_of_the_reference_implementation(
    parts: list[list[str]],
) -> None:
    scorer = RougeScorer(["rouge1"], use_stemmer=False)
    scores = []
    for i, part in enumerate(parts):
        rest = [word for j, other in enumerate(parts) if j != i for word in other]
        scores.append(scorer.score(" ".join(rest), " ".join(part))["rouge1"].fmeasure)
    assert scores[central_segment(parts)] == pytest.approx(max(scores))
