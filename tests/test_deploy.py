"""What operators start the service with: the image, Compose, alerts, dashboard. No Docker needed.

`make test-image` builds and runs the image; `make test-alerts` tests the alert rules.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import VERSION
from service.app import create_app
from service.observability.metrics import Metrics
from service.predictor import ModelInfo
from service.settings import Settings

ROOT = Path(__file__).parent.parent
DASHBOARD = ROOT / "deploy/grafana/dashboards/summarizer.json"
GIB = 2**30


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    text = read(f"requirements/{name}.txt")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, flags=re.MULTILINE))


# ------------------------------------------------------------------------------------- the image


def test_the_dockerfile_pulls_nothing_but_its_base() -> None:
    text = read("Dockerfile")
    assert not re.search(r"^#\s*syntax\s*=", text, flags=re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)) == {"${BASE}"}


def test_the_image_has_the_version_of_the_service() -> None:
    assert f'org.opencontainers.image.version="{VERSION}"' in read("Dockerfile")


def test_the_server_is_no_root_and_gets_the_signals() -> None:
    last_stage = read("Dockerfile").rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last_stage, flags=re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["python", "-m", "service"\]$', last_stage, flags=re.MULTILINE)


def imports(path: Path) -> set[str]:
    """The modules of `model` that a file imports, by their names under it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "model":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("model."):
            found.add(str(node.module).removeprefix("model.").partition(".")[0])
    return found


def sources(name: str) -> list[Path]:
    """The files of a module or a package of `model`."""
    package = ROOT / f"model/{name}"
    return [*package.rglob("*.py")] if package.is_dir() else [ROOT / f"model/{name}.py"]


def test_the_image_has_the_modules_of_model_that_the_service_needs_and_no_others() -> None:
    needed: set[str] = set()
    missing = set().union(*(imports(path) for path in (ROOT / "service").rglob("*.py")))
    while missing:
        needed |= missing
        files = [path for name in missing for path in sources(name)]
        missing = set().union(*map(imports, files)) - needed
    allowed = re.findall(r"^!model/(\w+)(?:\.py)?$", read(".dockerignore"), flags=re.MULTILINE)
    assert set(allowed) == needed | {"__init__"}


def test_the_builder_gets_only_what_is_named() -> None:
    rules = [line for line in read(".dockerignore").splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"


def test_the_gpu_pins_are_the_runtime_with_another_tensorflow() -> None:
    runtime, gpu = pins("runtime"), pins("gpu")
    del runtime["tensorflow-cpu"]
    added = gpu.keys() - runtime.keys()
    assert runtime.items() <= gpu.items(), "make lock brings them together"
    assert {name.partition("-")[0] for name in added} == {"nvidia"}


def test_the_gpu_pins_name_no_index() -> None:
    assert "://" not in read("requirements/gpu.txt")


# --------------------------------------------------------------------------------------- Compose


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(read("docker-compose.yml"))["services"]
    return found


SERVICES = ("summarizer", "summarizer-gpu", "prometheus", "grafana")


def test_compose_starts_only_the_service_unless_a_profile_is_named() -> None:
    assert tuple(services()) == SERVICES
    assert [name for name, service in services().items() if "profiles" not in service] == [
        "summarizer"
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_confined(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_an_image_of_others_is_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", services()[name]["image"])


@pytest.mark.parametrize("name", ["summarizer", "summarizer-gpu"])
def test_a_stop_waits_longer_than_the_service_needs(name: str) -> None:
    grace_s = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["shutdown_grace_s"].default


def test_the_gpu_profile_reserves_a_gpu_and_demands_it() -> None:
    service = services()["summarizer-gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert service["environment"] == {"SUMMARIZER_DEVICE": "gpu"}
    assert "VARIANT=gpu" in service["build"]["args"]


# -------------------------------------------------------------------------- alerts and dashboard


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(read("deploy/prometheus/alerts.yml"))["groups"]
    return [rule for rule in group["rules"] if "alert" in rule]


def expressions() -> list[str]:
    (group,) = yaml.safe_load(read("deploy/prometheus/alerts.yml"))["groups"]
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [rule["expr"] for rule in group["rules"]] + shown


def metrics_of_the_service() -> set[str]:
    """The names that `/metrics` may answer, those of a histogram's series among them."""
    model = ModelInfo(
        **dict.fromkeys(ModelInfo.__dataclass_fields__, "x") | {"styles": ("headline",)}
    )
    metrics = Metrics()
    metrics.watch_model(lambda: model, lambda: None)
    text = metrics.exposition("")[0].decode()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE):
        series = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in series}
    return names


def test_alerts_and_dashboard_ask_for_metrics_that_the_service_has() -> None:
    asked = set()
    for expression in expressions():
        asked |= set(re.findall(r"(?<![\w:])(?:summarizer|process)_\w+", expression))
    assert len(asked) > 15
    assert asked <= metrics_of_the_service()


async def not_started(_: Settings) -> Any:
    raise AssertionError


def test_routes_that_alerts_leave_out_exist() -> None:
    left_out = {
        route
        for expression in expressions()
        for routes in re.findall(r'route!~"([^"]*)"', expression)
        for route in routes.split("|")
    }
    paths = create_app(Settings(), not_started).openapi()["paths"]
    assert left_out == {"/livez", "/readyz", "/metrics"}
    assert left_out <= paths.keys()


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    tests = yaml.safe_load(read("deploy/prometheus/alerts.test.yml"))["tests"]
    raised = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert {alert["alert"] for alert in alerts()} == raised
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} == alert["annotations"].keys()


def test_the_handbook_has_every_alert_with_its_severity() -> None:
    rows = re.findall(
        r"^\| `(Summarizer\w+)` \| (\w+) \|", read("docs/operations.md"), re.MULTILINE
    )
    assert rows == [(alert["alert"], alert["labels"]["severity"]) for alert in alerts()]


def test_the_memory_alert_comes_before_the_limit() -> None:
    (alert,) = [alert for alert in alerts() if alert["alert"] == "SummarizerMemoryHigh"]
    threshold = float(alert["expr"].rpartition(">")[2])
    limit = int(services()["summarizer"]["mem_limit"].removesuffix("g")) * GIB
    assert 0.75 * limit < threshold < 0.95 * limit


def test_the_dashboard_is_provisioned_with_its_source() -> None:
    sources = yaml.safe_load(read("deploy/grafana/provisioning/datasources/prometheus.yml"))
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    used = {panel["datasource"]["uid"] for panel in panels if "datasource" in panel}
    assert used == {source["uid"] for source in sources["datasources"]}
    assert len({panel["id"] for panel in panels}) == len(panels)


# --------------------------------------------------------------------------------------- scripts


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH of a machine with neither Docker nor apt, on which nobody is root."""
    for tool in ("bash", "cat", "dirname", "mktemp", "rm"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    (tmp_path / "id").chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize("required", ["0", "1"])
@pytest.mark.parametrize(
    ("script", "requirement"),
    [("test-image", "REQUIRE_DOCKER"), ("test-alerts", "REQUIRE_PROMTOOL")],
)
def test_a_check_that_is_impossible_is_skipped_aloud_or_fails(
    bare_path: str, tmp_path: Path, script: str, requirement: str, required: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = subprocess.run(
        ["bash", str(ROOT / "scripts" / script)],
        env={"PATH": bare_path, "TMPDIR": str(scratch), requirement: required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == int(required)
    assert f"{script}: SKIPPED: no " in result.stdout
    assert not list(scratch.iterdir())
