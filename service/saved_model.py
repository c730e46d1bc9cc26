"""The adapter: an artifact as an `Engine`. The only module of the service with TensorFlow.

An artifact is refused unless it is complete, unchanged, has the contract's signatures, belongs
to its tokenizer and still says of the golden texts what the eager model said.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model import artifact
from model.artifact import ArtifactError, GoldenExample, Manifest, Tolerance
from model.tokenizer import Tokenizer
from service.device import prepare_device
from service.engine import Engine
from service.errors import OutOfMemory
from service.explanation.catalogue import offers
from service.explanation.faithfulness import read_faithfulness
from service.inference.batches import padded_length, source_arrays
from service.inference.calls import Arrays, Signature
from service.predictor import ModelInfo, SummarizeOptions
from service.settings import Settings
from service.versions.directory import artifact_directory

log = logging.getLogger(__name__)


def load_engine(settings: Settings) -> Engine:
    """The model of the settings' artifact: checked, warm, and ready to be asked.

    Raises:
        ArtifactError: there is no artifact, or it isn't what its manifest says.
        DeviceUnavailable: a GPU was asked for and there is none.
    """
    log.info("loading %s", settings.artifact.absolute())
    directory = artifact_directory(settings.artifact)
    manifest = artifact.read_manifest(directory)
    tokenizer = Tokenizer.load(directory / artifact.TOKENIZER)
    golden = artifact.read_golden(directory)
    device, signatures = _open_graph(settings, directory)
    for number, example in enumerate(golden):
        _check_golden(number, example, manifest, tokenizer, signatures[artifact.SCORE])
    info = _info(manifest, device, signatures)
    engine = Engine(
        info=info,
        tokenizer=tokenizer,
        signatures=signatures,
        max_batch_tokens=settings.max_batch_tokens,
        count_traces=_trace_counter(),
    )
    engine.info = replace(
        info, faithfulness=read_faithfulness(directory, manifest, tokenizer, engine.explainer)
    )
    if settings.warm_up:
        methods = offers(engine.info, unmeasured=settings.unmeasured_methods)
        engine.warm_up(golden[0].text, _default_options(manifest), methods)
    return engine


def _open_graph(settings: Settings, directory: Path) -> tuple[str, dict[str, Signature]]:
    """The device in use and the graph's signatures on it."""
    # What its C++ parts say bypasses our log: of that, not the hints about this processor.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    import tensorflow as tf  # seconds: not at import, and not for an artifact that is refused

    device = prepare_device(tf, settings.device, settings.num_threads)
    return device, _load_signatures(tf, directory)


def _load_signatures(tensorflow: Any, directory: Path) -> dict[str, Signature]:
    """The graph's signatures as functions of arrays, once names, types and tokenizer fit."""
    try:
        loaded = tensorflow.saved_model.load(str(directory / artifact.SAVED_MODEL))
        tokenizer_sha256 = loaded.tokenizer_sha256.numpy().decode()
    except Exception as error:
        # Whatever TensorFlow raises names paths of this machine: the log may, a client may not.
        log.exception("the SavedModel can't be loaded")
        raise ArtifactError(
            f"{artifact.SAVED_MODEL} can't be loaded: {type(error).__name__}"
        ) from error
    if tokenizer_sha256 != artifact.file_sha256(directory / artifact.TOKENIZER):
        raise ArtifactError(f"{artifact.TOKENIZER} isn't the one that the graph was exported with")
    required, optional = artifact.SIGNATURES, artifact.OPTIONAL_SIGNATURES
    if missing := [name for name in required if name not in loaded.signatures]:
        raise ArtifactError(f"the graph has no signature {missing[0]}")
    found = {n: t for n, t in {**required, **optional}.items() if n in loaded.signatures}
    for name, (inputs, outputs) in found.items():
        function = loaded.signatures[name]
        _check_tensors(f"{name} input", inputs, function.structured_input_signature[1])
        _check_tensors(f"{name} output", outputs, function.structured_outputs)
    # `loaded` owns the variables and must live as long as its signatures.
    return {name: _over_arrays(tensorflow, loaded, name) for name in found}


