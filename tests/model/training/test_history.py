from __future__ import annotations

from pathlib import Path

import pytest
from tensorboardX import SummaryWriter  # noqa: F401  # the flag needs it: a missing one fails here

from model.training.history import FILE_NAME, History, scalars

NUMBERS = {"loss": 2.0, "rouge1": 30.0}


def training(step: int) -> dict[str, float]:
    return {"step": step, "seconds": step / 2, "loss": 5.0 - step / 100, "learning_rate": 0.002}


def validation(step: int) -> dict[str, object]:
    return {"step": step, "seconds": step / 2, "validation": {"town-news": NUMBERS}}


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path)
    for row in (training(20), training(40), validation(40), training(60), validation(60)):
        history.add(row)
    return history


def test_a_new_one_is_empty(tmp_path: Path) -> None:
    assert History(tmp_path).rows() == []


def test_rows_come_back(history: History) -> None:
    assert [row["step"] for row in history.rows()] == [20, 40, 40, 60, 60]
    assert history.rows()[2] == validation(40)


def test_what_came_after_the_checkpoint_is_forgotten(history: History) -> None:
    history.rewind(step=59, validated=40)
    assert history.rows() == [training(20), training(40), validation(40)]


def test_a_validation_that_the_checkpoint_does_not_know_is_forgotten(history: History) -> None:
    history.rewind(step=60, validated=40)
    assert history.rows() == [training(20), training(40), validation(40), training(60)]


def test_half_a_line_of_a_killed_job_is_forgotten(history: History, tmp_path: Path) -> None:
    with (tmp_path / FILE_NAME).open("a") as stream:
        stream.write('{"step": 80, "lo')
    history.rewind(step=80, validated=60)
    history.add(training(80))
    assert [row["step"] for row in history.rows()] == [20, 40, 40, 60, 60, 80]


def test_scalars_are_named_by_data_set() -> None:
    assert scalars(training(20)) == [("train/loss", 4.8), ("train/learning_rate", 0.002)]
    assert scalars(validation(40)) == [("loss/town-news", 2.0), ("rouge1/town-news", 30.0)]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    history = History(tmp_path, tensorboard=True)
    history.rewind(0, 0)
    history.add(training(20))
    history.add(validation(20))
    history.close()
    [events] = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    for name in (b"train/loss", b"train/learning_rate", b"loss/town-news", b"rouge1/town-news"):
        assert name in content


def test_without_the_flag_nothing_is_written_for_tensorboard(
    history: History, tmp_path: Path
) -> None:
    history.rewind(60, 60)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
