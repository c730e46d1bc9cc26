"""A tiny untrained network is exported once; what holds for it must hold for every export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from model import artifact
from model.artifact import ArtifactError, read_golden, read_manifest
from model.data import padded
from model.export import ExportOptions, export, load_weights
from model.exporting.verification import ExportError, Outputs, compare, run_apart, verify
from model.inference import Inference, Summaries
from model.steering.filters import SearchOptions
from model.steering.support import UNCAPITALISED
from model.steering.support_tables import support_tables
from model.steering.utf8 import REFUSED, WHOLE, transitions
from model.summarizer import Summarizer
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

# An export is traced and run by a fresh process: 37 s with two cores idle, more beside others.
pytestmark = pytest.mark.timeout(300)

OPTIONS = ExportOptions(default_style="title", max_source_tokens=32, golden_lead=0.0)
TRAINING = {
    "steps": 0,
    "tokens_per_batch": 0,
    "seed": 0,
    "optimizer": "none",
    "data": [],
    "hidden_share": 0.0,
}
TEXTS = [
    "The council voted on a new harbour line on Tuesday. It opens in May.",
    "Rain fell.",
    "Cheese 🧀 prices rose again in Aldermoor, the market office said.",
]
Arrays = dict[str, NDArray[Any]]


class Exported(NamedTuple):
    directory: Path
    inference: Inference
    loaded: Any

    def summarize(self, **inputs: Any) -> Arrays:
        return self._call(artifact.SUMMARIZE, inputs)

    def score(self, **inputs: Any) -> Arrays:
        return self._call(artifact.SCORE, inputs)

    def ask(self, signature: str, **inputs: Any) -> Arrays:
        return self._call(signature, inputs)

    def _call(self, signature: str, inputs: dict[str, Any]) -> Arrays:
        dtypes = {**artifact.SIGNATURES, **artifact.OPTIONAL_SIGNATURES}[signature][0]
        tensors = {name: tf.constant(inputs[name], dtype) for name, dtype in dtypes.items()}
        outputs = self.loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


@pytest.fixture(scope="module")
def exported(
    wordy_network: Summarizer, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    root = tmp_path_factory.mktemp("artifacts") / "summarizer"
    (root / "3").mkdir(parents=True)
    (root / "notes").mkdir()
    inference = Inference(wordy_network, tokenizer, tokenizer.styles)
    directory = export(root, inference, tokenizer, OPTIONS, TRAINING)
    loaded = tf.saved_model.load(str(directory / artifact.SAVED_MODEL))
    return Exported(directory, inference, loaded)


class Lying(Inference):
    """Finds another summary while it is eager than it does in a graph."""

    def summarize(self, *inputs: Any, **named: Any) -> Summaries:
        found = super().summarize(*inputs, **named)
        wrong = 1 if tf.executing_eagerly() else 0
        return found._replace(
            summary_ids=found.summary_ids + wrong,
            score_per_hypothesis=found.score_per_hypothesis + wrong,
        )


class Tying(Lying):
    """Finds another summary while it is eager, which is as good as the graph's."""

    def summarize(self, *inputs: Any, **named: Any) -> Summaries:
        found = Inference.summarize(self, *inputs, **named)
        return found._replace(summary_ids=found.summary_ids + int(tf.executing_eagerly()))


class Misjudging(Inference):
    """Scores sentences otherwise while it is eager than it does in a graph."""

    def score_sentences(self, *inputs: Any, **named: Any) -> Any:
        return super().score_sentences(*inputs, **named) + float(tf.executing_eagerly())


@pytest.fixture(scope="module")
def apart(exported: Exported) -> Outputs:
    """What the artifact says of its golden texts in a fresh process."""
    golden = read_golden(exported.directory)
    return run_apart(exported.directory, golden, exported.inference.styles)


@pytest.fixture(scope="module")
def rows(tokenizer: Tokenizer) -> list[list[int]]:
    return [tokenizer.encode(text).ids for text in TEXTS]


