"""Which device is chosen, with a TensorFlow that finds what the test says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service.device import prepare_device
from service.predictor import DeviceUnavailable


class FakeTensorFlow:
    """The parts of TensorFlow that choose devices; remembers what it was told."""

    def __init__(self, gpus: int = 0, *, running: bool = False) -> None:
        self.__version__ = "2.21.0"
        self.told: list[tuple[str, Any]] = []
        cpu = SimpleNamespace(name="/physical_device:CPU:0")
        self._running = running
        self._gpus = [SimpleNamespace(name=f"/physical_device:GPU:{i}") for i in range(gpus)]
        self._devices = [cpu, *self._gpus]
        self.test = SimpleNamespace(is_built_with_cuda=lambda: False)
        self.config = SimpleNamespace(
            threading=SimpleNamespace(set_intra_op_parallelism_threads=self._set_threads),
            list_physical_devices=lambda kind="": self._gpus if kind else self._devices,
            set_visible_devices=lambda devices, kind: self.told.append((f"see {kind}", devices)),
            experimental=SimpleNamespace(
                set_memory_growth=self._set_growth,
                get_device_details=lambda _: {"device_name": "NVIDIA H200"},
            ),
        )

    def _set_growth(self, device: Any, *, enable: bool) -> None:
        self.told.append((f"grow {enable}", device))

    def _set_threads(self, number: int) -> None:
        if self._running:
            raise RuntimeError("already initialized")
        self.told.append(("threads", number))


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_without_a_gpu_the_model_runs_on_the_processor(wanted: Any) -> None:
    tensorflow = FakeTensorFlow()
    assert prepare_device(tensorflow, wanted, 3) == "cpu"
    assert tensorflow.told == [("threads", 3)]


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_one_gpu_is_taken_and_of_its_memory_only_what_is_used(wanted: Any) -> None:
    tensorflow = FakeTensorFlow(gpus=2)
    assert prepare_device(tensorflow, wanted, 1) == "gpu (NVIDIA H200)"
    kinds = [kind for kind, _ in tensorflow.told]
    assert kinds == ["threads", "see GPU", "grow True"]
    assert [device.name for device in tensorflow.told[1][1]] == ["/physical_device:GPU:0"]


def test_cpu_hides_the_gpus() -> None:
    tensorflow = FakeTensorFlow(gpus=1)
    assert prepare_device(tensorflow, "cpu", 1) == "cpu"
    assert ("see GPU", []) in tensorflow.told


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_was_found() -> None:
    with pytest.raises(DeviceUnavailable) as raised:
        prepare_device(FakeTensorFlow(), "gpu", 1)
    assert str(raised.value) == (
        "SUMMARIZER_DEVICE is gpu, but TensorFlow 2.21.0, built without CUDA, finds no GPU; "
        "it finds: /physical_device:CPU:0"
    )


def test_threads_of_a_running_tensorflow_stay(caplog: pytest.LogCaptureFixture) -> None:
    assert prepare_device(FakeTensorFlow(running=True), "auto", 1) == "cpu"
    assert "its number of threads stays" in caplog.text
