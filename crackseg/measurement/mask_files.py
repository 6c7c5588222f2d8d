"""Measure mask files, with the images they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crackseg.errors import ImageError, UsageError, display_text
from crackseg.files import list_images
from crackseg.geometry import Scale, ScaleSource
from crackseg.imaging.codec import MASK_LEVEL, read_image, read_mask_levels
from crackseg.imaging.mask_check import refuse_photo
from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.report import MeasuredMask

_MASK_SUFFIX = "_mask"


def measure_file(path: Path, images: Path | None, scale: ScaleSource | None) -> MeasuredMask:
    """Measure the cracks of a mask file.

    Args:
        path: The mask.
        images: Folder that holds its image, under the same name; narrow cracks are then measured in the image.
        scale: Scale, or markers in the image that give it; None if unknown.

    Raises:
        UsageError: If there is no such file.
        ImageError: If mask or image cannot be read, the mask is a photo, the image is missing or has another size, or
            it shows no scale.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from crackseg.imaging.codec import write_png
        >>> mask = np.zeros((40, 60), np.uint8)
        >>> mask[10:15, 5:55] = 255
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "wall.png")
        ...     write_png(path, mask)
        ...     measure_file(path, None, None)
        MeasuredMask('wall.png', 1 crack, 10.42 %)
    """
    levels = read_mask_levels(path)
    refuse_photo(levels, path)
    mask = levels >= MASK_LEVEL
    shape = (mask.shape[0], mask.shape[1])
    image_path = None if images is None else _find_image(path, images)
    pixels = None if image_path is None else read_image(image_path)
    if pixels is not None and pixels.shape[:2] != shape:
        sides = f"{pixels.shape[0]}x{pixels.shape[1]}"
        raise ImageError(
            f"expected a mask of its image's size {sides} px, got {shape[0]}x{shape[1]} px",
            where=path,
            hint="choose the folder of images that the masks belong to",
        )
    known: Scale | None = None
    if scale is not None:
        if image_path is None or pixels is None:
            known = scale.fixed
        else:
            known = scale.scale_of(pixels, name=display_text(image_path))
    cracks = measure_cracks(mask, scale=known, image=pixels)
    return MeasuredMask(name=path.name, shape=shape, cracks=cracks, scale=known)


def collect_masks(places: Sequence[Path]) -> list[Path]:
    """Return the mask files in files and folders.

    In a folder written by ``crackseg predict``, only the files ``*_mask.png`` are masks.

    Raises:
        UsageError: If a file or folder is missing or holds no mask, or two masks have the same name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     Path(name, "wall_mask.png").touch()
        ...     Path(name, "wall_overlay.png").touch()
        ...     [path.name for path in collect_masks([Path(name)])]
        ['wall_mask.png']
    """
    paths: list[Path] = []
    for place in places:
        if not place.exists():
            raise UsageError("no such file or folder", where=place, hint="check the path")
        files = list_images(place) if place.is_dir() else (place,)
        if not files:
            raise UsageError("the folder holds no mask", where=place, hint="put masks there, for example as PNG")
        predicted = [path for path in files if path.stem.endswith(_MASK_SUFFIX)]
        paths.extend(predicted or files)
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            other = display_text(stems[path.stem])
            raise UsageError(
                f"its results would overwrite those of {other}", where=path, hint="measure them into two folders"
            )
        stems[path.stem] = path
    return paths


def _find_image(mask: Path, images: Path) -> Path:
    stems = (mask.stem, mask.stem.removesuffix(_MASK_SUFFIX))
    for path in list_images(images):
        if path.stem in stems:
            return path
    raise ImageError(
        f"no image of this mask in {display_text(images)}", where=mask, hint="name the image like the mask"
    )
