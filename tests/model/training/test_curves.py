from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from model.line_chart import line_chart
from model.training.curves import learning_curves

SVG = "{http://www.w3.org/2000/svg}"


def rows(*steps: int, origins: tuple[str, ...] = ("town-news",)) -> list[dict[str, Any]]:
    return [
        row
        for step in steps
        for row in (
            {"step": step, "seconds": 1.0, "loss": 6 - step / 100, "learning_rate": 0.1},
            {
                "step": step,
                "seconds": 1.0,
                "validation": {origin: {"loss": 5.0, "rougeL": step / 10} for origin in origins},
            },
        )
    ]


def points(line: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]


def test_each_series_is_a_line_with_its_name() -> None:
    drawing = ET.fromstring(learning_curves(rows(100, 200, 300, origins=("a", "b"))))
    names = [text.text for text in drawing.iter(f"{SVG}text")]
    assert len(list(drawing.iter(f"{SVG}polyline"))) == 5
    for name in ("training", "validation, a", "validation, b", "a", "b", "ROUGE-L F1"):
        assert name in names


def test_lines_go_where_the_numbers_go() -> None:
    drawing = ET.fromstring(learning_curves(rows(100, 200, 300)))
    training, _, rouge = (points(line) for line in drawing.iter(f"{SVG}polyline"))
    assert [x for x, _ in training] == sorted(x for x, _ in training)
    assert training[0][1] < training[1][1] < training[2][1]  # a falling loss; y grows downwards
    assert rouge[0][1] > rouge[1][1] > rouge[2][1]
    assert training[0][0] == rouge[0][0]


def test_names_are_escaped() -> None:
    drawing = ET.fromstring(learning_curves(rows(1, 2, origins=('<a & "b">',))))
    assert '<a & "b">' in [text.text for text in drawing.iter(f"{SVG}text")]


def test_one_point_is_no_curve() -> None:
    assert learning_curves(rows(100)) == ""
    assert learning_curves([]) == ""


def test_all_the_same_value_is_a_line_in_the_middle() -> None:
    same = [{"step": step, "loss": 3.0} for step in (1, 2)]
    [line] = ET.fromstring(learning_curves(same)).iter(f"{SVG}polyline")
    assert points(line)[0][1] == points(line)[1][1]


def test_intervals_are_bars_through_their_points() -> None:
    curves = {
        "ours": [(5.0, 0.4, 0.3, 0.6), (10.0, 0.5, 0.4, 0.6), (50.0, 0.1, -0.2, 0.2)],
        "theirs": [(5.0, 0.1, 0.0, 0.2), (10.0, 0.2, 0.1, 0.3), (50.0, 0.0, -0.1, 0.1)],
    }
    drawing = ET.fromstring(line_chart("Chart", [("Panel", curves)], "%", dashed=["theirs"]))
    ours, theirs = drawing.iter(f"{SVG}polyline")
    assert ("stroke-dasharray" in ours.attrib, "stroke-dasharray" in theirs.attrib) == (False, True)
    [bars] = [p.attrib["d"] for p in drawing.iter(f"{SVG}path") if p.attrib["d"].count("V") == 3
              and p.attrib["stroke"] == ours.attrib["stroke"]]  # fmt: skip
    for bar, (x, y) in zip(bars.removeprefix("M").split("M"), points(ours), strict=True):
        at, ends = bar.split(" ")
        low, high = map(float, ends.split("V"))
        assert float(at) == x
        assert high < y < low  # y grows downwards
    assert "10" in [text.text for text in drawing.iter(f"{SVG}text")]
    assert len([p for p in drawing.iter(f"{SVG}path") if p.attrib["stroke"] == "gray"]) == 1
