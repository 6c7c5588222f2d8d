"""The page skeleton and its style sheet."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import cast

import pytest
from lxml import html as oracle

from crackseg.html import begin_page, build_page, element, end_page
from crackseg.html.page import read_style_sheet


def select(text: str, path: str) -> list[str]:
    """The texts that an XPath selects in a page."""
    return [str(item) for item in cast("list[object]", oracle.document_fromstring(text).xpath(path))]


def test_a_page_has_the_parts_that_every_page_needs() -> None:
    text = build_page("Walls & <floors>", [element("p", "one"), "two < three"], lead="4 > 3")
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert select(text, "//meta/@charset") == ["utf-8"]
    assert select(text, "//meta[@name='viewport']/@content") == ["width=device-width, initial-scale=1"]
    assert select(text, "//title/text()") == select(text, "//header/h1/text()") == ["Walls & <floors>"]
    assert select(text, "//header/p/text()") == ["4 > 3"]
    assert select(text, "//main/p/text()") == ["one"]
    assert "two &lt; three" in text
    assert select(text, "//footer/text()") == [f"crackseg {version('crackseg')}"]
    assert text.endswith("</body></html>\n")


def test_a_page_may_have_no_lead() -> None:
    assert select(build_page("Walls", []), "//header/p") == []


def test_a_page_loads_nothing_and_says_so_to_the_browser() -> None:
    text = build_page("Walls", [])
    (policy,) = select(text, "//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"https?:|//|url\(|@import|<link|<script|<iframe", text)


def test_a_page_written_piece_by_piece_may_run_its_script() -> None:
    text = begin_page("Walls", script=True) + element("p", "one") + end_page(script="let a = 1 < 2;")
    (policy,) = select(text, "//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "script-src 'unsafe-inline'" in policy
    assert [line.strip() for line in select(text, "//script/text()")] == ["let a = 1 < 2;"]


def test_both_ways_write_the_same_page() -> None:
    pieces = [begin_page("Walls", lead="here"), *(f"{element('p', str(n))}\n" for n in range(3)), end_page()]
    assert "".join(pieces) == build_page("Walls", [element("p", str(n)) for n in range(3)], lead="here")


def test_a_script_that_would_end_its_element_is_refused() -> None:
    with pytest.raises(ValueError, match="expected JavaScript without '</script'"):
        end_page(script="document.write('</SCRIPT>')")


def test_the_style_sheet_serves_dark_screens_phones_and_paper() -> None:
    style = read_style_sheet()
    assert style.count("{") == style.count("}")
    for rule in ("@media (prefers-color-scheme: dark)", "@media (max-width: 46rem)", "@media print"):
        assert rule in style
    colours = set(re.findall(r"var\((--[a-z-]+)\)", style))
    assert colours <= set(re.findall(r"^\s+(--[a-z-]+):", style, re.MULTILINE))


def luminance(colour: str) -> float:
    """Relative luminance of an ``#rrggbb`` colour, after WCAG 2.1."""
    levels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


@pytest.mark.parametrize("mode", ["light", "dark", "print"])
def test_text_stands_out_enough_to_be_read(mode: str) -> None:
    light, dark, paper = re.findall(r":root \{(.*?)\}", read_style_sheet(), re.DOTALL)
    colours = dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6});", light))
    colours |= dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6});", {"light": "", "dark": dark, "print": paper}[mode]))
    pairs = [(text, back) for text in ("text", "soft", "warn-text") for back in ("back", "card")]
    pairs += [("focus", "back")] if mode != "print" else []
    for pair in pairs:
        low, high = sorted(luminance(colours[f"--{name}"]) for name in pair)
        assert (high + 0.05) / (low + 0.05) >= 4.5, pair
    for name in ("good", "warn", "bad", "unsure", "aside"):
        assert 1.05 / (luminance(colours[f"--{name}"]) + 0.05) >= 4.5, name
