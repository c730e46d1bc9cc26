"""`/livez`, `/readyz` and `/info`: whether the process runs, whether it answers, and with what."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from service import VERSION
from service.documentation.openapi import problems
from service.errors import NotReady
from service.explanation.catalogue import offers, refusals
from service.explanation.schemas import MethodName
from service.prediction import MAX_MATRIX_CELLS
from service.predictor import ModelInfo
from service.routes.dependencies import settings_of, slot_of
from service.schemas import MAX_BEAMS, MAX_CANDIDATES, MAX_INPUTS, MAX_KEY_SENTENCES, ModelId
from service.settings import Settings
from service.versions.readiness import PredictorSlot

router = APIRouter()

Slot = Annotated[PredictorSlot, Depends(slot_of)]

NOT_READY: dict[int | str, dict[str, Any]] = problems(
    {503: "No model is loaded; `detail` says why."}
)


UNABLE_S = 300
"""So long after the last worker was lost, replacements failing, a restart is worth trying."""


class Workers(BaseModel):
    """The processes in which the model runs."""

    expected: int
    alive: int = Field(description="That are loaded and can answer.")
    restarts: int = Field(description="Since the start: each after one that died or hung.")


class Live(BaseModel):
    """The process runs."""

    status: Literal["live"] = "live"
    workers: Workers | None = Field(description="Null while the model loads, or without one.")


class Ready(BaseModel):
    """A model is loaded and warm."""

    status: Literal["ready"] = "ready"
    model: ModelId


class ModelDescription(ModelId):
    """The loaded model, what it accepts, and its defaults."""

    created: str
    precision: str
    device: str
    styles: list[str]
    default_style: str
    max_source_tokens: int = Field(
        description="Of a longer text the summary is written from the lead or from a selection."
    )
    max_summary_tokens: int
    default_num_beams: int
    default_length_penalty: float = Field(
        description="For styles that are not in `length_penalties`."
    )
    length_penalties: dict[str, float] = Field(description="The defaults of styles of their own.")
    loose_styles: list[str] = Field(
        description="Styles whose `support` is `loose` by default; that of others is `strict`."
    )
    default_min_new_tokens: int
    default_max_new_tokens: int
    low_confidence_log_prob: float | None = Field(
        description="Mean log probability of a token under which a summary gets the warning."
    )


class Limits(BaseModel):
    """What one request may hold."""

    max_inputs: int
    max_input_characters: int
    max_body_bytes: int
    max_num_beams: int
    max_candidates: int
    max_key_sentences: int
    max_matrix_cells: int


class Method(BaseModel):
    """A method of `/explain`."""

    method: MethodName
    slow: bool = Field(description="Answered with 202.")
    measured: bool = Field(description="Whether its faithfulness was, on this model.")
    phrase: str = Field(description="What may be said of its answers.")


class RefusedMethod(BaseModel):
    """A method that was measured on this model and failed."""

    method: MethodName
    reason: str


class Explanations(BaseModel):
    """What `/explain` offers of this model."""

    methods: list[Method]
    refused: list[RefusedMethod]
    num_layers: int = Field(description="Of the encoder, for `self_attention`.")
    num_heads: int = Field(description="In each of them.")
    max_running: int = Field(description="Slow explanations at a time.")


class Info(BaseModel):
    """What answers here."""

    service: str
    version: str
    model: ModelDescription
    explanations: Explanations
    limits: Limits


@router.get(
    "/livez",
    summary="Whether the process runs",
    responses=problems({503: "The model's processes were lost and can't be replaced."}),
)
async def livez(slot: Slot) -> Live:
    """Answers 200 as long as the event loop turns, loaded or not, and workers can be replaced."""
    health = slot.health()
    if health is None:
        return Live(workers=None)
    if health.unable_s > UNABLE_S:
        raise NotReady(f"no worker could be started for {health.unable_s:.0f} s")
    return Live(
        workers=Workers(expected=health.workers, alive=health.alive, restarts=health.restarts)
    )


@router.get("/readyz", summary="Whether a model is loaded and warm", responses=NOT_READY)
async def readyz(slot: Slot) -> Ready:
    """Answers 503 while `/predict` would, and while no worker is alive."""
    slot.check_workers()
    info = slot.predictor.info
    return Ready(model=ModelId(name=info.name, version=info.version, sha256=info.sha256))


@router.get("/info", summary="The model, its defaults and the limits", responses=NOT_READY)
async def info(slot: Slot, settings: Annotated[Settings, Depends(settings_of)]) -> Info:
    """Describes what answers here."""
    model = slot.predictor.info
    return Info(
        service="attention-summarizer",
        version=VERSION,
        model=ModelDescription.model_validate(asdict(replace(model, faithfulness=None))),
        explanations=_explanations(model, settings),
        limits=Limits(
            max_inputs=MAX_INPUTS,
            max_input_characters=settings.max_input_characters,
            max_body_bytes=settings.max_body_bytes,
            max_num_beams=MAX_BEAMS,
            max_candidates=MAX_CANDIDATES,
            max_key_sentences=MAX_KEY_SENTENCES,
            max_matrix_cells=MAX_MATRIX_CELLS,
        ),
    )


def _explanations(model: ModelInfo, settings: Settings) -> Explanations:
    offered = offers(model, unmeasured=settings.unmeasured_methods)
    return Explanations(
        methods=[
            Method(
                method=offer.name,
                slow=offer.is_slow,
                measured=offer.evidence["measured"],
                phrase=offer.evidence["phrase"],
            )
            for offer in offered.values()
        ],
        refused=[
            RefusedMethod.model_validate({"method": name, "reason": reason})
            for name, reason in refusals(model).items()
        ],
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        max_running=settings.max_explanations,
    )
