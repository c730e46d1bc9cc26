"""Who runs when; the clock and the workers do what each test says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from service.errors import DeadlinePassed, DeadlineUnmeetable, NotReady, Overloaded
from service.scheduler import Scheduler
from service.scheduling.batch_choice import BatchRule, Work
from service.scheduling.result_cache import ENTRY_BYTES, ResultCache

RATE = 1_000.0  # padded tokens times beams in a second of one worker: the first guess


class LostError(Exception):
    pass


class Calls:
    """Batches under way, each of which ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self._under_way: list[asyncio.Future[list[Any]]] = []

    async def run(self, payloads: Sequence[str]) -> list[Any]:
        self.begun.append(list(payloads))
        self._under_way.append(asyncio.get_running_loop().create_future())
        return await self._under_way[-1]

    async def end(self, index: int, *outcome: Any) -> None:
        """Ends a call: well, or with the outcome of each, or with an exception."""
        future = self._under_way[index]
        if outcome and isinstance(outcome[0], Exception) and len(outcome) == 1:
            future.set_exception(outcome[0])
        else:
            future.set_result(list(outcome) or [p.upper() for p in self.begun[index]])
        await turn()

    def cancel(self, index: int) -> None:
        self._under_way[index].cancel()


class Counts:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def waiting(self, texts: int, tokens: int) -> None:
        self.queue = (texts, tokens)

    def refused(self, reason: str, texts: int) -> None:
        self.heard.append(("refused", reason, texts))

    def admitted(self, *, cached: int, joined: int, queued: int) -> None:
        self.heard.append(("admitted", cached, joined, queued))

    def started(self, texts: int, tokens: int, padded_tokens: int) -> None:
        self.heard.append(("started", texts, tokens, padded_tokens))

    def retried(self, texts: int, *, lost: bool) -> None:
        self.heard.append(("retried", texts, lost))

    def dropped(self, texts: int) -> None:
        self.heard.append(("dropped", texts))

    def missed(self, texts: int) -> None:
        self.heard.append(("missed", texts))


