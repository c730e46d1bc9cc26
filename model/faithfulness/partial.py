"""What a study has done so far, in a file: a study that was cut loses a document and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.explanation.sanity import Likeness
from model.explanation.study import Figures


class PartialStudy:
    """The cascade and the figures of the first documents; without a path only in memory.

    One JSON object a line: what the study is of, the cascade, then each document.

    Args:
        path: Of the file. What is there already is read.
        of: What the study is of, as JSON has it.

    Raises:
        ValueError: the file is of another study.
    """

    def __init__(self, path: Path | None, of: Mapping[str, Any]) -> None:
        self._path = path
        self.likeness: Likeness = {}
        self.figures: list[Figures] = []
        self.minutes = 0.0
        rows = _rows(path) if path and path.exists() else []
        if not rows:
            self._append({"of": of}, mode="w")
            return
        if rows[0]["of"] != of:
            raise ValueError(f"{path} is of another study, remove it to begin anew")
        for row in rows[1:]:
            self.minutes = row["minutes"]
            if "likeness" in row:
                self.likeness = _arrays(row["likeness"])
            else:
                self.figures.append(Figures(**_arrays(row["figures"])))

    def keep_likeness(self, likeness: Likeness, minutes: float) -> None:
        """Keeps what the cascade found, and how many minutes the study has taken."""
        self.likeness, self.minutes = likeness, minutes
        self._append({"likeness": likeness, "minutes": minutes})

    def keep_figures(self, figures: Figures, minutes: float) -> None:
        """Keeps the next document's."""
        self.figures.append(figures)
        self.minutes = minutes
        self._append({"figures": asdict(figures), "minutes": minutes})

    def _append(self, row: Mapping[str, Any], mode: str = "a") -> None:
        if self._path is None:
            return
        with self._path.open(mode, encoding="utf-8") as file:
            file.write(f"{json.dumps(row, default=np.ndarray.tolist)}\n")


def _rows(path: Path) -> list[Any]:
    """All lines but a last one that was cut."""
    *lines, rest = path.read_text(encoding="utf-8").split("\n")
    if rest:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [json.loads(line) for line in lines]


def _arrays(value: Any) -> Any:
    """JSON with its lists as arrays."""
    if isinstance(value, dict):
        return {key: _arrays(part) for key, part in value.items()}
    return np.array(value, np.float64) if isinstance(value, list) else value
