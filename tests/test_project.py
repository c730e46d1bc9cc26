"""The project's plumbing: requirements, .venv, make targets, import rules, the count of skips."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from service import VERSION

ROOT = Path(__file__).parent.parent
SETS = ("runtime", "train", "dev", "browser")

# A Python that creates environments and installs nothing: it writes down what it was asked for.
FAKE_PYTHON = """#!{bash}
case "$1 ${{2:-}}" in
  "-c "*) exit {status} ;;
  "--version "*) echo "Python of {name}" ;;
  "-m venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip") echo "$@" >>installed ;;
esac
"""


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    # What an outer make hands down (its ARGS, its flags) is not for the make under test.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


# ------------------------------------------------------------------------------- requirements


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize(("smaller", "larger"), [*pairwise(SETS)])
def test_a_requirement_set_contains_the_smaller_one_with_the_same_pins(
    smaller: str, larger: str
) -> None:
    assert pins(smaller).items() <= pins(larger).items()


def test_tensorflow_has_one_version_on_every_platform() -> None:
    assert pins("runtime")["tensorflow"] == pins("runtime")["tensorflow-cpu"]


@pytest.mark.parametrize("name", SETS)
def test_requirements_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), flags=re.MULTILINE)


# -------------------------------------------------------------------------------------- .venv


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A clone on a machine whose PATH, `bin`, has a few tools and no Python."""
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "cksum", "cp", "dirname", "mkdir", "rm"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "requirements").mkdir()
    for name in SETS:
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


def add_python(machine: Path, name: str, *, status: int = 0) -> None:
    fake = machine / "bin" / name
    script = FAKE_PYTHON.format(bash=shutil.which("bash"), name=name, status=status)
    fake.write_text(script, encoding="utf-8")
    fake.chmod(0o755)


def set_up(machine: Path, name: str, python: str = "") -> subprocess.CompletedProcess[str]:
    path = str(machine / "bin")
    return run(machine / "bin/bash", "scripts/set-up", name, cwd=machine, PATH=path, PYTHON=python)


def installed(machine: Path) -> list[str]:
    log = (machine / "installed").read_text(encoding="utf-8")
    return re.findall(r"--require-hashes --requirement requirements/(\w+)\.txt$", log, re.MULTILINE)


def test_set_up_takes_the_newest_python_that_works(bare: Path) -> None:
    add_python(bare, "python3.13", status=127)
    add_python(bare, "python3.12")
    add_python(bare, "python3.11")
    assert "Python of python3.12" in set_up(bare, "runtime").stdout
    assert installed(bare) == ["runtime"]


def test_set_up_takes_the_python_that_it_is_told(bare: Path) -> None:
    add_python(bare, "python3.12")
    add_python(bare, "mine")
    assert "Python of mine" in set_up(bare, "runtime", python="mine").stdout


def test_set_up_refuses_a_named_python_that_does_not_fit(bare: Path) -> None:
    add_python(bare, "python3.12")
    add_python(bare, "old", status=1)
    result = set_up(bare, "runtime", python="old")
    assert result.returncode == 1
    assert "PYTHON=old is not a Python 3.11, 3.12 or 3.13" in result.stderr


def test_set_up_says_what_is_missing_where_no_python_fits(bare: Path) -> None:
    add_python(bare, "python3", status=1)
    result = set_up(bare, "runtime")
    assert result.returncode == 1
    assert "found no Python 3.11, 3.12 or 3.13 on PATH" in result.stderr
    assert not (bare / ".venv").exists()


def test_set_up_does_nothing_the_second_time(bare: Path) -> None:
    add_python(bare, "python3")
    set_up(bare, "runtime")
    assert set_up(bare, "runtime").stdout == ""
    assert installed(bare) == ["runtime"]


def test_set_up_of_a_larger_set_covers_the_smaller_ones_only(bare: Path) -> None:
    add_python(bare, "python3")
    set_up(bare, "train")
    set_up(bare, "runtime")
    set_up(bare, "dev")
    assert installed(bare) == ["train", "dev"]


