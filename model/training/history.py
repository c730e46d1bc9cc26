"""What a job reported, one JSON object a line, for curves and for whoever compares runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.training.checkpoint import write_text

FILE_NAME = "history.jsonl"
BOARD = "tensorboard"

Row = dict[str, Any]
"""`step` and `seconds`; a training row has `loss` and `learning_rate`, another has `validation`."""


class History:
    """`OUT/history.jsonl`, and on demand the same numbers for TensorBoard."""

    def __init__(self, out: Path, tensorboard: bool = False) -> None:
        self._path, self._board_path = out / FILE_NAME, out / BOARD
        self._tensorboard = tensorboard
        self._board: Any = None

    def rows(self) -> list[Row]:
        """All rows, but for a last one that a killed job did not finish."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def rewind(self, step: int, validated: int) -> None:
        """Forgets what came after the checkpoint that a job goes on from.

        Args:
            step: Of the checkpoint.
            validated: The last step whose validation the checkpoint knows of.
        """
        kept = [r for r in self.rows() if r["step"] <= (validated if "validation" in r else step)]
        write_text(self._path, "".join(_line(row) for row in kept))
        if self._tensorboard:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(str(self._board_path), purge_step=step + 1)

    def add(self, row: Row) -> None:
        """Appends a row."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(_line(row))
        if self._board is not None:
            for name, value in scalars(row):
                self._board.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Waits until TensorBoard's file is written; its writer has a thread of its own."""
        if self._board is not None:
            self._board.close()
            self._board = None


def scalars(row: Row) -> list[tuple[str, float]]:
    """A row's numbers by the name that TensorBoard shows."""
    if "validation" in row:
        return [
            (f"{name}/{origin}", value)
            for origin, numbers in row["validation"].items()
            for name, value in numbers.items()
        ]
    return [(f"train/{name}", row[name]) for name in ("loss", "learning_rate")]


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
