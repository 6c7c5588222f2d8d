"""The report: one HTML file that opens from disk, with every thumbnail inside, page by page."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from crackseg.files import replacing
from crackseg.inspection.store import Store

CHUNK = 100
"""Thumbnails that a page reads at once: the browser decodes those it shows and no others."""


def write_report(path: Path, store: Store) -> None:
    """Write the report of all rows of a store.

    Raises:
        OutputError: If it cannot be written.
    """
    template = resources.files("crackseg.inspection").joinpath("templates/report.html").read_text(encoding="utf-8")
    head, rest = template.split("@@DATA@@")
    middle, tail = rest.split("@@THUMBNAILS@@")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(head)
        file.write(_script_text(_data(store)))
        file.write(middle)
        for block in _thumbnail_blocks(store):
            file.write(block)
        file.write(tail)


def _data(store: Store) -> dict[str, Any]:
    in_mm = store.all_in_millimetres()
    unit = "mm" if in_mm else "px"
    rows = [_row(record, unit) for record in store.records()]
    return {
        "about": store.settings().get("about", ""),
        "unit": unit,
        "digits": 2 if in_mm else 1,
        "chunk": CHUNK,
        "rows": rows,
    }


def _row(record: Mapping[str, Any], unit: str) -> list[Any]:
    """Return what the table shows of one file; the template names the places."""
    fraction, height = record["crack_fraction"], record["height_px"]
    overlay = record["overlay_path"]
    return [
        record["name"],
        record["verdict"] or "SKIPPED",
        json.loads(record["reasons"]) or [record["message"]] * bool(record["message"]),
        None if record["components"] is None else int(record["components"]),
        record[f"length_max_{unit}"],
        record[f"width_max_{unit}"],
        None if fraction is None else round(100 * fraction, 3),
        None if overlay is None else quote(bytes(overlay)),
        None if height is None else f"{record['width_px']} x {height} px",
    ]


def _thumbnail_blocks(store: Store) -> Iterator[str]:
    """Yield script elements of `CHUNK` thumbnails each, in the order of the rows; null where there is none."""
    images = store.thumbnails()
    for number in itertools.count():
        group = [image if image is None else _base64(image) for image in itertools.islice(images, CHUNK)]
        if not group:
            return
        yield f'<script type="application/json" id="t{number}">{json.dumps(group)}</script>\n'


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _script_text(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
