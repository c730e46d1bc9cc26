"""Where the model runs: chosen by the settings before TensorFlow touches any device.

TensorFlow is handed in, so that a machine without a GPU can test what happens on one.
"""

from __future__ import annotations

import logging
from typing import Any

from service.predictor import DeviceUnavailable
from service.settings import Device

log = logging.getLogger(__name__)


def prepare_device(tensorflow: Any, wanted: Device, num_threads: int) -> str:
    """Sets up the device and returns its name for `/info`.

    Args:
        tensorflow: The module.
        wanted: `auto` takes a GPU if there is one.
        num_threads: Of one operation on the processor.

    Raises:
        DeviceUnavailable: a GPU is wanted and there is none; the message says what was found.
    """
    _set_threads(tensorflow, num_threads)
    gpus = tensorflow.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise DeviceUnavailable(_found_instead(tensorflow))
    if wanted == "cpu" and gpus:
        tensorflow.config.set_visible_devices([], "GPU")
    if wanted == "cpu" or not gpus:
        return "cpu"
    # One model needs one GPU, and of its memory only what it uses.
    gpu = gpus[0]
    tensorflow.config.set_visible_devices([gpu], "GPU")
    tensorflow.config.experimental.set_memory_growth(gpu, enable=True)
    details = tensorflow.config.experimental.get_device_details(gpu)
    return f"gpu ({details.get('device_name', gpu.name)})"


def _set_threads(tensorflow: Any, num_threads: int) -> None:
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(num_threads)
    except RuntimeError:
        log.warning("TensorFlow already runs in this process; its number of threads stays")


def _found_instead(tensorflow: Any) -> str:
    seen = ", ".join(device.name for device in tensorflow.config.list_physical_devices())
    built = "with" if tensorflow.test.is_built_with_cuda() else "without"
    return (
        f"SUMMARIZER_DEVICE is gpu, but TensorFlow {tensorflow.__version__}, built {built} CUDA, "
        f"finds no GPU; it finds: {seen}"
    )
