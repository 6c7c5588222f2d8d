"""Declare a command once, for the command line and for Python."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    SupportsFloat,
    SupportsIndex,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from crackseg.errors import EXIT_DONE, UsageError

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.parallel import ProgressCallback

R = TypeVar("R")
P = ParamSpec("P")

PathInput = str | os.PathLike[str]
"""Path of a file or folder, as a user writes it."""


@dataclass(frozen=True)
class Positional:
    """Marker of a field that the command line takes by its place.

    Attributes:
        metavar: Placeholder in the help.
        help: Description in the help.
    """

    metavar: str
    help: str


@dataclass(frozen=True)
class Option:
    """Marker of a field that the command line takes by a flag.

    Attributes:
        flags: Flags, the long one first.
        help: Description in the help.
        group: Heading in the help.
        metavar: Placeholder of the value in the help; follows from the type if empty.
        default: Default in words, where the field's own default is None.
        minimum: Smallest value allowed.
    """

    flags: tuple[str, ...]
    help: str
    group: str
    metavar: str = ""
    default: str = ""
    minimum: float | None = None


def option(
    *flags: str, help: str, group: str, metavar: str = "", default: str = "", minimum: float | None = None
) -> Option:
    """Return the marker of an option."""
    return Option(flags, help, group, metavar, default, minimum)


@dataclass(frozen=True)
class Parameter:
    """A field of a command, as the command line sees it.

    Attributes:
        name: Name of the field.
        marker: Flags or placeholder, and help.
        kind: ``bool``, ``int``, ``float``, ``str`` or ``Path``.
        default: Value where the command line has none; `dataclasses.MISSING` if one is required.
        choices: Allowed texts; empty if all are.
        length: Number of values that follow the flag.
        repeated: Allow any number of values.
    """

    name: str
    marker: Positional | Option
    kind: type
    default: object
    choices: tuple[str, ...] = ()
    length: int = 1
    repeated: bool = False

    @property
    def required(self) -> bool:
        """True if the command line must have a value."""
        return self.default is dataclasses.MISSING

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags, the long one first; empty for a positional."""
        return self.marker.flags if isinstance(self.marker, Option) else ()

    @property
    def label(self) -> str:
        """Long flag of an option, or placeholder of a positional."""
        return self.flags[0] if self.flags else self.marker.metavar

    @property
    def metavar(self) -> str:
        """Placeholder of the value; empty for a flag without one."""
        if self.kind is bool:
            return ""
        if self.marker.metavar:
            return self.marker.metavar
        if self.choices:
            return "NAME"
        return {int: "N", float: "X", Path: "PATH"}.get(self.kind, "TEXT")

    @property
    def expected(self) -> str:
        """Allowed texts in words, or the kind of value."""
        if self.choices:
            return " or ".join((", ".join(self.choices[:-1]), self.choices[-1]) if self.choices[1:] else self.choices)
        return {bool: "True or False", int: "a whole number", float: "a number", Path: "a path"}.get(
            self.kind, "a text"
        )


def read_parameters(declaration: type) -> tuple[Parameter, ...]:
    """Return the fields of a dataclass that have a marker."""
    return tuple(
        _read_parameter(field)
        for field in dataclasses.fields(declaration)
        if hasattr(field.type, "__metadata__")  # a field without a marker belongs to Python only
    )


def _read_parameter(field: dataclasses.Field[Any]) -> Parameter:
    annotation, marker = get_args(field.type)[:2]
    default = field.default
    for member in _members(annotation):
        origin = get_origin(member)
        if origin is Literal:
            return Parameter(field.name, marker, str, default, choices=get_args(member))
        if origin is tuple:
            return Parameter(field.name, marker, str, default, length=len(get_args(member)))
        if isinstance(origin, type) and issubclass(origin, Sequence):
            return Parameter(field.name, marker, _scalar(_members(get_args(member)[0])), default, repeated=True)
    return Parameter(field.name, marker, _scalar(_members(annotation)), default)


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union, sequences first, without None."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(sorted((item for item in members if item is not type(None)), key=lambda item: not get_args(item)))


def _scalar(members: tuple[Any, ...]) -> type:
    """Return the type of one value."""
    if any(get_origin(member) is os.PathLike for member in members):
        return Path
    return next(kind for kind in (bool, int, float, str) if kind in members)


