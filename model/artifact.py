"""The contract between training and serving: what an artifact is and when it must be refused.

One directory a version: `saved_model/`, `tokenizer.json`, `golden.jsonl`, `MODEL_CARD.md` and,
written last, `manifest.json`. Knows neither TensorFlow nor Keras.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from model.seal import SealError, read_sealed, write_sealed

SAVED_MODEL = "saved_model"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.jsonl"
MODEL_CARD = "MODEL_CARD.md"
MANIFEST = "manifest.json"

SUMMARIZE = "summarize"
SCORE = "score"
SCORE_SENTENCES = "score_sentences"
SALIENCY = "saliency"
SELF_ATTENTION = "self_attention"
COMPUTE_IN = {"float32": "compute_in_float32", "bfloat16": "compute_in_bfloat16"}
"""Functions of the graph, no signatures, by what its encoder computes in from then on."""


SCORE_INPUTS: Mapping[str, str] = {
    "source_ids": "int32",  # [B, S]
    "source_keep_mask": "bool",  # [B, S]
    "style_ids": "int32",  # [B], index of manifest.styles
    "summary_ids": "int32",  # [B, T]
}
SCORE_OUTPUTS: Mapping[str, str] = {
    "log_probs": "float32",  # [B, T]
    "attention_weights": "float32",  # [B, T, S]
    "copy_gate": "float32",  # [B, T]
    "copied_prob": "float32",  # [B, T]
    "generated_prob": "float32",  # [B, T]
}
SUMMARIZE_INPUTS: Mapping[str, str] = {
    "source_ids": "int32",  # [B, S]
    "source_keep_mask": "bool",  # [B, S]
    "style_ids": "int32",  # [B]
    "max_new_tokens": "int32",  # [B]
    "min_new_tokens": "int32",  # [B]
    "length_penalty": "float32",  # [B]
    "num_beams": "int32",  # []
    "num_candidates": "int32",  # [], hypotheses to finish; the others may be cut short
    "strict_support": "bool",  # [B]
    "sentence_ids": "int32",  # [B, S], from 1; 0 for a token of no sentence
}
SUMMARIZE_OUTPUTS: Mapping[str, str] = {
    "summary_ids": "int32",  # [B, T], padded with 0
    "hypothesis_ids": "int32",  # [B, K, T], the best first
    "score_per_hypothesis": "float32",  # [B, K]
    "sentence_logits": "float32",  # [B, N], N the largest number; -1e9 where there is no sentence
    **SCORE_OUTPUTS,
}
SCORE_SENTENCES_INPUTS: Mapping[str, str] = {
    "source_ids": "int32",  # [B, S]
    "source_keep_mask": "bool",  # [B, S]
    "sentence_ids": "int32",  # [B, S]
}
SCORE_SENTENCES_OUTPUTS: Mapping[str, str] = {
    "sentence_logits": "float32",  # [B, N]
}
SIGNATURES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    SUMMARIZE: (SUMMARIZE_INPUTS, SUMMARIZE_OUTPUTS),
    SCORE: (SCORE_INPUTS, SCORE_OUTPUTS),
    SCORE_SENTENCES: (SCORE_SENTENCES_INPUTS, SCORE_SENTENCES_OUTPUTS),
}
"""Signature name to (input, output) tensor names with their dtypes."""

SALIENCY_INPUTS: Mapping[str, str] = {
    **SCORE_INPUTS,
    "target_weights": "float32",  # [B, T], how much each summary token counts
}
SALIENCY_OUTPUTS: Mapping[str, str] = {
    "saliency": "float32",  # [B, S], the norm of the gradient by the token's embedding
}
SELF_ATTENTION_INPUTS: Mapping[str, str] = {
    "source_ids": "int32",  # [B, S]
    "source_keep_mask": "bool",  # [B, S]
    "layer": "int32",  # [], from 0
    "head": "int32",  # [], from 0
}
SELF_ATTENTION_OUTPUTS: Mapping[str, str] = {
    "attention_weights": "float32",  # [B, S, S], the encoder's, row s looks from position s
}
OPTIONAL_SIGNATURES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    SALIENCY: (SALIENCY_INPUTS, SALIENCY_OUTPUTS),
    SELF_ATTENTION: (SELF_ATTENTION_INPUTS, SELF_ATTENTION_OUTPUTS),
}
"""As `SIGNATURES`; an artifact may lack them, and then lacks what is explained by them."""

FAITHFULNESS = "faithfulness.json"
"""What was measured of its explanations, if that was done."""

FAITHFULNESS_SCHEMA = "faithfulness/1"
"""What the file says of its own form; readers take no other."""

ARTIFACTS = Path("artifacts/summarizer")
"""Where the versions of this repository are, from its root."""


class ArtifactError(Exception):
    """The artifact is missing, incomplete, or not what its manifest says.

    The message names files relative to the artifact, so that it may be shown to clients.
    """


@dataclass(frozen=True)
class Tolerance:
    """The largest absolute differences that golden outputs may show."""

    attention: float  # also of the probabilities beside it
    log_prob: float


GOLDEN_TOLERANCE: Mapping[str, Tolerance] = {
    "float32": Tolerance(attention=1e-3, log_prob=1e-3),
    "bfloat16": Tolerance(attention=3e-2, log_prob=5e-2),
}
"""By what the encoder computes in."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an artifact says of itself."""

    name: str
    version: str
    model_sha256: str
    styles: tuple[str, ...]
    default_style: str
    max_source_tokens: int
    max_summary_tokens: int
    default_num_beams: int
    default_length_penalty: float
    default_min_new_tokens: int
    default_max_new_tokens: int
    precision: str  # a key of GOLDEN_TOLERANCE
    config: dict[str, Any]  # sizes of the network
    training: dict[str, Any]  # data files with sha256, source and rights; seed; steps; code
    low_confidence_log_prob: float | None  # mean a token, in nats; None: not calibrated
    files: dict[str, str]  # relative path -> sha256, of every file but the manifest
    created: str  # ISO 8601
    length_penalties: dict[str, float] = field(default_factory=dict)  # by style, where measured
    loose_styles: tuple[str, ...] = field(default_factory=tuple)  # by default of loose support

    def is_strict(self, style: str) -> bool:
        """Whether names and numbers of a style have to be in the text, unless a request says so."""
        return style not in self.loose_styles

    def length_penalty(self, style: str) -> float:
        """The exponent of the search's length penalty for a style."""
        return self.length_penalties.get(style, self.default_length_penalty)


