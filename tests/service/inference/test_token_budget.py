from __future__ import annotations

from service.inference.token_budget import RECOVERY_S, TokenBudget, row_width


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_is_whole_until_there_was_no_memory() -> None:
    budget = TokenBudget(1000, Clock())
    assert (budget.tokens, budget.shortages) == (1000, 0)


def test_a_shortage_leaves_half_of_the_call_that_failed() -> None:
    clock = Clock()
    budget = TokenBudget(1000, clock)
    budget.shrink(640)
    assert budget.tokens == 320
    budget.shrink(640)  # planned before the budget was known to be so small
    budget.shrink(4000)  # one text, larger than any budget
    assert budget.tokens == 320
    budget.shrink(320)
    assert budget.tokens == 160
    budget.shrink(1)
    assert (budget.tokens, budget.shortages) == (1, 5)


def test_a_budget_grows_back_by_and_by() -> None:
    clock = Clock()
    budget = TokenBudget(1000, clock)
    budget.shrink(600)
    clock.now += RECOVERY_S - 1
    assert budget.tokens == 300
    clock.now += 1
    assert budget.tokens == 600
    clock.now += RECOVERY_S - 1
    budget.shrink(600)  # again, and the wait begins anew
    clock.now += RECOVERY_S - 1
    assert budget.tokens == 300
    clock.now += 1 + 5 * RECOVERY_S
    assert budget.tokens == 1000


def test_few_hypotheses_and_none_count_as_four() -> None:
    assert [row_width(), *map(row_width, (1, 4, 5, 8))] == [4, 4, 4, 5, 8]
