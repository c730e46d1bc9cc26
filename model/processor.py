"""What this machine's processor has instructions for."""

from __future__ import annotations

from pathlib import Path

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
"""Without one of these oneDNN emulates bfloat16, slower than float32, or ends the process."""

CPU_INFO = Path("/proc/cpuinfo")


def has_bfloat16(cpu_info: Path = CPU_INFO) -> bool:
    """Whether it multiplies bfloat16; False where that can't be read."""
    if not cpu_info.exists():
        return False
    words = set(cpu_info.read_text(encoding="utf-8").split())
    return any(flag in words for flag in BFLOAT16_FLAGS)
