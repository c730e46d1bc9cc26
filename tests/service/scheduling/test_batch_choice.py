from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.batches import usual_rows
from service.scheduling.batch_choice import BatchRule, Work

ALL = float("inf")


def padded(tokens: int) -> int:
    return -(-tokens // 64) * 64


def rule(max_tokens: int = 100_000, tolerance: float = 0.0) -> BatchRule:
    return BatchRule(max_tokens=max_tokens, padded_length=padded, padding_tolerance=tolerance)


def works(*tokens: int, beams: int = 1, group: str = "a") -> list[Work[int]]:
    return [
        Work(payload=i, key=i, tokens=t, width=beams, group=group) for i, t in enumerate(tokens)
    ]


def test_cost_is_that_of_all_padded_like_the_longest() -> None:
    assert rule().cost(works(10, 70, beams=4)) == 2 * 128 * 4
    assert rule().padded_tokens(works(10, 70, beams=4)) == 2 * 128


def test_the_oldest_decides_the_bucket_and_its_likes_come_in_the_order_of_their_age() -> None:
    assert rule().choose(works(100, 300, 128, 60, 65), enough=ALL, most=ALL) == [0, 2, 4]


@pytest.mark.parametrize(
    ("tolerance", "chosen"), [(0.05, [0, 1]), (0.1, [0, 1, 2]), (1, [0, 1, 2, 3])]
)
def test_the_nearest_lengths_follow_while_padding_allows(
    tolerance: float, chosen: list[int]
) -> None:
    # 640 with 640; with 576: 64 of 1,920 padded for nothing; with 64 far more.
    assert (
        rule(tolerance=tolerance).choose(works(640, 640, 500, 64), enough=ALL, most=ALL) == chosen
    )


def test_a_batch_fits_the_budget_and_a_work_over_it_goes_alone() -> None:
    assert rule(max_tokens=2 * 128 * 4).choose(
        works(128, 128, 128, beams=4), enough=ALL, most=ALL
    ) == [0, 1]
    assert rule(max_tokens=64).choose(works(128, 128), enough=ALL, most=ALL) == [0]


def test_a_batch_stops_growing_where_it_is_large_enough() -> None:
    assert rule().choose(works(64, 64, 64, 64), enough=65, most=ALL) == [0, 1]
    assert rule().choose(works(64, 64), enough=0, most=ALL) == [0]


def test_a_batch_has_a_usual_number_of_works() -> None:
    usual = BatchRule(max_tokens=100_000, padded_length=padded, usual_works=usual_rows)
    assert len(usual.choose(works(*[64] * 7), enough=ALL, most=ALL)) == 6
    assert usual.choose(works(64), enough=ALL, most=ALL) == [0]
    # Left behind is who is further from the head.
    wide = BatchRule(
        max_tokens=100_000, padded_length=padded, padding_tolerance=1, usual_works=usual_rows
    )
    assert wide.choose(works(64, 128, 64, 64, 64), enough=ALL, most=ALL) == [0, 2, 3, 4]


def test_the_head_goes_even_if_nothing_may_join_it() -> None:
    assert rule().choose(works(64, 64, 64), enough=ALL, most=191) == [0, 1]
    assert rule().choose(works(64, 64), enough=ALL, most=0) == [0]


def test_groups_are_not_mixed() -> None:
    mixed = [*works(64, group="a"), *works(64, group="b"), *works(64, group="a")]
    assert rule().choose(mixed, enough=ALL, most=ALL) == [0, 2]


@given(
    st.lists(st.tuples(st.integers(1, 1_024), st.sampled_from("ab")), min_size=1, max_size=40),
    st.integers(1, 8_192),
    st.floats(0, 1),
)
def test_every_choice_has_the_oldest_one_group_and_keeps_to_its_bounds(
    sizes: list[tuple[int, str]], budget: int, tolerance: float
) -> None:
    waiting = [
        Work(payload=i, key=i, tokens=tokens, width=2, group=group)
        for i, (tokens, group) in enumerate(sizes)
    ]
    chosen = rule(budget, tolerance).choose(waiting, enough=ALL, most=ALL)
    members = [waiting[i] for i in chosen]
    assert chosen[0] == 0
    assert len(set(chosen)) == len(chosen)
    assert len({work.group for work in members}) == 1
    cost, own = rule().cost(members), sum(rule().cost([work]) for work in members)
    assert cost <= budget or len(members) == 1
    assert cost - own <= tolerance * cost
