"""Calls of the model: what shares one, and what happens where there is no memory for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.tokenizer import Tokenizer
from service.errors import OutOfMemory
from service.predictor import ModelInfo, SummarizeOptions, Summary
from service.signature_predictor import SignaturePredictor
from service.worker import InferenceThread

TEXTS = [f"the city council {number}" for number in range(8)]

OPTIONS = SummarizeOptions(
    style="headline", num_beams=1, max_new_tokens=3, min_new_tokens=1, length_penalty=1.0,
    truncation="lead",
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, TEXTS, ["headline"], 300)


@pytest.fixture
def info() -> ModelInfo:
    return ModelInfo(
        name="summarizer", version="1", sha256="", created="", precision="float32", device="cpu",
        styles=("headline",), default_style="headline", max_source_tokens=64, max_summary_tokens=8,
        default_num_beams=1, default_length_penalty=1.0, default_min_new_tokens=1,
        default_max_new_tokens=3, low_confidence_log_prob=None,
    )  # fmt: skip


class Model:
    """Copies the whole source, and has memory for so many texts at once."""

    def __init__(self, most_texts: int) -> None:
        self.most_texts = most_texts
        self.sizes: list[int] = []

    def __call__(self, inputs: Any) -> Any:
        ids = inputs["source_ids"]
        self.sizes.append(len(ids))
        if len(ids) > self.most_texts:
            raise OutOfMemory
        even = np.full(ids.shape, 0.5, np.float32)
        names = ("log_probs", "copy_gate", "copied_prob", "generated_prob")
        attention = np.full((*ids.shape, ids.shape[1]), 1 / ids.shape[1], np.float32)
        return {"summary_ids": ids, "attention_weights": attention, **dict.fromkeys(names, even)}


def summarize(model: Model, tokenizer: Tokenizer, info: ModelInfo) -> list[Summary]:
    predictor = SignaturePredictor(
        info=info,
        tokenizer=tokenizer,
        summarize=model,
        thread=InferenceThread(99),
        max_batch_tokens=10_000,
    )
    return predictor.summarize_now(TEXTS, OPTIONS)


@pytest.mark.parametrize(
    ("most_texts", "sizes"),
    [(8, [8]), (4, [8, 4, 4]), (3, [8, 4, 2, 2, 4, 2, 2]), (1, [8, 4, 2, 1, 1, 2, 1, 1, 4])],
)
def test_a_group_without_memory_is_halved_until_it_fits(
    tokenizer: Tokenizer, info: ModelInfo, most_texts: int, sizes: list[int]
) -> None:
    model = Model(most_texts)
    summaries = summarize(model, tokenizer, info)
    assert [summary.text for summary in summaries] == TEXTS
    assert model.sizes[: len(sizes)] == sizes
    assert {summary.batch_texts for summary in summaries} <= {1, 2, 4, 8}
    assert all(summary.batch_texts <= most_texts for summary in summaries)


def test_a_text_without_memory_is_given_up(tokenizer: Tokenizer, info: ModelInfo) -> None:
    model = Model(0)
    with pytest.raises(OutOfMemory):
        summarize(model, tokenizer, info)
    assert model.sizes == [8, 4, 2, 1]
