"""SavedModel signatures; write, reload in a fresh process, compare, publish.

Imports TensorFlow; whoever needs this room imports it when it is needed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model import artifact
from model.artifact import GOLDEN_TOLERANCE, GoldenExample, Manifest
from model.card import render
from model.data import padded
from model.decoding import SearchOptions
from model.golden import LEAD, golden_examples
from model.inference import Inference
from model.tokenizer import Tokenizer

PRECISION = "float32"
GOLDEN_STEPS, VERIFIED_STEPS = 24, 8


class ExportError(RuntimeError):
    """The exported model is not the eager one; nothing was published."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What the manifest promises beyond the weights."""

    default_style: str
    max_source_tokens: int
    max_summary_tokens: int = 64
    num_beams: int = 4
    length_penalty: float = 1.4
    min_new_tokens: int = 3
    max_new_tokens: int = 40
    golden_lead: float = LEAD
    low_confidence_log_prob: float | None = None


class Signatures(tf.Module):  # type: ignore[misc]  # TensorFlow is untyped
    """`summarize` and `score` over one set of weights."""

    def __init__(self, inference: Inference, tokenizer_sha256: str) -> None:
        super().__init__()
        self._inference = inference
        self.weights = [variable.value for variable in inference.model.variables]
        self.tokenizer_sha256 = tf.Variable(tokenizer_sha256, trainable=False)

    def functions(self) -> dict[str, Any]:
        """The traced signatures by name."""
        return {
            artifact.SUMMARIZE: _traced(self._summarize, artifact.SUMMARIZE_INPUTS),
            artifact.SCORE: _traced(self._score, artifact.SCORE_INPUTS),
        }

    def _summarize(self, **inputs: Any) -> dict[str, Any]:
        options = SearchOptions(*(inputs[name] for name in SearchOptions._fields))
        found = self._inference.summarize(
            inputs["source_ids"], inputs["source_keep_mask"], inputs["style_ids"], options
        )
        return {
            "summary_ids": found.summary_ids,
            "score_per_hypothesis": found.score_per_hypothesis,
            **found.numbers._asdict(),
        }

    def _score(self, **inputs: Any) -> dict[str, Any]:
        return dict(self._inference.score(**inputs)._asdict())


_RANKS = {"source_ids": 2, "source_keep_mask": 2, "summary_ids": 2, "num_beams": 0}


def _traced(function: Any, inputs: Mapping[str, str]) -> Any:
    specs = {
        name: tf.TensorSpec([None] * _RANKS.get(name, 1), dtype, name=name)
        for name, dtype in inputs.items()
    }
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def export(
    root: Path,
    inference: Inference,
    tokenizer: Tokenizer,
    options: ExportOptions,
    training: dict[str, Any],
) -> Path:
    """Publishes the next version under `root`.

    Args:
        root: `artifacts/summarizer` or the like; versions are its numbered directories.
        inference: The eager model, against which the export is compared.
        tokenizer: Stored beside it.
        options: Defaults and limits for the manifest.
        training: Provenance: data with digests and rights, seed, steps.

    Returns:
        The directory of the new version.

    Raises:
        ExportError: a fresh process computes other numbers than the eager model.
        GoldenError: no golden text is clear enough.
    """
    root.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in root.iterdir() if path.name.isdecimal()]
    version = max(versions, default=0) + 1
    with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as partial:
        directory = Path(partial) / str(version)
        directory.mkdir()
        tokenizer.save(directory / artifact.TOKENIZER)
        functions = _save(directory, inference)
        golden = golden_examples(
            inference,
            tokenizer,
            _greedy(functions[artifact.SUMMARIZE]),
            options.max_source_tokens,
            options.golden_lead,
        )
        artifact.write_golden(directory, golden)
        verify(directory, golden, inference)
        manifest = _manifest(directory, version, inference, options, training)
        (directory / artifact.MODEL_CARD).write_text(render(manifest), encoding="utf-8")
        listed = artifact.file_digests(directory)
        artifact.write_manifest(directory, Manifest(**{**vars(manifest), "files": listed}))
        target = root / str(version)
        shutil.move(directory, target)
    return target


def load_weights(directory: Path, model: Any) -> None:
    """Assigns the weights of an artifact to a network of the same sizes.

    Raises:
        ArtifactError: the directory holds no artifact, or one of another network.
    """
    artifact.read_manifest(directory)
    reader = tf.train.load_checkpoint(str(directory / artifact.SAVED_MODEL / "variables/variables"))
    for i, variable in enumerate(model.variables):
        name = f"weights/{i}/.ATTRIBUTES/VARIABLE_VALUE"
        shape = reader.get_variable_to_shape_map().get(name)
        if shape != list(variable.shape):
            raise artifact.ArtifactError(
                f"{variable.path} is {shape} in the artifact and {list(variable.shape)} here"
            )
        variable.assign(reader.get_tensor(name))


