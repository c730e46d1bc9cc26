"""Where explanations are asked for: at once, or as jobs. Knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from service.errors import DeadlinePassed, RuleBroken
from service.explanation.asked_model import AskedModel, in_thread
from service.explanation.audit import audit_of, audit_task
from service.explanation.catalogue import Offer
from service.explanation.jobs import Jobs
from service.explanation.response import explained, response
from service.explanation.schemas import ExplainRequest
from service.explanation.subject import Subject
from service.explanation.tasks import OwnSummary
from service.predictor import ModelInfo, Predictor, SummarizeOptions, Summary
from service.settings import Settings

MOST_ASKING = 16
"""Threads that wait for the model at a time; those that render have others."""

_WITHOUT_MODEL = frozenset({"attention", "copy_split"})


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request whose summaries are there.

    Attributes:
        asked: The request.
        subjects: Its texts and their summaries.
        offered: What is served.
        predictor: Who is asked.
        request_id: Of the response.
    """

    asked: ExplainRequest
    subjects: Sequence[Subject]
    offered: Mapping[str, Offer]
    predictor: Predictor
    request_id: str

    @property
    def is_slow(self) -> bool:
        """Whether a job answers it."""
        return any(self.offered[name].is_slow for name in self.asked.methods)

    def answer(self, model: AskedModel) -> bytes:
        """The whole response; work for a thread."""
        info = self.predictor.info
        found = [explained(subject, model, self.offered, info) for subject in self.subjects]
        return response(found, info, self.request_id)


class ExplanationDesk:
    """Answers questions, and keeps the jobs. Belongs to the event loop.

    Args:
        settings: Bounds.
    """

    def __init__(self, settings: Settings) -> None:
        self.jobs = Jobs(
            most_running=settings.max_explanations,
            timeout_s=settings.explanation_timeout_s,
            kept_s=settings.explanation_kept_s,
            max_bytes=settings.explanation_bytes,
        )
        self._asking = CapacityLimiter(MOST_ASKING)
        self._jobs = CapacityLimiter(settings.max_explanations)

    async def answer(self, question: Question, deadline: float) -> bytes:
        """The response, by a deadline on the monotonic clock.

        Raises:
            DeadlinePassed: it is not there by then.
            ServiceError: whatever the model says instead.
        """
        asks = not _WITHOUT_MODEL.issuperset(question.asked.methods)
        limiter = self._asking if asks else to_thread.current_default_thread_limiter()
        model = _asked_model(question, deadline, background=False)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await in_thread(model, question.answer, limiter)
        except TimeoutError:
            late = "the time for this request was over before its answer was there"
            raise DeadlinePassed(late, retry_after_s=1) from None

    def begin(self, question: Question, release: Callable[[], None]) -> str:
        """Begins a job that answers when nobody else needs the model; its id.

        Raises:
            Overloaded: too many run.
        """
        return self.jobs.start(self._slowly(question), release)

    async def _slowly(self, question: Question) -> bytes:
        model = _asked_model(question, None, background=True)
        return await in_thread(model, question.answer, self._jobs)


async def subjects_of(
    asked: ExplainRequest, options: SummarizeOptions, predictor: Predictor, timeout_s: float
) -> list[Subject]:
    """The texts with their summaries: searched for as `/predict` does, or the client's own.

    Raises:
        RuleBroken: the target is not in a summary.
        ServiceError: as `Predictor`.
    """
    if asked.summary is None:
        summaries = await predictor.summarize(asked.texts, options, timeout_s)
    else:
        task = OwnSummary(text=asked.texts[0], summary=asked.summary, options=options)
        summaries = [await predictor.compute(task, timeout_s)]
    subjects = [Subject(asked, *pair) for pair in zip(asked.texts, summaries, strict=True)]
    for index, subject in enumerate(subjects):
        try:
            _ = subject.target
        except RuleBroken as error:
            raise RuleBroken(f"{error.detail} of {asked.field_of(index)}") from None
    return subjects


def check_rules(asked: ExplainRequest, info: ModelInfo) -> None:
    """Rules that hold between the fields of a request, or are the model's.

    Raises:
        RuleBroken: one is broken.
    """
    if len(set(asked.methods)) < len(asked.methods):
        raise RuleBroken("methods should name each method once")
    if asked.summary is not None and len(asked.texts) > 1:
        raise RuleBroken(f"summary is of one text, and inputs holds {len(asked.texts)}")
    wants_head = "self_attention" in asked.methods
    bounds = {"layer": (asked.layer, info.num_layers), "head": (asked.head, info.num_heads)}
    for name, (value, count) in bounds.items():
        if wants_head and value is None:
            raise RuleBroken(f"{name} is required by self_attention")
        if not wants_head and value is not None:
            raise RuleBroken(f"{name} is for self_attention, which methods should name")
        if value is not None and value >= count:
            raise RuleBroken(f"{name} should be at most {count - 1}")


async def audits_of(
    summaries: Sequence[tuple[str, Summary]], predictor: Predictor, timeout_s: float
) -> list[dict[str, float]]:
    """What each summary loses without the words that it looked at, and without others.

    Args:
        summaries: Each with its text before it.
        predictor: Asked.
        timeout_s: What there is.

    Raises:
        ServiceError: as `Predictor`.
    """
    if not summaries:
        return []
    began = time.monotonic()
    made = await to_thread.run_sync(lambda: [audit_task(*pair) for pair in summaries])
    left_s = timeout_s - (time.monotonic() - began)
    asked = [asyncio.ensure_future(predictor.compute(task, left_s)) for task in made]
    try:
        return [audit_of(scores) for scores in await asyncio.gather(*asked)]
    finally:
        for one in asked:
            one.cancel()


def _asked_model(question: Question, deadline: float | None, *, background: bool) -> AskedModel:
    style = question.subjects[0].summary.style
    return AskedModel(question.predictor, style, deadline, background=background)
