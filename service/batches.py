"""Texts as the padded arrays of one signature call, and its arrays as summaries. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import EncodedText, Tokenizer
from service.predictor import SummarizeOptions, Summary

Arrays = Mapping[str, NDArray[Any]]

BUCKET = 64
"""Sources are padded to multiples of this: few shapes, so that kernels and numbers repeat."""


def padded_length(tokens: int, max_tokens: int) -> int:
    """The bucket of a source, which never exceeds what the model reads."""
    return min(-(-tokens // BUCKET) * BUCKET, max_tokens)


def plan(lengths: Sequence[int], num_beams: int, budget: int) -> list[list[int]]:
    """Which texts share a call: neighbours in length, within a budget of padded tokens x beams.

    Args:
        lengths: Padded lengths.
        num_beams: Hypotheses kept for each text.
        budget: What one call may hold; a text over it goes alone.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # Lengths rise: this text's is what all of its group would be padded to.
        if groups and (len(groups[-1]) + 1) * lengths[index] * num_beams <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def source_arrays(sources: Sequence[Sequence[int]], style_id: int, length: int) -> Arrays:
    """The inputs that `summarize` and `score` share: (B, S), (B, S) and (B)."""
    source_ids = np.zeros((len(sources), length), np.int32)
    keep = np.zeros((len(sources), length), bool)
    for row, ids in enumerate(sources):
        source_ids[row, : len(ids)] = ids
        keep[row, : len(ids)] = True
    style_ids = np.full(len(sources), style_id, np.int32)
    return {"source_ids": source_ids, "source_keep_mask": keep, "style_ids": style_ids}


def option_arrays(options: SummarizeOptions, batch_size: int) -> Arrays:
    """The inputs that steer the search: (B) each, and a scalar."""
    return {
        "max_new_tokens": np.full(batch_size, options.max_new_tokens, np.int32),
        "min_new_tokens": np.full(batch_size, options.min_new_tokens, np.int32),
        "length_penalty": np.full(batch_size, options.length_penalty, np.float32),
        "num_beams": np.array(options.num_beams, np.int32),
    }


def summary_of(
    outputs: Arrays, row: int, source: EncodedText, tokenizer: Tokenizer, style: str
) -> Summary:
    """One row of a call, cut to its real T and S."""
    emitted = int(np.count_nonzero(outputs["summary_ids"][row]))
    ids = outputs["summary_ids"][row, :emitted].tolist()
    stopped = ids[-1:] == [tokenizer.eos_id]
    decoded = tokenizer.decode(ids[:-1] if stopped else ids)
    copied = outputs["copied_prob"][row, :emitted]
    total = copied + outputs["generated_prob"][row, :emitted]
    return Summary(
        text=decoded.text,
        style=style,
        finish_reason="stop" if stopped else "length",
        summary_spans=[*decoded.spans, None] if stopped else [*decoded.spans],
        source_spans=[*source.spans, None],
        # Copies: a slice would keep the padded arrays of the whole batch alive.
        attention=outputs["attention_weights"][row, :emitted, : len(source.ids)].copy(),
        log_probs=outputs["log_probs"][row, :emitted].copy(),
        copy_gate=outputs["copy_gate"][row, :emitted].copy(),
        copied_share=np.divide(copied, total, out=np.zeros_like(copied), where=total != 0),
        total_source_tokens=source.total_tokens,
        used_source_tokens=len(source.ids),
        used_end=source.used_end,
        truncated=source.truncated,
    )
