"""What a call costs at the least: its operations and bytes over what one core can do.

Counted are the products of matrices; norms, activations, softmax and the search come on top. The
numbers behind each token, which the service returns, cost one more pass and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_FLOAT_BYTES = 4
_MATMUL_SIZE = 1024
_REPEATS = 12
_LEAST_READ = 2**28  # bytes: for less, the clock is too coarse


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """What one core of this machine reached, in this run."""

    flops: float  # a second, float32 matrix product
    encoder_flops: float  # a second, matrix product in what the encoder computes in
    memory_bytes: float  # a second, read from memory
    cached_bytes: float  # a second, read from what a step of the decoder reads


@dataclass(frozen=True, kw_only=True)
class Work:
    """Floating-point operations and bytes of one call."""

    encoder_flops: float
    step_flops: float  # of each step, for all texts and hypotheses
    step_bytes: float


def work_of(config: Mapping[str, Any], lengths: Sequence[int], num_beams: int, padded: int) -> Work:
    """Of a call with texts of these lengths; padding is no work that has to be done.

    Args:
        config: Sizes of the network, as the manifest has them.
        lengths: Source tokens of each text.
        num_beams: Hypotheses of each text.
        padded: Tokens that keys and values of a text take in memory.
    """
    dim, ffn_dim = config["hidden_dim"], config["ffn_dim"]
    layers, vocab_size = config["num_layers"], config["vocab_size"]
    layer = 4 * dim * dim + 2 * dim * ffn_dim  # query, key, value, output; two of the feed-forward
    decoder = 8 * dim * dim + 2 * dim * dim + 2 * dim * ffn_dim + vocab_size * dim
    encoder, step = 0.0, 0.0
    for length in lengths:
        seen = _seen(config, length)
        # Then the keys and values that the decoder looks at, once.
        encoder += 2 * length * (layers * (layer + 2 * seen * dim) + 2 * dim * dim)
        step += 2 * num_beams * (decoder + 2 * length * dim)
    in_memory = decoder + 2 * len(lengths) * padded * dim
    return Work(encoder_flops=encoder, step_flops=step, step_bytes=_FLOAT_BYTES * in_memory)


def bound_s(work: Work, ceilings: Ceilings, steps: int) -> float:
    """Seconds: the encoder computes; a step computes or reads, whichever takes longer."""
    step = max(work.step_flops / ceilings.flops, work.step_bytes / ceilings.cached_bytes)
    return work.encoder_flops / ceilings.encoder_flops + steps * step


def measure_ceilings(step_bytes: float, precision: str) -> Ceilings:
    """In this process and thread; the best of several. `precision` is the encoder's."""
    flops = _matmul_flops("float32")
    return Ceilings(
        flops=flops,
        encoder_flops=flops if precision == "float32" else _matmul_flops(precision),
        memory_bytes=_read_bytes(_LEAST_READ),
        cached_bytes=_read_bytes(int(step_bytes)),
    )


def _matmul_flops(precision: str) -> float:
    """TensorFlow's product, which the graph uses as well, or NumPy's, whichever is faster.

    NumPy's is of float32.
    """
    import tensorflow as tf

    shape = (_MATMUL_SIZE, _MATMUL_SIZE)
    one = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tensor = tf.cast(one, precision)
    products = [lambda: tf.matmul(tensor, tensor).numpy()]
    if precision == "float32":
        products.append(lambda: one @ one)
    best = min(_seconds(product) for product in products)
    return float(2 * _MATMUL_SIZE**3 / best)


def _read_bytes(size: int) -> float:
    """A second, of an array of this size that is read again and again."""
    values = np.ones(max(1, size // _FLOAT_BYTES), np.float32)
    times = max(1, _LEAST_READ // values.nbytes)

    def read() -> None:
        for _ in range(times):
            values.dot(values)

    return values.nbytes * times / _seconds(read)


def _seconds(work: Any) -> float:
    found = []
    for _ in range(_REPEATS):
        # Processor time: who else is busy matters less.
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def _seen(config: Mapping[str, Any], length: int) -> int:
    """Positions that one looks at in the encoder."""
    window = config.get("attention_window")
    if window is None:
        return length
    return min(length, 2 * int(window) + 1 + int(config.get("num_global_tokens", 0)))