def search_inputs(
    rows: list[list[int]],
    length: int | None = None,
    num_beams: int = 3,
    longest: int | list[int] = 6,
    least: int | list[int] = 1,
) -> dict[str, Any]:
    source_ids = padded(rows, length or max(len(row) for row in rows))
    batch = len(rows)
    return {
        "source_ids": source_ids,
        "source_keep_mask": source_ids > 0,
        "style_ids": np.zeros(batch),
        "max_new_tokens": np.broadcast_to(longest, batch),
        "min_new_tokens": np.broadcast_to(least, batch),
        "length_penalty": np.ones(batch),
        "num_beams": num_beams,
        "num_candidates": num_beams,
        "strict_support": np.ones(batch, bool),
        "sentence_ids": np.where(source_ids > EOS_ID, np.arange(source_ids.shape[1]) // 4 + 1, 0),
    }


@pytest.fixture(scope="module")
def inputs(rows: list[list[int]]) -> dict[str, Any]:
    inputs = search_inputs(rows, longest=[6, 3, 6], least=[1, 1, 6])
    inputs["source_keep_mask"][0, [2, 5, 6]] = False
    return inputs


@pytest.fixture(scope="module")
def summaries(exported: Exported, inputs: dict[str, Any]) -> Arrays:
    return exported.summarize(**inputs)


@pytest.mark.parametrize("name", sorted(artifact.SIGNATURES))
def test_signatures_are_those_of_the_contract(exported: Exported, name: str) -> None:
    signature = exported.loaded.signatures[name]
    inputs, outputs = artifact.SIGNATURES[name]
    _, specs = signature.structured_input_signature
    assert {key: spec.dtype.name for key, spec in specs.items()} == inputs
    found = {key: spec.dtype.name for key, spec in signature.structured_outputs.items()}
    assert found == outputs


def test_no_signature_fixes_a_size(exported: Exported) -> None:
    for signature in exported.loaded.signatures.values():
        _, specs = signature.structured_input_signature
        assert {size for spec in specs.values() for size in spec.shape} == {None}


def test_the_next_number_is_the_version(exported: Exported) -> None:
    assert exported.directory.name == "4"
    assert read_manifest(exported.directory).version == "4"
    assert artifact.latest_version(exported.directory.parent) == exported.directory


def test_nothing_but_the_version_is_left(exported: Exported) -> None:
    assert sorted(path.name for path in exported.directory.parent.iterdir()) == ["3", "4", "notes"]


def test_the_artifact_holds_what_the_contract_lists(exported: Exported) -> None:
    names = {path.name for path in exported.directory.iterdir()}
    assert names == {
        "saved_model",
        "tokenizer.json",
        "golden.jsonl",
        "manifest.json",
        "MODEL_CARD.md",
    }


def test_the_manifest_repeats_the_options(exported: Exported) -> None:
    manifest = read_manifest(exported.directory)
    assert (manifest.default_style, manifest.max_source_tokens) == ("title", 32)
    assert manifest.styles == ("headline", "title")
    assert manifest.training == TRAINING
    assert manifest.config["hidden_dim"] == 8
    assert manifest.model_sha256 == artifact.model_digest(exported.directory)


def test_the_graph_holds_the_digest_of_the_tokenizer(exported: Exported) -> None:
    digest = artifact.file_sha256(exported.directory / artifact.TOKENIZER)
    assert exported.loaded.tokenizer_sha256.numpy().decode() == digest


def test_golden_examples_are_there_and_short_enough(exported: Exported) -> None:
    examples = read_golden(exported.directory)
    assert examples
    assert all(len(example.source_ids) <= 32 for example in examples)


def test_score_gives_the_golden_numbers(exported: Exported) -> None:
    tolerance = artifact.GOLDEN_TOLERANCE["float32"]
    for example in read_golden(exported.directory):
        outputs = exported.score(
            source_ids=[example.source_ids],
            source_keep_mask=[[True] * len(example.source_ids)],
            style_ids=[exported.inference.styles.index(example.style)],
            summary_ids=[example.summary_ids],
        )
        for name, values in outputs.items():
            allowed = tolerance.log_prob if name == "log_probs" else tolerance.attention
            np.testing.assert_allclose(values[0], getattr(example, name), atol=allowed)


def test_the_graph_agrees_with_the_eager_model(
    exported: Exported, inputs: dict[str, Any], summaries: Arrays
) -> None:
    typed = {name: np.asarray(inputs[name], t) for name, t in artifact.SUMMARIZE_INPUTS.items()}
    eager = exported.inference.summarize(
        typed["source_ids"],
        typed["source_keep_mask"],
        typed["style_ids"],
        SearchOptions(*(typed[name] for name in SearchOptions._fields)),
        typed["sentence_ids"],
    )
    np.testing.assert_array_equal(summaries["summary_ids"], eager.summary_ids)
    np.testing.assert_allclose(
        summaries["score_per_hypothesis"], eager.score_per_hypothesis, rtol=1e-4
    )
    for name, values in eager.numbers._asdict().items():
        np.testing.assert_allclose(summaries[name], values, atol=1e-4)


def rescored(exported: Exported, inputs: dict[str, Any], summary_ids: Any, **other: Any) -> Arrays:
    names = ("source_ids", "source_keep_mask", "style_ids")
    return exported.score(
        **{name: inputs[name] for name in names} | {"summary_ids": summary_ids} | other
    )


def test_summarize_and_score_never_disagree(
    exported: Exported, inputs: dict[str, Any], summaries: Arrays
) -> None:
    for name, values in rescored(exported, inputs, summaries["summary_ids"]).items():
        np.testing.assert_allclose(values, summaries[name], atol=1e-5)


def test_attention_rows_sum_to_one_over_kept_tokens_and_are_zero_elsewhere(
    inputs: dict[str, Any], summaries: Arrays
) -> None:
    weights, real = summaries["attention_weights"], summaries["summary_ids"] != PAD_ID
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), real.astype(float), atol=1e-3)
    hidden = ~inputs["source_keep_mask"][:, None, :]
    assert not weights[np.broadcast_to(hidden, weights.shape)].any()


