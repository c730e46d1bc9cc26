"""The port between the service and whatever writes summaries: plain Python and NumPy.

Knows neither HTTP nor TensorFlow: protocols stay on one side of it, models on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import Span

FloatArray = NDArray[np.floating]
FinishReason = Literal["stop", "length"]
Truncation = Literal["lead", "select", "error"]
Support = Literal["strict", "loose"]


@dataclass(frozen=True, kw_only=True)
class SummarizeOptions:
    """How to write a summary; every value is decided, none is optional."""

    style: str
    num_beams: int
    max_new_tokens: int  # `<eos>` counted, as in min_new_tokens
    min_new_tokens: int
    length_penalty: float
    truncation: Truncation
    support: Support
    key_sentences: int  # how many are wanted; 0: none
    candidates: int  # from 1, which is the summary alone; at most num_beams


@dataclass(frozen=True, kw_only=True)
class KeySentence:
    """A sentence of the text, verbatim, and its share of all sentences' scores."""

    span: Span  # code points of the text sent
    score: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A hypothesis of the search, and what the search ranked it by."""

    text: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One summary with the numbers behind each of its tokens.

    Columns of T entries describe the emitted tokens, those of S entries the source tokens;
    a special token (`<eos>`) has no span. Spans are code points of `text` and of the text sent.
    """

    text: str
    style: str
    finish_reason: FinishReason
    summary_spans: list[Span | None]  # T
    source_spans: list[Span | None]  # S
    attention: FloatArray  # [T, S], row t predicts token t
    log_probs: FloatArray  # [T], nats
    copy_gate: FloatArray  # [T]
    copied_share: FloatArray  # [T]
    total_source_tokens: int  # before the cut
    used_source_tokens: int
    used_end: int  # code points
    truncated: bool
    passages: list[Span] | None = None  # what was read, where that is a selection
    key_sentences: list[KeySentence] = field(default_factory=list)  # in the text's order
    candidates: list[Candidate] = field(default_factory=list)  # if asked for: all, the best first
    batch_texts: int = 1  # that shared its call
    stage_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def log_prob(self) -> float:
        """Natural log of the probability of the whole summary."""
        return float(self.log_probs.sum(dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a loaded model is, what it accepts and what it does unless told otherwise."""

    name: str
    version: str
    sha256: str
    created: str
    precision: str
    device: str
    styles: tuple[str, ...]
    default_style: str
    max_source_tokens: int
    max_summary_tokens: int
    default_num_beams: int
    default_length_penalty: float
    default_min_new_tokens: int
    default_max_new_tokens: int
    low_confidence_log_prob: float | None  # mean a token; None: not calibrated


class DeviceUnavailable(Exception):  # noqa: N818 - says what happened, as in errors
    """A predictor can't be loaded since the device that the settings demand isn't there."""


class EngineObserver(Protocol):
    """Told of what happens between a predictor and its model; called from any thread."""

    def queued(self, texts: int) -> None:
        """So many texts are in work or waiting now."""
        ...

    def called(self, texts: int, tokens: int, padded_tokens: int) -> None:
        """The model was called with a batch.

        Args:
            texts: In the batch.
            tokens: Source tokens of all of them.
            padded_tokens: What the model was given: the texts times the longest, padded.
        """
        ...


class NoObserver:
    """An observer that is not interested."""

    def queued(self, texts: int) -> None:
        """Ignores it."""

    def called(self, texts: int, tokens: int, padded_tokens: int) -> None:
        """Ignores it."""


class Predictor(Protocol):
    """A loaded, warm model."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        ...

    async def summarize(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary]:
        """One summary a text, in their order.

        Raises:
            TextTooLong: a text exceeds the model and may not be cut.
            Overloaded: too much work is waiting.
        """
        ...

    async def close(self) -> None:
        """Finishes the work accepted, then frees the model."""
        ...
