"""Ray Serve: replicas behind a proxy, batches by size and time.

Its faster proxy (RAY_SERVE_ENABLE_HA_PROXY) listens on all interfaces, so it is not used here.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Any

from bench.serving.answers import PORT, SETTING, USES_ORJSON, WORKERS

_directory = Path(os.environ["BENCH_LOADED"]).parent
# With neither, whoever reaches its ports can run code. Before Ray is imported, as all the rest.
_token = _directory / "token"
_token.write_text(secrets.token_hex(32))
_token.chmod(0o600)
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(_token)}
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
# Ray's workers would yield to all other processes, the clients of the comparison among them; and a
# cold start, which reads much from the disk, takes longer than it gives itself.
os.environ |= {"RAY_worker_niceness": "0", "RAY_agent_register_timeout_ms": "100000"}
os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = str(SETTING.get("throughput_optimized", 1))

import ray  # noqa: E402
from ray import serve  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Summarizer:
    """Each replica has a model of its own."""

    def __init__(self) -> None:
        from bench.serving.answers import Answers  # TensorFlow, in this process only

        self.answers = Answers()

    async def __call__(self, request: Request) -> Any:
        """One request; its batch is formed below."""
        return await self.batched(await request.json())

    @serve.batch(
        max_batch_size=SETTING.get("max_batch_size", 1),
        batch_wait_timeout_s=SETTING.get("batch_wait_timeout_s", 0.0),
    )
    async def batched(self, requests: list[dict[str, Any]]) -> list[Any]:
        """In a thread, so that more requests arrive meanwhile."""
        return await asyncio.to_thread(self._answer, requests)

    def _answer(self, requests: list[dict[str, Any]]) -> list[Any]:
        from bench.serving.answers import encoded, plain

        bodies = self.answers(requests)
        if USES_ORJSON:
            return [Response(encoded(body), media_type="application/json") for body in bodies]
        return [plain(body) for body in bodies]


if __name__ == "__main__":
    ray.init(
        address="local",
        num_cpus=WORKERS + 1,  # the proxy's and the controller's own wants are not to be scheduled
        _node_ip_address="127.0.0.1",
        _temp_dir=str(_directory / "ray"),
        include_dashboard=False,
        log_to_driver=False,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Summarizer.bind(), route_prefix="/predict")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        signal.pause()
    except KeyboardInterrupt:
        serve.shutdown()
        ray.shutdown()
