"""Test the controls of the report in a browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from crackseg.inspection.html_report import write_report
from crackseg.inspection.records import FileResult, FileStamp, Key, OutputFile, Row, failed_result, skipped_result
from crackseg.inspection.store import Store

pytestmark = pytest.mark.browser

KEY = Key("a" * 64, "b" * 64, "c" * 64)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

PROBE = """
const all = selector => [...document.querySelectorAll(selector)];
const names = () => all("#rows td.name").map(cell => cell.textContent);
const results = {};
const type = text => { get("search").value = text; get("search").oninput(); };
results.first = names();
results.count = get("count").textContent;
results.buttons = all("#verdicts button").map(button => button.textContent);
get("next").click();
results.second = names();
all("#verdicts button")[1].click();
results.ng = [names(), get("count").textContent];
all("#verdicts button")[0].click();
type("truncated");
results.search = names();
type("");
all("#head button")[0].click();
results.by_name = names();
get("sort").value = "width";
get("sort").dispatchEvent(new Event("change"));
results.widths = all("#rows tr").map(row => row.children[5].textContent);
results.order = all("#head th").map(head => head.getAttribute("aria-sort"));
results.links = all("#rows a").map(link => link.getAttribute("href"));
results.bars = all("#histogram rect title").map(title => title.textContent).filter(text => !text.startsWith("0 "));
const output = document.createElement("pre");
output.id = "results";
output.textContent = JSON.stringify(results);
document.body.append(output);
"""


def judged(name: str, verdict: str, width_px: float) -> Row:
    """Return the row of a judged image."""
    result = FileResult(
        status="ok",
        verdict=verdict,  # type: ignore[arg-type]
        measurements={"components": 1.0, "width_max_px": width_px, "length_max_px": 9.0, "crack_fraction": 0.01},
        overlay=OutputFile(f"overlays/{name}".encode(), 5),
    )
    return Row(name.encode(), KEY, FileStamp(1, 1, 1, 1), result)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the probe saw in a report of 60 files."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("report")
    rows = [judged(f"ok{number:02d}.png", "OK", number / 10) for number in range(56)]
    rows += [judged("b wide.png", "NG", 8.0), judged("a.png", "NG", 7.0)]
    rows += [
        Row(b"cut.png", KEY, None, failed_result("decode", "truncated")),
        Row(b"pipe", KEY, None, skipped_result("x", "FIFO")),
    ]
    with Store(folder / "results.sqlite") as store:
        store.put(rows)
        write_report(folder / "report.html", store)
    page = (folder / "report.html").read_text(encoding="utf-8")
    (folder / "probe.html").write_text(page.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    process = subprocess.run(
        [*command, (folder / "probe.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    match = re.search(r'<pre id="results">(.*?)</pre>', process.stdout, re.DOTALL)
    assert match is not None, process.stdout[-2000:]
    values: dict[str, Any] = json.loads(html.unescape(match[1]))
    return values


def test_the_report_begins_with_the_gravest_verdicts_and_shows_pages_of_50(results: dict[str, Any]) -> None:
    assert results["count"] == "60 files"
    assert results["first"][:4] == ["b wide.png", "a.png", "cut.png", "ok55.png"]
    assert (len(results["first"]), len(results["second"])) == (50, 10)
    assert results["second"][-1] == "pipe"
    assert results["buttons"] == ["60all", "2NG", "1CANNOT JUDGE", "56OK", "1SKIPPED"]


def test_buttons_filter_by_verdict_and_the_search_finds_reasons(results: dict[str, Any]) -> None:
    assert results["ng"] == [["b wide.png", "a.png"], "2 of 60 files"]
    assert results["search"] == ["cut.png"]


def test_columns_sort_and_files_without_a_number_come_last(results: dict[str, Any]) -> None:
    assert results["by_name"] == sorted(results["by_name"])
    assert results["by_name"][0] == "a.png"
    assert results["widths"][:3] == ["8.0", "7.0", "5.5"]
    assert results["order"] == ["none", "none", "none", "none", "none", "descending", "none"]


def test_names_link_to_overlays_and_the_histogram_counts_every_width(results: dict[str, Any]) -> None:
    assert results["links"][0] == "overlays/b%20wide.png"
    assert sum(int(text.split()[0]) for text in results["bars"]) == 57
    assert "1 image from 8 to 9 px" in results["bars"]