class Bench:
    """A scheduler with its surroundings."""

    def __init__(self, workers: int = 1, **changes: Any) -> None:
        self.now, self.workers = 100.0, workers
        self.calls, self.counts = Calls(), Counts()
        given: dict[str, Any] = {
            "rule": BatchRule(
                max_tokens=1_000, padded_length=lambda n: -(-n // 64) * 64, padding_tolerance=0
            ),
            "max_queued_texts": 8,
            "rate": RATE,
            "margin": 1.0,
            "lost": (LostError,),
        }
        self.scheduler: Scheduler[str, str] = Scheduler(
            self.calls.run,
            workers=lambda: self.workers,
            observer=self.counts,
            clock=lambda: self.now,
            **given | changes,
        )

    async def submit(
        self, *texts: str, tokens: int = 64, left: float | None = None
    ) -> asyncio.Task[list[str]]:
        """Texts of one client, who waits in a task; their keys are the texts."""
        works = [Work(payload=t, key=t, tokens=tokens, width=1, group=1) for t in texts]
        deadline = None if left is None else self.now + left
        task = asyncio.create_task(self.scheduler.submit(works, deadline))
        await turn()
        return task

    async def resize(self, workers: int) -> None:
        """Some workers are lost, or replaced."""
        self.workers = workers
        self.scheduler.wake()
        await turn()


async def turn() -> None:
    """Lets everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_work_starts_at_once_on_each_idle_worker_and_batches_form_while_none_is() -> None:
    bench = Bench(workers=2)
    tasks = [await bench.submit(text) for text in "abcd"]
    assert bench.calls.begun == [["a"], ["b"]]
    bench.now += 1  # by now, the other call should be over as well
    await bench.calls.end(0)
    assert bench.calls.begun == [["a"], ["b"], ["c"]]
    await bench.calls.end(1)
    await bench.calls.end(2)
    await bench.calls.end(3)
    assert [await task for task in tasks] == [["A"], ["B"], ["C"], ["D"]]


async def test_one_worker_takes_all_that_waits_and_two_an_equal_share() -> None:
    one = Bench()
    for text in "abcd":
        await one.submit(text)
    await one.calls.end(0)
    assert one.calls.begun == [["a"], ["b", "c", "d"]]
    two = Bench(workers=2)
    await two.submit(*"abcdef")
    assert two.calls.begun == [["a", "b", "c"], ["d", "e", "f"]]


async def test_a_batch_holds_one_length_and_the_oldest_is_always_in_the_next() -> None:
    bench = Bench()
    await bench.submit("first")
    await bench.submit("long", tokens=500)
    for text in "abc":
        await bench.submit(text)
        await bench.submit(text * 2, tokens=500)
    assert bench.counts.queue == (7, 3 * 64 + 4 * 500)
    for index in range(4):
        await bench.calls.end(index)
    assert bench.calls.begun == [["first"], ["long"], ["a", "b", "c"], ["aa"], ["bb"]]
    assert ("started", 3, 192, 192) in bench.counts.heard


async def test_every_text_of_a_request_counts_and_what_is_too_much_is_refused_at_once() -> None:
    bench = Bench()
    await bench.submit("running")
    await bench.submit(*"abcdefghijkl")  # more than may wait, but nothing waits
    assert bench.counts.queue[0] == 12
    refused = await bench.submit("more", "and more")
    with pytest.raises(Overloaded) as raised:
        await refused
    # 12 + 2 - 8 have to leave: behind the one that runs, 6 of 64 tokens each.
    assert raised.value.retry_after_s == pytest.approx(7 * 64 / RATE)
    assert bench.counts.heard[-1] == ("refused", "overloaded", 2)
    await bench.calls.end(0)
    assert len(bench.calls.begun[1]) == 12
    assert (await bench.submit("more", "and more")).done() is False


async def test_what_cannot_meet_its_deadline_is_refused_with_the_time_that_is_lacking() -> None:
    bench = Bench()
    await bench.submit("a", tokens=640)
    await bench.submit("b", tokens=640)
    refused = await bench.submit("c", tokens=640, left=1.8)
    with pytest.raises(DeadlineUnmeetable) as raised:
        await refused
    assert raised.value.retry_after_s == pytest.approx(3 * 0.64 - 1.8)
    assert bench.counts.heard[-1] == ("refused", "deadline-unmeetable", 1)
    bench.now += raised.value.retry_after_s + 0.001
    accepted = await bench.submit("c", tokens=640, left=1.8)
    assert not accepted.done()
    assert bench.counts.queue[0] == 2


async def test_without_a_worker_work_waits_where_it_can_be_given_up() -> None:
    bench = Bench(workers=2)
    first = await bench.submit("first")
    await bench.resize(0)
    leaving, staying = await bench.submit("leaving"), await bench.submit("staying")
    await bench.calls.end(0, LostError())
    assert bench.calls.begun == [["first"]]
    assert bench.counts.queue[0] == 3
    leaving.cancel()
    await turn()
    assert ("dropped", 1) in bench.counts.heard
    bench.now += 30  # until there is a worker, which says nothing of how fast it works
    await bench.resize(1)
    assert bench.calls.begun == [["first"], ["first"]]
    await bench.calls.end(1)
    await bench.calls.end(2)
    assert (await first, await staying) == (["FIRST"], ["STAYING"])


async def test_without_a_worker_nobody_guesses_how_long_the_first_will_wait() -> None:
    bench = Bench()
    await bench.resize(0)
    assert not (await bench.submit("first", left=0.001)).done()
    with pytest.raises(DeadlineUnmeetable):
        await (await bench.submit("second", left=0.001))


async def test_after_a_loss_no_more_calls_begin_than_there_are_workers() -> None:
    bench = Bench(workers=3)
    for text in "abc":
        await bench.submit(text, tokens=500)
    await bench.resize(1)
    waiting = await bench.submit("d", tokens=500)
    assert bench.scheduler.predicted_wait_s() == pytest.approx(4 * 512 / RATE)
    await bench.calls.end(0)
    await bench.calls.end(1)
    assert len(bench.calls.begun) == 3
    await bench.calls.end(2)
    assert bench.calls.begun[3:] == [["d"]]
    await bench.calls.end(3)
    assert await waiting == ["D"]


async def test_prediction_follows_the_measured_rate() -> None:
    bench = Bench()
    await bench.submit("a", tokens=640)
    bench.now += 64  # a hundredth of the guess
    await bench.calls.end(0)
    await bench.submit("a2", tokens=640)
    assert bench.scheduler.predicted_wait_s() == pytest.approx(64, rel=0.05)
    with pytest.raises(DeadlineUnmeetable):
        await (await bench.submit("b", tokens=640, left=100))


async def test_an_idle_worker_takes_even_what_seems_too_much_so_that_a_guess_can_be_wrong() -> None:
    bench = Bench()
    hopeless = await bench.submit("a", tokens=640, left=0.1)
    await bench.calls.end(0)
    assert await hopeless == ["A"]


async def test_more_texts_than_idle_workers_are_held_against_their_deadline() -> None:
    bench = Bench(workers=2)
    refused = await bench.submit("a", "b", "c", tokens=640, left=1)
    with pytest.raises(DeadlineUnmeetable):
        await refused
    assert bench.calls.begun == []
    taken = await bench.submit("a", "b", tokens=640, left=1)
    assert bench.calls.begun == [["a"], ["b"]]
    taken.cancel()


async def test_a_batch_is_no_larger_than_the_deadline_of_its_oldest_allows() -> None:
    bench = Bench()
    await bench.submit("first")
    await bench.submit("hurried", left=0.3)
    for text in "abcdefg":
        await bench.submit(text)
    bench.now += 0.064
    await bench.calls.end(0)
    assert bench.calls.begun[1] == ["hurried", "a", "b"]  # 192 of 236


async def test_who_would_be_late_even_alone_is_refused_while_others_wait() -> None:
    bench = Bench(is_telling=lambda _: False)
    await bench.submit("first")
    hurried = await bench.submit("hurried", left=0.3)
    await bench.submit("a")
    bench.now += 0.25  # 50 ms are left for what takes 64
    await bench.calls.end(0)
    assert bench.calls.begun == [["first"], ["a"]]
    with pytest.raises(DeadlineUnmeetable, match=r"has 0\.0 s left") as raised:
        await hurried
    assert raised.value.retry_after_s == pytest.approx(0.128)  # for both that waited
    assert ("missed", 1) in bench.counts.heard


async def test_who_would_be_late_is_run_where_he_is_in_nobodys_way() -> None:
    bench = Bench(is_telling=lambda _: False)
    await bench.submit("first")
    await bench.submit("hurried", left=0.3)
    bench.now += 0.25
    await bench.calls.end(0)
    assert bench.calls.begun == [["first"], ["hurried"]]


async def test_an_idle_service_begins_several_works_however_late_they_may_be() -> None:
    bench = Bench(workers=2)
    await bench.submit("a", "b", tokens=640, left=0.1)  # for what is thought to take 0.64
    assert bench.calls.begun == [["a"], ["b"]]


async def test_several_works_of_one_client_are_not_in_each_others_way() -> None:
    bench = Bench(is_telling=lambda _: False)
    await bench.submit("first")
    await bench.submit("hurried", "too", left=0.3)
    bench.now += 0.25
    await bench.calls.end(0)
    assert bench.calls.begun == [["first"], ["hurried"]]
    await bench.calls.end(1)
    assert bench.calls.begun == [["first"], ["hurried"], ["too"]]


async def test_what_is_run_for_somebody_else_is_waited_for_by_who_may_be_late() -> None:
    bench = Bench(is_telling=lambda _: False)
    await bench.submit("first")
    hurried = await bench.submit("shared", left=0.3)
    await bench.submit("shared", left=3)
    await bench.submit("other")
    bench.now += 0.25
    await bench.calls.end(0)
    assert not hurried.done()
    await bench.calls.end(1)
    assert await hurried == ["SHARED"]


async def test_who_would_only_just_be_in_time_runs_alone() -> None:
    bench = Bench(is_telling=lambda _: False, margin=1.25)
    await bench.submit("first")
    await bench.submit("hurried", left=0.3)
    await bench.submit("a")
    bench.now += 0.23  # 70 ms are left for what takes 64, or 80 with the margin
    await bench.calls.end(0)
    assert bench.calls.begun[1] == ["hurried"]


async def test_a_deadline_is_looked_at_on_arrival_and_when_a_batch_is_made() -> None:
    bench = Bench()
    await bench.submit("first")
    late = await bench.submit("late", left=0)
    waiting = await bench.submit("never run", "nor this", left=1)
    patient = await bench.submit("patient", left=10)
    bench.now += 1
    await bench.calls.end(0)
    for task in (late, waiting):
        with pytest.raises(DeadlinePassed):
            await task
    assert bench.calls.begun == [["first"], ["patient"]]
    assert ("refused", "deadline-passed", 1) in bench.counts.heard
    assert ("missed", 2) in bench.counts.heard
    bench.now += 100  # under way: what comes late comes, and the caller looks once more
    await bench.calls.end(1)
    assert await patient == ["PATIENT"]


async def test_expired_work_makes_room_for_what_arrives() -> None:
    bench = Bench()
    await bench.submit("first")
    expiring = await bench.submit(*"abcdefgh", left=1)
    bench.now += 1
    taken = await bench.submit("new")
    assert (expiring.done(), taken.done(), bench.counts.queue[0]) == (True, False, 1)
    with pytest.raises(DeadlinePassed):
        await expiring


async def test_work_of_a_client_who_left_is_not_run_but_what_runs_goes_on() -> None:
    bench = Bench()
    running = await bench.submit("first")
    leaving = [await bench.submit(text) for text in "abc"]
    staying = await bench.submit("stays")
    for task in (running, *leaving):
        task.cancel()
    await turn()
    assert bench.counts.heard[-3:] == [("dropped", 1)] * 3
    assert bench.counts.queue == (1, 64)
    await bench.calls.end(0)
    assert bench.calls.begun == [["first"], ["stays"]]
    await bench.calls.end(1)
    assert await staying == ["STAYS"]


async def test_identical_texts_run_once_waiting_or_running_or_in_one_request() -> None:
    bench = Bench()
    tasks = [await bench.submit("same")]
    tasks.append(await bench.submit("same", "other", "same"))
    tasks.append(await bench.submit("other"))
    tasks[0].cancel()
    tasks[1].cancel()
    tasks.append(await bench.submit("same"))  # all who asked before have left; it runs already
    await bench.calls.end(0)
    await bench.calls.end(1)
    assert bench.calls.begun == [["same"], ["other"]]
    assert [await task for task in tasks[2:]] == [["OTHER"], ["SAME"]]
    admitted = [heard[1:] for heard in bench.counts.heard if heard[0] == "admitted"]
    assert admitted == [(0, 0, 1), (0, 2, 1), (0, 1, 0), (0, 1, 0)]


async def test_who_joins_keeps_a_deadline_of_his_own() -> None:
    bench = Bench()
    await bench.submit("first")
    hurried = await bench.submit("same", left=1)
    patient = await bench.submit("same", left=9)
    bench.now += 1
    await bench.calls.end(0)
    with pytest.raises(DeadlinePassed):
        await hurried
    await bench.calls.end(1)
    assert await patient == ["SAME"]
    assert not [heard for heard in bench.counts.heard if heard[0] == "missed"]


async def test_who_joins_too_late_for_his_own_deadline_is_refused_on_arrival() -> None:
    bench = Bench()
    first = await bench.submit("a", tokens=640)
    second = await bench.submit("b", tokens=640)
    bench.now += 0.25
    impatient = [
        await bench.submit("a", left=0.38),  # 0.39 s of it are left
        await bench.submit("b", left=1.02),  # and 0.64 s come after them
        await bench.submit("b", "c", left=1.02),
    ]
    for task in impatient:
        with pytest.raises(DeadlineUnmeetable):
            await task
    patient = [
        await bench.submit("a", left=0.40),
        await bench.submit("b", left=1.04),
        await bench.submit("b"),
    ]
    assert bench.counts.heard[-1] == ("admitted", 0, 1, 0)
    await bench.calls.end(0)
    await bench.calls.end(1)
    assert [await task for task in (first, second, *patient)] == [["A"], ["B"], ["A"], ["B"], ["B"]]


async def test_what_the_cache_has_is_not_run_and_never_refused_by_load() -> None:
    cache = ResultCache[str](10 * ENTRY_BYTES, lambda _, result: len(result))
    bench = Bench(cache=cache)
    await bench.submit("kept")
    await bench.calls.end(0)
    await bench.submit("running")
    await bench.submit(*"abcdefgh")
    again = await bench.submit("kept", "a", left=60)
    assert bench.counts.heard[-1] == ("admitted", 1, 1, 0)
    assert await (await bench.submit("kept")) == ["KEPT"]
    await bench.calls.end(1)
    await bench.calls.end(2)
    assert len(cache) == 10 - 1  # with ten results of some bytes it would be over its bound
    assert await again == ["KEPT", "A"]


async def test_an_error_is_not_kept() -> None:
    bench = Bench(cache=ResultCache[str](10_000, lambda _, result: len(result)))
    failed = await bench.submit("a", "b")
    await bench.calls.end(0, "A", ValueError("mine"))
    with pytest.raises(ValueError, match="mine"):
        await failed
    await bench.submit("a", "b")
    assert bench.calls.begun == [["a", "b"], ["b"]]


async def test_a_drained_scheduler_finishes_its_queue_and_takes_no_more() -> None:
    bench = Bench()
    taken = [await bench.submit("first"), await bench.submit("second")]
    closing = asyncio.create_task(bench.scheduler.close())
    await turn()
    with pytest.raises(NotReady):
        await (await bench.submit("third"))
    assert bench.counts.heard[-1] == ("refused", "not-ready", 1)
    await bench.calls.end(0)
    assert not closing.done()
    await bench.calls.end(1)
    assert closing.done()
    assert [await task for task in taken] == [["FIRST"], ["SECOND"]]


async def test_a_scheduler_closes_without_what_only_clients_wanted_that_have_left() -> None:
    bench = Bench()
    left = await bench.submit("hangs")
    stays = await bench.submit("stays")
    closing = asyncio.create_task(bench.scheduler.close())
    stays.cancel()
    await turn()
    assert not closing.done()
    left.cancel()
    await turn()
    assert closing.done()


async def test_who_leaves_with_the_deadline_has_missed_it_and_was_not_dropped() -> None:
    bench = Bench()
    await bench.submit("first")
    hasty = await bench.submit("hasty", left=10)
    late = await bench.submit("late", left=1)
    hasty.cancel()
    bench.now += 0.999  # a timer of the event loop may be early
    late.cancel()
    await turn()
    assert bench.counts.heard[-2:] == [("dropped", 1), ("missed", 1)]


async def test_an_idle_scheduler_closes_at_once_and_needs_no_timer() -> None:
    bench = Bench()
    await bench.submit("a")
    await bench.calls.end(0)
    await bench.scheduler.close()
    await bench.scheduler.close()
    assert await bench.scheduler.submit([]) == []


async def test_one_bad_text_fails_alone_and_its_neighbours_run_again_in_halves() -> None:
    bench = Bench()
    await bench.submit("first")
    tasks = {text: await bench.submit(text) for text in "abcd"}
    await bench.calls.end(0)
    await bench.calls.end(1, ValueError("of the batch"))
    await bench.calls.end(2)  # a and b
    await bench.calls.end(3, ValueError("of the half"))
    await bench.calls.end(4)
    await bench.calls.end(5, ValueError("its own"))
    assert bench.calls.begun[1:] == [[*"abcd"], [*"ab"], [*"cd"], ["c"], ["d"]]
    assert [await tasks[text] for text in "abc"] == [["A"], ["B"], ["C"]]
    with pytest.raises(ValueError, match="its own"):
        await tasks["d"]
    retried = [heard for heard in bench.counts.heard if heard[0] == "retried"]
    assert retried == [("retried", 4, False), ("retried", 2, False)]


async def test_a_single_text_runs_twice_before_it_fails() -> None:
    bench = Bench()
    unlucky = await bench.submit("unlucky")
    await bench.calls.end(0, ValueError("once"))
    await bench.calls.end(1)
    assert await unlucky == ["UNLUCKY"]
    bad = await bench.submit("bad")
    await bench.calls.end(2, ValueError("once"))
    await bench.calls.end(3, ValueError("twice"))
    with pytest.raises(ValueError, match="twice"):
        await bad
    assert len(bench.calls.begun) == 4


async def test_an_error_in_place_of_a_result_fails_that_text_and_is_not_tried_again() -> None:
    bench = Bench()
    await bench.submit("first")
    good, bad = await bench.submit("good"), await bench.submit("bad")
    await bench.calls.end(0)
    await bench.calls.end(1, "GOOD", ValueError("mine"))
    assert await good == ["GOOD"]
    with pytest.raises(ValueError, match="mine"):
        await bad
    assert len(bench.calls.begun) == 2


async def test_the_rest_of_a_request_is_dropped_when_one_of_its_texts_fails() -> None:
    bench = Bench(max_queued_texts=99)
    await bench.submit("first")
    request = await bench.submit(*[str(i) for i in range(20)])  # 15 fit into a batch
    other = await bench.submit("19")
    await bench.calls.end(0)
    assert len(bench.calls.begun[1]) == 15
    await bench.calls.end(1, ValueError("mine"), *["ok"] * 14)
    with pytest.raises(ValueError, match="mine"):
        await request
    assert ("dropped", 4) in bench.counts.heard
    await bench.calls.end(2)
    assert bench.calls.begun[2:] == [["19"]]
    assert await other == ["19"]


async def test_a_text_that_kills_its_worker_kills_two_and_its_neighbours_are_answered() -> None:
    bench = Bench(workers=2)
    tasks = {text: await bench.submit(text) for text in ("one", "two", *"abcd")}
    bench.now += 9
    await bench.calls.end(0)
    assert bench.calls.begun[2] == [*"ab"]
    poison, lost = "b", 0
    await bench.calls.end(1)
    for index in range(2, 12):
        if index >= len(bench.calls.begun):
            break
        if poison in bench.calls.begun[index]:
            lost += 1
            await bench.calls.end(index, LostError("gone"))
        else:
            await bench.calls.end(index)
    assert lost == 2
    with pytest.raises(LostError):
        await tasks.pop(poison)
    assert [await task for task in tasks.values()] == [[text.upper()] for text in tasks]
    assert ("retried", 2, True) in bench.counts.heard


async def test_a_wait_for_a_new_worker_says_nothing_of_how_fast_texts_are_done() -> None:
    bench = Bench()
    before = bench.scheduler.predicted_wait_s()
    first = await bench.submit("a")
    await bench.calls.end(0, LostError())
    bench.now += 60  # until there is another
    await bench.calls.end(1)
    assert await first == ["A"]
    await bench.submit("b")
    await bench.submit("c")
    assert bench.scheduler.predicted_wait_s() == before + 2 * 64 / RATE


async def test_a_result_that_took_no_time_says_nothing_of_how_fast_texts_are_done() -> None:
    bench = Bench(is_telling=lambda result: result != "refused")
    before = bench.scheduler.predicted_wait_s()
    for call in range(10):
        task = await bench.submit(f"long {call}", tokens=1_000)
        bench.now += 0.001
        await bench.calls.end(call, "refused")
        assert await task == ["refused"]
    await bench.submit("b")
    await bench.submit("c")
    assert bench.scheduler.predicted_wait_s() == before + 2 * 64 / RATE


async def test_what_was_lost_is_before_what_waits_and_not_run_for_who_left() -> None:
    bench = Bench()
    await bench.submit("first")
    tasks = {text: await bench.submit(text) for text in "abc"}
    await bench.calls.end(0)
    newer = await bench.submit("newer")
    tasks["a"].cancel()  # under way
    await turn()
    await bench.calls.end(1, LostError("gone"))
    tasks["c"].cancel()  # waits to be run again
    await turn()
    await bench.calls.end(2)
    await bench.calls.end(3)
    assert bench.calls.begun[1:] == [[*"abc"], ["b"], ["newer"]]
    assert (await tasks["b"], await newer) == (["B"], ["NEWER"])


async def test_who_asks_for_nothing_new_right_after_a_loss_is_answered() -> None:
    bench = Bench(workers=2, cache=ResultCache(10_000, lambda _, __: 1))
    known = await bench.submit("known")
    await bench.calls.end(0)
    assert await known == ["KNOWN"]
    first = [await bench.submit(text, left=9) for text in "ab"]
    await bench.resize(1)  # its call has not failed yet: there are more calls than workers
    joined = await bench.submit("a", "known", left=9)
    await bench.calls.end(1)
    await bench.calls.end(2)
    assert [await task for task in (*first, joined)] == [["A"], ["B"], ["A", "KNOWN"]]


async def test_a_lost_text_whose_deadline_passed_is_not_run_again() -> None:
    bench = Bench()
    late = await bench.submit("late", left=1)
    bench.now += 1
    await bench.calls.end(0, LostError("gone"))
    with pytest.raises(DeadlinePassed):
        await late
    assert len(bench.calls.begun) == 1


async def test_results_of_another_number_are_a_failure_and_not_mixed_up() -> None:
    bench = Bench()
    task = await bench.submit("a", "b")
    await bench.calls.end(0, "A")
    assert bench.calls.begun == [["a", "b"], ["a"]]
    await bench.calls.end(1)
    await bench.calls.end(2)
    assert await task == ["A", "B"]


async def test_a_cancelled_call_fails_and_frees_its_worker() -> None:
    bench = Bench()
    task = await bench.submit("a")
    next_one = await bench.submit("b")
    bench.calls.cancel(0)
    await turn()
    with pytest.raises(NotReady):
        await task
    await bench.calls.end(1)
    assert await next_one == ["B"]