def _save(directory: Path, inference: Inference) -> dict[str, Any]:
    tokenizer_sha256 = artifact.file_sha256(directory / artifact.TOKENIZER)
    module = Signatures(inference, tokenizer_sha256)
    functions = module.functions()
    path = str(directory / artifact.SAVED_MODEL)
    tf.saved_model.save(module, path, signatures=functions)
    return functions


def _greedy(summarize: Any) -> Any:
    def search(source_ids: NDArray[np.int32], style_ids: NDArray[np.int32]) -> Any:
        found = summarize(
            source_ids=tf.constant(source_ids),
            source_keep_mask=tf.constant(source_ids > 0),
            style_ids=tf.constant(style_ids),
            max_new_tokens=tf.constant([GOLDEN_STEPS]),
            min_new_tokens=tf.constant([1]),
            length_penalty=tf.constant([1.0]),
            num_beams=tf.constant(1),
        )
        return found["summary_ids"].numpy()

    return search


_FRESH_PROCESS = """
import sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
outputs = {}
for signature in ("summarize", "score"):
    function = model.signatures[signature]
    names = function.structured_input_signature[1]
    with np.load(sys.argv[2]) as inputs:
        found = function(**{name: tf.constant(inputs[name]) for name in names})
    outputs |= {f"{signature}/{name}": value.numpy() for name, value in found.items()}
np.savez(sys.argv[3], **outputs)
assert "model" not in sys.modules
"""


def verify(directory: Path, golden: list[GoldenExample], inference: Inference) -> None:
    """Summarizes and scores the golden texts in a process that has none of our code.

    Raises:
        ExportError: it fails there, or the numbers differ by more than the contract allows.
    """
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        batch = golden_inputs(golden, inference.styles)
        np.savez(inputs, allow_pickle=False, **batch)
        command = [sys.executable, "-I", "-c", _FRESH_PROCESS]
        paths = [str(directory / artifact.SAVED_MODEL), str(inputs), str(outputs)]
        run = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)  # noqa: S603  # our own code and paths
        if run.returncode:
            raise ExportError(f"a fresh process can't run the export: {run.stderr[-2000:]}")
        with np.load(outputs) as arrays:
            _compare_scores(arrays, golden)
            _compare_summaries(arrays["summarize/summary_ids"], batch, inference)


def golden_inputs(
    golden: list[GoldenExample], styles: tuple[str, ...]
) -> dict[str, NDArray[np.generic]]:
    """The golden examples as one padded batch, with limits for a short beam search."""
    source_ids = padded([e.source_ids for e in golden], max(len(e.source_ids) for e in golden))
    summary_ids = padded([e.summary_ids for e in golden], max(len(e.summary_ids) for e in golden))
    return {
        "source_ids": source_ids,
        "source_keep_mask": source_ids > 0,
        "style_ids": np.array([styles.index(e.style) for e in golden], np.int32),
        "summary_ids": summary_ids,
        "max_new_tokens": np.full(len(golden), VERIFIED_STEPS, np.int32),
        "min_new_tokens": np.full(len(golden), 2, np.int32),
        "length_penalty": np.full(len(golden), 1.0, np.float32),
        "num_beams": np.array(2, np.int32),
    }


def _compare_summaries(
    found: NDArray[np.int32], batch: dict[str, Any], inference: Inference
) -> None:
    options = SearchOptions(*(batch[name] for name in SearchOptions._fields))
    eager = inference.summarize(
        batch["source_ids"], batch["source_keep_mask"], batch["style_ids"], options
    )
    if not np.array_equal(found, np.asarray(eager.summary_ids)):
        raise ExportError("the exported search finds other summaries than the eager one")


def _compare_scores(outputs: Any, golden: list[GoldenExample]) -> None:
    tolerance = GOLDEN_TOLERANCE[PRECISION]
    for i, example in enumerate(golden):
        for name in artifact.SCORE_OUTPUTS:
            expected = np.array(getattr(example, name))
            window = outputs[f"score/{name}"][i][tuple(slice(size) for size in expected.shape)]
            found = float(np.abs(window - expected).max())
            allowed = tolerance.log_prob if name == "log_probs" else tolerance.attention
            if not found <= allowed:
                raise ExportError(f"golden example {i}: {name} differs by {found}, over {allowed}")


def _manifest(
    directory: Path,
    version: int,
    inference: Inference,
    options: ExportOptions,
    training: dict[str, Any],
) -> Manifest:
    return Manifest(
        name="summarizer",
        version=str(version),
        model_sha256=artifact.model_digest(directory),
        styles=inference.styles,
        default_style=options.default_style,
        max_source_tokens=options.max_source_tokens,
        max_summary_tokens=options.max_summary_tokens,
        default_num_beams=options.num_beams,
        default_length_penalty=options.length_penalty,
        default_min_new_tokens=options.min_new_tokens,
        default_max_new_tokens=options.max_new_tokens,
        precision=PRECISION,
        config=inference.model.config.to_dict() | {"parameters": inference.model.count_params()},
        training=training,
        low_confidence_log_prob=options.low_confidence_log_prob,
        files={},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
