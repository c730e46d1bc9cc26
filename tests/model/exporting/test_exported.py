"""The defaults with which an exported model is measured are those with which it is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.artifact import latest_version
from model.exporting.exported import ExportedModel

SHIPPED = Path(__file__).parents[3] / "artifacts" / "summarizer"
TEXTS = ["The council of Aldermoor opens a harbour line on Monday."] * 2


@pytest.mark.parametrize(
    ("strict", "expected"), [(None, [True, False]), (True, [True, True]), (False, [False, False])]
)
def test_support_is_each_styles_unless_it_is_given(
    strict: bool | None, expected: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ExportedModel(latest_version(SHIPPED), strict=strict)
    model.manifest = replace(model.manifest, loose_styles=("bill_title",))
    asked = []
    call = model.call

    def remembered(signature: str, inputs: dict[str, object]) -> dict[str, object]:
        asked.append(inputs["strict_support"])
        return dict(call(signature, inputs))

    monkeypatch.setattr(model, "call", remembered)
    written = model.summarize(TEXTS, ["headline", "bill_title"])
    assert np.array_equal(asked, [expected])
    assert all(one.text for one in written)
