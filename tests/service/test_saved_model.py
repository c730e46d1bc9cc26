"""Loading: a sound artifact answers, any other is refused. The graph is a toy of a few lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import artifact
from model.artifact import ArtifactError, GoldenExample, Manifest
from model.tokenizer import Tokenizer
from service import engine_process
from service.engine import Batch
from service.errors import OutOfMemory
from service.predictor import DeviceUnavailable, SummarizeOptions, Summary, TooLong
from service.saved_model import load_engine
from service.settings import Settings

TEXTS = ["the city council voted to build a tram line", "work starts in spring this year"]

OPTIONS = SummarizeOptions(
    style="headline", num_beams=1, max_new_tokens=3, min_new_tokens=1, length_penalty=1.0,
    truncation="lead", support="strict", key_sentences=2, candidates=1,
)  # fmt: skip


def toy_graph(tokenizer_sha256: str, error: float = 0.01) -> tuple[Any, dict[str, Any]]:
    """Copies the first two tokens, attends evenly, and is sure to one half of everything.

    In bfloat16 by `error` more.
    """
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(0.5)
    module.tokenizer_sha256 = tf.Variable(tokenizer_sha256, trainable=False)
    for name, weight in zip(artifact.COMPUTE_IN.values(), (0.5, 0.5 + error), strict=True):
        compute = tf.function(partial(module.weight.assign, weight), input_signature=[])
        setattr(module, name, compute)

    def spec(name: str, dtype: str) -> Any:
        twos = ("source_ids", "source_keep_mask", "summary_ids", "sentence_ids")
        rank = dict.fromkeys(twos, 2) | {"num_beams": 0, "num_candidates": 0}
        return tf.TensorSpec([None] * rank.get(name, 1), dtype, name=name)

    def score_sentences(source_ids: Any, source_keep_mask: Any, sentence_ids: Any) -> Any:
        """Counts the tokens of each sentence."""
        numbers = tf.range(1, tf.reduce_max(sentence_ids) + 1)
        is_its = (
            tf.equal(sentence_ids[:, None, :], numbers[None, :, None])
            & (source_ids >= 0)[:, None, :]
        )
        counts = tf.reduce_sum(tf.cast(is_its, tf.float32), axis=2)
        zero = 0.0 * tf.reduce_sum(tf.cast(source_keep_mask, tf.float32))
        return {"sentence_logits": tf.where(counts > 0, counts + zero, -1e9)}

    def score(source_ids: Any, source_keep_mask: Any, style_ids: Any, summary_ids: Any) -> Any:
        keep = tf.cast(source_keep_mask, tf.float32)
        even = keep / tf.reduce_sum(keep, axis=1, keepdims=True)  # (B, S)
        half = tf.ones_like(summary_ids, tf.float32) * module.weight  # (B, T)
        return {
            "log_probs": tf.math.log(half),
            "attention_weights": even[:, None, :] * tf.ones_like(half)[:, :, None],
            "copy_gate": half,
            "copied_prob": half / 2,
            "generated_prob": half / 2,
        }

    def summarize(
        source_ids: Any, source_keep_mask: Any, style_ids: Any, max_new_tokens: Any,
        min_new_tokens: Any, length_penalty: Any, num_beams: Any, strict_support: Any,
        sentence_ids: Any, num_candidates: Any,
    ) -> Any:  # fmt: skip
        end = tf.ones_like(source_ids[:, :1])
        summary_ids = tf.concat([source_ids[:, :2], end], axis=1)
        numbers = score(source_ids, source_keep_mask, style_ids, summary_ids)
        zero = tf.cast(num_beams, tf.float32) * length_penalty * 0.0
        # With the widest search, more than any processor can address.
        size = tf.where(num_beams < 8, tf.constant(1, tf.int64), tf.constant(2**46, tf.int64))
        zero += tf.fill([size], 0.0)[0]
        sentences = score_sentences(source_ids, source_keep_mask, sentence_ids)
        loose = tf.where(strict_support, 0.0, -1.0)
        return {
            "summary_ids": summary_ids,
            "hypothesis_ids": tf.repeat(summary_ids[:, None], num_beams, axis=1),
            "score_per_hypothesis": tf.repeat((zero + loose)[:, None], num_beams, axis=1),
            **sentences,
            **numbers,
        }

    signatures = {
        name: tf.function(function).get_concrete_function(
            **{n: spec(n, t) for n, t in inputs.items()}
        )
        for name, function, inputs in [
            (artifact.SUMMARIZE, summarize, artifact.SUMMARIZE_INPUTS),
            (artifact.SCORE, score, artifact.SCORE_INPUTS),
            (artifact.SCORE_SENTENCES, score_sentences, artifact.SCORE_SENTENCES_INPUTS),
        ]
    }
    return module, signatures


def golden(tokenizer: Tokenizer) -> GoldenExample:
    ids = tokenizer.encode(TEXTS[0]).ids
    return GoldenExample(
        text=TEXTS[0],
        style="headline",
        source_ids=ids,
        summary_ids=[*ids[:2], 1],
        log_probs=[float(np.log(0.5))] * 3,
        attention_weights=[[1 / len(ids)] * len(ids)] * 3,
        copy_gate=[0.5] * 3,
        copied_prob=[0.25] * 3,
        generated_prob=[0.25] * 3,
    )


def save_graph(
    directory: Path, signatures: Callable[[dict[str, Any]], dict[str, Any]], **changes: Any
) -> None:
    import tensorflow as tf

    module, functions = toy_graph(artifact.file_sha256(directory / artifact.TOKENIZER), **changes)
    path = str(directory / artifact.SAVED_MODEL)
    tf.saved_model.save(module, path, signatures=signatures(functions))


def seal(directory: Path, **changes: Any) -> None:
    manifest = Manifest(
        name="summarizer",
        version="3",
        model_sha256=artifact.model_digest(directory),
        styles=("headline", "tldr"),
        default_style="headline",
        max_source_tokens=70,
        max_summary_tokens=8,
        default_num_beams=2,
        default_length_penalty=1.0,
        default_min_new_tokens=1,
        default_max_new_tokens=3,
        precision="float32",
        config={},
        training={},
        low_confidence_log_prob=None,
        files=artifact.file_digests(directory),
        created="2026-11-22T00:00:00+00:00",
    )
    artifact.write_manifest(directory, replace(manifest, **changes))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("artifacts") / "3"
    directory.mkdir()
    tokenizer = Tokenizer.train(TEXTS, TEXTS, ["headline", "tldr"], 300)
    tokenizer.save(directory / artifact.TOKENIZER)
    save_graph(directory, dict)
    artifact.write_golden(directory, [golden(tokenizer)])
    seal(directory)
    return directory


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every machine, where a test does not say otherwise."""
    monkeypatch.setenv("SUMMARIZER_PRECISION", "float32")