def test_all_numbers_are_finite_and_probabilities_are_shares(summaries: Arrays) -> None:
    for name in artifact.SCORE_OUTPUTS:
        assert np.isfinite(summaries[name]).all()
    for name in ("copy_gate", "copied_prob", "generated_prob"):
        assert ((summaries[name] >= 0) & (summaries[name] <= 1)).all()


def test_log_probs_are_of_the_sum_of_copying_and_generating(summaries: Arrays) -> None:
    real = summaries["summary_ids"] != PAD_ID
    total = summaries["copied_prob"] + summaries["generated_prob"]
    np.testing.assert_allclose(np.exp(summaries["log_probs"])[real], total[real], atol=1e-5)


def test_copied_prob_is_the_gate_times_the_attention_on_the_same_id(
    inputs: dict[str, Any], summaries: Arrays
) -> None:
    same = inputs["source_ids"][:, None, :] == summaries["summary_ids"][:, :, None]
    mass = np.where(same, summaries["attention_weights"], 0.0).sum(axis=-1)
    np.testing.assert_allclose(summaries["copied_prob"], summaries["copy_gate"] * mass, atol=1e-5)


def test_the_future_never_changes_the_past(
    exported: Exported, inputs: dict[str, Any], summaries: Arrays
) -> None:
    summary_ids = np.where(summaries["summary_ids"] == PAD_ID, 30, summaries["summary_ids"])
    changed = summary_ids.copy()
    changed[:, 3:] = 45
    before = rescored(exported, inputs, summary_ids)
    after = rescored(exported, inputs, changed)
    for name in artifact.SCORE_OUTPUTS:
        np.testing.assert_allclose(before[name][:, :3], after[name][:, :3], atol=1e-6)
    assert np.abs(before["log_probs"][:, 4:] - after["log_probs"][:, 4:]).max() > 1e-3


