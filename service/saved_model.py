"""The adapter: an artifact as an `Engine`. The only module of the service with TensorFlow.

An artifact is refused unless it is complete, unchanged, has the contract's signatures, belongs
to its tokenizer and still says of the golden texts what the eager model said.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model import artifact
from model.artifact import COMPUTE_IN, ArtifactError, GoldenExample, Manifest
from model.tokenizer import Tokenizer
from service.device import prepare_device
from service.engine import Engine
from service.errors import OutOfMemory
from service.explanation.catalogue import offers
from service.explanation.faithfulness import read_faithfulness
from service.golden_check import check_golden
from service.inference.calls import Arrays, Signature
from service.precision import FLOAT32, with_precision
from service.predictor import ModelInfo, SummarizeOptions
from service.settings import Settings
from service.versions.directory import artifact_directory

log = logging.getLogger(__name__)


def load_engine(settings: Settings, on_call: Callable[[], None] = lambda: None) -> Engine:
    """The model of the settings' artifact: checked, warm, and ready to be asked.

    `on_call` is that of `Engine`.

    Raises:
        ArtifactError: there is no artifact, or it isn't what its manifest says.
        DeviceUnavailable: a GPU was asked for and there is none.
    """
    log.info("loading %s", settings.artifact.absolute())
    directory = artifact_directory(settings.artifact)
    manifest = artifact.read_manifest(directory)
    tokenizer = Tokenizer.load(directory / artifact.TOKENIZER)
    golden = artifact.read_golden(directory)
    wanted = with_precision(settings).precision
    graph = _checked(_open_graph(settings, directory), wanted, golden, manifest, tokenizer)
    signatures, tolerance = graph.signatures, artifact.GOLDEN_TOLERANCE[graph.precision]
    info = _info(manifest, graph)
    engine = Engine(
        info=info,
        tokenizer=tokenizer,
        signatures=signatures,
        max_batch_tokens=settings.max_batch_tokens,
        count_traces=_trace_counter(),
        on_call=on_call,
    )
    engine.info = replace(
        info,
        faithfulness=read_faithfulness(directory, manifest, tokenizer, engine.explainer, tolerance),
    )
    if settings.warm_up:
        methods = offers(engine.info, unmeasured=settings.unmeasured_methods)
        engine.warm_up(golden[0].text, _default_options(manifest), methods)
    return engine


@dataclass(frozen=True, kw_only=True)
class _Graph:
    device: str
    loaded: Any
    signatures: dict[str, Signature]
    precision: str = FLOAT32  # of the encoder's products


def _open_graph(settings: Settings, directory: Path) -> _Graph:
    """The graph on the device in use, as it is loaded: in float32."""
    # What its C++ parts say bypasses our log: of that, not the hints about this processor.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    import tensorflow as tf  # seconds: not at import, and not for an artifact that is refused

    device = prepare_device(tf, settings.device, settings.num_threads)
    loaded = _load_graph(tf, directory)
    return _Graph(device=device, loaded=loaded, signatures=_signatures_of(tf, loaded))


def _checked(
    graph: _Graph,
    wanted: str,
    golden: Sequence[GoldenExample],
    manifest: Manifest,
    tokenizer: Tokenizer,
) -> _Graph:
    """The graph in the precision that is wanted, or else in float32, held to its golden texts."""

    def check(graph: _Graph) -> _Graph:
        tolerance = artifact.GOLDEN_TOLERANCE[graph.precision]
        check_golden(golden, manifest, tokenizer, graph.signatures[artifact.SCORE], tolerance)
        return graph

    if wanted != FLOAT32:
        try:
            return check(_in_precision(graph, wanted))
        except Exception as error:  # noqa: BLE001 - whatever it is, float32 may do without it
            log.warning("not in %s (%s), but in float32", wanted, error)
            graph = _in_precision(graph, FLOAT32)
    return check(graph)


def _in_precision(graph: _Graph, precision: str) -> _Graph:
    """The same graph, told what to compute in; unchanged if it is too old to have that."""
    tell = getattr(graph.loaded, COMPUTE_IN[precision], None)
    if tell is None:
        log.warning("the graph can't compute in %s, but in %s", precision, graph.precision)
        return graph
    tell()
    return replace(graph, precision=precision)


def _load_graph(tensorflow: Any, directory: Path) -> Any:
    """The SavedModel, if it belongs to the tokenizer."""
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
    return loaded


def _signatures_of(tensorflow: Any, loaded: Any) -> dict[str, Signature]:
    """A SavedModel's signatures as functions of arrays, once names and types fit."""
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


def _info(manifest: Manifest, graph: _Graph) -> ModelInfo:
    return ModelInfo(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.model_sha256,
        created=manifest.created,
        precision=graph.precision,
        device=graph.device,
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
        signatures=tuple(sorted(artifact.OPTIONAL_SIGNATURES.keys() & graph.signatures.keys())),
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
