"""The port between the service and whatever writes summaries: plain Python and NumPy.

Knows neither HTTP nor TensorFlow: protocols stay on one side of it, models on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import Span

FloatArray = NDArray[np.floating]
IdArray = NDArray[np.int32]
Answer = TypeVar("Answer")
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
    summary_ids: IdArray  # [T]
    source_ids: IdArray  # [S]
    attention: FloatArray  # [T, S], row t predicts token t
    log_probs: FloatArray  # [T], nats
    copy_gate: FloatArray  # [T]
    copied_share: FloatArray  # [T]
    generated_prob: FloatArray  # [T], the part of the probability that was not copied
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
    def is_finite(self) -> bool:
        """Whether no number of it is NaN or infinite."""
        columns = (
            self.attention,
            self.log_probs,
            self.copy_gate,
            self.copied_share,
            self.generated_prob,
            [sentence.score for sentence in self.key_sentences],
            [candidate.score for candidate in self.candidates],
        )
        return all(np.isfinite(column).all() for column in columns)

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
    num_layers: int = 0  # of the encoder
    num_heads: int = 0
    signatures: tuple[str, ...] = ()  # those that not every artifact has
    faithfulness: Mapping[str, Any] | None = None  # what was measured of its explanations
    length_penalties: Mapping[str, float] = field(default_factory=dict)  # by style
    loose_styles: tuple[str, ...] = ()

    def support(self, style: str) -> Support:
        """Whether names and numbers of a style must be the text's, unless a request says so."""
        return "loose" if style in self.loose_styles else "strict"

    def length_penalty(self, style: str) -> float:
        """The exponent of the search's length penalty for a style."""
        return self.length_penalties.get(style, self.default_length_penalty)


class DeviceUnavailable(Exception):  # noqa: N818 - says what happened, as in errors
    """A predictor can't be loaded since the device that the settings demand isn't there."""


@dataclass(frozen=True, kw_only=True)
class TooLong:
    """In place of the summary of a text that has more tokens than the model reads, both counted."""

    tokens: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class EngineCall:
    """One call of the model: how many texts it had, and what they cost."""

    signature: str
    texts: int  # or chunks of texts, or readings of one text without some of its words
    tokens: int  # of the sources, all together
    padded_tokens: int  # what the model was given: the texts times the longest, padded


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """What a worker tells of itself beside each answer.

    Attributes:
        traces: Functions that TensorFlow has traced since the answer before.
        shortages: Calls since then for which there was no memory.
        budget_tokens: Padded tokens times beams, four at least, that a call of it may hold now.
    """

    traces: int = 0
    shortages: int = 0
    budget_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerHealth:
    """The processes in which the model runs."""

    workers: int  # that there should be
    alive: int  # that can answer
    restarts: int  # since the start
    unable_s: float = 0.0  # for how long none can answer
    last_loss: str | None = None
    pids: tuple[int, ...] = ()


class Task(Generic[Answer]):
    """What is asked of the model beside summaries; `explanation.tasks` has the kinds."""

    @property
    def tokens(self) -> int:
        """Of the source, about."""
        raise NotImplementedError

    @property
    def rows(self) -> int:
        """Of its batch: each reads the source once."""
        return 1


class Predictor(Protocol):
    """A loaded, warm model."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        ...

    @property
    def health(self) -> WorkerHealth:
        """Who can answer now."""
        ...

    async def summarize(
        self, texts: Sequence[str], options: SummarizeOptions, timeout_s: float | None = None
    ) -> list[Summary]:
        """One summary a text, in their order. Work that nobody awaits any more is dropped.

        Args:
            texts: What to summarize.
            options: How.
            timeout_s: What the client gives; None: as long as it takes.

        Raises:
            TextTooLong: a text exceeds the model and may not be cut.
            Overloaded: too much work is waiting, for the service or for this timeout.
            DeadlinePassed: the time is over.
            WorkerLost: the process that worked on it died, twice.
        """
        ...

    async def compute(
        self, task: Task[Answer], timeout_s: float | None = None, *, background: bool = False
    ) -> Answer:
        """The answer of the model to a task.

        Args:
            task: What to ask.
            timeout_s: As of `summarize`.
            background: Begin only when a worker is idle and nothing waits.

        Raises:
            ServiceError: as `summarize`, or a rule that the task breaks.
        """
        ...

    async def close(self) -> None:
        """Finishes the work accepted, then frees the model."""
        ...
