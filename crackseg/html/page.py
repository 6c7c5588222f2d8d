"""Assemble HTML pages that need no other file and no network."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from importlib.metadata import version

from crackseg.html.elements import Markup, element, escape

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SCRIPT_POLICY = f"{_POLICY}; script-src 'unsafe-inline'"


def build_page(title: str, body: Iterable[str], *, lead: str = "") -> str:
    """Return a whole page without scripts.

    Args:
        title: Title of the page, also its heading.
        body: Elements of the page, in order; a string that is not `Markup` is escaped.
        lead: Line below the heading.

    Example:
        >>> build_page("Scores", ["F1 < 0.5"]).splitlines()[-5:-2]
        ['<main>', 'F1 &lt; 0.5', '</main>']
    """
    return "".join([begin_page(title, lead=lead), *(f"{escape(part)}\n" for part in body), end_page()])


def begin_page(title: str, *, lead: str = "", script: bool = False) -> Markup:
    """Return a page up to the start of its main part.

    It serves pages that are written piece by piece, and pages that run a script.

    Args:
        title: Title of the page, also its heading.
        lead: Line below the heading.
        script: True for a page that runs a script; see `end_page`.

    Example:
        >>> begin_page("Cracks", lead="8 images").splitlines()[-2:]
        ['<header><h1>Cracks</h1><p class="soft">8 images</p></header>', '<main>']
    """
    policy = {"http-equiv": "Content-Security-Policy", "content": _SCRIPT_POLICY if script else _POLICY}
    lines = [
        Markup('<!doctype html>\n<html lang="en"><head>'),
        element("meta", attributes={"charset": "utf-8"}),
        element("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", attributes={"name": "referrer", "content": "no-referrer"}),
        element("meta", attributes=policy),
        element("title", title),
        element("style", Markup(f"\n{read_style_sheet()}")),
        Markup("</head><body>"),
        element("header", element("h1", title), element("p", lead, css="soft") if lead else Markup()),
        Markup("<main>"),
    ]
    return Markup("".join(f"{line}\n" for line in lines))


def end_page(*, script: str = "") -> Markup:
    """Return the end of a page that `begin_page` began.

    The footer names the version of crackseg.

    Args:
        script: JavaScript that runs once the page is read; it must not contain ``</script``.

    Raises:
        ValueError: If ``script`` contains ``</script``.

    Example:
        >>> end_page(script="let page = 0;").splitlines()[2:]
        ['<script>', 'let page = 0;', '</script>', '</body></html>']
    """
    if "</script" in script.lower():
        raise ValueError("expected JavaScript without '</script', which would end its element")
    lines = [Markup("</main>"), element("footer", f"crackseg {version('crackseg')}")]
    if script:
        lines.append(element("script", Markup(f"\n{script.strip()}\n")))
    return Markup("".join(f"{line}\n" for line in [*lines, "</body></html>"]))


def read_style_sheet() -> str:
    """Return the style sheet of all pages."""
    return resources.files("crackseg.html").joinpath("style.css").read_text(encoding="utf-8")
