"""Which type the encoder computes in while training."""

from __future__ import annotations

from pathlib import Path

from model.processor import CPU_INFO, has_bfloat16

MIXED, FULL = "mixed_bfloat16", "float32"


def encoder_dtype(requested: str, cpu_info: Path = CPU_INFO) -> str:
    """The Keras dtype policy for `auto`, `float32` or `bfloat16`.

    Raises:
        ValueError: another word.
    """
    if requested == "auto":
        return MIXED if _has_gpu() or has_bfloat16(cpu_info) else FULL
    if requested in ("float32", "bfloat16"):
        return FULL if requested == "float32" else MIXED
    raise ValueError(f"precision must be auto, float32 or bfloat16, got {requested!r}")


def _has_gpu() -> bool:
    import keras  # loaded here: the flags can be read without it

    try:
        devices = keras.distribution.list_devices("gpu")
    except RuntimeError:  # what JAX raises where it has no GPU
        return False
    return any("gpu" in str(device).lower() for device in devices)
