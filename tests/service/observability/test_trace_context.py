"""W3C Trace Context: what is taken over from a request and what is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.observability.trace_context import trace_context

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"
RESPONSE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


def test_a_good_parent_is_continued_in_a_span_of_our_own() -> None:
    trace = trace_context([GOOD], [])
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, PARENT, "01")
    assert trace.span_id != PARENT
    assert trace.header == f"00-{TRACE}-{trace.span_id}-01"
    assert trace_context([GOOD], []).span_id != trace.span_id


def test_without_a_parent_a_trace_begins() -> None:
    one, other = trace_context([], ["a=1"]), trace_context([], [])
    assert one.trace_id != other.trace_id
    assert one.parent_id is None
    assert one.state is None
    assert RESPONSE.fullmatch(one.header)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "junk",
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}-",
        f"{GOOD}-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE[:-1]}٣-{PARENT}-01",
        "0" * 8192,
    ],
)
def test_junk_is_ignored(junk: str) -> None:
    trace = trace_context([junk], ["a=1"])
    assert trace.trace_id != TRACE
    assert trace.parent_id is None
    assert trace.state is None


def test_two_parents_are_none() -> None:
    assert trace_context([GOOD, GOOD], []).trace_id != TRACE


@pytest.mark.parametrize("rest", ["", "-what a later version adds"])
def test_a_later_version_is_read_as_far_as_it_is_known(rest: str) -> None:
    trace = trace_context([f"cc-{TRACE}-{PARENT}-ff{rest}"], [])
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, PARENT, "01")


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["a=1", "tenant@system=2"], "a=1,tenant@system=2"),
        (["a=1 , ,b=2"], "a=1 , ,b=2"),
        ([], None),
        ([""], None),
        (["a=1,a=2"], None),
        (["a"], None),
        (["A=1"], None),
        (["a=é"], None),
        (["a=1=2"], None),
        (["a=\x1b[31m"], None),
        (["a=1\n"], None),
        ([f"a={'1' * 257}"], None),
        ([",".join(f"k{i}=1" for i in range(33))], None),
        ([f"a={'1' * 250},b={'1' * 250},c={'1' * 10}"], None),
    ],
)
def test_the_state_is_kept_as_it_is_or_not_at_all(headers: list[str], state: str | None) -> None:
    assert trace_context([GOOD], headers).state == state


@given(st.lists(st.text(), max_size=2), st.lists(st.text(), max_size=2))
def test_whatever_is_sent_the_answer_is_a_valid_header(
    parents: list[str], states: list[str]
) -> None:
    assert RESPONSE.fullmatch(trace_context(parents, states).header)