@pytest.fixture
def directory(sound: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(sound, tmp_path / "3"))


def refusal(directory: Path, **settings: Any) -> str:
    with pytest.raises(ArtifactError) as raised:
        load_engine(Settings(artifact=directory, **settings))
    assert str(directory) not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("given", ["the artifact", "its parent"])
def test_a_sound_artifact_answers(sound: Path, given: str) -> None:
    path = sound if given == "the artifact" else sound.parent
    engine = load_engine(Settings(artifact=path, device="cpu", max_batch_tokens=64))
    assert (engine.info.version, engine.info.device) == ("3", "cpu")
    assert engine.info.sha256 == artifact.model_digest(sound)
    texts = [TEXTS[1], "", *TEXTS, "Long one. " * 45]
    summaries = engine.summarize(texts, OPTIONS)
    for text, summary in zip(texts, summaries, strict=True):
        assert text.startswith(summary.text)
        assert summary.attention.shape == (len(summary.log_probs), summary.used_source_tokens)
        assert summary.attention.sum(axis=1) == pytest.approx(1)
        assert summary.copied_share == pytest.approx(0.5)
        assert summary.stage_seconds.keys() == {"tokenize", "model"}
    assert [summary.truncated for summary in summaries] == [False] * 4 + [True]
    assert [len(summary.key_sentences) for summary in summaries] == [1, 0, 1, 1, 2]
    assert summaries[0].key_sentences[0].score == 1.0
    assert summaries[4].key_sentences[0].score < 0.1  # a share of the text, not of its chunk
    strict = engine.summarize(TEXTS, replace(OPTIONS, candidates=2, num_beams=2))
    loose = engine.summarize(TEXTS, replace(OPTIONS, candidates=2, num_beams=2, support="loose"))
    for found, score in [(strict, 0.0), (loose, -1.0)]:
        assert [(c.text, c.score) for c in found[0].candidates] == [(found[0].text, score)] * 2
    *rest, last = engine.summarize(texts, replace(OPTIONS, truncation="error"))
    assert all(isinstance(one, Summary) for one in rest)
    assert last == TooLong(tokens=summaries[4].total_source_tokens, limit=70)


