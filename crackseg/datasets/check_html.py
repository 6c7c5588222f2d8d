"""What the doctor found, as one HTML page with thumbnails that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.check import DatasetReport
from crackseg.datasets.check_text import BAR, describe_samples, histogram, verdict
from crackseg.datasets.findings import TITLES, Finding, by_kind
from crackseg.datasets.pairs import Pair
from crackseg.errors import CracksegError, display_text
from crackseg.imaging.codec import read_image, read_mask, read_mask_levels
from crackseg.imaging.drawing import draw_overlay

_THUMBNAIL_PX = 220
_SHOWN = 12
_SAMPLES = 16
_MASK_KINDS = frozenset({"soft-mask", "classes", "jpeg-mask", "palette-mask", "colour-mask", "mostly-crack"})

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 1060px; margin: 2em auto; padding: 0 1em; background: #fff; color: #222; }
h1 { font-size: 1.4em; margin-bottom: .2em; } h2 { font-size: 1.1em; margin: 1.6em 0 .4em; }
.error { border-left: 5px solid #c8102e; padding-left: .6em; }
.warning { border-left: 5px solid #d98200; padding-left: .6em; }
.note { border-left: 5px solid #5b7083; padding-left: .6em; }
.row { display: flex; flex-wrap: wrap; gap: 10px; margin: .4em 0 1em; }
figure { margin: 0; } figcaption { font-size: 12px; max-width: 220px; overflow-wrap: anywhere; }
img { display: block; max-width: 220px; max-height: 220px; background: #888; }
td { padding: 1px 10px 1px 0; } td.count { text-align: right; font-variant-numeric: tabular-nums; }
table { width: 100%; max-width: 480px; } td { white-space: nowrap; } td.bars { width: 100%; }
.bar { background: #3a78d0; height: 12px; } p.text { margin: .3em 0; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #1b1d20; color: #ddd; } }
"""


def build_page(report: DatasetReport) -> str:
    """Return the report as an HTML page.

    Of each kind the first findings are shown with thumbnails, all others listed. Whatever stands in a file name comes
    out as text.
    """
    name = escape(display_text(report.folder.resolve().name))
    lines = [escape(line) for line in describe_samples(report)]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}: data set check</title>',
        f"<style>{_STYLE}</style></head><body><h1>{name}: {escape(verdict(report))}</h1>",
        *(f'<p class="text">{line}</p>' for line in lines),
        "<h2>How much of each mask is crack</h2>",
        _histogram(report),
    ]
    partners = {path: pair for pair in report.pairs for path in (pair.image, pair.mask)}
    for kind, findings in by_kind(report.findings).items():
        severity = findings[0].severity.name.lower()
        parts.append(f'<h2 class="{severity}">{severity}: {escape(TITLES[kind])} ({len(findings)})</h2>')
        parts += [_with_thumbnails(report.folder, finding, partners) for finding in findings[:_SHOWN]]
        parts += [f'<p class="text">{_caption(finding)}</p>' for finding in findings[_SHOWN:]]
    parts += ["<h2>Samples, from least to most crack</h2>", _samples(report), "</body></html>\n"]
    return "\n".join(parts)


def _histogram(report: DatasetReport) -> str:
    rows = [
        f'<tr><td>{escape(label)}</td><td class="count">{count}</td>'
        f'<td class="bars"><div class="bar" style="width: {100 * len(bar) / BAR:.0f}%"></div></td></tr>'
        for label, count, bar in histogram(report)
    ]
    return f"<table>{''.join(rows)}</table>"


def _caption(finding: Finding) -> str:
    return escape(f"{' ~ '.join(display_text(path) for path in finding.files)}: {finding.text}")


def _with_thumbnails(folder: Path, finding: Finding, partners: dict[Path, Pair]) -> str:
    figures = [
        _figure(picture, display_text(path)) for path, picture in _pictures(folder, finding, partners) if picture.size
    ]
    row = f'<div class="row">{"".join(figures)}</div>' if figures else ""
    return f'<p class="text">{_caption(finding)}</p>{row}'


def _pictures(folder: Path, finding: Finding, partners: dict[Path, Pair]) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """Yield the files of a finding with what is to be seen of each; what cannot be read is left out."""
    shown: set[Pair] = set()
    for path in finding.files:
        try:
            pair = partners.get(path)
            if finding.kind in _MASK_KINDS or pair is None:
                levels = read_mask_levels(folder / path) if path.parent.name == "masks" else read_image(folder / path)
                yield path, levels
            elif pair not in shown:
                shown.add(pair)
                yield pair.image, _outlined(folder, pair)
        except CracksegError:
            continue


def _outlined(folder: Path, pair: Pair) -> NDArray[np.uint8]:
    """Return a thumbnail of an image with the outline of its mask; without, where the two do not fit."""
    image, mask = read_image(folder / pair.image), read_mask(folder / pair.mask)
    height, width = image.shape[:2]
    factor = min(1.0, _THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if mask.shape != (height, width):
        return small
    # Shrunk by the largest value, so that thin cracks do not drop out.
    cover = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > min(0.25, factor / 2)
    return draw_overlay(small, np.asarray(cover, dtype=np.bool_), opacity=0.0)


def _figure(picture: NDArray[np.uint8], caption: str) -> str:
    factor = min(1.0, _THUMBNAIL_PX / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    colour = cv2.cvtColor(small, cv2.COLOR_RGB2BGR) if small.ndim == 3 else small
    done, data = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        return ""
    source = f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
    return f'<figure><img src="{source}" alt=""><figcaption>{escape(caption)}</figcaption></figure>'


def _samples(report: DatasetReport) -> str:
    """Return samples at even steps of the ranking by crack fraction."""
    ranked = sorted(report.examined, key=lambda item: item.sums.crack_fraction or 0.0)
    places = np.unique(np.linspace(0, len(ranked) - 1, min(_SAMPLES, len(ranked))).round().astype(int)).tolist()
    figures = []
    for place in places:
        item = ranked[place]
        share = f"{display_text(item.pair.image)}: {100 * (item.sums.crack_fraction or 0.0):.2f} %"
        figures.append(_figure(_outlined(report.folder, item.pair), share))
    return f'<div class="row">{"".join(figures)}</div>'
