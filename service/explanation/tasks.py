"""What a worker is asked beside summaries. Plain Python and NumPy."""

from __future__ import annotations

from dataclasses import dataclass

from model.explanation.scorer import Floats, Ids, Mask, Scores
from service.predictor import SummarizeOptions, Summary, Task

_CHARACTERS_PER_TOKEN = 4
"""Of English prose, rather less than there are."""


@dataclass(frozen=True, kw_only=True)
class OwnSummary(Task[Summary]):
    """The numbers of a summary that the client brings, instead of one that is searched."""

    text: str
    summary: str
    options: SummarizeOptions

    @property
    def tokens(self) -> int:
        """Of the text, about."""
        return 1 + len(self.text) // _CHARACTERS_PER_TOKEN


# Arrays are compared by nobody: each of these tasks is like no other.


@dataclass(frozen=True, kw_only=True, eq=False)
class Scoring(Task[Scores]):
    """One summary under N keep masks, as `Scorer` has it."""

    source_ids: Ids  # (S,)
    keep: Mask  # (N, S)
    summary_ids: Ids  # (T,)
    style: str

    @property
    def tokens(self) -> int:
        """S."""
        return len(self.source_ids)

    @property
    def rows(self) -> int:
        """N."""
        return len(self.keep)


@dataclass(frozen=True, kw_only=True, eq=False)
class Saliency(Task[Floats]):
    """The gradient norm of each source token (S,), by the signature `saliency`."""

    source_ids: Ids  # (S,)
    summary_ids: Ids  # (T,)
    target: Floats  # (T,), how much each summary token counts
    style: str

    @property
    def tokens(self) -> int:
        """S."""
        return len(self.source_ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfAttention(Task[Floats]):
    """Where one head of the encoder looks (S, S), by the signature `self_attention`."""

    source_ids: Ids  # (S,)
    layer: int
    head: int

    @property
    def tokens(self) -> int:
        """S."""
        return len(self.source_ids)
