"""Turn the options about millimetres into a source of the scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsFloat

from crackseg.cli.command import PathInput, as_path
from crackseg.errors import UsageError

if TYPE_CHECKING:
    from crackseg.geometry import ScaleSource


def scale_source(
    scale: float | ScaleSource | None, scale_file: PathInput | None, marker: float | None
) -> ScaleSource | None:
    """Return the source of the scale; None if no option names one.

    Args:
        scale: Millimetres per pixel, or any source of a scale in a Python call.
        scale_file: File with the scale.
        marker: Side of the marker in each image, in mm.

    Raises:
        UsageError: If several options name one, or a number is not positive.
        ConfigError: If the file cannot be read.
    """
    if sum(value is not None for value in (scale, scale_file, marker)) > 1:
        raise UsageError("expected one of --scale, --scale-file and --marker", hint="keep the most accurate one")
    if marker is not None:
        from crackseg.measurement.scale import Marker

        return Marker(marker)
    path = as_path(scale_file)
    if path is not None:
        from crackseg.measurement.scale import read_scale

        return read_scale(path)
    if not isinstance(scale, SupportsFloat):
        return scale
    from crackseg.geometry import Scale

    return Scale(float(scale), "--scale")
