"""Which work is refused at once: what would wait behind too much, or in vain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from service.errors import DeadlinePassed, DeadlineUnmeetable, Overloaded, ServiceError
from service.scheduling.batch_choice import BatchRule, Work
from service.scheduling.drain_rate import DrainRate
from service.scheduling.work_queue import Entry, WorkQueue


class Admission:
    """Compares what waits with a bound, and the predicted time with the deadline.

    Args:
        rule: What a work costs.
        rate: How fast cost is worked off.
        max_queued_texts: Works that may wait. Work that finds an empty queue is always taken.
        margin: A deadline counts as met if this multiple of the predicted time fits before it.
    """

    def __init__(
        self, *, rule: BatchRule, rate: DrainRate, max_queued_texts: int, margin: float
    ) -> None:
        self._rule = rule
        self._rate = rate
        self._max_queued_texts = max_queued_texts
        self._margin = margin

    def check(
        self,
        new: Sequence[Work[Any]],
        left_s: float | None,
        *,
        queue: WorkQueue[Any, Any],
        under_way: float,
    ) -> None:
        """Lets pass what may wait, all of it or nothing.

        Args:
            new: At least one work.
            left_s: Seconds until its deadline, if it has one.
            queue: What waits already.
            under_way: Cost that the workers have still to do.

        Raises:
            Overloaded: too many works would wait.
            DeadlineUnmeetable: the deadline would pass meanwhile.
        """
        over = len(queue) + len(new) - self._max_queued_texts
        if len(queue) and over > 0:
            leaving = sum([entry.cost for entry in queue][:over])
            raise Overloaded(
                f"{len(queue)} texts wait, at most {self._max_queued_texts} may",
                retry_after_s=self._rate.seconds(leaving + under_way),
            )
        if left_s is None:
            return
        costs = [self._rule.cost([work]) for work in new]
        known = queue.cost + under_way
        total = known + sum(costs)
        # Of the call that they will be in, newer works too: it ends for all of its members at once.
        largest = max(max(costs), min(self._rule.max_tokens, total / self._rate.workers))
        needed_s = self._margin * self._rate.seconds(total, largest)
        if needed_s > left_s:
            raise DeadlineUnmeetable(
                f"the answer may take {needed_s:.1f} s, and the request has {left_s:.1f} s",
                # At the latest when all is done: one text that finds an idle worker is taken.
                retry_after_s=min((needed_s - left_s) / self._margin, self._rate.seconds(known)),
            )

    def check_joined(
        self,
        joined: Collection[Entry[Any, Any]],
        left_s: float,
        *,
        queue: WorkQueue[Any, Any],
        under_way: Sequence[tuple[Sequence[Entry[Any, Any]], float]],
    ) -> None:
        """Lets pass who asks for what others wait for already, if it will be there in time.

        Args:
            joined: What that is.
            left_s: Seconds until the newcomer's own deadline.
            queue: What waits.
            under_way: The members of each call, and what it has still to do.

        Raises:
            DeadlineUnmeetable: the deadline would pass meanwhile.
        """
        needed_s, before = 0.0, 0.0
        for members, cost in under_way:
            before += cost
            if any(entry in joined for entry in members):
                needed_s = max(needed_s, cost / self._rate.of_one)
        for entry in queue:
            before += entry.cost
            if entry in joined:
                needed_s = max(needed_s, self._rate.seconds(before, entry.cost))
        if self._margin * needed_s > left_s:
            raise DeadlineUnmeetable(
                f"the answer may take {self._margin * needed_s:.1f} s, "
                f"and the request has {left_s:.1f} s",
                retry_after_s=needed_s,  # it may be in the cache then
            )

    def waited_in_vain(self, left_s: float, known: float) -> ServiceError:
        """What a client is told whose turn has not come, and would now come too late.

        Args:
            left_s: Seconds until its deadline; 0 or less once it is over.
            known: Cost of all that waits and is under way.
        """
        retry_after_s = self._rate.seconds(known)
        if left_s <= 0:
            return DeadlinePassed(
                "the time for this request was over before its turn came", retry_after_s
            )
        return DeadlineUnmeetable(
            f"the request has {left_s:.1f} s left, and by itself would take longer", retry_after_s
        )
