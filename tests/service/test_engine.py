"""Calls of the model: what shares one, what is read of a text, and where there is no memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.artifact import SCORE_SENTENCES, SUMMARIZE
from model.tokenizer import Tokenizer
from service.engine import Engine
from service.errors import OutOfMemory
from service.inference.token_budget import LEAST_WIDTH
from service.predictor import EngineState, ModelInfo, SummarizeOptions, Summary, TooLong

TEXTS = [f"the city council {number}" for number in range(8)]

OPTIONS = SummarizeOptions(
    style="headline", num_beams=1, max_new_tokens=3, min_new_tokens=1, length_penalty=1.0,
    truncation="lead", support="strict", key_sentences=2, candidates=1,
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
    """Copies the whole source, and has memory for so many texts at once.

    The more tokens a sentence has, the larger is its logit.
    """

    def __init__(self, most_texts: int) -> None:
        self.most_texts = most_texts
        self.sizes: list[int] = []
        self.inputs: list[Any] = []
        self.chunks = 0

    def __call__(self, inputs: Any) -> Any:
        ids = inputs["source_ids"]
        self.sizes.append(len(ids))
        self.inputs.append(inputs)
        if len(ids) > self.most_texts:
            raise OutOfMemory
        even = np.full(ids.shape, 0.5, np.float32)
        names = ("log_probs", "copy_gate", "copied_prob", "generated_prob")
        attention = np.full((*ids.shape, ids.shape[1]), 1 / ids.shape[1], np.float32)
        numbers = {"attention_weights": attention, **dict.fromkeys(names, even)}
        return {"summary_ids": ids, "sentence_logits": self.logits(inputs), **numbers}

    def score_sentences(self, inputs: Any) -> Any:
        self.chunks += len(inputs["source_ids"])
        return {"sentence_logits": self.logits(inputs)}

    def logits(self, inputs: Any) -> Any:
        numbers = inputs["sentence_ids"]
        counted = [np.bincount(row, minlength=numbers.max() + 1)[1:] for row in numbers]
        return np.where(np.array(counted) > 0, np.array(counted) / 10, -1e9).astype(np.float32)


def engine_over(model: Model, tokenizer: Tokenizer, info: ModelInfo, **more: Any) -> Engine:
    return Engine(
        info=info,
        tokenizer=tokenizer,
        signatures={SUMMARIZE: model, SCORE_SENTENCES: model.score_sentences},
        max_batch_tokens=10_000,
        **more,
    )


def summarize(model: Model, tokenizer: Tokenizer, info: ModelInfo) -> list[Summary]:
    return engine_over(model, tokenizer, info).summarize(TEXTS, OPTIONS)


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


def test_calls_stay_small_after_a_lack_of_memory_and_it_is_told_once(
    tokenizer: Tokenizer, info: ModelInfo
) -> None:
    model = Model(most_texts=3)
    traces = iter([7, 7, 9])
    engine = engine_over(model, tokenizer, info, count_traces=lambda: next(traces))
    engine.take_state()
    for _ in range(2):
        engine.summarize(TEXTS, OPTIONS)
    assert model.sizes == [8, 4, 2, 2, 4, 2, 2, *[2] * 4]  # the second time in twos at once
    budget = 2 * 64 * LEAST_WIDTH
    assert engine.take_state() == EngineState(traces=0, shortages=3, budget_tokens=budget)
    assert engine.take_state() == EngineState(traces=2, shortages=0, budget_tokens=budget)


def test_a_text_without_memory_is_given_up(tokenizer: Tokenizer, info: ModelInfo) -> None:
    model = Model(0)
    with pytest.raises(OutOfMemory):
        summarize(model, tokenizer, info)
    assert model.sizes == [8, 4, 2, 1]


LONG = " ".join(
    ["The city council met."]
    + [
        f"It spoke of {number} old city trams {'and trams ' * (number % 4)}."
        for number in range(30)
    ]
    + ["It ended."]
)


@pytest.mark.parametrize("truncation", ["lead", "select"])
def test_long_and_short_texts_share_a_call_and_each_gets_its_own_sentences(
    tokenizer: Tokenizer, info: ModelInfo, truncation: Any
) -> None:
    model = Model(99)
    engine = engine_over(model, tokenizer, info)
    texts = [LONG, "A council. The city council met on trams. It ended.", LONG + " " + LONG]
    options = replace(OPTIONS, truncation=truncation)
    together = engine.summarize(texts, options)
    (inputs,) = model.inputs
    assert sorted(row.max() for row in inputs["sentence_ids"]) == [0, 0, 3]
    assert model.chunks > 3
    for text, found in zip(texts, together, strict=True):
        (alone,) = engine.summarize([text], options)
        assert found.key_sentences == alone.key_sentences
        assert found.source_spans == alone.source_spans
        assert len(found.key_sentences) == 2
        assert all(0 < sentence.score < 1 for sentence in found.key_sentences)
    longest = max(LONG.split(". "), key=len)
    assert longest in {LONG[slice(*s.span)].rstrip(".") for s in together[0].key_sentences}


def test_a_selection_is_what_the_summary_is_written_from(
    tokenizer: Tokenizer, info: ModelInfo
) -> None:
    model = Model(99)
    options = replace(OPTIONS, truncation="select", key_sentences=0)
    (summary,) = engine_over(model, tokenizer, info).summarize([LONG], options)
    assert summary.key_sentences == []
    assert summary.passages is not None
    assert summary.passages[0] == (0, len("The city council met."))
    assert len(summary.passages) > 1
    assert summary.truncated
    assert summary.used_source_tokens <= info.max_source_tokens
    kept = model.inputs[0]["source_keep_mask"][0].sum()
    assert kept == summary.used_source_tokens == len(summary.source_spans)
    read = " ".join(LONG[slice(*passage)] for passage in summary.passages)
    assert summary.text == " ".join(read.split())


def test_a_lead_without_key_sentences_costs_no_call_more(
    tokenizer: Tokenizer, info: ModelInfo
) -> None:
    model = Model(99)
    options = replace(OPTIONS, key_sentences=0)
    (summary,) = engine_over(model, tokenizer, info).summarize([LONG], options)
    assert (model.chunks, summary.key_sentences, summary.passages) == (0, [], None)


def test_a_text_that_may_not_be_cut_is_refused_before_any_call(
    tokenizer: Tokenizer, info: ModelInfo
) -> None:
    model = Model(99)
    engine = engine_over(model, tokenizer, info)
    options = replace(OPTIONS, truncation="error")
    assert engine.summarize([LONG], options) == [
        TooLong(tokens=len(tokenizer.encode(LONG).ids), limit=64)
    ]
    assert (model.chunks, model.sizes) == (0, [])
    found = engine.summarize([LONG, TEXTS[0], LONG], options)
    assert [type(one) for one in found] == [TooLong, Summary, TooLong]
    assert model.sizes == [1]


def test_calls_are_told_once(tokenizer: Tokenizer, info: ModelInfo) -> None:
    engine = engine_over(Model(4), tokenizer, info)
    engine.summarize(TEXTS, OPTIONS)
    calls = engine.take_calls()
    assert [call.texts for call in calls] == [4, 4]
    assert all(0 < call.tokens <= call.padded_tokens == 4 * 64 for call in calls)
    assert engine.take_calls() == []


def test_the_warm_up_calls_each_signature(tokenizer: Tokenizer, info: ModelInfo) -> None:
    model = Model(99)
    engine_over(model, tokenizer, info).warm_up(TEXTS[0], OPTIONS, ())
    assert (model.sizes, model.chunks) == ([1], 1)