@dataclass(frozen=True, kw_only=True)
class GoldenExample:
    """A text and what the eager model said of it."""

    text: str
    style: str
    source_ids: list[int]
    summary_ids: list[int]
    log_probs: list[float]
    attention_weights: list[list[float]]
    copy_gate: list[float]
    copied_prob: list[float]
    generated_prob: list[float]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(directory: Path) -> dict[str, str]:
    """Relative path to SHA-256 of every file but the manifest."""
    paths = _files_under(directory)
    return {name: file_sha256(path) for name, path in paths.items() if name != MANIFEST}


def model_digest(directory: Path) -> str:
    """One SHA-256 over `saved_model/` and `tokenizer.json`: sorted paths, sizes and contents."""
    digest = hashlib.sha256()
    for name, path in _files_under(directory).items():
        if name == TOKENIZER or name.startswith(f"{SAVED_MODEL}/"):
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Seals the artifact: writes `manifest.json` atomically, with its own digest inside."""
    write_sealed(directory / MANIFEST, asdict(manifest))


def read_manifest(directory: Path, verify: bool = True) -> Manifest:
    """The manifest of the artifact in `directory`.

    Args:
        directory: The artifact.
        verify: Whether every file is hashed; the manifest's own digest is always checked.

    Raises:
        ArtifactError: anything is missing, added or changed.
    """
    try:
        values = read_sealed(directory / MANIFEST)
    except SealError as error:
        raise ArtifactError(str(error)) from error
    manifest = _as_manifest(values)
    if verify:
        _check_files(directory, manifest)
    return manifest


def read_golden(directory: Path) -> list[GoldenExample]:
    """The golden examples, at least one.

    Raises:
        ArtifactError: the file is missing, empty or malformed.
    """
    try:
        lines = (directory / GOLDEN).read_text(encoding="utf-8").splitlines()
        examples = [GoldenExample(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"{GOLDEN} can't be read: {type(error).__name__}") from error
    if not examples:
        raise ArtifactError(f"{GOLDEN} is empty: without it a load can't be checked")
    return examples


def write_golden(directory: Path, examples: Iterable[GoldenExample]) -> None:
    """Writes `golden.jsonl`, one example a line."""
    lines = (json.dumps(asdict(example), ensure_ascii=False) for example in examples)
    (directory / GOLDEN).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def latest_version(root: Path) -> Path:
    """The directory with the highest number in `root` that holds a manifest.

    Raises:
        ArtifactError: there is none.
    """
    versions = [path.parent for path in root.glob(f"*/{MANIFEST}") if path.parent.name.isdecimal()]
    if not versions:
        raise ArtifactError(f"no artifact: no numbered directory with a {MANIFEST}")
    return max(versions, key=lambda path: int(path.name))


def _files_under(directory: Path) -> dict[str, Path]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return dict(sorted((path.relative_to(directory).as_posix(), path) for path in paths))


def _as_manifest(values: dict[str, Any]) -> Manifest:
    known = {one.name for one in fields(Manifest)}
    required = {one.name for one in fields(Manifest) if one.default_factory is MISSING}
    if wrong := sorted((values.keys() - known) | (required - values.keys())):
        raise ArtifactError(f"{MANIFEST} has missing or unknown keys: {wrong}")
    for name in ("styles", "loose_styles"):
        values[name] = tuple(values.get(name, ()))
    return Manifest(**values)


def _check_files(directory: Path, manifest: Manifest) -> None:
    found = file_digests(directory)
    if missing := sorted(manifest.files.keys() - found.keys()):
        raise ArtifactError(f"files of the manifest are missing: {missing[:5]}")
    if extra := sorted(found.keys() - manifest.files.keys()):
        raise ArtifactError(f"files that the manifest doesn't list: {extra[:5]}")
    if changed := sorted(name for name in found if found[name] != manifest.files[name]):
        raise ArtifactError(f"files differ from their sha256 in the manifest: {changed[:5]}")
    if model_digest(directory) != manifest.model_sha256:
        raise ArtifactError("model_sha256 of the manifest doesn't match the files")
    if manifest.default_style not in manifest.styles:
        raise ArtifactError(f"default_style {manifest.default_style!r} isn't one of the styles")
    if manifest.precision not in GOLDEN_TOLERANCE:
        raise ArtifactError(f"precision {manifest.precision!r} isn't known")
