"""Tasks in a worker: what the signatures are given, and what is made of their arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import artifact
from model.artifact import GOLDEN_TOLERANCE, GoldenExample, Manifest
from model.explanation.planted import PlantedCopier
from model.tokenizer import Tokenizer
from service.engine import Engine, serving
from service.errors import InternalError, NonFiniteOutput, OutOfMemory, RuleBroken
from service.explanation.catalogue import METHODS
from service.explanation.explainer import Explainer
from service.explanation.faithfulness import golden_scores, read_faithfulness
from service.explanation.tasks import OwnSummary, Saliency, Scoring, SelfAttention
from service.inference.batches import SUMMARY_BUCKET
from service.inference.token_budget import LEAST_WIDTH
from service.predictor import EngineState, ModelInfo, SummarizeOptions, Summary, Task, TooLong

CORPUS = ["the city council voted to build a tram line from the harbour to the old market"] * 3
TEXT = "The council voted. The tram line to the harbour."
COPIER = PlantedCopier()
TOLERANCE = GOLDEN_TOLERANCE["float32"]

OPTIONS = SummarizeOptions(
    style="tldr", num_beams=1, max_new_tokens=3, min_new_tokens=1, length_penalty=1.0,
    truncation="lead", support="strict", key_sentences=3, candidates=1,
)  # fmt: skip


class Graph:
    """The signatures in NumPy, which note what they are given; memory for `most` rows."""

    def __init__(self, most: int = 99) -> None:
        self.most = most
        self.given: list[dict[str, Any]] = []

    def score(self, inputs: Any) -> Any:
        self._note(inputs)
        found: dict[str, list[Any]] = {name: [] for name in artifact.SCORE_OUTPUTS}
        for ids, keep, summary in zip(
            inputs["source_ids"], inputs["source_keep_mask"], inputs["summary_ids"], strict=True
        ):
            scores = COPIER.score(ids, keep[None], summary)
            for name, array in scores._asdict().items():
                found[name].append(array[0].astype(np.float32))
        return {name: np.array(arrays) for name, arrays in found.items()}

    def saliency(self, inputs: Any) -> Any:
        self._note(inputs)
        weights = inputs["target_weights"].sum(axis=1, keepdims=True)
        return {"saliency": (inputs["source_keep_mask"] * weights).astype(np.float32)}

    def self_attention(self, inputs: Any) -> Any:
        self._note(inputs)
        keep = inputs["source_keep_mask"]
        row = keep / keep.sum(axis=1, keepdims=True)
        weights = np.repeat(row[:, None, :], keep.shape[1], axis=1)
        return {"attention_weights": weights * (1 + inputs["layer"] + inputs["head"])}

    def _note(self, inputs: Any) -> None:
        self.given.append(inputs)
        if len(inputs["source_ids"]) > self.most:
            raise OutOfMemory


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(CORPUS, CORPUS, ["headline", "tldr"], 300)


@pytest.fixture
def graph() -> Graph:
    return Graph()


@pytest.fixture
def engine(graph: Graph, tokenizer: Tokenizer, offered_by: Callable[..., ModelInfo]) -> Engine:
    def sentences(inputs: Any) -> Any:
        numbers = inputs["sentence_ids"]
        return {"sentence_logits": np.zeros((len(numbers), numbers.max()), np.float32)}

    return Engine(
        info=offered_by(max_summary_tokens=12),
        tokenizer=tokenizer,
        signatures={
            "summarize": graph.score,
            "score_sentences": sentences,
            "score": graph.score,
            "saliency": graph.saliency,
            "self_attention": graph.self_attention,
        },
        max_batch_tokens=64 * 8 * LEAST_WIDTH,
    )


@pytest.fixture
def explainer(engine: Engine) -> Explainer:
    return engine.explainer


def ids(tokenizer: Tokenizer, text: str) -> Any:
    return np.array(tokenizer.encode(text).ids, np.int32)


def scoring(tokenizer: Tokenizer, rows: int) -> Scoring:
    source = ids(tokenizer, TEXT)
    keep = np.random.default_rng(0).random((rows, len(source))) < 0.7
    keep[:, -1] = True
    return Scoring(
        source_ids=source, keep=keep, summary_ids=ids(tokenizer, "tram line"), style="tldr"
    )


@pytest.mark.parametrize(("most", "calls"), [(99, [8, 8, 4]), (4, [8, 4, 4, 4, 4, 4])])
def test_scores_are_those_of_the_model_in_padded_calls(
    explainer: Explainer, graph: Graph, tokenizer: Tokenizer, most: int, calls: list[int]
) -> None:
    graph.most = most
    task = scoring(tokenizer, 20)
    found = explainer.answer(task)
    assert [len(given["source_ids"]) for given in graph.given] == calls
    for given in graph.given:
        assert given["summary_ids"].shape[1] == SUMMARY_BUCKET
        assert given["source_ids"].shape[1] == given["source_keep_mask"].shape[1] == 64
        assert given["style_ids"].tolist() == [1] * len(given["source_ids"])
        assert not given["source_keep_mask"][:, len(task.source_ids) :].any()
        assert {name: array.dtype.name for name, array in given.items()} == artifact.SCORE_INPUTS
    expected = COPIER.score(task.source_ids, task.keep, task.summary_ids)
    for array, wanted in zip(found, expected, strict=True):
        assert array.shape == wanted.shape
        assert array == pytest.approx(wanted, abs=1e-6)


def test_masks_are_called_in_usual_numbers(
    explainer: Explainer, graph: Graph, tokenizer: Tokenizer
) -> None:
    task = scoring(tokenizer, 7)
    found = explainer.answer(task)
    assert [len(given["source_ids"]) for given in graph.given] == [6, 1]
    assert found.log_probs.shape == (7, len(task.summary_ids))


def test_a_mask_without_memory_is_given_up(
    explainer: Explainer, graph: Graph, tokenizer: Tokenizer
) -> None:
    graph.most = 0
    with pytest.raises(OutOfMemory):
        explainer.answer(scoring(tokenizer, 3))


def test_saliency_gets_the_target(explainer: Explainer, graph: Graph, tokenizer: Tokenizer) -> None:
    source, summary = ids(tokenizer, TEXT), ids(tokenizer, "tram line")
    target = np.arange(float(len(summary)))
    task = Saliency(source_ids=source, summary_ids=summary, target=target, style="tldr")
    assert explainer.answer(task).tolist() == [target.sum()] * len(source)
    (given,) = graph.given
    types = {name: array.dtype.name for name, array in given.items()}
    assert types == artifact.SALIENCY_INPUTS
    more = [0] * (SUMMARY_BUCKET - len(summary))
    assert given["summary_ids"].tolist() == [summary.tolist() + more]
    assert given["target_weights"].tolist() == [target.tolist() + more]
    assert (given["source_ids"].shape, given["style_ids"].tolist()) == ((1, 64), [1])


def test_self_attention_gets_the_head_and_loses_the_padding(
    explainer: Explainer, graph: Graph, tokenizer: Tokenizer
) -> None:
    source = ids(tokenizer, TEXT)
    weights = explainer.answer(SelfAttention(source_ids=source, layer=1, head=3))
    assert weights.shape == (len(source), len(source))
    assert weights.sum(axis=1) == pytest.approx(np.full(len(source), 5.0))
    types = {name: array.dtype.name for name, array in graph.given[0].items()}
    assert types == artifact.SELF_ATTENTION_INPUTS
    assert graph.given[0]["layer"].shape == ()


def test_numbers_that_are_none_are_an_error(
    explainer: Explainer, graph: Graph, tokenizer: Tokenizer
) -> None:
    source = ids(tokenizer, TEXT)
    target = np.full(3, np.nan)
    task = Saliency(source_ids=source, summary_ids=source[:3], target=target, style="tldr")
    assert isinstance(explainer.answer(task), NonFiniteOutput)
    assert isinstance(explainer.answer(Task()), InternalError)


def test_an_own_summary_keeps_its_text_and_gets_its_numbers(
    explainer: Explainer, tokenizer: Tokenizer
) -> None:
    own = "  tram   line"
    summary = explainer.answer(OwnSummary(text=TEXT, summary=own, options=OPTIONS))
    assert isinstance(summary, Summary)
    assert (summary.text, summary.style, summary.finish_reason) == (own, "tldr", "stop")
    spans = summary.summary_spans
    assert "".join(own[slice(*span)] for span in spans[:-1] if span) == "tramline"
    assert spans[-1] is None
    assert summary.summary_ids.tolist() == tokenizer.encode(own).ids
    assert summary.source_ids.tolist() == tokenizer.encode(TEXT).ids
    split = np.exp(summary.log_probs) * (1 - summary.copied_share)
    assert split == pytest.approx(summary.generated_prob, abs=1e-6)


def test_an_own_summary_that_is_too_long_is_refused(explainer: Explainer, graph: Graph) -> None:
    found = explainer.answer(OwnSummary(text=TEXT, summary="tram " * 40, options=OPTIONS))
    assert isinstance(found, RuleBroken)
    assert found.detail.startswith("summary has ")
    assert graph.given == []


@pytest.mark.parametrize("truncation", ["error", "select", "lead"])
def test_a_long_text_is_read_as_for_a_search(
    explainer: Explainer, tokenizer: Tokenizer, truncation: Any
) -> None:
    long = " ".join(["The city council met on the old market."] * 20)
    options = replace(OPTIONS, truncation=truncation)
    found = explainer.answer(OwnSummary(text=long, summary="city", options=options))
    if truncation == "error":
        assert found == TooLong(tokens=len(tokenizer.encode(long).ids), limit=64)
    else:
        assert found.truncated
        assert (found.passages is not None) == (truncation == "select")
        assert len(found.source_ids) == len(found.source_spans) <= 64


def test_a_worker_answers_tasks_beside_batches(engine: Engine, tokenizer: Tokenizer) -> None:
    _, handle = serving(engine)
    reply = handle(scoring(tokenizer, 2))
    (scores,) = reply.outcomes
    assert len(scores.log_probs) == 2
    (call,) = reply.calls
    assert (call.signature, call.texts, call.padded_tokens) == ("score", 2, 2 * 64)
    assert call.tokens == 2 * len(ids(tokenizer, TEXT))  # what is left out is no padding


def test_what_a_task_learns_of_memory_is_told_and_holds_for_the_next(
    engine: Engine, graph: Graph, tokenizer: Tokenizer
) -> None:
    graph.most = 4
    _, handle = serving(engine)
    reply = handle(scoring(tokenizer, 8))
    assert reply.state == EngineState(shortages=1, budget_tokens=4 * 64 * LEAST_WIDTH)
    handle(scoring(tokenizer, 6))
    assert [len(given["source_ids"]) for given in graph.given] == [8, 4, 4, 4, 2]


@pytest.mark.parametrize(
    ("methods", "calls"), [(("attention",), 1), (("gradient",), 2), (METHODS, 3)]
)
def test_the_warm_up_calls_each_signature_that_a_served_method_needs(
    explainer: Explainer, graph: Graph, methods: tuple[str, ...], calls: int
) -> None:
    explainer.warm_up(TEXT, methods)
    assert len(graph.given) == calls


# faithfulness.json


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        name="planted", version="1", model_sha256="ab" * 32, styles=("headline", "tldr"),
        default_style="tldr", max_source_tokens=64, max_summary_tokens=12, default_num_beams=1,
        default_length_penalty=1.0, default_min_new_tokens=1, default_max_new_tokens=8,
        precision="float32", config={}, training={}, low_confidence_log_prob=None, files={},
        created="",
    )  # fmt: skip


@pytest.fixture
def report(
    tmp_path: Path, manifest: Manifest, tokenizer: Tokenizer, explainer: Explainer
) -> dict[str, Any]:
    summary = tokenizer.encode("tram line").ids
    nothing: list[float] = []
    example = GoldenExample(
        text=TEXT, style="tldr", source_ids=tokenizer.encode(TEXT).ids, summary_ids=summary,
        log_probs=nothing, attention_weights=[], copy_gate=nothing, copied_prob=nothing,
        generated_prob=nothing,
    )  # fmt: skip
    artifact.write_golden(tmp_path, [example])
    weights, losses = golden_scores(example, manifest, tokenizer, explainer)
    assert weights.sum() < 1  # what lies on `<eos>` is no word's
    assert len(losses) == 2
    return {
        "schema": "faithfulness/1",
        "model": {"sha256": manifest.model_sha256},
        "methods": {},
        "golden": [{"golden": 0, "attention": weights.tolist(), "leave_one_out": losses.tolist()}],
    }


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "is of another model": lambda r: r["model"].update(sha256="cd" * 32),
    "schema is not": lambda r: r.update(schema="faithfulness/0"),
    "golden example 0 is explained otherwise": lambda r: r["golden"][0]["attention"].reverse(),
    "explained otherwise": lambda r: r["golden"][0]["leave_one_out"].pop(),
    "can't be read: KeyError": lambda r: r.pop("golden"),
    "can't be read: IndexError": lambda r: r["golden"][0].update(golden=3),
}


def test_a_report_that_holds_is_used(
    tmp_path: Path,
    report: dict[str, Any],
    manifest: Manifest,
    tokenizer: Tokenizer,
    explainer: Explainer,
) -> None:
    assert read_faithfulness(tmp_path, manifest, tokenizer, explainer, TOLERANCE) is None
    (tmp_path / artifact.FAITHFULNESS).write_text(json.dumps(report))
    assert read_faithfulness(tmp_path, manifest, tokenizer, explainer, TOLERANCE) == report


@pytest.mark.parametrize("reason", BROKEN)
def test_a_report_that_does_not_hold_counts_as_not_there(
    tmp_path: Path,
    report: dict[str, Any],
    manifest: Manifest,
    tokenizer: Tokenizer,
    explainer: Explainer,
    caplog: pytest.LogCaptureFixture,
    reason: str,
) -> None:
    BROKEN[reason](report)
    (tmp_path / artifact.FAITHFULNESS).write_text(json.dumps(report))
    assert read_faithfulness(tmp_path, manifest, tokenizer, explainer, TOLERANCE) is None
    assert reason in caplog.text
