"""LitServe: worker processes behind queues, batches by size and time.

It reads the annotation of `decode_request` as it stands, so annotations are no strings here.
"""

from typing import Any

import litserve
from fastapi import Response

from bench.serving.answers import PORT, SETTING, USES_ORJSON, WORKERS, Answers, encoded, plain


class SummarizerAPI(litserve.LitAPI):  # type: ignore[misc]  # untyped
    """Each worker has a model of its own."""

    def setup(self, device: str) -> None:
        """Loads the model."""
        self.answers = Answers()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """As it came."""
        return request

    def batch(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A list stays a list."""
        return inputs

    def predict(self, x: Any) -> Any:
        """A batch, or a request where batches are off."""
        return self.answers(x) if isinstance(x, list) else self.answers([x])[0]

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A list stays a list."""
        return output

    def encode_response(self, output: dict[str, Any]) -> Any:
        """JSON of its own, or bytes that are passed on."""
        if USES_ORJSON:
            return Response(encoded(output), media_type="application/json")
        return plain(output)


if __name__ == "__main__":
    size = SETTING.get("max_batch_size", 1)
    api = SummarizerAPI(max_batch_size=size, batch_timeout=SETTING.get("batch_timeout", 0.0))
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        devices=1,
        workers_per_device=WORKERS,
        timeout=60,
        fast_queue=SETTING.get("fast_queue", False),
    )
    server.run(host="127.0.0.1", port=PORT, log_level="warning", generate_client_file=False)
