"""Which type the encoder computes in, where JAX has no GPU."""

from __future__ import annotations

from pathlib import Path

from model.training.precision import FULL, encoder_dtype


def test_a_machine_without_gpu_and_without_bfloat16_takes_float32(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags : fpu avx2\n", encoding="utf-8")
    assert encoder_dtype("auto", info) == FULL
