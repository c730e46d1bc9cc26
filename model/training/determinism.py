"""The same numbers in every run, at the price of speed."""

from __future__ import annotations

import keras


class DeterminismError(RuntimeError):
    """This process can't be made deterministic; the message says why."""


def make_deterministic() -> None:
    """One thread, and kernels that add in one order. To be called before anything is computed.

    Raises:
        DeterminismError: the backend is not TensorFlow, or has computed something already.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise DeterminismError(f"--deterministic needs KERAS_BACKEND=tensorflow, got {backend!r}")
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise DeterminismError("TensorFlow's threads can't be changed any more") from error
    tf.config.experimental.enable_op_determinism()
