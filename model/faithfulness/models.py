"""What is measured: an exported model, or the network itself before it is exported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.explanation.sanity import ScorerOf, Stages
from model.exporting.exported import ExportedModel
from model.readers.rows import DEFAULT_STYLE
from model.scoring.exported_scorer import randomised, scorers
from model.tokenizer import EncodedText, Tokenizer

MAX_SOURCE_TOKENS = 1024
"""Read of a text where no manifest says how many."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is measured: an exported model, or the network itself."""

    tokenizer: Tokenizer
    styles: Sequence[str]
    default_style: str
    max_source_tokens: int
    weights_sha256: str
    scorer_of: ScorerOf
    randomised: Callable[[], Stages]  # spoils the weights until all stages were asked for
    summarize: Callable[[Sequence[EncodedText], Sequence[str]], list[list[int]]]


def exported_model(exported: ExportedModel) -> Model:
    """What is served."""
    manifest = exported.manifest
    return Model(
        tokenizer=exported.tokenizer,
        styles=manifest.styles,
        default_style=manifest.default_style,
        max_source_tokens=manifest.max_source_tokens,
        weights_sha256=weights_sha256(exported.weights),
        scorer_of=scorers(exported),
        randomised=lambda: randomised(exported),
        summarize=lambda sources, styles: [
            exported.summary_ids(source.ids, style)
            for source, style in zip(sources, styles, strict=True)
        ],
    )


def network_model(weights: Path, tokenizer: Path, config: Path | None) -> Model:
    """The network before it is exported, on any backend of Keras; summaries with the defaults."""
    from model.scoring.network_scorer import randomised_network, read_network

    known = json.loads(config.read_text(encoding="utf-8")) if config else {}
    network = read_network(weights, Tokenizer.load(tokenizer), known)
    styles = network.styles
    return Model(
        tokenizer=network.tokenizer,
        styles=styles,
        default_style=DEFAULT_STYLE if DEFAULT_STYLE in styles else styles[0],
        max_source_tokens=MAX_SOURCE_TOKENS,
        weights_sha256=weights_sha256(network.weights.values()),
        scorer_of=network.scorer,
        randomised=lambda: randomised_network(network),
        summarize=lambda sources, styles: network.summary_ids([s.ids for s in sources], styles),
    )


def weights_sha256(weights: Iterable[Any]) -> str:
    """One SHA-256 of the numbers of a network, exported or not; seeds are none of them."""
    digest = hashlib.sha256()
    for weight in weights:
        values = weight.numpy()
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            digest.update(f"{values.shape}\0".encode())
            digest.update(np.ascontiguousarray(values, np.float32).tobytes())
    return digest.hexdigest()