def test_set_up_installs_again_when_pins_have_changed(bare: Path) -> None:
    add_python(bare, "python3")
    set_up(bare, "runtime")
    (bare / "requirements/runtime.txt").write_text("# newer\n", encoding="utf-8")
    set_up(bare, "runtime")
    assert installed(bare) == ["runtime", "runtime"]


@pytest.mark.parametrize("name", ["", "all", "runtime train"])
def test_set_up_refuses_a_set_that_does_not_exist(bare: Path, name: str) -> None:
    result = set_up(bare, name)
    assert result.returncode == 1
    assert "usage" in result.stderr


# ------------------------------------------------------------------------------------- browser


@pytest.mark.parametrize("required", ["", "1"])
def test_without_a_browser_its_tests_are_skipped_aloud_or_fail(bare: Path, required: str) -> None:
    result = run(
        bare / "bin/bash",
        "scripts/test-browser",
        cwd=bare,
        PATH=str(bare / "bin"),
        REQUIRE_BROWSER=required,
        CHROMIUM="",
    )
    assert "test-browser: SKIPPED: there is no Chromium" in result.stdout
    assert result.returncode == int(required or 0)


# --------------------------------------------------------------------------------------- make


def test_make_help_lists_the_commands() -> None:
    listed = re.findall(r"^  make ([a-z]+) ", run("make", "help").stdout, flags=re.MULTILINE)
    assert {"serve", "test", "check", "train", "evaluate"} <= set(listed)


def test_the_project_has_the_version_of_the_service() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == VERSION


