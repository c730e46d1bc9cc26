"""`python -m service.bfloat16_trial`: its status says whether bfloat16 is faster than float32 here.

A product as the encoder's largest is timed in both types, on one thread.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from service.precision import FASTER, SLOWER
from service.stop_signals import die_with_parent

WANTED_GAIN = 1.2
"""By which bfloat16 must be faster: the encoder has other work that it does not speed up."""

_ROWS, _WIDTH, _INNER = 512, 256, 1024
_REPEATS = 15


def main() -> int:
    """Tries both."""
    die_with_parent()
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf  # after its environment is set

    float32, bfloat16 = (_seconds(tf, dtype) for dtype in (tf.float32, tf.bfloat16))
    return FASTER if WANTED_GAIN * bfloat16 < float32 else SLOWER


def _seconds(tf: Any, dtype: Any) -> float:
    """The least of some products, from float32 and back to it."""
    rows = tf.random.normal((_ROWS, _WIDTH))
    kernel = tf.cast(tf.random.normal((_WIDTH, _INNER)), dtype)

    product = tf.function(
        lambda: tf.cast(tf.matmul(tf.cast(rows, dtype), kernel), tf.float32), autograph=False
    )
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        product().numpy()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    sys.exit(main())
