"""Masks in files, and the photographs that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crackseg.errors import ImageError, UsageError, display_text
from crackseg.files import list_images
from crackseg.geometry import Scale, ScaleSource
from crackseg.imaging.codec import read_image, read_mask
from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.report import MeasuredMask

_MASK_SUFFIX = "_mask"


def measure_file(path: Path, images: Path | None, scale: ScaleSource | None) -> MeasuredMask:
    """Measure the cracks of a mask file.

    Args:
        path: The mask.
        images: Folder that holds its photograph, under the same name, in which narrow cracks are measured.
        scale: Millimetres per pixel, if known, or the markers in the photograph that tell.

    Raises:
        UsageError: If there is no such file.
        ImageError: If mask or photograph cannot be read, the photograph is missing or of another size, or it gives no
            scale.
    """
    mask = read_mask(path)
    shape = (mask.shape[0], mask.shape[1])
    photo = None if images is None else _photo_of(path, images)
    pixels = None if photo is None else read_image(photo)
    if pixels is not None and pixels.shape[:2] != shape:
        sides = f"{pixels.shape[0]}x{pixels.shape[1]}"
        raise ImageError(f"is {shape[0]}x{shape[1]} px, and its photograph {sides}", where=path)
    known: Scale | None = None
    if scale is not None:
        known = scale.fixed if photo is None or pixels is None else scale.scale_of(pixels, name=display_text(photo))
    cracks = measure_cracks(mask, scale=known, image=pixels)
    return MeasuredMask(name=path.name, shape=shape, cracks=cracks, scale=known)


def collect_masks(given: Sequence[Path]) -> list[Path]:
    """Return the mask files that are meant by files and folders.

    Of a folder that ``crackseg predict`` has written, only the masks are.

    Raises:
        UsageError: If one is missing or holds no mask, or if two masks have the same name.
    """
    paths: list[Path] = []
    for item in given:
        if not item.exists():
            raise UsageError("no such file", where=item, hint="check the path")
        found = list_images(item) if item.is_dir() else (item,)
        if not found:
            raise UsageError("holds no mask", where=item, hint="put masks there, as PNG for example")
        predicted = [path for path in found if path.stem.endswith(_MASK_SUFFIX)]
        paths.extend(predicted or found)
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            other = display_text(stems[path.stem])
            raise UsageError(f"would write the same files as {other}", where=path, hint="measure them into two folders")
        stems[path.stem] = path
    return paths


def _photo_of(mask: Path, images: Path) -> Path:
    stems = (mask.stem, mask.stem.removesuffix(_MASK_SUFFIX))
    for photo in list_images(images):
        if photo.stem in stems:
            return photo
    raise ImageError(f"has no photograph in {display_text(images)}", where=mask, hint="give it the mask's name")
