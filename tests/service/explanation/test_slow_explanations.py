"""Slow methods: 202, and a job that is asked for, given up and forgotten."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from model.explanation.planted import PlantedCopier
from service.app import create_app
from service.errors import WorkerLost
from service.explanation.asked_model import BACKGROUND_TOKENS
from service.explanation.schemas import Accepted, Progress
from service.explanation.tasks import Scoring
from service.settings import Settings

Explain = Callable[..., Awaitable[httpx.Response]]
COPIER = PlantedCopier()
SLOW = ["leave_one_out"]


async def ended(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    while True:
        answer = await client.get(url)
        assert answer.status_code == 200
        Progress.model_validate(answer.json(), extra="forbid")
        if answer.json()["state"] != "running":
            found: dict[str, Any] = answer.json()
            return found
        await asyncio.sleep(0.005)


async def begun(explain: Explain, **fields: Any) -> str:
    answer = await explain(**fields)
    assert answer.status_code == 202, answer.text
    url = Accepted.model_validate(answer.json(), extra="forbid").url
    assert answer.headers["location"] == url
    return url


async def test_leaving_out_finds_the_evidence(
    client: httpx.AsyncClient, explain: Explain, predictor: Any, text: str
) -> None:
    url = await begun(explain, methods=["attention", "leave_one_out"])
    found = await ended(client, url)
    assert found["state"] == "done"
    (prediction,) = found["result"]["predictions"]
    attention, sentences, words = prediction["explanations"]
    assert attention["method"] == "attention"
    assert (sentences["unit"], words["unit"]) == ("sentence", "word")
    assert sentences["source_units"]["token"] == [
        "Harbour keepers count forty boats.", "A storm is near Grünau 😀 tonight!",
        "Nobody sails before Friday.", "They mend nets and sing.",
    ]  # fmt: skip
    lost = math.log((COPIER.copied + COPIER.generated) / COPIER.generated)
    copied = {row["token"] for row in attention["rows"][:-1]}
    by_word = dict(zip(words["source_units"]["token"], words["scores"], strict=True))
    for token, score in by_word.items():
        if token in copied:
            assert score == pytest.approx(lost, abs=0.05)
        elif score is not None:
            assert abs(score) < 0.05
    without = [token for token, score in by_word.items() if score is None]
    assert len(without) == 6  # the words of the sentence that matters least
    for start, token in zip(
        words["source_units"]["start"], words["source_units"]["token"], strict=True
    ):
        assert text[start:].startswith(token)


async def test_work_in_the_background_comes_in_small_calls(
    client: httpx.AsyncClient, explain: Explain, predictor: Any
) -> None:
    await ended(client, await begun(explain, methods=["source_reliance", "ablation"]))
    tasks = [task for task, background in predictor.asked if background]
    assert tasks == [task for task, _ in predictor.asked]
    assert sum(task.rows for task in tasks) == 2 + 64
    assert all(isinstance(task, Scoring) for task in tasks)
    assert max(task.rows for task in tasks) <= BACKGROUND_TOKENS // 64


async def test_an_ablation_says_how_well_it_fits(
    client: httpx.AsyncClient, explain: Explain
) -> None:
    target = {"start": 0, "end": 3}
    url = await begun(explain, methods=["ablation"], target=target)
    (prediction,) = (await ended(client, url))["result"]["predictions"]
    (ablation,) = prediction["explanations"]
    assert ablation["scores"][0] == max(ablation["scores"]) > 3
    assert ablation["held_out_fit"] > 0.8
    assert ablation["target"]["start"] == 0


async def test_a_job_that_is_given_up_asks_for_nothing_more(
    client: httpx.AsyncClient, explain: Explain, predictor: Any, app: Any
) -> None:
    predictor.open.clear()
    url = await begun(explain, methods=SLOW)
    while not predictor.asked:
        await asyncio.sleep(0.005)
    assert (await client.get(url)).json() == {"id": url.split("/")[-1], "state": "running"}
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404
    assert (await client.delete(url)).status_code == 404
    predictor.open.set()
    while app.state.desk.jobs.running:
        await asyncio.sleep(0.005)
    assert len(predictor.asked) == 1


async def test_more_than_the_bound_are_refused_before_any_search(
    explain: Explain, predictor: Any, client: httpx.AsyncClient
) -> None:
    predictor.open.clear()
    urls = [await begun(explain, methods=SLOW) for _ in range(2)]
    searches = len(predictor.searched)
    answer = await explain(methods=SLOW)
    assert (answer.status_code, answer.json()["error_type"]) == (429, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert len(predictor.searched) == searches
    assert (await explain(methods=["attention"])).status_code == 200
    predictor.open.set()
    for url in urls:
        assert (await ended(client, url))["state"] == "done"


async def test_a_job_that_fails_says_why(
    client: httpx.AsyncClient, explain: Explain, predictor: Any
) -> None:
    predictor.error = WorkerLost()
    found = await ended(client, await begun(explain, methods=SLOW))
    assert found["state"] == "failed"
    assert (found["problem"]["status"], found["problem"]["error_type"]) == (503, "worker-lost")
    predictor.error = RuntimeError("/secret/path")
    found = await ended(client, await begun(explain, methods=SLOW))
    assert found["problem"]["error_type"] == "internal-error"
    assert "secret" not in str(found)


async def test_a_rule_is_broken_before_a_job_begins(explain: Explain, app: Any) -> None:
    answer = await explain(methods=SLOW, target={"start": 0, "end": 500})
    assert answer.status_code == 422
    assert app.state.desk.jobs.running == 0


async def test_the_model_stays_while_a_job_needs_it_and_no_longer(
    explain: Explain, predictor: Any, app: Any, client: httpx.AsyncClient
) -> None:
    predictor.open.clear()
    url = await begun(explain, methods=SLOW)
    other = type(predictor)()
    replacing = asyncio.create_task(app.state.slot.replace(other))
    await asyncio.sleep(0.02)
    assert not replacing.done()
    predictor.open.set()
    assert (await ended(client, url))["state"] == "done"
    await replacing


async def test_a_stop_ends_what_runs(predictor: Any, text: str) -> None:
    async def load(_: Settings) -> Any:
        return predictor

    app = create_app(Settings(), load)
    predictor.open.clear()
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await app.state.slot.settled.wait()
        await begun(
            lambda **fields: client.post("/explain", json=fields), inputs=text, methods=SLOW
        )
    assert app.state.desk.jobs.running == 0


async def test_another_method_is_told_all_that_the_path_knows(client: httpx.AsyncClient) -> None:
    answer = await client.post("/explain/any", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
