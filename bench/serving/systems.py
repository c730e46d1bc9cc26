"""Who is compared, how each is started, and which batch settings each may choose from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError

from bench.server import ROOT, NotStarted, Server, answers, last_line, post, running

Json = Literal["own", "orjson"]
Setting = Mapping[str, Any]

ENVIRONMENT = ROOT / ".venv-bench/bin/python"
_MOST_ERRORS = 20  # in a row at a start, once all of its processes have a model

BENTOML_ENVIRONMENT = ROOT / ".venv-bench-bentoml/bin/python"


def _settings(**values: Sequence[Any]) -> list[Setting]:
    """Every combination."""
    return [
        dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())
    ]


@dataclass(frozen=True, kw_only=True)
class System:
    """A way to serve the model."""

    name: str
    package: str
    command: Sequence[str]
    settings: Sequence[Setting]  # that are tried before the comparison; the best is taken
    json: Json = "orjson"
    in_list: bool = False  # requests and answers are lists of one

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name if self.package == OURS.package else f"{self.name}, {self.json} JSON"

    def body(self, request: Mapping[str, Any]) -> str:
        """A request as this system wants it."""
        return json.dumps({"requests": [request]} if self.in_list else request)

    def answer(self, content: bytes) -> dict[str, Any]:
        """What this system answered."""
        answer: Any = json.loads(content)
        body: dict[str, Any] = answer[0] if isinstance(answer, list) else answer
        return body


def _rival(name: str, package: str, module: str, settings: Sequence[Setting]) -> System:
    command = (str(ENVIRONMENT), "-m", f"bench.serving.rivals.{module}")
    return System(name=name, package=package, command=command, settings=settings)


OURS = System(
    name="attention-summarizer",
    package="",
    command=(str(ROOT / ".venv/bin/python"), "-m", "service"),
    settings=[{}],
)

BENTOML = System(
    name="BentoML",
    package="bentoml",
    command=(
        *(str(BENTOML_ENVIRONMENT), "-m", "bentoml", "serve"),
        "bench.serving.rivals.bentoml_app:Summarizer",
        *("--host", "127.0.0.1", "--port", "{port}"),
    ),
    settings=_settings(max_batch_size=(1, 8, 32), max_latency_ms=(60_000,)),
    in_list=True,
)

_TIMED = [{"max_batch_size": 1}]
RIVALS: Sequence[System] = (
    _rival("FastAPI, threads", "fastapi", "fastapi_app", _settings(threads=(1, 2, 40))),
    _rival(
        *("LitServe", "litserve", "litserve_app"),
        _TIMED
        + _settings(max_batch_size=(8, 32), batch_timeout=(0.005, 0.05), fast_queue=(False, True)),
    ),
    BENTOML,
    _rival(
        *("mosec", "mosec", "mosec_app"),
        _TIMED + _settings(max_batch_size=(8, 32), max_wait_time=(1, 10, 50)),
    ),
    _rival(
        *("Ray Serve", "ray", "ray_app"),
        _TIMED + _settings(max_batch_size=(8, 32), batch_wait_timeout_s=(0.005, 0.05)),
    ),
)


@contextmanager
def serving(
    system: System,
    setting: Setting,
    *,
    artifact: Path,
    workers: int,
    text: str,
    directory: Path,
) -> Iterator[Server]:
    """The system, ready in all its workers, until the block ends.

    Raises:
        NotStarted: it isn't to be had; the message says why.
    """
    loaded = directory / "loaded"
    loaded.mkdir(exist_ok=True)
    for file in loaded.iterdir():
        file.unlink()

    log, errors = directory / f"{system.package or 'ours'}.log", 0

    def ready(url: str) -> bool:
        nonlocal errors
        if system is OURS:
            return answers(f"{url}/readyz")
        if len(list(loaded.iterdir())) < workers:
            return False
        try:
            post(f"{url}/predict", json.loads(system.body({"inputs": text})))
        except HTTPError as error:
            errors += 1
            if errors > _MOST_ERRORS:  # it is loaded, and will not get better
                raise NotStarted(f"answers with {error.code}: {last_line(log)}") from None
            return False
        except OSError:
            return False
        return True

    environment = {
        **one_thread(),
        "PYTHONPATH": str(ROOT),
        "BENCH_PORT": "{port}",
        "SUMMARIZER_ARTIFACT": str(artifact.absolute()),
        "SUMMARIZER_DEVICE": "cpu",
    }
    if system is OURS:
        environment |= {
            "SUMMARIZER_PORT": "{port}",
            "SUMMARIZER_WORKERS": str(workers),
            "SUMMARIZER_CACHE_BYTES": "0",  # every text is computed, as by the others
            "SUMMARIZER_LOG_LEVEL": "warning",
        }
    else:
        environment |= {
            "BENCH_WORKERS": str(workers),
            "BENCH_SETTING": json.dumps(setting),
            "BENCH_JSON": system.json,
            "BENCH_LOADED": str(loaded),
        }
    with running(system.command, environment, ready, log) as server:
        yield server


def one_thread() -> dict[str, str]:
    """For a process that computes with one thread."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, "1") | {"TF_CPP_MIN_LOG_LEVEL": "2"}


def package_versions() -> str:
    """Of what is compared, in the environments that they run in."""
    names = ["tensorflow_cpu", "numpy", "aiohttp"] + [rival.package for rival in RIVALS]
    found = []
    for name in names:
        python = BENTOML_ENVIRONMENT if name == BENTOML.package else ENVIRONMENT
        packages = python.parents[1].glob(f"lib/python*/site-packages/{name}-*.dist-info")
        versions = [path.name.removesuffix(".dist-info").split("-")[1] for path in packages]
        found.append(f"{name} {versions[0] if versions else 'not installed'}")
    return "versions: " + ", ".join(found)
