"""Test the JSON, rows and CSV of measured masks."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np

from crackseg.geometry import Scale
from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.report import MeasuredMask, to_csv
from crackseg.measurement.values import ROW_NAMES


def measured(name: str = "wall.png", scale: Scale | None = None) -> MeasuredMask:
    """Measure a bar of 5 by 80 px and a single pixel."""
    mask = np.zeros((60, 100), np.bool_)
    mask[20:25, 10:90] = True
    mask[50, 5] = True
    return MeasuredMask(name=name, shape=mask.shape, cracks=measure_cracks(mask, scale=scale), scale=scale)


def empty(name: str = "clean.png") -> MeasuredMask:
    return MeasuredMask(name=name, shape=(3, 4), cracks=(), scale=None)


def test_a_measured_mask_shows_name_cracks_and_share_in_one_line() -> None:
    assert repr(measured()) == "MeasuredMask('wall.png', 2 cracks, 6.68 %)"
    assert repr(empty()) == "MeasuredMask('clean.png', 0 cracks, 0.00 %)"


def test_the_summary_names_number_share_length_and_width() -> None:
    assert measured().summary() == "2 cracks, 6.68 % of the image, longest 80.0 px, widest 5.0 px"
    scaled = measured(scale=Scale(0.5, "a ruler"))
    assert scaled.summary() == "2 cracks, 6.68 % of the image, longest 40.0 mm, widest 2.5 mm"
    thin = dataclasses.replace(measured(), cracks=measured().cracks[1:])
    assert thin.summary().endswith("too narrow to measure their width")
    assert empty().summary() == "no crack"


def test_a_row_per_crack_holds_every_column() -> None:
    rows = measured(scale=Scale(0.5, "a ruler")).rows()
    columns = ["image", "crack", *ROW_NAMES, "scale_mm_per_px", "scale_source"]
    assert [list(row) for row in rows] == [columns, columns]
    assert [(row["image"], row["crack"], row["area_px"]) for row in rows] == [("wall.png", 1, 400), ("wall.png", 2, 1)]
    assert (rows[0]["scale_mm_per_px"], rows[1]["width_max_px"]) == (0.5, None)
    assert empty().rows() == []


def test_rows_json_and_csv_hold_the_same_numbers() -> None:
    mask = measured()
    values = json.loads(json.dumps(mask.to_dict()))
    table = list(csv.DictReader(io.StringIO(to_csv([mask, empty()]))))
    assert [row["image"] for row in table] == ["wall.png", "wall.png", "clean.png"]
    for row, cells, crack in zip(mask.rows(), table, values["cracks"], strict=False):
        assert row["length_px"] == float(cells["length_px"]) == crack["length_px"]
        assert (row["pattern"], row["box_col1"]) == (cells["pattern"], int(cells["box_col1"]))
    assert (table[1]["width_max_px"], table[1]["length_mm"], table[2]["area_px"]) == ("cannot_measure", "", "")


def test_a_cell_that_a_spreadsheet_reads_as_a_formula_starts_with_a_quote() -> None:
    table = list(csv.DictReader(io.StringIO(to_csv([measured("=1+1.png", Scale(0.5, "--scale"))]))))
    assert (table[0]["image"], table[0]["scale_source"]) == ("'=1+1.png", "'--scale")
