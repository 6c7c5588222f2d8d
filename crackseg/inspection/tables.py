"""Write results as CSV and Parquet tables."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crackseg.errors import display_text
from crackseg.files import replacing, write_bytes
from crackseg.inspection.store import MEASUREMENTS
from crackseg.machine import require_extra

COLUMNS = (
    "name", "status", "verdict", "reasons", "code", "message", "height_px", "width_px", *MEASUREMENTS, "scale_source",
    "mask", "overlay", "file_sha256", "model_sha256", "config_sha256", "tries", "seconds", "path_hex",
)  # fmt: skip
"""Columns of both tables. ``path_hex`` holds the bytes of the path, for names that are not text."""

_FORMULA = re.compile(r"^[\s]*[=+\-@|＝＋－＠]")


def table_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a record to a flat row of numbers and printable text."""
    row = {name: record[name] for name in COLUMNS if name in record}
    row["components"] = None if record["components"] is None else int(record["components"])
    row["reasons"] = "; ".join(json.loads(record["reasons"]))
    for kind in ("mask", "overlay"):
        path = record[f"{kind}_path"]
        row[kind] = None if path is None else display_text(path)
    row["path_hex"] = record["path"].hex()
    return {name: row[name] for name in COLUMNS}


def write_csv(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as CSV (RFC 4180, UTF-8).

    Text that a spreadsheet would read as a formula gets a leading apostrophe; control characters are escaped.

    Raises:
        OutputError: If it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow([_cell(value) for value in table_row(record).values()])
    write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = display_text(value)
    return f"'{text}" if _FORMULA.match(text) else text


def write_parquet(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as Parquet.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        OutputError: If it cannot be written.
    """
    require_extra("parquet")
    import pyarrow
    import pyarrow.parquet

    real = {*MEASUREMENTS, "seconds"} - {"components"}
    whole = {"height_px", "width_px", "components", "tries"}
    kinds = {name: pyarrow.float64() for name in real} | {name: pyarrow.int64() for name in whole}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    table = pyarrow.Table.from_pylist([table_row(record) for record in records], schema=schema)
    with replacing(path) as temporary:
        pyarrow.parquet.write_table(table, os.fspath(temporary))
