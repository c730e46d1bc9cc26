"""The wire format of `/predict`: what may be asked and what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from service.examples import PROBLEM_EXAMPLE
from service.predictor import FinishReason, Support, Truncation
from service.rendering.offsets import OffsetUnit
from service.rendering.warning_rules import WarningName

MAX_INPUTS = 32
MAX_BEAMS = 8
MAX_LENGTH_PENALTY = 5.0
MAX_KEY_SENTENCES = 10
DEFAULT_KEY_SENTENCES = 3
MAX_CANDIDATES = 5

INPUTS_RULE = f"must be a string or a list of 1 to {MAX_INPUTS} strings"


def _kind_of_inputs(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    return "texts" if isinstance(value, list) else None


Inputs = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS), Tag("texts")],
    Discriminator(
        _kind_of_inputs, custom_error_type="inputs_type", custom_error_message=INPUTS_RULE
    ),
]


class SummaryRequest(BaseModel):
    """Texts to summarize and how; everything but `inputs` is optional."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    inputs: Inputs = Field(description="A text, or 1 to 32 texts, each summarized by itself.")
    style: str | None = Field(
        None, max_length=64, description="One of the model's styles; `/info` lists them."
    )
    case: Literal["sentence", "title"] = Field(
        "sentence", description="Capitals as in a sentence or as in a headline."
    )
    num_beams: int | None = Field(
        None,
        ge=1,
        le=MAX_BEAMS,
        description="Width of the search, at least `candidates`; the model has a default.",
    )
    max_new_tokens: int | None = Field(
        None, ge=1, description="Most tokens written, the final one counted; `/info` has the bound."
    )
    min_new_tokens: int | None = Field(
        None, ge=0, description="Fewest tokens written, the final one counted."
    )
    length_penalty: float | None = Field(
        None,
        ge=0.0,
        le=MAX_LENGTH_PENALTY,
        allow_inf_nan=False,
        description="Above 0 the search prefers longer summaries.",
    )
    truncation: Truncation = Field(
        "lead",
        description="Of a text over the model's length, the summary is written from the lead or "
        "from a selection of the best sentences, or it is an error.",
    )
    support: Support | None = Field(
        None,
        description="Whether the search may write only names and numbers that the text has; "
        "by default `strict`, but for the `loose_styles` of the model.",
    )
    unit: Literal["token", "word"] = Field("token", description="What the attention is given for.")
    offset_unit: OffsetUnit = Field(
        "code_point", description="What every `start`, every `end` and `used_end` count."
    )

    @property
    def texts(self) -> list[str]:
        """The inputs as a list."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs

    def field_of(self, index: int) -> str:
        """What an error calls one of the texts."""
        return "inputs" if isinstance(self.inputs, str) else f"inputs[{index}]"

    def named_texts(self) -> Iterator[tuple[str, str]]:
        """What holds text, and what an error calls it."""
        for index, text in enumerate(self.texts):
            yield self.field_of(index), text


class PredictRequest(SummaryRequest):
    """Texts to summarize and how; everything but `inputs` is optional."""

    key_sentences: int = Field(
        DEFAULT_KEY_SENTENCES,
        ge=0,
        le=MAX_KEY_SENTENCES,
        description="How many sentences of the text to list that say most; 0 for none.",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=MAX_CANDIDATES,
        description="How many summaries to list, the first among them; at most `num_beams`.",
    )
    attention: Literal["sources", "matrix", "none"] = Field(
        "sources", description="Where each word looked, every weight, or nothing of it."
    )
    audit: bool = Field(
        False,
        description="Whether to hide the five words that were looked at most, and five random "
        "ones, and to say what the summary loses.",
    )


class Source(BaseModel):
    """A place in the text that a word of the summary looked at."""

    token: str
    start: int
    end: int
    weight: float


class AttentionEntry(BaseModel):
    """A token or word of the summary and the places that it looked at, largest first."""

    token: str
    start: int
    end: int
    log_prob: float = Field(description="Natural log of its probability.")
    copy_gate: float = Field(description="The probability of copying at this step.")
    copied_share: float = Field(description="How much of its probability came from copying.")
    sources: list[Source] = Field(max_length=5)
    rest: float = Field(description="The attention on everything not listed.")


class SummaryColumns(BaseModel):
    """The rows of the matrix, as parallel lists; a special token has no offsets."""

    token: list[str]
    start: list[int | None]
    end: list[int | None]
    special: list[bool]
    log_prob: list[float]
    copy_gate: list[float]
    copied_share: list[float]


class SourceColumns(BaseModel):
    """The columns of the matrix, as parallel lists; `weight` is the mean of each column."""

    token: list[str]
    start: list[int | None]
    end: list[int | None]
    special: list[bool]
    weight: list[float]


class AttentionMatrix(BaseModel):
    """All weights: row t was used to predict token t of the summary."""

    axes: tuple[Literal["summary_token"], Literal["source_token"]]
    shape: tuple[int, int]
    row_semantics: Literal["predicting"]
    normalization: Literal["row_sum_1"]
    weights: list[list[float]]
    summary_tokens: SummaryColumns
    source_tokens: SourceColumns


class Passage(BaseModel):
    """A part of the text."""

    start: int
    end: int


class SourceUse(BaseModel):
    """How much of the text the summary was written from."""

    tokens: int
    used_tokens: int
    used_end: int = Field(description="Where the part that was read ends.")
    truncated: bool
    passages: list[Passage] | None = Field(
        None,
        description="What was read of a long text, where the request says `select`; else left out.",
    )
    offset_unit: OffsetUnit
    sha256: str = Field(description="Of the text in UTF-8.")


class KeySentence(BaseModel):
    """A sentence of the text, verbatim."""

    text: str
    start: int
    end: int
    score: float = Field(
        description="Its share: the scores of all sentences of the text add up to 1."
    )


class UnsupportedWord(BaseModel):
    """A name or a number of the summary that the text does not have."""

    text: str
    start: int = Field(description="In the summary.")
    end: int
    kind: Literal["name", "number"]


class Candidate(BaseModel):
    """A summary that the search found."""

    summary: str
    score: float = Field(
        description="What the search ranked it by: its log probability, divided by a power of its "
        "length."
    )


class Audit(BaseModel):
    """What the log probability of the summary changes by when words are hidden, in nats."""

    top5_removed: float = Field(description="The five words that were looked at most.")
    random5_removed: float = Field(description="Five random words, the mean of four draws.")


class Prediction(BaseModel):
    """The summary of one text."""

    summary: str
    style: str
    finish_reason: FinishReason
    log_prob: float = Field(description="Natural log of the probability of the summary.")
    candidates: list[Candidate] | None = Field(
        None, description="The best first, which is `summary`. Left out unless asked for."
    )
    attention: list[AttentionEntry] | AttentionMatrix | None = Field(
        None, description="Left out where the request says `none`."
    )
    audit: Audit | None = Field(None, description="Left out unless asked for.")
    key_sentences: list[KeySentence] = Field(
        max_length=MAX_KEY_SENTENCES, description="In the order of the text."
    )
    source: SourceUse
    unsupported_words: list[UnsupportedWord] = Field(
        description="Where the warning of this name is from."
    )
    warnings: list[WarningName]


class ModelId(BaseModel):
    """Which model answered."""

    name: str
    version: str
    sha256: str


class Usage(BaseModel):
    """Tokens read and written, special ones counted."""

    source_tokens: int
    summary_tokens: int


class PredictResponse(BaseModel):
    """One prediction a text, in the order sent."""

    id: str
    model: ModelId
    predictions: list[Prediction]
    usage: Usage


class Problem(BaseModel):
    """An error (RFC 9457), with the keys that clients of other protocols read."""

    model_config = ConfigDict(json_schema_extra={"example": PROBLEM_EXAMPLE})

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error: str
    error_type: str
    retry_after_ms: int | None = None
