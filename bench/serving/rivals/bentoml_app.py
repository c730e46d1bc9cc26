"""BentoML: a service with workers, and batches that it sizes itself within bounds.

`bentoml serve bench.serving.rivals.bentoml_app:Summarizer`. A batchable API takes and gives lists,
here of one.
"""

from __future__ import annotations

from typing import Any

import bentoml
from starlette.responses import Response

from bench.serving.answers import SETTING, USES_ORJSON, WORKERS, Answers, encoded, plain

BATCHES = {"batchable": True, **SETTING} if SETTING.get("max_batch_size", 1) > 1 else {}


class Encoded(bentoml.IODescriptor):  # type: ignore[misc]  # untyped
    """An answer that is bytes already."""

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:
        """The bytes, as a list of one."""
        return Response(b"[" + obj[0] + b"]", media_type="application/json")


@bentoml.service(
    workers=WORKERS,
    threads=1,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Summarizer:
    """Each worker has a model of its own."""

    def __init__(self) -> None:
        self.answers = Answers()

    @bentoml.api(output_spec=Encoded if USES_ORJSON else None, **BATCHES)
    def predict(self, requests: list[dict[str, Any]]) -> list[Any]:
        """A batch."""
        bodies = self.answers(requests)
        return [encoded(body) if USES_ORJSON else plain(body) for body in bodies]
