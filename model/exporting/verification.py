"""Whether an export computes, in a process without our code, what the eager network computes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import artifact
from model.artifact import GOLDEN_TOLERANCE, GoldenExample
from model.data import padded
from model.exporting.signatures import PRECISION
from model.inference import Inference
from model.steering.filters import SearchOptions
from model.tokenizer import EOS_ID

TOLERANCE = GOLDEN_TOLERANCE[PRECISION]
VERIFIED_STEPS, SENTENCE_TOKENS = 8, 20


class ExportError(RuntimeError):
    """The exported model is not the eager one; nothing was published."""


_FRESH_PROCESS = """
import sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
outputs = {}
for signature in model.signatures:
    function = model.signatures[signature]
    names = function.structured_input_signature[1]
    with np.load(sys.argv[2]) as inputs:
        found = function(**{name: tf.constant(inputs[name]) for name in names})
    outputs |= {f"{signature}/{name}": value.numpy() for name, value in found.items()}
np.savez(sys.argv[3], **outputs)
assert "model" not in sys.modules
"""


Outputs = dict[str, NDArray[Any]]
"""Of all signatures, as `signature/name`."""


def verify(directory: Path, golden: list[GoldenExample], inference: Inference) -> None:
    """Summarizes and scores the golden texts in a process that has none of our code.

    Raises:
        ExportError: it fails there, or the numbers differ by more than the contract allows.
    """
    compare(run_apart(directory, golden, inference.styles), golden, inference)


def run_apart(directory: Path, golden: list[GoldenExample], styles: tuple[str, ...]) -> Outputs:
    """What the exported signatures say of the golden texts in a fresh process.

    Raises:
        ExportError: it fails there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        np.savez(inputs, allow_pickle=False, **golden_inputs(golden, styles))
        command = [sys.executable, "-I", "-c", _FRESH_PROCESS]
        paths = [str(directory / artifact.SAVED_MODEL), str(inputs), str(outputs)]
        run = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)  # noqa: S603  # our own code and paths
        if run.returncode:
            raise ExportError(f"a fresh process can't run the export: {run.stderr[-2000:]}")
        with np.load(outputs) as arrays:
            return dict(arrays)


def compare(outputs: Outputs, golden: list[GoldenExample], inference: Inference) -> None:
    """Holds what `run_apart` found against the golden numbers and the eager network.

    Raises:
        ExportError: they differ by more than the contract allows.
    """
    batch = golden_inputs(golden, inference.styles)
    _compare_scores(outputs, golden)
    _compare_summaries(outputs, batch, inference)
    _compare_sentences(outputs["score_sentences/sentence_logits"], batch, inference)


def golden_inputs(
    golden: list[GoldenExample], styles: tuple[str, ...]
) -> dict[str, NDArray[np.generic]]:
    """The golden examples as one padded batch, with limits for a short beam search."""
    source_ids = padded([e.source_ids for e in golden], max(len(e.source_ids) for e in golden))
    summary_ids = padded([e.summary_ids for e in golden], max(len(e.summary_ids) for e in golden))
    numbers = np.arange(source_ids.shape[1], dtype=np.int32) // SENTENCE_TOKENS + 1
    return {
        "source_ids": source_ids,
        "source_keep_mask": source_ids > 0,
        "sentence_ids": np.where(source_ids > EOS_ID, numbers, 0),
        "style_ids": np.array([styles.index(e.style) for e in golden], np.int32),
        "summary_ids": summary_ids,
        "max_new_tokens": np.full(len(golden), VERIFIED_STEPS, np.int32),
        "min_new_tokens": np.full(len(golden), 2, np.int32),
        "length_penalty": np.full(len(golden), 1.0, np.float32),
        "num_beams": np.array(2, np.int32),
        "num_candidates": np.array(2, np.int32),
        "strict_support": np.ones(len(golden), bool),
        "target_weights": (summary_ids > 0).astype(np.float32),
        "layer": np.array(0, np.int32),
        "head": np.array(0, np.int32),
    }


def _compare_summaries(outputs: Any, batch: dict[str, Any], inference: Inference) -> None:
    """The same summaries, or where two hypotheses all but tie, equally good ones."""
    options = SearchOptions(*(batch[name] for name in SearchOptions._fields))
    eager = inference.summarize(
        batch["source_ids"],
        batch["source_keep_mask"],
        batch["style_ids"],
        options,
        batch["sentence_ids"],
    )
    expected, found = np.asarray(eager.summary_ids), outputs["summarize/summary_ids"]
    best = np.asarray(eager.score_per_hypothesis)[:, 0]
    distance = np.abs(outputs["summarize/score_per_hypothesis"][:, 0] - best)
    same = expected.shape == found.shape and np.array_equal(expected, found)
    if not same and not distance.max() <= TOLERANCE.log_prob:
        raise ExportError("the exported search finds other summaries than the eager one")


def _compare_sentences(
    found: NDArray[np.float32], batch: dict[str, Any], inference: Inference
) -> None:
    names = artifact.SCORE_SENTENCES_INPUTS
    expected = np.asarray(inference.score_sentences(**{name: batch[name] for name in names}))
    distance = float(np.abs(found - expected).max())
    if not distance <= TOLERANCE.log_prob:
        raise ExportError(f"sentence logits differ by {distance}")


def _compare_scores(outputs: Any, golden: list[GoldenExample]) -> None:
    for i, example in enumerate(golden):
        for name in artifact.SCORE_OUTPUTS:
            expected = np.array(getattr(example, name))
            window = outputs[f"score/{name}"][i][tuple(slice(size) for size in expected.shape)]
            found = float(np.abs(window - expected).max())
            allowed = TOLERANCE.log_prob if name == "log_probs" else TOLERANCE.attention
            if not found <= allowed:
                raise ExportError(f"golden example {i}: {name} differs by {found}, over {allowed}")
