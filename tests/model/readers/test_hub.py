"""The library runs in a process of its own: it reads its environment once, at import."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from model.readers import DataError, read_examples
from model.readers.hub import HubSet

ROWS = [
    {"article": "A first text.", "highlights": "First", "kind": "title", "n": 1},
    {"article": "A second text.", "highlights": "Second", "kind": "title", "n": 2},
]

PROGRAM = """
import json, sys
from dataclasses import astuple
from model.readers import DataError, DataFile, read_examples

answers = []
for argument in sys.argv[1:]:
    try:
        file = DataFile.parse(argument)
        examples = [astuple(example) for example in read_examples(file.address)]
        answers.append([file.weight, file.name, file.sha256(), examples])
    except DataError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the addresses below give, by address; X stands for the data set's directory."""
    place = tmp_path_factory.mktemp("hub")
    directory = place / "town-news"
    directory.mkdir()
    for split, rows in {"train": ROWS, "test": ROWS[1:]}.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (directory / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    addresses = [
        "hf:X?text=article&summary=highlights",
        "hf:X:test?text=article&summary=highlights&style=kind&config=default=0.5",
        "hf:X?text=article",
        "hf:X?text=article&summary=highlights&style=tone",
        "hf:X:validation?text=article&summary=highlights",
        "hf:X/nowhere",
    ]
    environment = os.environ | {"HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *[a.replace("X", str(directory)) for a in addresses]],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout.splitlines()[-1])
    clean = json.loads(json.dumps(found).replace(str(directory), "X"))
    return dict(zip(addresses, clean, strict=True))


def test_columns_are_those_of_the_address_and_the_split_is_train(
    answers: dict[str, object],
) -> None:
    rows = [{"summary": row["highlights"], "text": row["article"]} for row in ROWS]
    digest = hashlib.sha256("".join(json.dumps(row) + "\n" for row in rows).encode()).hexdigest()
    assert answers["hf:X?text=article&summary=highlights"] == [
        1.0,
        "hf:town-news:train",
        digest,
        [
            ["A first text.", "First", "headline", "town-news", None],
            ["A second text.", "Second", "headline", "town-news", None],
        ],
    ]


def test_split_style_config_and_weight_may_be_given(answers: dict[str, object]) -> None:
    answer = answers["hf:X:test?text=article&summary=highlights&style=kind&config=default=0.5"]
    assert isinstance(answer, list)
    assert answer[:2] == [0.5, "hf:town-news:test"]
    assert answer[3] == [["A second text.", "Second", "title", "town-news", None]]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "hf:X?text=article",
            "hf:X:train: has no column 'summary', it has article, highlights, kind, n; "
            "name one in the address: ?summary=COLUMN",
        ),
        (
            "hf:X?text=article&summary=highlights&style=tone",
            "hf:X:train: has no column 'tone', it has article, highlights, kind, n; "
            "name one in the address: ?style=COLUMN",
        ),
        (
            "hf:X:validation?text=article&summary=highlights",
            "hf:X:validation: can't be read: Unknown split",
        ),
        ("hf:X/nowhere", "hf:X/nowhere:train: can't be read: "),
    ],
)
def test_what_is_not_there_is_named_in_one_line(
    answers: dict[str, object], address: str, message: str
) -> None:
    answer = answers[address]
    assert isinstance(answer, str)
    assert answer.startswith(message)
    assert "\n" not in answer


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:owner/name:train: .*missing: pip install datasets"):
        read_examples("hf:owner/name")


def test_an_address_has_a_split_and_options() -> None:
    assert HubSet.parse("owner/name:train[:10%]?text=a%20b&revision=v1") == HubSet(
        repository="owner/name", split="train[:10%]", options={"text": "a b", "revision": "v1"}
    )


def test_the_manifest_names_a_data_set_by_its_owner() -> None:
    assert HubSet.parse("owner/name").name == "hf:owner/name:train"


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("", "a data set's name must follow hf:"),
        (":test", "a data set's name must follow hf:"),
        ("o/n?text", "options must be NAME=VALUE, joined by &"),
        ("o/n?text=", "an option must have a value and be one of .*got 'text'"),
        ("o/n?column=a", "an option must have a value and be one of .*got 'column'"),
    ],
)
def test_an_address_that_breaks_a_rule_is_named(address: str, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        HubSet.parse(address)
