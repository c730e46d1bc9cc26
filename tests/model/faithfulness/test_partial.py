"""What a study keeps, and goes on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.explanation.document import Document
from model.explanation.planted import PlantedCopier
from model.explanation.report import study_report
from model.explanation.study import Figures, measure
from model.faithfulness.partial import PartialStudy

OF = {"weights_sha256": "a", "longest_text": 512}
LIKENESS = {"all": {"attention": np.array([[0.1, 0.2], [np.nan, np.nan]])}}


@pytest.fixture(scope="module")
def figures() -> list[Figures]:
    def document(*places: int) -> Document:
        ids = np.arange(10, 30)
        return Document(
            source_ids=np.append(ids, 1).astype(np.int32),
            summary_ids=ids[list(places)].astype(np.int32),
            words=np.append(np.arange(20), -1),
            sentences=np.append(np.arange(20) // 4, -1),
            overlap=np.isin(np.arange(20), places),
        )

    return [*measure(lambda _style: PlantedCopier(), [document(2, 9), document(5, 3)])]


@pytest.fixture
def kept(tmp_path: Path, figures: list[Figures]) -> Path:
    path = tmp_path / "study.jsonl"
    study = PartialStudy(path, OF)
    study.keep_likeness(LIKENESS, minutes=1.5)
    for number, found in enumerate(figures):
        study.keep_figures(found, minutes=2.0 + number)
    return path


def test_what_was_kept_is_read(kept: Path, figures: list[Figures]) -> None:
    found = PartialStudy(kept, OF)
    np.testing.assert_equal(found.likeness, LIKENESS)
    assert found.minutes == 3.0
    for ours, expected in zip(found.figures, figures, strict=True):
        np.testing.assert_equal(asdict(ours), asdict(expected))
    assert study_report(found.figures, found.likeness) == study_report(figures, LIKENESS)


@pytest.mark.parametrize(
    "end",
    [lambda text: text[:-10], lambda text: text + '{"figures'],
    ids=["shorter", "longer"],
)
def test_a_line_that_was_cut_is_done_again(
    kept: Path, figures: list[Figures], end: Callable[[str], str]
) -> None:
    kept.write_text(end(kept.read_text(encoding="utf-8")), encoding="utf-8")
    found = PartialStudy(kept, OF)
    assert 1 <= len(found.figures) <= 2
    found.keep_figures(figures[-1], minutes=9.0)
    again = PartialStudy(kept, OF)
    assert (len(again.figures), again.minutes) == (len(found.figures), 9.0)


def test_another_study_is_not_gone_on_with(kept: Path) -> None:
    with pytest.raises(ValueError, match="is of another study"):
        PartialStudy(kept, OF | {"longest_text": 96})


def test_without_a_path_it_is_in_memory(figures: list[Figures]) -> None:
    study: Any = PartialStudy(None, OF)
    study.keep_figures(figures[0], minutes=1.0)
    assert (len(study.figures), study.likeness) == (1, {})
