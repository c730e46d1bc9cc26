"""What a worker process loads: an artifact as an engine. The composition root of that process."""

from __future__ import annotations

from service.engine import Handle, serving
from service.observability.logs import configure_logs
from service.predictor import ModelInfo
from service.saved_model import load_engine
from service.settings import Settings
from service.workers.sign_of_life import get_on

TARGET = f"{__name__}:load"


def load(settings: Settings) -> tuple[ModelInfo, Handle]:
    """Loads the settings' artifact in this process.

    Raises:
        ArtifactError: there is no artifact, or it isn't what its manifest says.
        DeviceUnavailable: a GPU was asked for and there is none.
    """
    configure_logs(settings.log_level)
    return serving(load_engine(settings, on_call=get_on))
