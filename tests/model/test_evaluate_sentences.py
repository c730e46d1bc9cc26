from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.artifact import Manifest, file_digests, model_digest, write_manifest
from model.evaluate_sentences import (
    HEAD,
    ORACLE,
    Method,
    MethodScores,
    baselines,
    best_baseline,
    hide_lead,
    main,
    measure,
    table,
)
from model.evaluation.rouge import rouge
from model.tokenizer import Tokenizer

SENTENCES = [
    "The council of Vexley voted for a tram line.",
    "It will cost nine million crowns.",
    "Rain fell all week.",
    "Nobody was hurt.",
    "A band played.",
    "The tram line will cost nine million.",
    "The council voted late.",
]
TEXT = " ".join(SENTENCES)


def test_the_lead_is_hidden_and_the_rest_stays_as_it_is() -> None:
    found = hide_lead(TEXT)
    assert found is not None
    assert found.hidden == SENTENCES[:2]
    assert found.sentences == SENTENCES[2:]
    assert found.text == " ".join(SENTENCES[2:])


def test_a_text_of_four_sentences_is_too_short() -> None:
    assert hide_lead(" ".join(SENTENCES[:4])) is None
    assert hide_lead(" ".join(SENTENCES[:5])) is not None


def measured(**methods: Method) -> dict[str, np.ndarray]:
    text = hide_lead(TEXT)
    assert text is not None
    return {result.name: result.scores for result in measure([text, text], methods)}


def test_a_method_is_measured_by_the_three_sentences_that_it_scores_best() -> None:
    picks = Method(lambda text, spans: np.array([0.0, 3.0, 0.0, 2.0, 1.0]))
    expected = rouge([" ".join(SENTENCES[i] for i in (3, 5, 6))], [" ".join(SENTENCES[:2])])
    np.testing.assert_allclose(measured(picks=picks)["picks"], np.repeat(expected, 2, axis=0))


def test_a_method_sees_nothing_of_the_lead() -> None:
    def score(text: str, spans: object) -> np.ndarray:
        assert "Vexley" not in text
        return np.zeros(5)

    measured(blind=Method(score))


def test_the_labels_themselves_are_measured_last() -> None:
    found = measured(**baselines(0.5, seed=0))
    assert list(found) == ["random", "next three", "TextRank", ORACLE]
    expected = rouge([" ".join(SENTENCES[i] for i in (5, 6))], [" ".join(SENTENCES[:2])])
    np.testing.assert_allclose(found[ORACLE][:1], expected)


def test_next_three_are_the_next_three() -> None:
    expected = rouge([" ".join(SENTENCES[2:5])], [" ".join(SENTENCES[:2])])
    np.testing.assert_allclose(measured(**baselines(1.0, seed=0))["next three"][:1], expected)


def test_the_best_baseline_is_chosen_for_each_metric_and_is_neither_head_nor_oracle() -> None:
    results = [
        MethodScores("one", np.array([[5.0, 1.0, 2.0]])),
        MethodScores("two", np.array([[4.0, 3.0, 2.5]])),
        MethodScores(HEAD, np.array([[9.0, 9.0, 9.0]])),
        MethodScores(ORACLE, np.array([[9.5, 9.5, 9.5]])),
    ]
    names, scores = best_baseline(results)
    assert names == ["one", "two", "two"]
    np.testing.assert_array_equal(scores, [[5.0, 3.0, 2.5]])


def test_the_table_says_how_far_the_head_is_above_its_best_rival() -> None:
    results = [MethodScores("next three", np.full((9, 3), 30.0))]
    assert "interval" not in table(results)
    shown = table([*results, MethodScores(HEAD, np.full((9, 3), 32.5))])
    assert f"| {HEAD} | 32.5 | 32.5 |" in shown
    assert f"R-2: {HEAD} minus next three, 95 % interval +2.5 to +2.5" in shown


