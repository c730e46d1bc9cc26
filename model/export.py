"""Write an artifact, have it verified in a fresh process, publish it.

Imports TensorFlow; whoever needs this room imports it when it is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model import artifact
from model.artifact import Manifest
from model.exporting.card import render
from model.exporting.golden import LEAD, golden_examples
from model.exporting.signatures import PRECISION, Signatures
from model.exporting.verification import ExportError, verify
from model.inference import Inference
from model.tokenizer import Tokenizer
from model.training import curves

GOLDEN_STEPS = 24
HEAD = "sentence_head/"
_VARIABLES = "variables/variables"


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


def export(
    root: Path,
    inference: Inference,
    tokenizer: Tokenizer,
    options: ExportOptions,
    training: dict[str, Any],
    history: Sequence[dict[str, Any]] = (),
) -> Path:
    """Publishes the next version under `root`.

    Args:
        root: `artifacts/summarizer` or the like; versions are its numbered directories.
        inference: The eager model, against which the export is compared.
        tokenizer: Stored beside it.
        options: Defaults and limits for the manifest.
        training: Provenance: data with digests and rights, seed, steps.
        history: What the job reported, for the learning curves of the card.

    Returns:
        The directory of the new version.

    Raises:
        ExportError: a fresh process computes other numbers than the eager model.
        GoldenError: no golden text is clear enough.
    """

    def write(directory: Path) -> None:
        write_artifact(directory, inference, tokenizer, options, training, history)

    return publish(root, write)


def publish(root: Path, write: Callable[[Path], None]) -> Path:
    """Publishes the next version under `root`: nobody sees it before it is whole.

    Args:
        root: As for `export`.
        write: Puts an artifact into an empty directory whose name is its version.

    Raises:
        ExportError: another version of that number appeared meanwhile.
    """
    root.mkdir(parents=True, exist_ok=True)
    versions = [int(path.name) for path in root.iterdir() if path.name.isdecimal()]
    version = max(versions, default=0) + 1
    with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as partial:
        directory = Path(partial) / str(version)
        directory.mkdir()
        write(directory)
        target = root / str(version)
        try:
            directory.rename(target)
        except OSError as error:
            raise ExportError(f"version {version} appeared meanwhile: {error.strerror}") from error
    return target


def write_artifact(
    directory: Path,
    inference: Inference,
    tokenizer: Tokenizer,
    options: ExportOptions,
    training: dict[str, Any],
    history: Sequence[dict[str, Any]] = (),
) -> None:
    """Writes an artifact into an empty directory whose name is its version; see `export`."""
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
    manifest = _manifest(directory, int(directory.name), inference, options, training)
    drawn = curves.learning_curves(history)
    if drawn:
        (directory / curves.FILE_NAME).write_text(drawn, encoding="utf-8")
    card = render(manifest, has_curves=bool(drawn))
    (directory / artifact.MODEL_CARD).write_text(card, encoding="utf-8")
    listed = artifact.file_digests(directory)
    artifact.write_manifest(directory, Manifest(**{**vars(manifest), "files": listed}))


def load_weights(directory: Path, model: Any) -> None:
    """Assigns the weights of an artifact to a network of the same sizes.

    A sentence head that the artifact lacks stays as it was initialised.

    Raises:
        ArtifactError: the directory holds no artifact, or one of another network.
    """
    artifact.read_manifest(directory)
    reader = tf.train.load_checkpoint(str(directory / artifact.SAVED_MODEL / _VARIABLES))
    shapes = reader.get_variable_to_shape_map()
    for i, variable in enumerate(model.variables):
        name = f"weights/{i}/.ATTRIBUTES/VARIABLE_VALUE"
        shape = shapes.get(name)
        if shape is None and variable.path.startswith(HEAD):
            continue
        if shape != list(variable.shape):
            raise artifact.ArtifactError(
                f"{variable.path} is {shape} in the artifact and {list(variable.shape)} here"
            )
        variable.assign(reader.get_tensor(name))


def stored_weights(directory: Path) -> dict[str, bytes]:
    """What an artifact stores of its network, by the place of each weight."""
    reader = tf.train.load_checkpoint(str(directory / artifact.SAVED_MODEL / _VARIABLES))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weights/")]
    return {name: reader.get_tensor(name).tobytes() for name in names}


def _save(directory: Path, inference: Inference) -> dict[str, Any]:
    tokenizer_sha256 = artifact.file_sha256(directory / artifact.TOKENIZER)
    module = Signatures(inference, tokenizer_sha256)
    functions = module.functions()
    path = str(directory / artifact.SAVED_MODEL)
    try:
        tf.saved_model.save(module, path, signatures=functions)
    except tf.errors.OpError as error:
        raise ExportError(f"{directory.name}: SavedModel not written: {error.message}") from error
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
            num_candidates=tf.constant(1),
            strict_support=tf.constant([True]),
            sentence_ids=tf.zeros_like(source_ids),
        )
        return found["summary_ids"].numpy()

    return search


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
