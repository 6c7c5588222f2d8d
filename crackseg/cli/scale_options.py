"""The options that say how many millimetres a pixel is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crackseg.errors import UsageError

if TYPE_CHECKING:
    from crackseg.geometry import ScaleSource

ScaleOption = Annotated[float | None, typer.Option("--scale", metavar="MM_PER_PX", help="Millimetres per pixel.")]
ScaleFileOption = Annotated[
    Path | None, typer.Option("--scale-file", metavar="YAML", help="File that says mm_per_px, or how to get it.")
]
MarkerOption = Annotated[
    float | None, typer.Option("--marker", metavar="MM", help="Side of the ArUco marker in each photograph.")
]


def known_scale(scale: float | None, scale_file: Path | None, marker: float | None) -> ScaleSource | None:
    """Return what gives the millimetres.

    Raises:
        UsageError: If it is said twice, or no positive number.
        ConfigError: If the file cannot be read.
    """
    if sum(value is not None for value in (scale, scale_file, marker)) > 1:
        raise UsageError("expected one of --scale, --scale-file and --marker", hint="give the one you trust most")
    if marker is not None:
        from crackseg.measurement.scale import Marker

        return Marker(marker)
    if scale_file is not None:
        from crackseg.measurement.scale import read_scale

        return read_scale(scale_file)
    if scale is None:
        return None
    from crackseg.geometry import Scale

    return Scale(scale, "--scale")
