"""Chunks of several texts in shared calls, and their logits put together by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.artifact import SCORE_SENTENCES
from model.sentences import Chunk
from service.errors import OutOfMemory
from service.inference.calls import ModelCalls
from service.inference.sentence_scorer import SentenceScorer
from service.inference.token_budget import row_width
from service.predictor import EngineCall

LIMIT = 70


def chunk(first: int, numbers: list[int], tokens: int) -> Chunk:
    """Sentences from `first` on, of which those in `numbers` have tokens; ids tell them apart."""
    ids = [100 * (first + number) for number in numbers] + [1] * (tokens - len(numbers))
    padding = [0] * (tokens - len(numbers))
    return Chunk(range(first, first + max(numbers)), ids, [*numbers, *padding])


class Head:
    """The logit of a sentence is the id of its first token; it has memory for so many chunks."""

    def __init__(self, most: int = 99) -> None:
        self.most = most
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, inputs: Any) -> Any:
        assert inputs.keys() == {"source_ids", "source_keep_mask", "sentence_ids"}
        ids, numbers = inputs["source_ids"], inputs["sentence_ids"]
        assert ids.shape == numbers.shape == inputs["source_keep_mask"].shape
        self.shapes.append(ids.shape)
        if len(ids) > self.most:
            raise OutOfMemory
        logits = np.full((len(ids), numbers.max()), -1e9, np.float32)
        for row, place in zip(*np.nonzero(numbers), strict=True):
            logits[row, numbers[row, place] - 1] = ids[row, place]
        return {"sentence_logits": logits}


def calls(head: Head, budget: int = 10_000) -> ModelCalls:
    return ModelCalls({SCORE_SENTENCES: head}, budget)


TEXTS = [
    [chunk(0, [1, 2, 3], 9), chunk(3, [1, 2], 65)],
    [],
    [chunk(0, [1], 70), chunk(1, [1, 2, 4], 20), chunk(5, [1], 5)],
]
LOGITS = [[100, 200, 300, 400, 500], [], [100, 200, 300, -1e9, 500, 600]]


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("budget", [1, 560, 10_000])
def test_each_text_gets_its_own_logits_however_its_chunks_are_called(
    most: int, budget: int
) -> None:
    head = Head(most)
    found = SentenceScorer(calls(head, budget), LIMIT).logits(TEXTS)
    assert [logits.tolist() for logits in found] == LOGITS
    assert {length for _, length in head.shapes} <= {64, 70}
    assert all(row_width() * rows * n <= budget or rows == 1 for rows, n in head.shapes)


def test_a_chunk_without_memory_is_given_up() -> None:
    model = calls(Head(0))
    with pytest.raises(OutOfMemory):
        SentenceScorer(model, LIMIT).logits(TEXTS)
    assert model.budget.shortages == 3  # four at once, two, one
    assert model.budget.tokens == 32 * row_width()  # half of the first chunk


def test_no_chunks_are_no_call() -> None:
    head = Head()
    assert SentenceScorer(calls(head), LIMIT).logits([]) == []
    assert head.shapes == []


def test_calls_are_told_with_their_chunks_and_their_padding() -> None:
    model = calls(Head())
    SentenceScorer(model, LIMIT).logits(TEXTS)
    assert model.take() == [  # the shortest first; five are not a usual number
        EngineCall(
            signature=SCORE_SENTENCES,
            texts=4,
            tokens=5 + 9 + 20 + 65,
            padded_tokens=4 * 70,
        ),
        EngineCall(signature=SCORE_SENTENCES, texts=1, tokens=70, padded_tokens=70),
    ]
