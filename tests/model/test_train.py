"""The command line of the training job."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.train import BUILT_IN, data_files, main, options_of, parse_arguments


def test_builtin_is_a_file_like_any_other() -> None:
    files = data_files(["builtin", "builtin=2.5", "builtin_of_mine.jsonl=3"])
    assert [file.path for file in files] == [BUILT_IN, BUILT_IN, Path("builtin_of_mine.jsonl")]
    assert [file.weight for file in files] == [1.0, 2.5, 3.0]


def test_numbers_reach_the_options() -> None:
    arguments = ["--data", "builtin", "--out", "x", "--steps", "7", "--max-source-tokens", "99"]
    options = options_of(vars(parse_arguments([*arguments, "--precision", "bfloat16"])))
    assert options.steps == 7
    assert options.batches.max_source_tokens == 99
    assert options.encoder_dtype == "mixed_bfloat16"


def test_missing_data_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "none.jsonl" in error
    assert error.count("\n") == 1


def test_a_wrong_weight_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "builtin=-1", "--out", str(tmp_path)]) == 1
    assert "a weight must be a positive number, got '-1'" in capsys.readouterr().err


def test_starting_from_no_artifact_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", "builtin", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--init-from", str(tmp_path / "none")]) == 1
    assert "error: " in capsys.readouterr().err