@pytest.mark.parametrize("num_beams", [1, 4])
def test_padding_and_batch_mates_change_nothing(
    exported: Exported, rows: list[list[int]], num_beams: int
) -> None:
    together = exported.summarize(**search_inputs(rows, length=64, num_beams=num_beams))
    for i, row in enumerate(rows):
        alone = exported.summarize(**search_inputs([row], num_beams=num_beams))
        assert alone["summary_ids"][0].tolist() == together["summary_ids"][i].tolist()
        window = together["attention_weights"][i][:, : len(row)]
        np.testing.assert_allclose(window, alone["attention_weights"][0], atol=1e-4)
        for name in ("log_probs", "copy_gate", "copied_prob", "generated_prob"):
            np.testing.assert_allclose(together[name][i], alone[name][0], atol=1e-4)


def test_what_stands_at_a_hidden_position_changes_nothing(
    exported: Exported, inputs: dict[str, Any], summaries: Arrays
) -> None:
    source_ids = inputs["source_ids"].copy()
    source_ids[0, [2, 5, 6]] = [77, 88, 99]
    after = exported.summarize(**inputs | {"source_ids": source_ids})
    for name, values in after.items():
        np.testing.assert_allclose(values, summaries[name], atol=1e-6)


def test_a_hidden_token_cannot_be_copied(exported: Exported, inputs: dict[str, Any]) -> None:
    token_id = int(inputs["source_ids"][0, 0])
    elsewhere = inputs["source_ids"][0] == token_id
    keep = inputs["source_keep_mask"].copy()
    summary_ids = np.full((3, 2), token_id)
    before = rescored(exported, inputs, summary_ids)
    keep[0, elsewhere] = False
    after = rescored(exported, inputs, summary_ids, source_keep_mask=keep)
    assert before["copied_prob"][0].min() > 0
    assert not after["copied_prob"][0].any()


def test_a_source_of_which_nothing_is_kept_gives_finite_numbers(
    exported: Exported, inputs: dict[str, Any]
) -> None:
    nothing = np.zeros_like(inputs["source_keep_mask"])
    outputs = exported.summarize(**inputs | {"source_keep_mask": nothing})
    assert not outputs["attention_weights"].any()
    assert all(np.isfinite(values).all() for values in outputs.values())


@pytest.mark.parametrize("num_beams", [1, 3])
def test_every_text_has_its_own_limits_which_count_the_end(
    exported: Exported, rows: list[list[int]], num_beams: int
) -> None:
    given = search_inputs(rows, num_beams=num_beams, longest=[1, 4, 7], least=[1, 4, 5])
    summary_ids = exported.summarize(**given)["summary_ids"]
    lengths = (summary_ids != PAD_ID).sum(axis=1)
    assert summary_ids.shape == (3, 7)
    assert lengths.tolist()[:2] == [1, 4]
    assert 5 <= lengths[2] <= 7
    for row, length in zip(summary_ids, lengths, strict=True):
        assert (row[:length] != PAD_ID).all()
        assert EOS_ID not in row[: length - 1].tolist()


def test_one_beam_is_greedy(exported: Exported, rows: list[list[int]]) -> None:
    vocab_size = exported.inference.model.config.vocab_size
    pieces = [piece_of(exported, i) for i in range(vocab_size)]
    table = transitions(pieces, end_ids=[EOS_ID])
    candidates = np.array([i for i in range(vocab_size) if pieces[i] or i == EOS_ID])
    source_ids = np.tile(np.array(rows[:1]), (len(candidates), 1))
    prefix: list[int] = []
    state = WHOLE
    for t in range(3):  # too short for a trigram to come twice
        summary_ids = np.array([[*prefix, candidate] for candidate in candidates])
        outputs = exported.score(
            source_ids=source_ids,
            source_keep_mask=source_ids > 0,
            style_ids=np.zeros(len(candidates)),
            summary_ids=summary_ids,
        )
        after = table[state, candidates]
        allowed = after == WHOLE if t == 2 else after != REFUSED
        best = int(np.where(allowed, outputs["log_probs"][:, t], -np.inf).argmax())
        prefix.append(int(candidates[best]))
        state = int(after[best])
        if prefix[-1] == EOS_ID:
            break
    found = exported.summarize(**search_inputs(rows[:1], num_beams=1, longest=3))
    assert [int(i) for i in found["summary_ids"][0] if i] == prefix


