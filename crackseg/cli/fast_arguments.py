"""Arguments of commands, turned into values at the cost they deserve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

_UNSURE = object()


class QuickCommand(TyperCommand):
    """A command whose plain arguments are read without pydantic.

    Typer reads every argument through pydantic, whose import alone takes a third of the time that a command has beside
    its imports and its network. A text that is wanted as a text or a path, or that is one of the choices, needs no such
    thing; numbers, and whatever may be wrong, are left to typer, its messages with them.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, ``--help`` among them."""
        return _with_plain_first(super().get_params(ctx))


class QuickGroup(TyperGroup):
    """The group that holds such commands, and its own options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, ``--help`` among them."""
        return _with_plain_first(super().get_params(ctx))


def _with_plain_first(parameters: list[Any]) -> list[Any]:
    """Have each parameter read by `_PlainFirst`, if this version of typer keeps its reader where the known one does.

    A version that keeps it elsewhere reads its arguments itself: slower, and right.
    """
    for parameter in parameters:
        annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", _UNSURE)
        reads_late = getattr(parameter, "_runtime_param", _UNSURE) is None
        if reads_late and annotation is not _UNSURE and callable(getattr(parameter, "get_runtime_param", None)):
            parameter._runtime_param = _PlainFirst(annotation)
    return parameters


class _PlainFirst:
    """Reads an argument: what is plain at once, all else as typer would have."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        found = _plain(value, self._annotation)
        if found is not _UNSURE:
            return found
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _plain(value: Any, annotation: Any) -> Any:
    """Return the value of an argument, or `_UNSURE`."""
    if value is None:
        return () if get_origin(annotation) is list else None
    if get_origin(annotation) is list:
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            return _UNSURE
        items = [_plain(item, get_args(annotation)[0]) for item in value]
        return _UNSURE if any(item is _UNSURE for item in items) else items
    if isinstance(annotation, type) and type(value) is annotation:
        return value
    if isinstance(annotation, type) and issubclass(annotation, Path) and isinstance(value, (str, Path)):
        return Path(value)
    if get_origin(annotation) is Literal and value in get_args(annotation):
        return value
    return _UNSURE
