"""HTML elements, read back by a parser of their own."""

from __future__ import annotations

import base64
import doctest
import json
from types import ModuleType
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as oracle

import crackseg.html
from crackseg.html import (
    Markup,
    bullet_list,
    definitions,
    element,
    elements,
    escape,
    figure,
    image,
    json_script,
    page,
    table,
)

TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")))
PNG = b"\x89PNG\r\n\x1a\n and the rest"


def select(markup: str, path: str) -> list[str]:
    """The texts and attribute values that an XPath selects in markup."""
    parent = oracle.fragment_fromstring(markup, create_parent=True)
    nodes = cast("list[oracle.HtmlElement | str]", parent.xpath(path))
    return [node if isinstance(node, str) else str(node.text_content()) for node in nodes]


@pytest.mark.parametrize("module", [elements, page], ids=["elements", "page"])
def test_the_examples_in_the_docstrings_run(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", crackseg.html.__all__)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>>" in getattr(crackseg.html, name).__doc__


@given(TEXTS)
def test_any_text_is_read_back_unchanged(text: str) -> None:
    assert select(element("p", text, css="soft"), "p") == [text]


@given(TEXTS)
def test_any_attribute_is_read_back_unchanged(text: str) -> None:
    assert select(element("p", "a", attributes={"title": text}), "p/@title") == [text]


def test_markup_is_escaped_once_and_no_more() -> None:
    once = escape("<b> & co")
    assert once == "&lt;b&gt; &amp; co"
    assert escape(once) == once
    assert element("p", element("b", "1 < 2")) == "<p><b>1 &lt; 2</b></p>"


def test_a_void_element_has_no_end() -> None:
    assert element("meta", attributes={"charset": "utf-8"}) == '<meta charset="utf-8">'


def test_a_table_holds_head_and_cells_in_order() -> None:
    markup = table(["name", "F1"], [["<wall>", "0.5"], ["floor", element("b", "0.7")]])
    assert select(markup, "//thead//th") == ["name", "F1"]
    assert select(markup, "//tbody//td") == ["<wall>", "0.5", "floor", "0.7"]
    assert select(markup, "//td/b") == ["0.7"]


def test_a_table_may_have_no_head() -> None:
    markup = table((), [["a", "1"]], css="bars")
    assert "<thead>" not in markup
    assert '<table class="bars">' in markup


def test_definitions_and_bullets_keep_their_order() -> None:
    card = {"mask": "at <128>", "size": "native"}
    assert select(definitions(card), "//dt | //dd") == ["mask", "at <128>", "size", "native"]
    assert select(bullet_list(["b", "<a>"]), "//li") == ["b", "<a>"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(PNG, "image/png", id="png"),
        pytest.param(b"\xff\xd8\xff\xe0", "image/jpeg", id="jpeg"),
        pytest.param(b"RIFF\0\0\0\0WEBP", "image/webp", id="webp"),
    ],
)
def test_an_image_stands_in_the_page_byte_for_byte(data: bytes, kind: str) -> None:
    (source,) = select(image(data, alt='a "b"'), "img/@src")
    head, _, code = source.partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(code) == data


def test_bytes_of_no_image_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the bytes of a PNG, JPEG or WebP file, got b'GIF8"):
        image(b"GIF89a")


def test_a_figure_has_its_images_next_to_each_other_and_a_caption() -> None:
    markup = figure("wall & floor", {"image": PNG, "errors": PNG})
    assert select(markup, "figure/div/img/@alt") == ["image", "errors"]
    assert select(markup, "//figcaption") == ["wall & floor"]


@given(st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_never_ends_its_script(value: object) -> None:
    markup = json_script("data", value)
    assert isinstance(markup, Markup)
    assert markup.count("<") == 2
    (content,) = select(markup, "//script[@id='data']")
    assert json.loads(content) == value
