"""The scheduler over real worker processes with a light target; see worker_engines.py."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.errors import (
    DeadlinePassed,
    NonFiniteOutput,
    NotReady,
    TextTooLong,
    WorkerLost,
)
from service.explanation.tasks import Scoring
from service.observability.metrics import Metrics
from service.predictor import SummarizeOptions
from service.scheduled_predictor import ScheduledPredictor
from service.settings import Settings

TARGET = "tests.service.worker_engines:load"
SETTINGS = Settings(workers=1, shutdown_grace_s=5)
OPTIONS = SummarizeOptions(
    style="headline", num_beams=1, max_new_tokens=8, min_new_tokens=1, length_penalty=1.0,
    truncation="lead", support="strict", key_sentences=0, candidates=1,
)  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def predictor(metrics: Metrics) -> AsyncIterator[ScheduledPredictor]:
    loaded = await ScheduledPredictor.load(TARGET, SETTINGS, metrics)
    yield loaded
    await loaded.close()


def texts(metrics: Metrics, event: str) -> Any:
    return metrics.registry.get_sample_value("summarizer_texts_total", {"event": event})


async def test_each_text_gets_its_summary_in_order(predictor: ScheduledPredictor) -> None:
    assert predictor.info.name == "echo"
    asked = [f"words of text {i}" for i in range(5)]
    found = await predictor.summarize(asked, OPTIONS)
    assert [summary.text for summary in found] == asked
    assert all(list(summary.stage_seconds) == ["queue", "tokenize", "model"] for summary in found)


async def test_the_model_knows_one_thread(predictor: ScheduledPredictor) -> None:
    (summary,) = await predictor.summarize(["environment"], OPTIONS)
    assert summary.text == "1 1 1"


async def test_what_was_asked_before_is_not_computed_again(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    first = await predictor.summarize(["sleep", "sleep", "another"], OPTIONS)
    again = await predictor.summarize(["sleep"], OPTIONS)
    assert first[0].text == first[1].text == again[0].text
    assert again[0].stage_seconds["model"] == 0.0
    other = await predictor.summarize(["sleep"], replace(OPTIONS, num_beams=2))
    assert other[0].stage_seconds["model"] > 0
    assert (texts(metrics, "cached"), texts(metrics, "queued")) == (1, 3)


async def test_options_do_not_mix_in_a_call(predictor: ScheduledPredictor) -> None:
    styles = ["headline", "tldr"] * 4
    answers = await asyncio.gather(
        *(
            predictor.summarize([f"style {i}"], replace(OPTIONS, style=style))
            for i, style in enumerate(styles)
        )
    )
    assert [answer[0].style for answer in answers] == styles


async def test_a_text_that_may_not_be_cut_is_named_by_its_place_in_the_request(
    predictor: ScheduledPredictor,
) -> None:
    long = "word " * 50
    options = replace(OPTIONS, truncation="error")
    for place in (0, 2):
        asked = ["short", "brief", "curt"]
        asked[place] = long
        with pytest.raises(TextTooLong, match="has 50 tokens; the model reads at most 40") as error:
            await predictor.summarize(asked, options)
        assert error.value.index == place


async def test_texts_that_are_refused_fill_no_more_of_the_cache_than_it_has(
    metrics: Metrics,
) -> None:
    settings = SETTINGS.model_copy(update={"cache_bytes": 100_000})
    predictor = await ScheduledPredictor.load(TARGET, settings, metrics)
    options = replace(OPTIONS, truncation="error")
    for number in [*range(20), 0, 19]:
        with pytest.raises(TextTooLong):
            await predictor.summarize([f"{number} " + "word " * 2_000], options)
    assert (texts(metrics, "cached"), texts(metrics, "queued")) == (1, 21)  # the last is there
    await predictor.close()


async def test_a_summary_that_is_no_number_fails_its_request_and_is_not_kept(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    for _ in range(2):
        with pytest.raises(NonFiniteOutput):
            await predictor.summarize(["overflow"], OPTIONS)
    assert (texts(metrics, "cached"), texts(metrics, "queued")) == (0, 2)
    assert (await predictor.summarize(["fine"], OPTIONS))[0].text == "fine"


async def test_an_answer_that_comes_too_late_is_not_given(predictor: ScheduledPredictor) -> None:
    with pytest.raises(DeadlinePassed, match="before its answer was there"):
        await predictor.summarize(["sleep"], OPTIONS, timeout_s=0.05)


async def test_who_waits_behind_a_worker_that_hangs_is_told_in_time(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    hanging = asyncio.create_task(predictor.summarize(["sleep"], OPTIONS))
    await asyncio.sleep(0)
    with pytest.raises(DeadlinePassed) as told:
        await predictor.summarize(["behind it"], OPTIONS, timeout_s=0.1)
    assert told.value.retry_after_s is not None
    assert not hanging.done()
    assert (texts(metrics, "missed"), texts(metrics, "dropped")) == (1, 0)
    await hanging


async def test_health_is_that_of_the_workers(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    health = predictor.health
    assert (health.workers, health.alive, health.restarts, len(health.pids)) == (1, 1, 0, 1)


async def test_a_worker_that_hangs_while_it_loads_is_given_up(metrics: Metrics) -> None:
    settings = SETTINGS.model_copy(update={"load_timeout_s": 1})
    with pytest.raises(WorkerLost, match="while it loaded"):
        await ScheduledPredictor.load("tests.service.worker_engines:hang", settings, metrics)


async def lose_the_worker(predictor: ScheduledPredictor) -> None:
    (pid,) = predictor.health.pids
    os.kill(pid, signal.SIGKILL)
    while predictor.health.alive:
        await asyncio.sleep(0)


async def test_row_14_what_waits_for_a_worker_to_be_replaced_can_be_given_up(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    await lose_the_worker(predictor)
    leaving = asyncio.create_task(predictor.summarize(["leaving"], OPTIONS))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (texts(metrics, "queued"), texts(metrics, "dropped")) == (1, 1)
    (summary,) = await predictor.summarize(["patient"], OPTIONS)
    assert summary.text == "patient"
    calls = metrics.registry.get_sample_value(
        "summarizer_batch_texts_count", {"signature": "summarize"}
    )
    assert calls == 1
    assert predictor.health.restarts == 1


async def test_who_waits_for_a_worker_when_all_is_closed_is_told_so(metrics: Metrics) -> None:
    settings = SETTINGS.model_copy(update={"shutdown_grace_s": 0})
    predictor = await ScheduledPredictor.load(TARGET, settings, metrics)
    await lose_the_worker(predictor)
    waiting = asyncio.create_task(predictor.summarize(["in vain"], OPTIONS))
    await asyncio.sleep(0)
    await predictor.close()
    with pytest.raises(NotReady):
        await waiting


async def test_closing_finishes_what_was_taken(metrics: Metrics) -> None:
    predictor = await ScheduledPredictor.load(TARGET, SETTINGS, metrics)
    asked = [
        asyncio.create_task(predictor.summarize([text], OPTIONS)) for text in ("sleep", "next")
    ]
    await asyncio.sleep(0)
    closing = asyncio.create_task(predictor.close())
    await asyncio.sleep(0)
    with pytest.raises(NotReady):
        await predictor.summarize(["late"], OPTIONS)
    assert [summaries[0].text for summaries in await asyncio.gather(*asked)] == ["sleep", "next"]
    await closing
    assert predictor.health.alive == 0


def scoring(style: str = "headline") -> Scoring:
    ids = np.array([5, 1], np.int32)
    return Scoring(source_ids=ids, keep=np.ones((3, 2), np.bool_), summary_ids=ids, style=style)


async def test_a_task_is_answered_or_fails_alone(
    predictor: ScheduledPredictor, metrics: Metrics
) -> None:
    assert await predictor.compute(scoring()) == 3
    with pytest.raises(TextTooLong, match="has 99 tokens"):
        await predictor.compute(scoring("long"))
    with pytest.raises(NonFiniteOutput):
        await predictor.compute(scoring("overflow"))
    with pytest.raises(DeadlinePassed):
        await predictor.compute(scoring(), timeout_s=0.02)
    assert texts(metrics, "cached") == 0


async def test_a_task_in_the_background_lets_texts_pass(predictor: ScheduledPredictor) -> None:
    ended: list[str] = []

    async def asked(text: str) -> None:
        await predictor.summarize([text], OPTIONS)
        ended.append(text)

    async def background() -> None:
        await predictor.compute(scoring(), background=True)
        ended.append("background")

    tasks = [asyncio.create_task(asked("sleep"))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(background()), asyncio.create_task(asked("late"))]
    await asyncio.gather(*tasks)
    assert ended == ["sleep", "late", "background"]
