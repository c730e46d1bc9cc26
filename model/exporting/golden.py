"""Golden examples: texts of ours with what the eager model says of them, checked at every load."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.artifact import GoldenExample
from model.inference import Inference, vocabulary_log_probs
from model.tokenizer import Tokenizer

TEXTS = Path(__file__).with_name("golden_texts.jsonl")
LEAD = 0.5
"""Nats by which the best token leads at every golden step, so that rounding can't change it."""


class GoldenError(RuntimeError):
    """No golden text gives an example that is clear enough to check a load with."""


Greedy = Callable[[NDArray[np.int32], NDArray[np.int32]], Any]
"""Greedy search: (source_ids (1, S), style_ids (1,)) -> summary_ids (1, T)."""


def golden_examples(
    inference: Inference,
    tokenizer: Tokenizer,
    greedy: Greedy,
    max_source_tokens: int,
    lead: float = LEAD,
) -> list[GoldenExample]:
    """The greedy summary of each golden text, as far as its best token leads by `lead` nats.

    Args:
        inference: The eager model, whose numbers are recorded.
        tokenizer: Encodes the texts.
        greedy: Finds what to score; an eager search would be slow.
        max_source_tokens: Texts are cut to it.
        lead: Nats.

    Raises:
        GoldenError: no text has even one such step.
    """
    rows = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    known = [row for row in rows if row["style"] in inference.styles]
    # A network with styles of its own is checked on the same texts in its first style.
    rows = known or [{**row, "style": inference.styles[0]} for row in rows]
    examples = []
    for row in rows:
        source_ids = tokenizer.encode(row["text"], max_source_tokens).ids
        style_id = inference.styles.index(row["style"])
        found = greedy(np.array([source_ids], np.int32), np.array([style_id], np.int32))
        summary_ids = [int(token_id) for token_id in np.asarray(found)[0] if token_id]
        clear = _clear_steps(inference, source_ids, style_id, summary_ids, lead)
        if clear:
            examples.append(_example(row, inference, source_ids, style_id, summary_ids[:clear]))
    if not examples:
        raise GoldenError(
            f"none of {len(rows)} golden texts has a first token that leads by {lead}"
        )
    return examples


def _example(
    row: dict[str, str],
    inference: Inference,
    source_ids: list[int],
    style_id: int,
    summary_ids: list[int],
) -> GoldenExample:
    source = np.array([source_ids], np.int32)
    style_ids = np.array([style_id], np.int32)
    numbers = inference.score(source, source > 0, style_ids, np.array([summary_ids], np.int32))
    log_probs, attention, gate, copied, generated = (
        np.asarray(ops.convert_to_numpy(part)[0], np.float64).round(7).tolist() for part in numbers
    )
    return GoldenExample(
        text=row["text"],
        style=row["style"],
        source_ids=source_ids,
        summary_ids=summary_ids,
        log_probs=log_probs,
        attention_weights=attention,
        copy_gate=gate,
        copied_prob=copied,
        generated_prob=generated,
    )


def _clear_steps(
    inference: Inference,
    source_ids: Sequence[int],
    style_id: int,
    summary_ids: Sequence[int],
    lead: float,
) -> int:
    """How many steps pass before the given token first fails to lead by `lead` nats."""
    model = inference.model
    ids = np.array([source_ids], np.int32)
    source = model.encode(ids, ids > 0)
    start = int(inference.start_ids(np.array([style_id], np.int32))[0])
    previous = np.array([[start, *summary_ids[:-1]]], np.int32)
    prediction = model.predict_all(source, previous)
    log_probs = vocabulary_log_probs(source, prediction, model.config.vocab_size)
    for t, row in enumerate(ops.convert_to_numpy(log_probs)[0]):
        best, second = np.argsort(row)[::-1][:2]
        if best != summary_ids[t] or row[best] - row[second] < lead:
            return t
    return len(summary_ids)