def piece_of(exported: Exported, token_id: int) -> bytes:
    return Tokenizer.load(exported.directory / artifact.TOKENIZER).token_bytes(token_id)


def test_the_score_is_that_of_the_constrained_search(
    summaries: Arrays, tokenizer: Tokenizer
) -> None:
    ids = summaries["summary_ids"]
    real = ids != PAD_ID
    pieces = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    # What the rules took from a summary is in its score, and in nothing else.
    taken = np.where(support_tables(pieces).small[ids[:, 0]], UNCAPITALISED, 0.0)
    totals = (summaries["log_probs"].sum(axis=1) + taken) * 6 / (5 + real.sum(axis=1))
    np.testing.assert_allclose(summaries["score_per_hypothesis"][:, 0], totals, rtol=1e-3)


def test_weights_can_be_taken_from_an_artifact(
    exported: Exported, make_network: Callable[..., Summarizer], tokenizer: Tokenizer
) -> None:
    other = make_network(tokenizer.vocab_size, seed=9)
    load_weights(exported.directory, other)
    expected = exported.inference.model.get_weights()
    for one, weight in zip(other.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, weight)


def test_weights_of_another_size_are_refused_by_name(
    exported: Exported, make_network: Callable[..., Summarizer], tokenizer: Tokenizer
) -> None:
    other = make_network(tokenizer.vocab_size, ffn_dim=24)
    with pytest.raises(
        ArtifactError, match=r"inner/kernel is \[8, 16\] in the artifact and \[8, 24\]"
    ):
        load_weights(exported.directory, other)


def test_weights_of_a_deeper_network_are_refused(
    exported: Exported, make_network: Callable[..., Summarizer], tokenizer: Tokenizer
) -> None:
    with pytest.raises(ArtifactError, match="in the artifact and"):
        load_weights(exported.directory, make_network(tokenizer.vocab_size, num_layers=3))


def test_another_search_than_the_eager_one_is_an_error(
    exported: Exported, apart: Outputs, wordy_network: Summarizer, tokenizer: Tokenizer
) -> None:
    inference = Lying(wordy_network, tokenizer, tokenizer.styles)
    with pytest.raises(ExportError, match="the exported search finds other summaries than the"):
        compare(apart, read_golden(exported.directory), inference)


def test_an_equally_good_summary_is_no_error(
    exported: Exported, apart: Outputs, wordy_network: Summarizer, tokenizer: Tokenizer
) -> None:
    inference = Tying(wordy_network, tokenizer, tokenizer.styles)
    compare(apart, read_golden(exported.directory), inference)


def test_other_sentence_logits_than_the_eager_ones_are_an_error(
    exported: Exported, apart: Outputs, wordy_network: Summarizer, tokenizer: Tokenizer
) -> None:
    inference = Misjudging(wordy_network, tokenizer, tokenizer.styles)
    with pytest.raises(ExportError, match=r"sentence logits differ by (1\.|0\.99)"):
        compare(apart, read_golden(exported.directory), inference)


