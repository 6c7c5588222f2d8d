"""Build the HTML page of a data-set check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.check import DatasetReport
from crackseg.datasets.check_text import BAR, describe_finding, describe_samples, histogram
from crackseg.datasets.findings import TITLES, Finding, Severity, count_findings, group_by_kind
from crackseg.datasets.pairs import Pair
from crackseg.errors import CracksegError, display_text
from crackseg.html import Markup, build_page, element, figure, table
from crackseg.imaging.codec import read_image, read_mask, read_mask_levels
from crackseg.imaging.drawing import draw_overlay

_THUMBNAIL_PX = 220
_SHOWN = 12
_SAMPLES = 16
_MASK_KINDS = frozenset({"soft-mask", "classes", "jpeg-mask", "palette-mask", "colour-mask", "mostly-crack"})

_EDGES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: ""}


def build_check_page(report: DatasetReport) -> str:
    """Return the report as an HTML page.

    The first findings of each kind are shown with thumbnails, all others are listed.

    Example:
        >>> from crackseg.datasets.check import check_dataset
        >>> "<h1>walls: data set check</h1>" in build_check_page(check_dataset(Path("walls")))
        True
    """
    body = [*(element("p", line) for line in describe_samples(report))]
    body += [element("h2", "Share of crack in each mask"), _histogram(report)]
    partners = {path: pair for pair in report.pairs for path in (pair.image, pair.mask)}
    for kind, findings in group_by_kind(report.findings).items():
        severity = findings[0].severity
        title = f"{severity.name.lower()}: {TITLES[kind]} ({len(findings)})"
        body.append(element("h2", title, css=f"edge {_EDGES[severity]}".rstrip()))
        for finding in findings[:_SHOWN]:
            body += _with_thumbnails(report.folder, finding, partners)
        body += [element("p", describe_finding(finding)) for finding in findings[_SHOWN:]]
    body += [element("h2", "Samples, from least to most crack"), _samples(report)]
    title = f"{display_text(report.folder.resolve().name)}: data set check"
    return build_page(title, body, lead=count_findings(report.findings))


def _histogram(report: DatasetReport) -> Markup:
    rows = []
    for label, count, bar in histogram(report):
        width = f"width: {100 * len(bar) / BAR:.0f}%"
        rows.append([label, str(count), element("div", css="bar", attributes={"style": width})])
    return table((), rows, css="bars")


def _with_thumbnails(folder: Path, finding: Finding, partners: dict[Path, Pair]) -> Iterator[Markup]:
    yield element("p", describe_finding(finding))
    images = _read_images(folder, finding, partners)
    figures = [_thumbnail(pixels, display_text(path)) for path, pixels in images if pixels.size]
    if figures:
        yield element("div", *figures, css="thumbnails")


def _read_images(
    folder: Path, finding: Finding, partners: dict[Path, Pair]
) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """Yield the readable files of a finding with their pixels.

    The pixels are an ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8 image.
    """
    shown: set[Pair] = set()
    for path in finding.files:
        try:
            pair = partners.get(path)
            if finding.kind in _MASK_KINDS or pair is None:
                levels = read_mask_levels(folder / path) if path.parent.name == "masks" else read_image(folder / path)
                yield path, levels
            elif pair not in shown:
                shown.add(pair)
                yield pair.image, _draw_outline(folder, pair)
        except CracksegError:
            continue


def _draw_outline(folder: Path, pair: Pair) -> NDArray[np.uint8]:
    """Draw the outline of a mask on a thumbnail of its image.

    Returns:
        ``(h, w, 3)`` uint8 RGB image, without an outline where the sizes differ.
    """
    image, mask = read_image(folder / pair.image), read_mask(folder / pair.mask)
    height, width = image.shape[:2]
    factor = min(1.0, _THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if mask.shape != (height, width):
        return small
    # The low threshold keeps thin cracks.
    cover = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > min(0.25, factor / 2)
    return draw_overlay(small, np.asarray(cover, dtype=np.bool_), opacity=0.0)


def _thumbnail(pixels: NDArray[np.uint8], caption: str) -> Markup:
    """Return ``(H, W, 3)`` RGB or ``(H, W)`` grey uint8 pixels as a small figure."""
    factor = min(1.0, _THUMBNAIL_PX / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    colour = cv2.cvtColor(small, cv2.COLOR_RGB2BGR) if small.ndim == 3 else small
    encoded, data = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return figure(caption, {"": data.tobytes()} if encoded else {})


def _samples(report: DatasetReport) -> Markup:
    """Return samples at even steps of the ranking by crack fraction."""
    ranked = sorted(report.examined, key=lambda item: item.sums.crack_fraction or 0.0)
    places = np.unique(np.linspace(0, len(ranked) - 1, min(_SAMPLES, len(ranked))).round().astype(int)).tolist()
    figures = []
    for place in places:
        item = ranked[place]
        share = f"{display_text(item.pair.image)}: {100 * (item.sums.crack_fraction or 0.0):.2f} %"
        figures.append(_thumbnail(_draw_outline(report.folder, item.pair), share))
    return element("div", *figures, css="thumbnails")
