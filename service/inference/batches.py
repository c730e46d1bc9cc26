"""Texts as the padded arrays of one signature call, and its arrays as summaries. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import Tokenizer
from service.inference.calls import Arrays
from service.inference.reading import Reading
from service.inference.token_budget import row_width
from service.predictor import Candidate, SummarizeOptions, Summary

BUCKET = 64
"""Sources are padded to multiples of this: few shapes, so that kernels and numbers repeat."""

SUMMARY_BUCKET = 8
"""Summaries that are scored are padded to multiples of this, for the same reason."""

MOST_PADDING = 96
"""Tokens of padding in a call that come from mixing lengths: what a call costs by itself, about."""


def padded_length(tokens: int, max_tokens: int) -> int:
    """The bucket of a source, which never exceeds what the model reads."""
    return min(-(-tokens // BUCKET) * BUCKET, max_tokens)


def usual_rows(most: int) -> int:
    """How many rows a call has if it may have `most`: 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on.

    What a shape of a call has needed is kept for the next like it (`model.graph.shapes`), so
    there are to be few.
    """
    power: int = 1 << (most.bit_length() - 1)
    return power + power // 2 if most >= power + power // 2 else power


def plan(lengths: Sequence[int], num_beams: int, budget: int) -> list[list[int]]:
    """Which texts share a call: neighbours in length, within a budget of padded tokens x beams.

    A text that would make the others of its group too wide begins a group of its own. Groups have
    as many texts as `usual_rows` says.

    Args:
        lengths: Padded lengths.
        num_beams: Hypotheses kept for each text; none where nothing is searched.
        budget: What one call may hold; a text over it goes alone.
    """
    rest = sorted(range(len(lengths)), key=lambda i: lengths[i])
    most_tokens = budget // row_width(num_beams)
    groups = []
    while rest:
        size = usual_rows(_fitting([lengths[i] for i in rest], most_tokens))
        groups.append(rest[:size])
        rest = rest[size:]
    return groups


def _fitting(lengths: Sequence[int], most_tokens: int) -> int:
    """How many of the first share a call; lengths rise, and the last is what all are padded to."""
    real = lengths[0]
    for count, length in enumerate(lengths[1:], start=1):
        padded = (count + 1) * length
        real += length
        if padded > most_tokens or padded - real > MOST_PADDING:
            return count
    return len(lengths)


def token_arrays(sources: Sequence[Sequence[int]], length: int) -> Arrays:
    """The inputs that all signatures share: (B, S) each."""
    source_ids = np.zeros((len(sources), length), np.int32)
    keep = np.zeros((len(sources), length), bool)
    for row, ids in enumerate(sources):
        source_ids[row, : len(ids)] = ids
        keep[row, : len(ids)] = True
    return {"source_ids": source_ids, "source_keep_mask": keep}


def source_arrays(sources: Sequence[Sequence[int]], style_id: int, length: int) -> Arrays:
    """The inputs that `summarize` and `score` share: (B, S), (B, S) and (B)."""
    style_ids = np.full(len(sources), style_id, np.int32)
    return {**token_arrays(sources, length), "style_ids": style_ids}


def summary_array(ids: NDArray[Any], rows: int) -> NDArray[np.int32]:
    """A summary's ids (T,), padded, once for each row: (B, T' >= T)."""
    more = -len(ids) % SUMMARY_BUCKET
    return np.tile(np.pad(ids.astype(np.int32), (0, more)), (rows, 1))


def sentence_array(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int32]:
    """The sentence of each token, padded: (B, S)."""
    numbers = np.zeros((len(rows), length), np.int32)
    for row, found in enumerate(rows):
        numbers[row, : len(found)] = found
    return numbers


def option_arrays(options: SummarizeOptions, batch_size: int) -> Arrays:
    """The inputs that steer the search: (B) each, and a scalar."""
    return {
        "max_new_tokens": np.full(batch_size, options.max_new_tokens, np.int32),
        "min_new_tokens": np.full(batch_size, options.min_new_tokens, np.int32),
        "length_penalty": np.full(batch_size, options.length_penalty, np.float32),
        "num_beams": np.array(options.num_beams, np.int32),
        "num_candidates": np.array(options.candidates, np.int32),
        "strict_support": np.full(batch_size, options.support == "strict", bool),
    }


def summary_of(
    outputs: Arrays, row: int, reading: Reading, tokenizer: Tokenizer, options: SummarizeOptions
) -> Summary:
    """One row of a call, cut to its real T and S."""
    source = reading.source
    emitted = int(np.count_nonzero(outputs["summary_ids"][row]))
    ids = outputs["summary_ids"][row, :emitted].tolist()
    stopped = ids[-1:] == [tokenizer.eos_id]
    decoded = tokenizer.decode(ids[:-1] if stopped else ids)
    copied = outputs["copied_prob"][row, :emitted]
    total = copied + outputs["generated_prob"][row, :emitted]
    return Summary(
        text=decoded.text,
        style=options.style,
        finish_reason="stop" if stopped else "length",
        summary_spans=[*decoded.spans, None] if stopped else [*decoded.spans],
        source_spans=[*source.spans, None],
        summary_ids=np.array(ids, np.int32),
        source_ids=np.array(source.ids, np.int32),
        # Copies: a slice would keep the padded arrays of the whole batch alive.
        attention=outputs["attention_weights"][row, :emitted, : len(source.ids)].copy(),
        log_probs=outputs["log_probs"][row, :emitted].copy(),
        copy_gate=outputs["copy_gate"][row, :emitted].copy(),
        copied_share=np.divide(copied, total, out=np.zeros_like(copied), where=total != 0),
        generated_prob=outputs["generated_prob"][row, :emitted].copy(),
        total_source_tokens=source.total_tokens,
        used_source_tokens=len(source.ids),
        used_end=source.used_end,
        truncated=source.truncated,
        passages=reading.passages,
        candidates=_candidates(outputs, row, tokenizer) if options.candidates > 1 else [],
    )


def _candidates(outputs: Arrays, row: int, tokenizer: Tokenizer) -> list[Candidate]:
    """All hypotheses of a row, the chosen one first."""
    found = []
    for ids, score in zip(
        outputs["hypothesis_ids"][row].tolist(), outputs["score_per_hypothesis"][row], strict=True
    ):
        written = [token_id for token_id in ids if token_id not in (0, tokenizer.eos_id)]
        found.append(Candidate(text=tokenizer.decode(written).text, score=float(score)))
    return found
