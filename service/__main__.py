"""`python -m service`: the composition root, where the parts are chosen and the server starts."""

from __future__ import annotations

from service.stop_signals import STOPS, end_at_once

if __name__ == "__main__":
    end_at_once()  # before the imports below, which take a while

import argparse
import asyncio
import logging
import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from service.app import LoadPredictor, create_app
from service.documentation.settings_page import settings_page
from service.engine_process import TARGET
from service.http.protocol import http_protocol
from service.interpreter import prepare_for_serving
from service.observability.logs import configure_logs
from service.observability.metrics import Metrics
from service.precision import end_trial, with_precision
from service.predictor import DeviceUnavailable, Predictor
from service.scheduled_predictor import ScheduledPredictor
from service.settings import PREFIX, Settings
from service.telemetry import tell_unread
from service.versions.directory import pinned

EXIT_LOAD_FAILED = 1
EXIT_BAD_SETTINGS = 2


def serve(settings: Settings, load: LoadPredictor, metrics: Metrics | None = None) -> int:
    """Serves until a signal ends it, and returns the exit status.

    A model that can't be loaded ends it too, where the settings say so or where they demand a
    device that isn't there.
    """
    metrics = metrics or Metrics()
    writer = configure_logs(settings.log_level)
    metrics.watch_log(lambda: writer.dropped)
    failures: list[Exception] = []

    def on_load_failure(error: Exception) -> None:
        if settings.exit_on_load_failure or isinstance(error, DeviceUnavailable):
            failures.append(error)
            server.should_exit = True

    app = create_app(settings, load, on_load_failure, metrics)
    server = _Server(_server_config(app, settings))
    prepare_for_serving()
    status = _run(server)
    for error in failures:
        print(f"error: {error}", file=sys.stderr)
        status = EXIT_LOAD_FAILED
    return status


def settings_from_environment() -> Settings:
    """The settings, or the end of the process with a message for each that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "".join(f"{PREFIX}{str(part).upper()}: " for part in problem["loc"])
            print(f"error: {name}{problem['msg']}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)


def main() -> int:
    """Reads the settings and serves the artifact that they name, or prints what can be set."""
    if _arguments().settings:
        sys.stdout.write(settings_page())
        return 0
    settings = settings_from_environment()
    metrics = Metrics()

    async def load(settings: Settings) -> Predictor:
        try:
            chosen = await asyncio.to_thread(with_precision, settings)
        except asyncio.CancelledError:  # a stop: the thread would wait for the trial
            end_trial()
            raise
        return await ScheduledPredictor.load(TARGET, pinned(chosen), metrics)

    return serve(settings, load, metrics)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m service", description="Serves a summarizer; environment variables set it."
    )
    parser.add_argument(
        "--settings", action="store_true", help="print every setting as Markdown, and end"
    )
    return parser.parse_args()


class _Server(uvicorn.Server):
    """A second signal ends it at once, whichever it is; its workers end with it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first lets requests in flight finish."""
        if self.should_exit:
            logging.shutdown()
            os._exit(128 + sig)
        super().handle_exit(sig, frame)


def _server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        # Its own would reconfigure the logging of the whole process.
        log_config=None,
        access_log=False,  # ours has a line for each request
        http=http_protocol(settings, partial(tell_unread, app.state.metrics)),
        lifespan="on",
        ws="none",
        # Nothing in front of us is trusted to say who asks, unless it is configured.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )


def _run(server: uvicorn.Server) -> int:
    """The server's status; uvicorn raises the signal that stopped it once more at its end."""
    for number in STOPS:
        signal.signal(number, _exit)
    try:
        server.run()
    except SystemExit as stop:  # by _exit, or by uvicorn where it can't listen
        return stop.code if isinstance(stop.code, int) else 1
    return 0


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
