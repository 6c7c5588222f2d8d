"""Build self-contained HTML reports: one style sheet, one page skeleton, escaped content."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.html.elements import (
        Markup,
        bullet_list,
        definitions,
        element,
        escape,
        figure,
        image,
        json_script,
        table,
    )
    from crackseg.html.page import begin_page, build_page, end_page

__all__ = [
    "Markup",
    "begin_page",
    "build_page",
    "bullet_list",
    "definitions",
    "element",
    "end_page",
    "escape",
    "figure",
    "image",
    "json_script",
    "table",
]

_HOMES = {
    "begin_page": "crackseg.html.page",
    "build_page": "crackseg.html.page",
    "end_page": "crackseg.html.page",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "crackseg.html.elements")), name)
    raise AttributeError(f"module 'crackseg.html' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
