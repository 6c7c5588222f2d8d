"""Build HTML elements from text, with escaping in one place."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence

_VOID = frozenset({"br", "img", "input", "meta"})
_SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"RIFF", "image/webp"))


class Markup(str):
    """HTML that is written to a page unchanged; any other string is escaped first.

    Example:
        >>> element("p", "1 < 2", Markup("<br>"))
        '<p>1 &lt; 2<br></p>'
    """

    __slots__ = ()


def escape(content: str) -> Markup:
    """Return text as HTML; return `Markup` unchanged.

    Example:
        >>> escape("a < b")
        'a &lt; b'
        >>> escape(Markup("<b>bold</b>"))
        '<b>bold</b>'
    """
    return content if isinstance(content, Markup) else Markup(html.escape(content))


def element(name: str, *content: str, css: str = "", attributes: Mapping[str, str] | None = None) -> Markup:
    """Return an HTML element.

    Args:
        name: Name of the element, such as ``p``.
        content: Texts and elements inside it, in order.
        css: Classes of the style sheet, separated by spaces.
        attributes: Further attributes, by name.

    Example:
        >>> element("p", "1 < 2", css="soft")
        '<p class="soft">1 &lt; 2</p>'
    """
    values = {"class": css} if css else {}
    values |= attributes or {}
    start = "".join([name, *(f' {key}="{html.escape(value)}"' for key, value in values.items())])
    if name in _VOID:
        return Markup(f"<{start}>")
    return Markup(f"<{start}>{''.join(escape(part) for part in content)}</{name}>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, css: str = "") -> Markup:
    """Return a table: names in the first column, numbers in the others.

    Args:
        head: Titles of the columns; empty for a table without a head.
        rows: Cells, row by row.
        css: Classes of the table.

    Example:
        >>> table((), [["walls", "8"]])
        '<div class="wide"><table><tbody><tr><td>walls</td><td>8</td></tr></tbody></table></div>'
    """
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    titles = element("tr", *(element("th", title, attributes={"scope": "col"}) for title in head))
    parts = [element("thead", titles)] if head else []
    return element("div", element("table", *parts, element("tbody", *body), css=css), css="wide")


def definitions(texts: Mapping[str, str]) -> Markup:
    """Return titles and their texts as a definition list.

    Example:
        >>> definitions({"size": "64 px"})
        '<dl><dt>size</dt><dd>64 px</dd></dl>'
    """
    pairs = (part for title, text in texts.items() for part in (element("dt", title), element("dd", text)))
    return element("dl", *pairs)


def bullet_list(items: Iterable[str]) -> Markup:
    """Return items as a bullet list.

    Example:
        >>> bullet_list(["one", "two"])
        '<ul><li>one</li><li>two</li></ul>'
    """
    return element("ul", *(element("li", item) for item in items))


def image(data: bytes, *, alt: str = "") -> Markup:
    r"""Return an ``img`` element that contains the whole image file.

    Args:
        data: Bytes of a PNG, JPEG or WebP file.
        alt: Text for readers who do not see the image.

    Raises:
        ValueError: If ``data`` is none of these files.

    Example:
        >>> image(b"\xff\xd8", alt="a wall")
        '<img src="data:image/jpeg;base64,/9g=" alt="a wall">'
    """
    kind = next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)
    if kind is None:
        raise ValueError(f"expected the bytes of a PNG, JPEG or WebP file, got {data[:8]!r}")
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return element("img", attributes={"src": source, "alt": alt})


def figure(caption: str, images: Mapping[str, bytes]) -> Markup:
    """Return images next to each other, with one caption.

    Args:
        caption: Text below the images.
        images: Bytes of PNG, JPEG or WebP files, by the text for readers who do not see them.

    Example:
        >>> figure("Wall 1", {})
        '<figure><div></div><figcaption>Wall 1</figcaption></figure>'
    """
    row = element("div", *(image(data, alt=alt) for alt, data in images.items()))
    return element("figure", row, element("figcaption", caption))


def json_script(name: str, value: object) -> Markup:
    r"""Return a value as JSON in a ``script`` element.

    A script of the page reads it by its ``id``.

    Args:
        name: The ``id`` of the element.
        value: A value that `json.dumps` accepts.

    Example:
        >>> json_script("data", ["</script>"])
        '<script type="application/json" id="data">["\\u003c/script>"]</script>'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    safe = Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
    return element("script", safe, attributes={"type": "application/json", "id": name})