def _trace_counter() -> Callable[[], int]:
    """How many functions TensorFlow has been seen to hold: each trace adds one, or more.

    The signatures of a SavedModel were traced when it was written, and are not traced again,
    whatever the shapes. This shows that nothing else is. TensorFlow has no public count of it.
    """
    from tensorflow.python.eager import context

    seen: set[str] = set()

    def count() -> int:
        seen.update(context.context().list_function_names())
        return len(seen)

    return count


def _check_tensors(what: str, expected: Mapping[str, str], specs: Mapping[str, Any]) -> None:
    found = {name: spec.dtype.name for name, spec in specs.items()}
    if found != expected:
        wrong = sorted(dict(found.items() ^ expected.items()))
        raise ArtifactError(f"the graph's {what} tensors differ from the contract: {wrong}")


def _over_arrays(tensorflow: Any, loaded: Any, name: str) -> Signature:
    def call(inputs: Arrays) -> Arrays:
        tensors = {key: tensorflow.convert_to_tensor(value) for key, value in inputs.items()}
        try:
            outputs = loaded.signatures[name](**tensors)
            return {key: value.numpy() for key, value in outputs.items()}
        except (tensorflow.errors.ResourceExhaustedError, MemoryError) as error:
            raise OutOfMemory from error

    return call


def _check_golden(
    number: int, example: GoldenExample, manifest: Manifest, tokenizer: Tokenizer, score: Signature
) -> None:
    """Refuses an artifact that no longer says what its eager model said of a text."""
    limit = manifest.max_source_tokens
    ids = tokenizer.encode(example.text, max_tokens=limit).ids
    if ids != example.source_ids:
        raise ArtifactError(f"golden example {number} is tokenized into other ids")
    style_id = manifest.styles.index(example.style)
    inputs = source_arrays([ids], style_id, padded_length(len(ids), limit))
    outputs = score({**inputs, "summary_ids": np.array([example.summary_ids], np.int32)})
    tolerance = artifact.GOLDEN_TOLERANCE[manifest.precision]
    for name in artifact.SCORE_OUTPUTS:
        expected = np.array(getattr(example, name))
        found = outputs[name][0]
        if name == "attention_weights":
            found = found[:, : len(ids)]
        same_shape = found.shape == expected.shape
        # `not <=` refuses NaN as well.
        if not same_shape or not np.abs(found - expected).max() <= _allowed(tolerance, name):
            raise ArtifactError(f"golden example {number}: {name} is out of tolerance")


def _allowed(tolerance: Tolerance, name: str) -> float:
    return tolerance.log_prob if name == "log_probs" else tolerance.attention


def _info(manifest: Manifest, device: str, signatures: Mapping[str, Signature]) -> ModelInfo:
    return ModelInfo(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.model_sha256,
        created=manifest.created,
        precision=manifest.precision,
        device=device,
        styles=manifest.styles,
        default_style=manifest.default_style,
        max_source_tokens=manifest.max_source_tokens,
        max_summary_tokens=manifest.max_summary_tokens,
        default_num_beams=manifest.default_num_beams,
        default_length_penalty=manifest.default_length_penalty,
        default_min_new_tokens=manifest.default_min_new_tokens,
        default_max_new_tokens=manifest.default_max_new_tokens,
        low_confidence_log_prob=manifest.low_confidence_log_prob,
        length_penalties=manifest.length_penalties,
        loose_styles=manifest.loose_styles,
        num_layers=manifest.config.get("num_layers", 0),
        num_heads=manifest.config.get("num_heads", 0),
        signatures=tuple(sorted(artifact.OPTIONAL_SIGNATURES.keys() & signatures.keys())),
    )


def _default_options(manifest: Manifest) -> SummarizeOptions:
    return SummarizeOptions(
        style=manifest.default_style,
        num_beams=manifest.default_num_beams,
        max_new_tokens=manifest.default_max_new_tokens,
        min_new_tokens=manifest.default_min_new_tokens,
        length_penalty=manifest.length_penalty(manifest.default_style),
        truncation="lead",
        support="strict",
        key_sentences=1,
        candidates=1,
    )
