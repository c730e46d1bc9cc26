"""What all tests share: the event loop, and the count of what was not tested.

A skipped test and a `no cover` mark are both promises that nobody keeps watching, so their numbers
are printed after every run. In CI (`CI=true`) a test that is skipped or expected to fail makes the
run fail, unless `allowed_skips` in pyproject.toml names it.

`make test` runs them in several processes, a file in each at a time. The end-to-end tests stay
together: they share one trained network.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A busy machine is no failure: no test says how long anything takes.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")

TOGETHER = "tests/end_to_end/"

if "PYTEST_XDIST_WORKER" in os.environ:
    # The other processors have tests of their own to run.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

NO_COVER_MARK = re.compile(r"#\s*pragma:\s*no\s+(?:cover|branch)")
COVERED_PACKAGES = ("model", "service")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "allowed_skips", "tests that CI may skip, by the start of their id", type="linelist"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Any:
    """A report with half a character in it would end the run on its way between two processes."""
    report = yield
    return json.loads(json.dumps(report, ensure_ascii=False).encode(errors="replace"))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and forbidden_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.section("not tested")
    terminalreporter.line(f"skipped tests: {len(skipped(config))}")
    terminalreporter.line(f"no cover marks: {count_no_cover_marks(config.rootpath)}")
    for nodeid in forbidden_skips(config):
        terminalreporter.line(f"CI does not allow this skip: {nodeid}", red=True)


def skipped(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    return [report.nodeid for name in ("skipped", "xfailed") for report in stats.get(name, [])]


def forbidden_skips(config: pytest.Config) -> list[str]:
    if os.environ.get("CI", "").lower() not in ("1", "true"):
        return []
    allowed = tuple(config.getini("allowed_skips"))
    return [nodeid for nodeid in skipped(config) if not nodeid.startswith(allowed)]


def count_no_cover_marks(root: Path) -> int:
    return sum(
        len(NO_COVER_MARK.findall(path.read_text(encoding="utf-8")))
        for package in COVERED_PACKAGES
        for path in (root / package).rglob("*.py")
    )
