"""What is written is read back; whatever changed since is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import artifact
from model.artifact import ArtifactError, GoldenExample, Manifest

EXAMPLE = GoldenExample(
    text="Ein “Text” 😀",
    style="headline",
    source_ids=[5, 6, 1],
    summary_ids=[5, 1],
    log_probs=[-0.1, -0.2],
    attention_weights=[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]],
    copy_gate=[0.9, 0.1],
    copied_prob=[0.8, 0.0],
    generated_prob=[0.1, 0.8],
)


def manifest_of(directory: Path) -> Manifest:
    return Manifest(
        name="summarizer",
        version="1",
        model_sha256=artifact.model_digest(directory),
        styles=("headline", "tldr"),
        default_style="headline",
        max_source_tokens=512,
        max_summary_tokens=32,
        default_num_beams=4,
        default_length_penalty=1.0,
        default_min_new_tokens=3,
        default_max_new_tokens=24,
        precision="float32",
        config={"hidden_dim": 8},
        training={"seed": 1, "rights": "ours – naturally"},
        low_confidence_log_prob=None,
        files=artifact.file_digests(directory),
        created="2026-11-22T00:00:00+00:00",
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "1"
    (directory / "saved_model" / "variables").mkdir(parents=True)
    (directory / "saved_model" / "saved_model.pb").write_bytes(b"graph")
    (directory / "saved_model" / "variables" / "variables.data").write_bytes(b"weights")
    (directory / "tokenizer.json").write_text("{}")
    (directory / "MODEL_CARD.md").write_text("# Card")
    artifact.write_golden(directory, [EXAMPLE])
    artifact.write_manifest(directory, manifest_of(directory))
    return directory


def test_a_manifest_is_read_as_it_was_written(directory: Path) -> None:
    assert artifact.read_manifest(directory) == manifest_of(directory)


def test_golden_examples_are_read_as_they_were_written(directory: Path) -> None:
    assert artifact.read_golden(directory) == [EXAMPLE]


def test_nothing_but_the_manifest_is_left_by_writing_it(directory: Path) -> None:
    artifact.write_manifest(directory, manifest_of(directory))
    assert [path.name for path in directory.iterdir() if "manifest" in path.name] == [
        "manifest.json"
    ]


def test_the_manifest_lists_every_other_file(directory: Path) -> None:
    assert artifact.read_manifest(directory).files.keys() == {
        "MODEL_CARD.md",
        "golden.jsonl",
        "saved_model/saved_model.pb",
        "saved_model/variables/variables.data",
        "tokenizer.json",
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_of_the_manifest_is_refused(
    directory: Path, where: float, flip: int
) -> None:
    path = directory / "manifest.json"
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[int(where * len(whole))] ^= flip
    path.write_bytes(changed)
    try:
        with pytest.raises(ArtifactError):
            artifact.read_manifest(directory, verify=False)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_manifest_that_is_cut_is_refused(directory: Path, cut: int) -> None:
    path = directory / "manifest.json"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError):
        artifact.read_manifest(directory)


def test_a_missing_manifest_is_refused_without_naming_the_machines_paths(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file") as raised:
        artifact.read_manifest(tmp_path / "secret")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("keys", ["unknown", "missing"])
def test_a_manifest_of_another_format_is_refused(directory: Path, keys: str) -> None:
    path = directory / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    if keys == "unknown":
        values["colour"] = "red"
    else:
        del values["precision"]
    values["manifest_sha256"] = "0" * 64
    unsealed = json.dumps(values)
    seal = hashlib.sha256(unsealed.encode()).hexdigest()
    path.write_text(unsealed.replace("0" * 64, seal), encoding="utf-8")
    with pytest.raises(ArtifactError, match="missing or unknown keys"):
        artifact.read_manifest(directory)


@pytest.mark.parametrize(
    "name", ["saved_model/variables/variables.data", "tokenizer.json", "MODEL_CARD.md"]
)
def test_a_changed_file_is_refused(directory: Path, name: str) -> None:
    (directory / name).write_bytes(b"other")
    with pytest.raises(ArtifactError, match=name):
        artifact.read_manifest(directory)
    assert artifact.read_manifest(directory, verify=False).version == "1"


def test_a_missing_file_is_refused(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"missing: \['tokenizer.json'\]"):
        artifact.read_manifest(directory)


def test_a_file_too_many_is_refused(directory: Path) -> None:
    (directory / "saved_model" / "extra").write_text("?")
    with pytest.raises(ArtifactError, match="saved_model/extra"):
        artifact.read_manifest(directory)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_sha256": "0" * 64}, "model_sha256"),
        ({"default_style": "haiku"}, "default_style"),
        ({"precision": "int4"}, "precision"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    directory: Path, change: dict[str, Any], reason: str
) -> None:
    artifact.write_manifest(directory, replace(manifest_of(directory), **change))
    with pytest.raises(ArtifactError, match=reason):
        artifact.read_manifest(directory)


def test_the_models_digest_covers_graph_weights_and_tokenizer_only(directory: Path) -> None:
    before = artifact.model_digest(directory)
    (directory / "MODEL_CARD.md").write_text("# Another card")
    assert artifact.model_digest(directory) == before
    digests = {before}
    for name in ("saved_model/saved_model.pb", "tokenizer.json"):
        (directory / name).write_bytes(b"other")
        digests.add(artifact.model_digest(directory))
    (directory / "saved_model" / "saved_model.pb").rename(directory / "saved_model" / "b.pb")
    digests.add(artifact.model_digest(directory))
    assert len(digests) == 4


@pytest.mark.parametrize("content", ["", "{", '{"text": "alone"}\n', "[]\n"])
def test_golden_examples_that_cannot_be_read_are_refused(directory: Path, content: str) -> None:
    (directory / "golden.jsonl").write_text(content)
    with pytest.raises(ArtifactError, match=r"golden\.jsonl"):
        artifact.read_golden(directory)


def test_missing_golden_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"golden\.jsonl"):
        artifact.read_golden(tmp_path)


def test_the_latest_version_is_the_highest_number_with_a_manifest(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "11", "x12", ".partial"):
        (tmp_path / name).mkdir()
        if name != "11":
            (tmp_path / name / "manifest.json").touch()
    assert artifact.latest_version(tmp_path) == tmp_path / "10"


def test_without_any_version_there_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact"):
        artifact.latest_version(tmp_path / "absent")