def test_what_coverage_leaves_out_is_there_and_known_in_whatever_folder() -> None:
    """A process that began in another folder would report the files as never run."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["coverage"]["run"]["omit"]
    assert all(pattern.startswith("*/") for pattern in patterns)
    assert all((ROOT / pattern.removeprefix("*/")).is_file() for pattern in patterns)


def test_make_serve_passes_the_address_on() -> None:
    command = run("make", "-n", "serve", "HOST=0.0.0.0", "PORT=9000").stdout
    assert "SUMMARIZER_HOST='0.0.0.0' SUMMARIZER_PORT='9000'" in command


def test_make_serve_ignores_the_host_that_shells_export() -> None:
    command = run("make", "-n", "serve", HOST="x86_64-linux-gnu").stdout
    assert "SUMMARIZER_HOST='127.0.0.1' SUMMARIZER_PORT='8000'" in command


def test_make_train_names_several_files() -> None:
    command = run("make", "-n", "train", "DATA=a.jsonl b.jsonl", "OUT=runs/a b").stdout
    assert "-m model.train --data a.jsonl b.jsonl --out 'runs/a b'" in command


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["train"], "DATA"),
        (["train", "DATA=a.jsonl"], "OUT"),
        (["evaluate"], "DATA"),
        (["faithfulness"], "DATA"),
    ],
)
def test_make_says_which_variable_is_missing(arguments: list[str], missing: str) -> None:
    result = run("make", "-n", *arguments)
    assert result.returncode != 0
    assert f"{missing} is missing" in result.stderr


# ------------------------------------------------------------------------------- import rules


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of both packages, to break rules in."""
    for package in ("model", "service"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_rules(tree: Path) -> list[str]:
    command = Path(sys.executable).with_name("lint-imports")
    output = run(sys.executable, command, "--no-cache", cwd=tree, COLUMNS="200").stdout
    assert "Contracts: " in output
    return re.findall(r"^(\d\w?)\. .* BROKEN", output, flags=re.MULTILINE)


def test_no_import_rule_is_broken(tree: Path) -> None:
    assert broken_rules(tree) == []


@pytest.mark.parametrize(
    ("module", "forbidden", "rule"),
    [
        ("model/train.py", "import service.app", "1"),
        ("service/saved_model.py", "import model.data", "2a"),
        ("service/new.py", "import model", "2a"),
        ("model/artifact.py", "import tensorflow", "2b"),
        ("model/data.py", "from model import attention", "2b"),
        ("model/explanation/methods/ablation.py", "import keras", "2b"),
        ("service/predictor.py", "import tensorflow as tf", "3a"),
        ("service/saved_model.py", "import keras", "3a"),
        ("service/new.py", "from service.saved_model import anything", "3b"),
        ("service/workers/pool.py", "import starlette.requests", "3c"),
        ("service/predictor.py", "from service import app", "3c"),
        ("model/attention.py", "from model import decoding", "4a"),
        ("model/new.py", "", "4a"),
        ("model/tokenizer.py", "from model import data", "4b"),
        ("model/readers/rows.py", "from model.readers import files", "4c"),
        ("service/schemas.py", "from service import prediction", "4b"),
        ("model/explanation/scorer.py", "from model.explanation import study", "4d"),
        ("model/explanation/new.py", "", "4d"),
        ("model/accelerated/batches.py", "from model.accelerated import trainer", "4e"),
        ("model/accelerated/new.py", "", "4e"),
        ("model/faithfulness/partial.py", "from model.faithfulness import study", "4f"),
        ("model/graph/choices.py", "from model.graph import search", "4g"),
        ("model/subwords/byte_level.py", "from model.subwords import vocabulary", "4h"),
        ("model/subwords/new.py", "", "4h"),
        ("model/words/truecasing.py", "from model.words import usual_case", "4i"),
        ("model/words/new.py", "", "4i"),
        ("model/steering/choices.py", "from model.steering import filters", "4j"),
        ("model/steering/new.py", "", "4j"),
        ("model/evaluation/rouge.py", "from model.evaluation import baselines", "4k"),
        ("model/evaluation/new.py", "", "4k"),
        ("model/training/averaging.py", "from model.training import checkpoint", "4l"),
        ("model/training/new.py", "", "4l"),
        ("model/exporting/signatures.py", "from model.exporting import verification", "4m"),
        ("model/exporting/new.py", "", "4m"),
        ("model/scoring/exported_scorer.py", "from model.scoring import network_scorer", "4n"),
        ("model/scoring/new.py", "", "4n"),
        (
            "model/explanation/methods/removal.py",
            "from model.explanation.methods import ablation",
            "4o",
        ),
        ("model/new.py", "import tensorflow.nn", "5"),
        ("model/accelerated/publish.py", "import jax.numpy", "5"),
        ("service/scheduling/work_queue.py", "from service.scheduling import admission", "6a"),
        ("service/scheduling/new.py", "", "6a"),
        ("service/workers/process.py", "from service.workers import link", "6b"),
        ("service/inference/calls.py", "from service.inference import batches", "6c"),
        ("service/rendering/offsets.py", "from service.rendering import attention_view", "6d"),
        ("service/observability/log_writer.py", "from service.observability import logs", "6e"),
        ("service/http/problems.py", "from service.http import middleware", "6f"),
        ("service/versions/readiness.py", "from service.versions import watch", "6g"),
        ("service/documentation/openapi.py", "from service.documentation import pages", "6h"),
        ("service/api_document/schema_fit.py", "import service.api_document.compatibility", "6i"),
        ("service/explanation/tasks.py", "from service.explanation import desk", "6j"),
        ("service/routes/dependencies.py", "from service.routes import web", "6k"),
    ],
)
def test_each_import_rule_can_be_broken(tree: Path, module: str, forbidden: str, rule: str) -> None:
    with (tree / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{forbidden}\n")
    assert rule in broken_rules(tree)


def test_only_what_exports_loads_tensorflow_when_it_is_imported() -> None:
    for path in (ROOT / "model").rglob("*.py"):
        imports = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.match(
                r"(from|import) (tensorflow|model\.export|model\.exporting\.signatures)\b"
                r"|from model import .*export\b|from model\.exporting import .*signatures",
                line,
            )
        ]
        allowed = {"export.py", "reexport.py", "signatures.py", "verification.py", "publish.py"}
        # Of graph/, which is what signatures trace, every module may.
        assert path.name in allowed or path.parent.name == "graph" or not imports, path


# ------------------------------------------------------------------------- the count of skips


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A project with this one's conftest: a test that passes, one that is skipped, one no cover."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")
    (tmp_path / "tests/test_it.py").write_text(
        "import pytest\n\n"
        "def test_good(): pass\n\n"
        "@pytest.mark.skip(reason='tired')\n"
        "def test_lazy(): pass\n",
        encoding="utf-8",
    )
    (tmp_path / "service").mkdir()
    mark = "# pragma: " + "no cover"
    (tmp_path / "service/app.py").write_text(f"x = 1  {mark}\n", encoding="utf-8")
    return tmp_path


WITHOUT_XDIST: list[str] = []
ONE_PROCESS = ["-p", "xdist.plugin", "-n", "0"]
TWO_PROCESSES = ["-p", "xdist.plugin", "-n", "2", "--dist=loadfile"]
RUNS = pytest.mark.parametrize("arguments", [WITHOUT_XDIST, ONE_PROCESS, TWO_PROCESSES])


def run_suite(
    suite: Path, arguments: list[str], *, ci: str, allowed: str = ""
) -> subprocess.CompletedProcess[str]:
    (suite / "pytest.ini").write_text(f"[pytest]\nallowed_skips = {allowed}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *arguments, "tests"]
    # The plugins of ours take seconds to load.
    return run(*command, cwd=suite, CI=ci, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


@RUNS
def test_skipped_tests_and_no_cover_marks_are_counted(suite: Path, arguments: list[str]) -> None:
    result = run_suite(suite, arguments, ci="")
    assert result.returncode == 0
    assert "skipped tests: 1\nno cover marks: 1\n" in result.stdout
    assert "1 passed, 1 skipped" in result.stdout.splitlines()[-1]


@RUNS
def test_a_skipped_test_fails_in_ci(suite: Path, arguments: list[str]) -> None:
    result = run_suite(suite, arguments, ci="true")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "CI does not allow this skip: tests/test_it.py::test_lazy\n" in result.stdout


@RUNS
def test_a_skipped_test_that_is_allowed_passes_in_ci(suite: Path, arguments: list[str]) -> None:
    result = run_suite(suite, arguments, ci="true", allowed="tests/test_it.py::test_lazy")
    assert result.returncode == 0


# -------------------------------------------------------------------------- several processes


@RUNS
def test_half_a_character_in_a_failure_does_not_end_the_run(
    suite: Path, arguments: list[str]
) -> None:
    test = "def test_half(): assert not chr(0xD800) + 'half'\n\ndef test_next(): pass\n"
    (suite / "tests/test_it.py").write_text(test, encoding="utf-8")
    result = run_suite(suite, arguments, ci="")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize(("directory", "processes"), [("end_to_end", 1), ("model", 2)])
def test_only_the_end_to_end_tests_share_a_process(
    suite: Path, directory: str, processes: int
) -> None:
    (suite / "tests/test_it.py").unlink()
    (suite / "tests" / directory).mkdir()
    for name in "abcd":
        test = (
            f"import os, time\n\ndef test_{name}():\n    time.sleep(0.5)\n    print(os.getpid())\n"
        )
        (suite / "tests" / directory / f"test_{name}.py").write_text(test, encoding="utf-8")
    result = run_suite(suite, [*TWO_PROCESSES, "-rP"], ci="")
    assert result.returncode == 0
    assert len(set(re.findall(r"^\d+$", result.stdout, flags=re.MULTILINE))) == processes


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_docs_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_each_promise_of_reliability_has_tests_and_each_test_a_promise() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [int(row) for row in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    assert rows == list(range(1, len(rows) + 1))
    assert set(map(int, re.findall(r"def test_row_(\d+)_", tests))) == set(rows)
