"""The wire format of `/explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.rendering.warning_rules import WarningName
from service.schemas import (
    ModelId,
    Problem,
    SourceUse,
    SummaryColumns,
    SummaryRequest,
    UnsupportedWord,
)

MethodName = Literal[
    "attention",
    "copy_split",
    "source_reliance",
    "gradient",
    "self_attention",
    "leave_one_out",
    "ablation",
]

ExplanationUnit = Literal["token", "word", "sentence"]


class Target(BaseModel):
    """A part of the summary, in `offset_unit`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    start: int = Field(ge=0)
    end: int = Field(ge=1)


class ExplainRequest(SummaryRequest):
    """Texts to explain the summaries of, and how; everything but `inputs` is optional."""

    methods: list[MethodName] = Field(
        default=["attention", "copy_split"],
        min_length=1,
        max_length=7,
        description="Each once; `/info` lists those that are served. The slow ones are answered "
        "with 202.",
    )
    summary: str | None = Field(
        None, description="A summary of your own, of one text; nothing is searched then."
    )
    target: Target | None = Field(
        None, description="The part of the summary that is asked about; all of it if left out."
    )
    layer: int | None = Field(None, ge=0, description="Of `self_attention`, from 0.")
    head: int | None = Field(None, ge=0, description="Of `self_attention`, from 0.")

    def named_texts(self) -> Iterator[tuple[str, str]]:
        """What holds text, and what an error calls it."""
        yield from super().named_texts()
        if self.summary is not None:
            yield "summary", self.summary


class UnitColumns(BaseModel):
    """Units of the source, as parallel lists; a special one has empty text and no offsets."""

    token: list[str]
    start: list[int | None]
    end: list[int | None]
    special: list[bool]


class RowSource(BaseModel):
    """A place that a row looks at or was copied from."""

    token: str
    start: int | None
    end: int | None
    weight: float | None = Field(None, description="Of the attention.")
    copied: float | None = Field(None, description="The probability that was copied from here.")


class Row(BaseModel):
    """What a method says of one unit; which fields there are depends on the method."""

    token: str
    start: int | None
    end: int | None
    sources: list[RowSource] | None = None
    special: float | None = Field(None, description="The attention on special tokens.")
    rest: float | None = Field(None, description="The attention on everything not listed.")
    log_prob: float | None = Field(None, description="Natural log of the token's probability.")
    copied: float | None = Field(None, description="The part of it that was copied.")
    generated: float | None = Field(None, description="The part of it that was not.")
    score: float | None = Field(None, description="Nats lost without the text.")


class Interval(BaseModel):
    """A mean over documents and its 95 % interval."""

    mean: float | None
    low: float | None
    high: float | None


class Evidence(BaseModel):
    """What was measured of a method on this model, and the phrase that it has earned by that."""

    measured: bool
    measurable: bool = Field(True, description="False of what ranks nothing: there is no figure.")
    phrase: str
    documents: int | None = None
    kinds_of_text: dict[str, int] | None = Field(
        None, description="How many of them were of each kind: the figures hold for those."
    )
    longest_text: int | None = Field(None, description="Tokens that they had at the most.")
    comprehensiveness_area: Interval | None = None
    normalised_comprehensiveness: Interval | None = None
    word_tau: Interval | None = None
    sentence_tau: Interval | None = None
    copied_share_tau: Interval | None = Field(
        None, description="Of source reliance, with the copied share of the summary's tokens."
    )
    advantage: dict[str, float] | None = None
    sane: bool | None = None


class Explanation(BaseModel):
    """What one method says: rows of the summary, or scores of units of the source."""

    method: MethodName
    unit: ExplanationUnit
    target: Target | None
    rows: list[Row] | None = None
    scores: list[float | None] | None = None
    source_units: UnitColumns | None = Field(
        None, description="Where the unit is another than that of the request."
    )
    error: float | None = Field(None, description="Of the copy split, the largest.")
    held_out_fit: float | None = Field(None, description="Of the ablation.")
    evidence: Evidence


class Explained(BaseModel):
    """The summary of one text, and where its words come from."""

    summary: str
    style: str
    summary_tokens: SummaryColumns
    source_units: UnitColumns
    explanations: list[Explanation]
    source: SourceUse
    unsupported_words: list[UnsupportedWord]
    warnings: list[WarningName]


class ExplainResponse(BaseModel):
    """One prediction a text, in the order sent."""

    id: str
    model: ModelId
    predictions: list[Explained]


class Accepted(BaseModel):
    """A slow explanation that was begun."""

    id: str
    url: str = Field(description="Where to ask for it.")


class Progress(BaseModel):
    """A slow explanation, or where it is."""

    id: str
    state: Literal["running", "done", "failed"]
    result: ExplainResponse | None = Field(None, description="Once it is done.")
    problem: Problem | None = Field(None, description="Once it has failed.")
