"""The page and the lines of text of a check."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import cast

import numpy as np
from lxml import html

from crackseg.datasets.check import check_dataset
from crackseg.datasets.check_html import build_check_page
from crackseg.datasets.check_text import summarise
from crackseg.imaging.codec import decode_image
from tests.datasets.scenes import save, wall, write_walls
from tests.runs import write_sample


def spoiled(folder: Path) -> Path:
    """A folder with a copy, mask faults and markup in a name."""
    write_walls(folder, 5)
    write_sample(folder, "04", *wall(0))
    save(folder / "masks" / "01.png", wall(1)[1] * np.uint8(200))
    (folder / "masks" / "02.png").unlink()
    (folder / "images" / "02.png").rename(folder / "images" / "<b onclick=x>&.png")
    return folder


def select(page: html.HtmlElement, path: str) -> list[str]:
    """The texts that an XPath selects."""
    return [str(item) for item in cast("list[object]", page.xpath(path))]


def test_a_page_shows_every_finding_and_thumbnails_and_needs_nothing_else(tmp_path: Path) -> None:
    report = check_dataset(spoiled(tmp_path / "walls"))
    text = build_check_page(report)
    page = html.document_fromstring(text)
    assert select(page, "//title/text()") == ["walls: data set check"]
    shown = "".join(str(part) for part in page.itertext())
    for finding in report.findings:
        assert finding.text in shown
    assert "images/<b onclick=x>&.png" in shown
    assert select(page, "//b | //script | //link | //@onclick") == []
    sources = select(page, "//img/@src")
    # Both copies, the mask of other values, the image without mask, and the four samples that could be examined.
    assert len(sources) == 2 + 1 + 1 + 4
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not any(mark in text for mark in ("http:", "https:", "url(", "@import", "<iframe"))
    assert select(page, "//meta[@name='viewport']")


def test_the_thumbnail_of_a_mask_is_the_mask_itself(tmp_path: Path) -> None:
    page = html.document_fromstring(build_check_page(check_dataset(spoiled(tmp_path))))
    (source,) = select(page, "//figure[figcaption='masks/01.png']//img/@src")
    shown = decode_image(base64.b64decode(source.partition(",")[2]))
    np.testing.assert_allclose(shown[..., 0], wall(1)[1] * np.uint8(200), atol=40)


def test_a_folder_in_which_nothing_can_be_read_has_a_page(tmp_path: Path) -> None:
    write_walls(tmp_path, 1)
    (tmp_path / "images" / "00.png").write_bytes(b"")
    report = check_dataset(tmp_path)
    assert "the file is empty" in build_check_page(report)
    assert summarise(report)[0].endswith("1 samples (all 1), none readable")


def test_the_lines_list_the_worst_first_and_no_more_than_asked(tmp_path: Path) -> None:
    write_walls(tmp_path, 9)
    for stem in range(8):
        save(tmp_path / "masks" / f"{stem:02d}.png", wall(stem)[1].astype(np.uint8))
    (tmp_path / "masks" / "08.png").unlink()
    lines = summarise(check_dataset(tmp_path))
    headings = [line for line in lines if line.startswith(("error", "warning", "note"))]
    assert headings == ["error: images without a mask (1)", "warning: masks of 0 and 1 (8)"]
    assert "  ... and 3 more; --json or --html lists them" in lines
    assert lines[-1] == "1 error, 8 warnings"


def test_a_folder_without_faults_has_no_findings(tmp_path: Path) -> None:
    assert summarise(check_dataset(write_walls(tmp_path, 2)))[-1] == "no findings"


def test_an_image_whose_mask_has_another_size_is_shown_without_outline(tmp_path: Path) -> None:
    write_walls(tmp_path, 2)
    save(tmp_path / "masks" / "01.png", wall(1)[1][:-8])
    page = html.document_fromstring(build_check_page(check_dataset(tmp_path)))
    (source,) = select(page, "//figure[figcaption='images/01.png']//img/@src")
    shown = decode_image(base64.b64decode(source.partition(",")[2]))
    np.testing.assert_allclose(shown, wall(1)[0], atol=60)
    assert np.abs(shown.astype(int) - wall(1)[0]).mean() < 5
