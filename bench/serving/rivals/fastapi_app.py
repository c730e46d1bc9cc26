"""FastAPI with a thread pool, as in most tutorials: a process a core, no batches."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from anyio import to_thread
from fastapi import FastAPI, Response

from bench.serving.answers import PORT, SETTING, USES_ORJSON, WORKERS, Answers, encoded, plain


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Loads the model; how many threads call it at once is what is tuned here."""
    to_thread.current_default_thread_limiter().total_tokens = SETTING.get("threads", 40)
    app.state.answers = Answers()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(request: dict[str, Any]) -> Any:
    """In a thread of the pool."""
    [body] = app.state.answers([request])
    if USES_ORJSON:
        return Response(encoded(body), media_type="application/json")
    return plain(body)


if __name__ == "__main__":
    uvicorn.run(
        "bench.serving.rivals.fastapi_app:app",
        port=PORT,
        workers=WORKERS,
        log_level="warning",
        access_log=False,
        # While TensorFlow is imported it hears nothing, and would be killed and started again.
        timeout_worker_healthcheck=300,
    )
    sys.exit(0)
