"""Test that the report is one file, shows the rows, and that no name can break it."""

from __future__ import annotations

import base64
import html.parser
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
import pytest

from crackseg.inspection.html_report import THUMBNAILS_PER_BLOCK, write_report
from crackseg.inspection.records import FileResult, FileStamp, Key, OutputFile, Row, failed_result, skipped_result
from crackseg.inspection.store import Store

KEY = Key("a" * 64, "b" * 64, "c" * 64)
HOSTILE = b"</script><script>alert(1)</script>&\xff\n.png"


class Scripts(html.parser.HTMLParser):
    """Parser that collects scripts, definitions, policy and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.addresses: list[str] = []
        self.policy = ""
        self.definitions: dict[str, str] = {}
        self._name: str | None = None
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._tag = tag
        self._name = str(values.get("id")) if tag == "script" else None
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(values["content"])
        self.addresses += [str(values[name]) for name in ("src", "href") if name in values]

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "dt":
            self.definitions[data] = ""
        elif self._tag == "dd" and data.strip():
            self.definitions[list(self.definitions)[-1]] += data
        if self._name is not None and self._tag == "script":
            self.texts[self._name] = self.texts.get(self._name, "") + data


def judged(path: bytes, number: int, thumbnail: bytes) -> Row:
    """Return the row of a judged image."""
    measurements = {"components": 1.0, "width_max_px": float(number), "length_max_px": 9.5, "crack_fraction": 0.01}
    result = FileResult(
        status="ok",
        verdict="WARN",
        reasons=("WARN crack: <b>components</b> 1 >= 1",),
        height_px=4,
        width_px=6,
        measurements=measurements,
        overlay=OutputFile(b"overlays/" + path, 5),
        thumbnail=thumbnail,
    )
    return Row(path, KEY, FileStamp(1, 1, 1, 1), result)


@pytest.fixture
def page(tmp_path: Path) -> Scripts:
    encoded, data = cv2.imencode(".webp", np.full((4, 6, 3), 90, np.uint8))
    assert encoded
    rows = [judged(b"wall%04d.png" % number, number, data.tobytes()) for number in range(2 * THUMBNAILS_PER_BLOCK + 5)]
    rows += [judged(HOSTILE, 7, b""), Row(b"cut.png", KEY, None, failed_result("decode", "truncated"))]
    rows += [Row(b"pipe", KEY, None, skipped_result("special", "a FIFO"))]
    with Store(tmp_path / "results.sqlite") as store:
        store.write_settings({"about": json.dumps({"Folder": "walls </script>"}), "terms": "research only <&>"})
        store.put(rows)
        write_report(tmp_path / "report.html", store)
    scripts = Scripts()
    scripts.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    return scripts


def test_the_report_holds_every_row_and_no_name_breaks_out_of_it(page: Scripts) -> None:
    data: dict[str, Any] = json.loads(page.texts["data"])
    assert len(data["rows"]) == 2 * THUMBNAILS_PER_BLOCK + 8
    (hostile,) = [row for row in data["rows"] if "alert" in row[0]]
    assert hostile[0] == r"</script><script>alert(1)</script>&\xff\n.png"
    assert unquote_to_bytes(hostile[7]) == b"overlays/" + HOSTILE
    by_name = {row[0]: row for row in data["rows"]}
    assert by_name["cut.png"][1:3] == ["CANNOT JUDGE", ["truncated"]]
    assert by_name["pipe"][1] == "SKIPPED"
    assert by_name["wall0042.png"][5] == 42


def test_every_thumbnail_is_inside_and_next_to_its_row(page: Scripts) -> None:
    rows = json.loads(page.texts["data"])["rows"]
    images = [image for number in range(3) for image in json.loads(page.texts[f"t{number}"])]
    assert len(images) == len(rows)
    assert "t3" not in page.texts
    assert [image is not None for image in images] == [row[0].startswith("wall") for row in rows]
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(images[3]), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (4, 6, 3)


def test_the_report_loads_nothing_from_outside(page: Scripts, tmp_path: Path) -> None:
    assert page.addresses == []
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page.policy
    assert "innerHTML" not in text


def test_folder_and_terms_of_the_model_stand_above_the_table(page: Scripts) -> None:
    assert page.definitions == {"Folder": "walls </script>", "Terms of the model": "research only <&>"}
