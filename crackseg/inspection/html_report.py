"""Write the report of an inspection as one HTML file with thumbnails."""

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
from crackseg.html import Markup, begin_page, definitions, end_page, json_script
from crackseg.inspection.store import Store

THUMBNAILS_PER_BLOCK = 100
"""Thumbnails in one script element. The browser decodes only the blocks that it shows."""

_BODY = Markup("""\
<noscript><p>This report needs JavaScript to show its table; results.csv has the same rows.</p></noscript>
<div id="verdicts" class="tools" role="group" aria-label="Show only one verdict"></div>
<section id="histogram" aria-label="Widths"></section>
<h2 id="count" aria-live="polite"></h2>
<div class="tools">
<input id="search" type="search" placeholder="Search names and reasons" aria-label="Search names and reasons">
<select id="sort" class="phone" aria-label="Sort by"></select>
<button id="back" type="button">Back</button> <span id="page"></span> <button id="next" type="button">Next</button>
</div>
<div class="wide"><table class="records"><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table></div>
""")


def write_report(path: Path, store: Store) -> None:
    """Write the report of all rows of a store.

    Raises:
        OutputError: If it cannot be written.
    """
    script = resources.files("crackseg.inspection").joinpath("report.js").read_text(encoding="utf-8")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(begin_page("Crack inspection", script=True))
        file.write(definitions(_describe(store.settings())))
        file.write(_BODY)
        file.write(json_script("data", _table_data(store)))
        for number, thumbnails in enumerate(_thumbnail_blocks(store)):
            file.write("\n")
            file.write(json_script(f"t{number}", thumbnails))
        file.write("\n")
        file.write(end_page(script=script))


def _describe(settings: Mapping[str, str]) -> dict[str, str]:
    """Return folder, model, scale, rules and terms of use, by title."""
    texts: dict[str, str] = json.loads(settings.get("about", "{}"))
    return texts | ({"Terms of the model": settings["terms"]} if settings.get("terms") else {})


def _table_data(store: Store) -> dict[str, Any]:
    in_mm = store.all_in_millimetres()
    unit = "mm" if in_mm else "px"
    return {
        "unit": unit,
        "digits": 2 if in_mm else 1,
        "per_block": THUMBNAILS_PER_BLOCK,
        "rows": [_table_row(record, unit) for record in store.records()],
    }


def _table_row(record: Mapping[str, Any], unit: str) -> list[Any]:
    """Return the cells of one file in the order that report.js expects."""
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


def _thumbnail_blocks(store: Store) -> Iterator[list[str | None]]:
    """Yield the thumbnails of the rows in base64, None where missing."""
    thumbnails = store.thumbnails()
    while block := [
        None if image is None else base64.b64encode(image).decode("ascii")
        for image in itertools.islice(thumbnails, THUMBNAILS_PER_BLOCK)
    ]:
        yield block
