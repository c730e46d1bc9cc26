from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.rendering.offsets import OffsetTable

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_code_points_stay_as_they_are(text: str) -> None:
    table = OffsetTable(text, "code_point")
    assert [table[i] for i in range(len(text) + 1)] == list(range(len(text) + 1))


@given(TEXTS)
def test_utf16_counts_code_units(text: str) -> None:
    table = OffsetTable(text, "utf16")
    for end in range(len(text) + 1):
        assert table[end] == len(text[:end].encode("utf-16-le")) // 2


@given(TEXTS)
def test_utf8_counts_bytes(text: str) -> None:
    table = OffsetTable(text, "utf8")
    for end in range(len(text) + 1):
        assert table[end] == len(text[:end].encode())


def test_an_offset_is_a_plain_integer() -> None:
    assert type(OffsetTable("é", "utf8")[1]) is int
