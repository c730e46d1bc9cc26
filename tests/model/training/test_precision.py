"""bfloat16 where the processor has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.precision import FULL, MIXED, encoder_dtype


def test_flags_decide(tmp_path: Path) -> None:
    with_it, without_it = tmp_path / "new", tmp_path / "old"
    with_it.write_text("flags : fpu avx2 avx512_bf16\n")
    without_it.write_text("flags : fpu avx2 not_avx512_bf16_really\n")
    assert encoder_dtype("auto", with_it) == MIXED
    assert encoder_dtype("auto", without_it) == FULL


def test_no_flags_mean_full_precision(tmp_path: Path) -> None:
    assert encoder_dtype("auto", tmp_path / "none") == FULL


def test_a_request_is_granted(tmp_path: Path) -> None:
    assert encoder_dtype("bfloat16", tmp_path / "none") == MIXED
    assert encoder_dtype("float32", tmp_path / "none") == FULL


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'half'"):
        encoder_dtype("half")