def test_in_bfloat16_the_graph_is_told_so_and_held_to_its_tolerance(sound: Path) -> None:
    engine = load_engine(Settings(artifact=sound, device="cpu", precision="bfloat16"))
    assert engine.info.precision == "bfloat16"
    (summary,) = engine.summarize(TEXTS[:1], OPTIONS)
    assert isinstance(summary, Summary)
    assert summary.copy_gate == pytest.approx(0.51)
    exact = load_engine(Settings(artifact=sound, device="cpu", precision="float32"))
    assert exact.info.precision == "float32"


def test_a_graph_that_has_no_bfloat16_computes_in_float32_and_says_so(
    sound: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.saved_model.COMPUTE_IN", {"bfloat16": "unheard_of"})
    engine = load_engine(Settings(artifact=sound, device="cpu", precision="bfloat16"))
    assert engine.info.precision == "float32"
    assert "can't compute in bfloat16" in caplog.text


def test_a_graph_that_is_too_inexact_in_bfloat16_computes_in_float32_and_says_so(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(directory / artifact.SAVED_MODEL)
    save_graph(directory, dict, error=0.04)
    seal(directory)
    engine = load_engine(Settings(artifact=directory, device="cpu", precision="bfloat16"))
    assert engine.info.precision == "float32"
    assert (
        "not in bfloat16 (golden example 0: log_probs is out of tolerance), but in float32"
        in caplog.text
    )
    (summary,) = engine.summarize(TEXTS[:1], OPTIONS)
    assert isinstance(summary, Summary)
    assert summary.copy_gate == pytest.approx(0.5)


def test_a_worker_gives_a_sign_of_life_after_each_call_of_the_model(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs: list[None] = []
    monkeypatch.setattr(engine_process, "get_on", lambda: signs.append(None))
    monkeypatch.setattr(engine_process, "configure_logs", lambda _: None)
    _, handle = engine_process.load(Settings(artifact=sound, device="cpu"))
    signs.clear()
    options = replace(OPTIONS, truncation="select")
    reply = handle(Batch(texts=["Long one. " * 45, TEXTS[0]], options=options))
    assert len(signs) == len(reply.calls) > 1


def test_no_length_and_no_number_of_texts_is_traced_anew_but_a_trace_would_be_seen(
    sound: Path,
) -> None:
    import tensorflow as tf

    engine = load_engine(Settings(artifact=sound, device="cpu"))
    engine.take_state()
    words = " ".join(TEXTS)
    for texts in ([words[:7]], TEXTS, [words, *TEXTS], [words * 9], [words[:20]] * 7):
        engine.summarize(texts, OPTIONS)
        engine.summarize(texts, replace(OPTIONS, num_beams=2, truncation="select"))
    assert engine.take_state().traces == 0
    doubled = tf.function(lambda x: 2 * x)
    doubled(tf.zeros(1))
    doubled(tf.zeros(2))
    assert engine.take_state().traces >= 2


def test_a_lack_of_memory_is_told_apart(sound: Path) -> None:
    engine = load_engine(Settings(artifact=sound, device="cpu"))
    with pytest.raises(OutOfMemory):
        engine.summarize(TEXTS, replace(OPTIONS, num_beams=8))
    assert len(engine.summarize(TEXTS, OPTIONS)) == 2


def test_the_warm_up_may_be_left_out(sound: Path) -> None:
    assert load_engine(Settings(artifact=sound, warm_up=False)).info.name == "summarizer"


def test_a_gpu_is_taken_or_its_absence_is_an_error(sound: Path) -> None:
    import tensorflow as tf

    gpu = Settings(artifact=sound, device="gpu")
    if tf.config.list_physical_devices("GPU"):
        assert load_engine(gpu).info.device.startswith("gpu")
    else:
        with pytest.raises(DeviceUnavailable, match="it finds: /physical_device:CPU:0"):
            load_engine(gpu)


def test_a_directory_without_artifacts_is_refused(tmp_path: Path) -> None:
    assert "no artifact" in refusal(tmp_path)


def test_a_changed_weight_is_refused(directory: Path) -> None:
    (weights,) = (directory / artifact.SAVED_MODEL / "variables").glob("*.data-*")
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    assert "variables.data" in refusal(directory)


def test_a_changed_merge_is_refused_even_with_a_new_manifest(directory: Path) -> None:
    path = directory / artifact.TOKENIZER
    state = json.loads(path.read_text(encoding="utf-8"))
    merges = state["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]
    path.write_text(json.dumps(state), encoding="utf-8")
    assert "tokenizer.json" in refusal(directory)
    seal(directory)
    assert refusal(directory) == "tokenizer.json isn't the one that the graph was exported with"


def test_a_changed_byte_of_the_manifest_is_refused(directory: Path) -> None:
    path = directory / artifact.MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"version": "3"', b'"version": "4"'))
    assert "manifest.json was changed" in refusal(directory)


@pytest.mark.parametrize("name", artifact.SCORE_OUTPUTS)
@pytest.mark.parametrize("fault", ["off", "nan", "shape"])
def test_an_artifact_that_contradicts_its_golden_outputs_is_refused(
    directory: Path, name: str, fault: str
) -> None:
    (example,) = artifact.read_golden(directory)
    values = np.array(getattr(example, name))
    wrong = {"off": values + 2e-3, "nan": values * np.nan, "shape": values[:-1]}[fault]
    artifact.write_golden(directory, [replace(example, **{name: wrong.tolist()})])
    seal(directory)
    assert refusal(directory) == f"golden example 0: {name} is out of tolerance"


def test_a_text_that_is_tokenized_otherwise_is_refused(directory: Path) -> None:
    (example,) = artifact.read_golden(directory)
    artifact.write_golden(directory, [replace(example, text=f"{example.text}!")])
    seal(directory)
    assert refusal(directory) == "golden example 0 is tokenized into other ids"


def test_a_graph_without_a_signature_is_refused(directory: Path) -> None:
    shutil.rmtree(directory / artifact.SAVED_MODEL)
    save_graph(directory, lambda functions: {artifact.SCORE: functions[artifact.SCORE]})
    seal(directory)
    assert refusal(directory) == "the graph has no signature summarize"


def test_a_graph_with_other_tensors_is_refused(directory: Path) -> None:
    shutil.rmtree(directory / artifact.SAVED_MODEL)
    save_graph(directory, lambda functions: dict.fromkeys(functions, functions[artifact.SCORE]))
    seal(directory)
    assert "summarize input tensors differ" in refusal(directory)


def test_a_graph_that_cannot_be_loaded_is_refused(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (directory / artifact.SAVED_MODEL / "saved_model.pb").write_bytes(b"nonsense")
    seal(directory)
    assert "saved_model can't be loaded" in refusal(directory)
    assert "the SavedModel can't be loaded" in caplog.text