@dataclass(frozen=True)
class Command(ABC, Generic[R]):
    """Base of every command.

    The annotated fields of a subclass are its command line and the arguments of its Python function.

    Attributes:
        progress: Called while the work goes on.
        examples: Command lines for the help.
        presentation: Flags that the command line has in addition; see `crackseg.cli.console.Presentation`.
    """

    _: KW_ONLY
    progress: ProgressCallback | None = None
    examples: ClassVar[tuple[str, ...]]
    presentation: ClassVar[tuple[str, ...]] = ("json", "quiet")

    @abstractmethod
    def run(self) -> R:
        """Do the work and return its result, without printing."""

    @abstractmethod
    def show(self, result: R, console: Console) -> int:
        """Print a result and return the exit code."""

    def execute(self, console: Console) -> int:
        """Run on the command line and return the exit code."""
        with console.progress(type(self).__name__.lower()) as progress:
            result = dataclasses.replace(self, progress=progress).run()
        return self.show(result, console) or EXIT_DONE

    def advance(self, done: float, total: float, note: str = "") -> None:
        """Report progress, if the caller wants to know."""
        if self.progress is not None:
            from crackseg.parallel import Progress

            self.progress(Progress(done, total, note))


def as_function(command: Callable[P, Command[R]]) -> Callable[P, R]:
    """Return the Python function of a command.

    It has the same options, checks their values, and returns the result of `Command.run`.
    """
    declaration = cast("type[Command[R]]", command)
    signature = _sign(declaration)

    @functools.wraps(command, updated=())
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            values = signature.bind(*arguments, **options).arguments
        except TypeError as error:
            raise TypeError(f"crackseg.{call.__name__}: {error}; see help(crackseg.{call.__name__})") from None
        for item in read_parameters(declaration):
            if item.name in values:
                values[item.name] = _check_argument(item, values[item.name])
        return declaration(**values).run()

    call.__name__ = call.__qualname__ = declaration.__name__.lower()
    call.__module__ = "crackseg"
    call.__doc__ = _document(declaration)
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _check_argument(item: Parameter, value: Any) -> Any:
    """Return an argument of a Python call as the command takes it.

    None stands for the default, and one value for a list of it.

    Raises:
        UsageError: If it is no value of the option.
    """
    if value is None and not item.required:
        return item.default
    if item.repeated and isinstance(value, (str, os.PathLike)):
        value = [value]
    several = item.repeated or item.length > 1
    if several:
        if not isinstance(value, Iterable) or isinstance(value, (str, os.PathLike)):
            raise UsageError(f"expected a list, got {value!r}", where=item.name)
        value = list(value)
        if item.length > 1 and len(value) != item.length:
            raise UsageError(f"expected {item.length} values, got {len(value)}", where=item.name)
    for one in value if several else [value]:
        if not _is_value(item, one):
            separate = item.kind is str and isinstance(one, Sequence) and not isinstance(one, str)
            hint = "join several with commas" if separate else None
            raise UsageError(f"expected {item.expected}, got {one!r}", where=item.name, hint=hint)
        minimum = getattr(item.marker, "minimum", None)
        if minimum is not None and not one >= minimum:
            raise UsageError(f"expected at least {minimum:g}, got {one}", where=item.name)
    return tuple(value) if item.length > 1 else value


def _is_value(item: Parameter, value: Any) -> bool:
    """Return whether a single value has the kind of an option."""
    if item.choices:
        return value in item.choices
    if item.kind is Path or item.length > 1:
        return isinstance(value, (str, os.PathLike))
    if item.kind is float:  # a scale is also a number of millimetres per pixel, or an object that has one
        return isinstance(value, SupportsFloat) or hasattr(value, "scale_of")
    if item.kind is int:
        return isinstance(value, SupportsIndex) and not isinstance(value, bool)
    return isinstance(value, item.kind)


def _sign(declaration: type[Command[Any]]) -> inspect.Signature:
    """Return the signature of a command without its markers."""
    signature = inspect.signature(declaration)
    fields = dict(signature.parameters)
    fields["progress"] = fields.pop("progress")  # last
    parameters = [
        parameter.replace(annotation=getattr(parameter.annotation, "__origin__", parameter.annotation))
        if hasattr(parameter.annotation, "__metadata__")
        else parameter
        for parameter in fields.values()
    ]
    return signature.replace(
        parameters=parameters, return_annotation=inspect.signature(declaration.run).return_annotation
    )


def _document(declaration: type[Command[Any]]) -> str:
    """Return the docstring of a command with a section for its arguments."""
    text, example, code = inspect.cleandoc(declaration.__doc__ or "").partition("Example:\n")
    lines = [f"    {item.name}: {item.marker.help}" for item in read_parameters(declaration)]
    lines.append("    progress: Called while the work goes on.")
    return "\n".join([text.rstrip(), "", "Args:", *lines, "", example + code]).rstrip()


def as_paths(paths: PathInput | Sequence[PathInput]) -> list[Path]:
    """Return one path or several as a list."""
    if isinstance(paths, (str, os.PathLike)):
        return [Path(paths)]
    return [Path(path) for path in paths]


def as_path(path: PathInput | None) -> Path | None:
    """Return a path that may be missing."""
    return None if path is None else Path(path)
