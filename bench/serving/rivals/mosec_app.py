"""mosec: a web server in Rust before worker processes, batches by size and time."""

from __future__ import annotations

import os
from typing import Any

import mosec

from bench.serving.answers import PORT, SETTING, USES_ORJSON, WORKERS, Answers, encoded, plain


class Summarizer(mosec.Worker):  # type: ignore[misc]  # untyped
    """Each worker has a model of its own."""

    def __init__(self) -> None:
        self.answers = Answers()

    def forward(self, data: Any) -> Any:
        """A batch, or a request where batches are off."""
        return self.answers(data) if isinstance(data, list) else self.answers([data])[0]

    def serialize(self, data: dict[str, Any]) -> bytes:
        """JSON of its own, or orjson's."""
        serialized: bytes = encoded(data) if USES_ORJSON else super().serialize(plain(data))
        return serialized


if __name__ == "__main__":
    os.environ |= {"MOSEC_PORT": str(PORT), "MOSEC_ADDRESS": "127.0.0.1"}
    os.environ |= {"MOSEC_TIMEOUT": "60000", "MOSEC_LOG_LEVEL": "warning"}
    server = mosec.Server()
    server.append_worker(
        Summarizer,
        num=WORKERS,
        max_batch_size=SETTING.get("max_batch_size", 1),
        max_wait_time=SETTING.get("max_wait_time", 0),
        timeout=60,
        route="/predict",
    )
    server.run()
