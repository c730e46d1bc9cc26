"""The command line of the training job."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from model.readers import DataFile
from model.train import BUILT_IN, data_files, main, options_of, parse_arguments
from model.training.corpus import Corpus
from model.training.job import Job


def test_builtin_is_a_file_like_any_other() -> None:
    files = data_files(["builtin", "builtin=2.5", "builtin_of_mine.jsonl=3"])
    assert [file.address for file in files] == [str(BUILT_IN)] * 2 + ["builtin_of_mine.jsonl"]
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


@pytest.mark.parametrize("number", ["-0.1", "1.1", "nan", "few"])
def test_the_share_of_bad_rows_is_from_0_to_1(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--data", "builtin", "--out", "x", "--max-bad-rows", number])
    assert f"must be a share from 0 to 1, got '{number}'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--data", "--validation"])
def test_more_bad_rows_than_allowed_end_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,summary\n" + "T,S\n" * 98 + " ,S\nT\n", encoding="utf-8")
    given = {"--data": "builtin"} | {option: str(path)}
    arguments = [part for pair in given.items() for part in pair]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "mine.csv:100: 'text' must be a string that is not blank" in error
    assert "bad rows: 2 of 100" in error
    assert error.count("\n") == 1


def test_starting_from_no_artifact_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", "builtin", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--init-from", str(tmp_path / "none")]) == 1
    assert "error: " in capsys.readouterr().err


TINY = (
    "--data builtin --hidden-dim 8 --num-layers 1 --vocab-size 500 --max-source-tokens 32 "
    "--bucket-tokens 32 --max-summary-tokens 4 --tokens-per-batch 128 --steps 3 "
    "--checkpoint-steps 1 --warmup-steps 1 --decay-steps 0"
).split()


def the_one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_full_disk_ends_in_one_line_and_the_checkpoint_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*TINY, "--out", str(tmp_path)]
    corpus = Corpus.read([DataFile.parse(str(BUILT_IN))], [], 32)
    job = Job(tmp_path, corpus, options_of(vars(parse_arguments(arguments))))
    job.save()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        assert main(arguments) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "checkpoint.npz: not written: File too large" in the_one_line(capsys)
    assert job.resume()
    assert job.state["step"] == 0


def test_an_output_that_cannot_be_written_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([*TINY, "--out", str(tmp_path / "file" / "out")]) == 1
    assert "out: Not a directory" in the_one_line(capsys)


def test_a_loss_that_is_no_number_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--out", str(tmp_path), "--learning-rate", "1e30"]) == 1
    assert "finite" in (error := the_one_line(capsys)) or "the loss is nan" in error


@pytest.mark.parametrize("value", ["1", "-0.1", "nan", "much"])
def test_a_rate_that_is_no_share_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments([*TINY, "--out", "x", f"--ema-decay={value}"])
    assert "--ema-decay: must be" in capsys.readouterr().err