# -------------------------------------------------------------------------- the command line


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"text": TEXT, "summary": "A line", "source": "long"} for _ in range(3)]
    short = {"text": "Too short.", "summary": "Short"}
    rows += [{**short, "source": source} for source in ("long", "short")]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_data_set_is_shown_by_itself(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(data), "--baselines-only"]) == 0
    shown = capsys.readouterr().out
    assert "long: 3 texts, 1 have too few sentences\n\n| method | R-1 | R-2 |" in shown
    assert shown.endswith("short: 0 texts, 1 have too few sentences\n\n")
    assert HEAD not in shown
    assert "copy mass" not in shown


def test_chance_does_not_depend_on_the_sets_before(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--data", str(data), "--baselines-only"])
    first = capsys.readouterr().out.split("\n\nshort:")[0]
    rows = data.read_text(encoding="utf-8").replace('"source": "short"', '"source": "a"')
    more = rows + rows.replace('"source": "long"', '"source": "b"')
    data.write_text(more, encoding="utf-8")
    main(["--data", str(data), "--baselines-only"])
    assert first.split("\n\n")[1] in capsys.readouterr().out.split("long:")[1]


def save_artifact(directory: Path, tokenizer: Tokenizer) -> None:
    """Copies the first token, and has a head that likes the last sentences."""
    shape = tf.TensorSpec([None, None], tf.int32)
    mask = tf.TensorSpec([None, None], tf.bool)
    row, real = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)

    @tf.function(
        input_signature=[shape, mask, row, row, row, real, tf.TensorSpec([], tf.int32)],
        autograph=False,
    )
    def summarize(
        source_ids, source_keep_mask, style_ids, max_new_tokens, min_new_tokens,
        length_penalty, num_beams,
    ):  # fmt: skip
        weights = tf.one_hot(tf.zeros_like(style_ids), tf.shape(source_ids)[1])[:, None, :]
        return {"copy_gate": tf.ones_like(weights[:, :, 0]), "attention_weights": weights}

    @tf.function(input_signature=[shape, mask, shape], autograph=False)
    def score_sentences(source_ids, source_keep_mask, sentence_ids):
        logits = tf.range(tf.reduce_max(sentence_ids), dtype=tf.int32)
        return {"sentence_logits": tf.cast(logits, tf.float32)[None, :]}

    module = tf.Module()
    module.summarize, module.score_sentences = summarize, score_sentences
    signatures = {"summarize": summarize, "score_sentences": score_sentences}
    tf.saved_model.save(module, str(directory / "saved_model"), signatures)
    tokenizer.save(directory / "tokenizer.json")
    manifest = Manifest(
        name="summarizer",
        version="1",
        model_sha256=model_digest(directory),
        styles=("headline",),
        default_style="headline",
        max_source_tokens=200,
        max_summary_tokens=32,
        default_num_beams=1,
        default_length_penalty=1.0,
        default_min_new_tokens=1,
        default_max_new_tokens=8,
        precision="float32",
        config={},
        training={},
        low_confidence_log_prob=None,
        files=file_digests(directory),
        created="2026-11-22T00:00:00+00:00",
    )
    write_manifest(directory, manifest)


def test_an_artifact_is_asked_for_what_it_copied_and_for_its_head(
    data: Path, tokenizer: Tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "1"
    directory.mkdir()
    save_artifact(directory, tokenizer)
    arguments = ["--data", str(data), "--artifact", str(directory), "--limit", "2"]
    assert main([*arguments, "--diversity", "0"]) == 0
    shown = capsys.readouterr().out
    assert "long: 2 texts" in shown
    reference = [" ".join(SENTENCES[:2])]
    last, first = (
        rouge([" ".join(SENTENCES[i] for i in picked)], reference)[0]
        for picked in ((4, 5, 6), (2, 3, 4))
    )
    assert f"| {HEAD} | {last[0]:.1f} | {last[1]:.1f} |" in shown
    assert f"| copy mass | {first[0]:.1f} | {first[1]:.1f} |" in shown
    assert f"R-1: {HEAD} minus " in shown
