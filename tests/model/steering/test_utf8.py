from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.steering.utf8 import REFUSED, WHOLE, tokens_missing, transitions

# The ends of every range of table 3-7, and their neighbours.
EDGES = bytes.fromhex("007f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5ff")


# With one of these behind it, what is open is whole: after any first byte some of them are allowed.
COMPLETIONS = [bytes.fromhex(suffix) for suffix in ("80", "8080", "a080", "808080", "908080")]


def is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def python_says(data: bytes) -> str:
    if is_whole(data):
        return "whole"
    return "open" if any(is_whole(data + suffix) for suffix in COMPLETIONS) else "broken"


def we_say(data: bytes) -> str:
    after = transitions([data], end_ids=[])[WHOLE, 0]
    return {REFUSED: "broken", WHOLE: "whole"}.get(int(after), "open")


@given(st.binary(max_size=8))
def test_any_bytes_are_judged_as_python_judges_them(data: bytes) -> None:
    assert we_say(data) == python_says(data)


@given(st.text(max_size=8))
def test_any_text_is_whole(text: str) -> None:
    assert we_say(text.encode()) == "whole"


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_edges_of_the_byte_ranges_are_judged_as_python_judges_them(length: int) -> None:
    sequences = [bytes(combination) for combination in product(EDGES, repeat=length)]
    table = transitions(sequences, end_ids=[])
    wrong = [
        data.hex()
        for data, after in zip(sequences, table[WHOLE], strict=True)
        if ("broken" if after == REFUSED else "whole" if after == WHOLE else "open")
        != python_says(data)
    ]
    assert wrong == []


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_two_tokens_after_each_other_are_their_bytes_together(first: bytes, second: bytes) -> None:
    table = transitions([first, second, first + second], end_ids=[])
    after_first = table[WHOLE, 0]
    expected = REFUSED if after_first == REFUSED else table[after_first, 1]
    assert table[WHOLE, 2] == expected


def test_tokens_without_bytes_leave_the_state_as_it_is() -> None:
    table = transitions([b""], end_ids=[])
    np.testing.assert_array_equal(table[:, 0], np.arange(len(table)))


def test_the_end_stands_only_between_two_characters() -> None:
    table = transitions([b"", b"a"], end_ids=[0])
    assert table[WHOLE, 0] == WHOLE
    assert (table[WHOLE + 1 :, 0] == REFUSED).all()


def missing_after(prefix: bytes, pieces: list[bytes]) -> int:
    table = transitions([prefix, *pieces], end_ids=[])
    return int(tokens_missing(table)[table[WHOLE, 0]])


@pytest.mark.parametrize(
    ("prefix", "expected"), [("", 0), ("c3", 1), ("e2", 2), ("f09f", 2), ("f0", 3)]
)
def test_single_bytes_complete_a_character_one_by_one(prefix: str, expected: int) -> None:
    single = [bytes([byte]) for byte in range(256)]
    assert missing_after(bytes.fromhex(prefix), single) == expected


def test_a_token_of_several_bytes_completes_a_character_sooner() -> None:
    assert missing_after(b"\xf0", [b"\x9f", b"\x98\x80"]) == 2
    assert missing_after(b"\xf0", [b"\x9f\x98\x80"]) == 1


def test_what_no_token_completes_is_out_of_reach() -> None:
    assert missing_after(b"\xf0", [b"a"]) >= 8