def test_an_artifact_without_a_sentence_head_lends_all_else(
    exported: Exported,
    make_network: Callable[..., Summarizer],
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_network(tokenizer.vocab_size, seed=9)
    before = [np.asarray(v) for v in other.sentence_head.variables]
    reader = tf.train.load_checkpoint(str(exported.directory / "saved_model/variables/variables"))
    shapes = reader.get_variable_to_shape_map()
    count = len(other.variables) - len(before)
    older = {
        k: v
        for k, v in shapes.items()
        if not k.startswith("weights/") or int(k.split("/")[1]) < count
    }
    monkeypatch.setattr(type(reader), "get_variable_to_shape_map", lambda _: older)
    load_weights(exported.directory, other)
    np.testing.assert_array_equal(
        other.embedding.embeddings, exported.inference.model.embedding.embeddings
    )
    for variable, expected in zip(other.sentence_head.variables, before, strict=True):
        np.testing.assert_array_equal(variable, expected)


def test_a_failed_export_leaves_nothing_behind(
    exported: Exported,
    wordy_network: Summarizer,
    tokenizer: Tokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph is the one that was traced already; all that judges it is real."""

    def save_again(directory: Path, _: Inference) -> Any:
        written = artifact.SAVED_MODEL
        shutil.copytree(exported.directory / written, directory / written)
        return exported.loaded.signatures

    monkeypatch.setattr("model.export._save", save_again)
    lying = Lying(wordy_network, tokenizer, tokenizer.styles)
    with pytest.raises(ExportError, match="the exported search finds other summaries than the"):
        export(tmp_path / "root", lying, tokenizer, OPTIONS, TRAINING)
    assert list((tmp_path / "root").iterdir()) == []


def test_saliency_is_the_norm_of_the_gradient(
    exported: Exported, rows: list[list[int]], summaries: Arrays
) -> None:
    ids, position, step = padded(rows[:1], len(rows[0]) + 3), 4, 1e-2
    keep = ids > 0
    keep[0, 2] = False
    summary_ids = summaries["summary_ids"][:1]
    weights = np.array([[1.0, 0.5] + [0.0] * (summary_ids.shape[1] - 2)], np.float32)
    inputs = {"source_keep_mask": keep, "style_ids": [0], "summary_ids": summary_ids}
    found = exported.ask("saliency", source_ids=ids, target_weights=weights, **inputs)["saliency"]
    assert not found[~keep].any()
    assert (found[keep] > 0).all()
    # The same by central differences, all directions in one batch.
    network = exported.inference.model
    embedded = np.repeat(np.asarray(network.embed(ids)), 16, axis=0)
    moves = np.concatenate([np.eye(8), -np.eye(8)]) * step
    embedded[:, position] += moves
    many = {name: np.repeat(value, 16, axis=0) for name, value in inputs.items()}
    scored = exported.inference.score(np.repeat(ids, 16, axis=0), embedded=embedded, **many)
    totals = (np.asarray(scored.log_probs) * weights).sum(axis=1)
    gradient = (totals[:8] - totals[8:]) / (2 * step)
    assert float(found[0, position]) == pytest.approx(np.linalg.norm(gradient), rel=2e-2)


def test_self_attention_shows_one_head_of_one_layer(
    exported: Exported, rows: list[list[int]]
) -> None:
    ids = padded(rows, 40)
    keep = ids > 0
    shown = {
        (layer, head): exported.ask(
            "self_attention", source_ids=ids, source_keep_mask=keep, layer=layer, head=head
        )["attention_weights"]
        for layer in range(2)
        for head in range(2)
    }
    for weights in shown.values():
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
        assert not weights[np.broadcast_to(~keep[:, None, :], weights.shape)].any()
    distinct = {weights.tobytes() for weights in shown.values()}
    assert len(distinct) == 4


def test_an_export_that_does_not_load_is_an_error(exported: Exported, tmp_path: Path) -> None:
    golden = read_golden(exported.directory)
    with pytest.raises(
        ExportError, match=r"a fresh process can't run the export: (?s:.*)not exist"
    ):
        verify(tmp_path, golden, exported.inference)


def test_other_numbers_than_the_eager_models_are_an_error(
    exported: Exported, apart: Outputs
) -> None:
    (first, *others) = read_golden(exported.directory)
    broken = replace(first, copy_gate=[float("nan"), *first.copy_gate[1:]])
    with pytest.raises(
        ExportError, match=r"golden example 0: copy_gate differs by nan, over 0\.001"
    ):
        compare(apart, [broken, *others], exported.inference)
