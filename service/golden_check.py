"""Whether a graph still says of an artifact's golden texts what its network said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model import artifact
from model.artifact import ArtifactError, GoldenExample, Manifest, Tolerance
from model.tokenizer import Tokenizer
from service.inference.batches import padded_length, source_arrays, summary_array
from service.inference.calls import Signature


def check_golden(
    golden: Sequence[GoldenExample],
    manifest: Manifest,
    tokenizer: Tokenizer,
    score: Signature,
    tolerance: Tolerance,
) -> None:
    """Asks the graph's `score` about each example.

    Raises:
        ArtifactError: a text has other ids, or a number is out of tolerance.
    """
    for number, example in enumerate(golden):
        _check(number, example, manifest, tokenizer, score, tolerance)


def _check(
    number: int,
    example: GoldenExample,
    manifest: Manifest,
    tokenizer: Tokenizer,
    score: Signature,
    tolerance: Tolerance,
) -> None:
    limit = manifest.max_source_tokens
    ids = tokenizer.encode(example.text, max_tokens=limit).ids
    if ids != example.source_ids:
        raise ArtifactError(f"golden example {number} is tokenized into other ids")
    style_id = manifest.styles.index(example.style)
    inputs = source_arrays([ids], style_id, padded_length(len(ids), limit))
    outputs = score({**inputs, "summary_ids": summary_array(np.array(example.summary_ids), rows=1)})
    for name in artifact.SCORE_OUTPUTS:
        expected = np.array(getattr(example, name))
        found = outputs[name][0, : len(example.summary_ids)]
        if name == "attention_weights":
            found = found[:, : len(ids)]
        same_shape = found.shape == expected.shape
        # `not <=` refuses NaN as well.
        if not same_shape or not np.abs(found - expected).max() <= _allowed(tolerance, name):
            raise ArtifactError(f"golden example {number}: {name} is out of tolerance")


def _allowed(tolerance: Tolerance, name: str) -> float:
    return tolerance.log_prob if name == "log_probs" else tolerance.attention
