from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scheduling.result_cache import ENTRY_BYTES, ResultCache


def size_of(key: Hashable, result: bytes) -> int:
    return len(result)


def cache_of(results: int, size: int = 100) -> ResultCache[bytes]:
    return ResultCache(results * (size + ENTRY_BYTES), size_of)


def test_what_was_asked_for_longest_ago_is_forgotten_first() -> None:
    cache = cache_of(2)
    cache.put("a", b"a" * 100)
    cache.put("b", b"b" * 100)
    assert cache["a"] == b"a" * 100
    cache.put("c", b"c" * 100)
    assert [key in cache for key in "abc"] == [True, False, True]
    with pytest.raises(KeyError):
        cache["b"]


def test_a_large_result_displaces_several_and_one_over_the_bound_none() -> None:
    cache = cache_of(3)
    for key in "abc":
        cache.put(key, b"x" * 100)
    cache.put("large", b"x" * (200 + ENTRY_BYTES))
    assert [key in cache for key in ("a", "b", "c", "large")] == [False, False, True, True]
    cache.put("vast", b"x" * 10_000)
    assert [key in cache for key in ("c", "large", "vast")] == [True, True, False]


def test_a_result_that_is_replaced_counts_once() -> None:
    cache = cache_of(2)
    cache.put("a", b"x" * 100)
    cache.put("a", b"y" * 50)
    assert (len(cache), cache.bytes, cache["a"]) == (1, 50 + ENTRY_BYTES, b"y" * 50)
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


def test_a_cache_of_no_bytes_keeps_not_even_an_empty_result() -> None:
    cache = ResultCache[bytes](0, lambda _, __: -ENTRY_BYTES)
    cache.put("a", b"")
    assert len(cache) == 0


@given(
    st.integers(0, 5_000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 2_000))),
)
def test_it_never_holds_more_than_its_bound_and_only_what_was_put(
    bound: int, steps: list[tuple[bool, int, int]]
) -> None:
    cache, latest = ResultCache(bound, size_of), dict[int, bytes]()
    for put, key, size in steps:
        if put:
            latest[key] = bytes(size)
            cache.put(key, latest[key])
        elif key in cache:
            assert cache[key] == latest[key]
        held = [len(latest[k]) + ENTRY_BYTES for k in latest if k in cache]
        assert cache.bytes == sum(held) <= bound
