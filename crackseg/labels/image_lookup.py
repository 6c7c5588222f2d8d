"""Find the image files that annotations belong to, and their sizes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from crackseg.errors import LabelError, UsageError
from crackseg.files import IMAGE_SUFFIXES
from crackseg.imaging.codec import image_size
from crackseg.labels.annotation import cut_suffix
from crackseg.labels.folders import walk_files
from crackseg.labels.runs import Shape


def name_parts(name: str) -> tuple[str, ...]:
    r"""Split an image name into its folders and its file name.

    Drives, ``.`` and ``..`` are dropped.

    Example:
        >>> name_parts("C:\\photos/../wall/001.jpg")
        ('photos', 'wall', '001.jpg')
    """
    parts = [part for part in re.split(r"[\\/]", name) if part not in ("", ".", "..")]
    if len(parts) > 1 and re.fullmatch(r"[A-Za-z]:", parts[0]):
        parts = parts[1:]
    # Label Studio's server keeps uploads in /data/upload/PROJECT, which are no folders of the user.
    is_upload = len(parts) > 3 and parts[:2] == ["data", "upload"] and parts[2].isdigit()
    return tuple(parts[3:] if is_upload else parts)


class ImageSizes:
    """Lookup of image sizes for annotations that do not state them.

    Args:
        shape: Height and width ``(H, W)`` of every image, in pixels; None if unknown.
        images: Folder of the images, searched with its subfolders; None for no folder.

    Raises:
        UsageError: If the folder does not exist.

    Example:
        >>> ImageSizes((480, 640)).shape_of("wall.png")
        (480, 640)
    """

    def __init__(self, shape: Shape | None = None, images: Path | None = None) -> None:
        if images is not None and not images.is_dir():
            raise UsageError("no such folder", where=images, hint="check --images")
        self._shape = shape
        self._folder = images

    def find(self, name: str) -> Path | None:
        """Find the path of an image by its name or stem.

        Of several images of one name, the one in the folders of ``name`` is found.

        Returns:
            Path of the image; None if there is no such image.

        Raises:
            LabelError: If several images have this name.
        """
        parts = name_parts(name) or (name,)
        paths = self._by_name.get(parts[-1]) or self._by_name.get(cut_suffix(parts[-1])) or []
        if len(paths) > 1:
            paths = _in_folders(paths, parts[:-1])
        if len(paths) > 1:
            raise LabelError(
                f"{len(paths)} images have this name", where=name, hint="point --images to the folder of one of them"
            )
        return paths[0] if paths else None

    def shape_of(self, name: str, path: Path | None = None) -> Shape:
        """Return height and width of an image, in pixels.

        Args:
            name: Name of the image in the annotations.
            path: Path of the image, if known.

        Raises:
            UsageError: If the size is unknown and no image with that name exists.
            ImageError: If the image cannot be read.
        """
        if self._shape is not None:
            return self._shape
        path = path or self.find(name)
        if path is None:
            hint = "add --shape HxW or --images DIR" if self._folder is None else "check --images"
            raise UsageError("the annotations do not state the size of the image", where=name, hint=hint)
        return image_size(path)

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        known: dict[str, list[Path]] = {}
        for path in walk_files(self._folder, IMAGE_SUFFIXES) if self._folder is not None else ():
            for key in dict.fromkeys((path.name, path.stem)):
                known.setdefault(key, []).append(path)
        return known


def _in_folders(paths: Sequence[Path], folders: Sequence[str]) -> list[Path]:
    """Return the paths whose last folders agree most with some folders."""

    def agreement(path: Path) -> int:
        count = 0
        for own, other in zip(reversed(path.parent.parts), reversed(folders), strict=False):
            if own != other:
                break
            count += 1
        return count

    best = max(agreement(path) for path in paths)
    return [path for path in paths if agreement(path) == best]


def image_in(places: Iterable[Path], name: str) -> Path | None:
    """Find an image by its name, or else by its stem.

    Args:
        places: Folders.
        name: Name of an image, which may begin with folders.
    """
    parts = name_parts(name)
    if not parts or "\0" in name:
        return None
    stem = cut_suffix(parts[-1])
    suffixes = [suffix for known in sorted(IMAGE_SUFFIXES) for suffix in (known, known.upper())]
    names = [parts[-1]] if Path(parts[-1]).suffix.lower() in IMAGE_SUFFIXES else []
    for place in places:
        for folder in dict.fromkeys((place.joinpath(*parts[:-1]), place)):
            for candidate in (*names, *(f"{stem}{suffix}" for suffix in suffixes)):
                if _is_file(folder / candidate):
                    return folder / candidate
    return None


def usual_places(file: Path) -> list[Path]:
    """Return the usual folders of the images of an annotation file.

    Args:
        file: Annotation file.
    """
    parts = file.parent.parts
    places = [file.parent, file.parent / "images"]
    for at in range(len(parts) - 1, max(-1, len(parts) - 4), -1):
        if parts[at].lower() in ("labels", "annotations", "segmentationclass", "masks"):
            mirrored = [Path(*parts[:at], name, *parts[at + 1 :]) for name in ("images", "Images", "JPEGImages")]
            places += [*mirrored, *(Path(*parts[:at], name) for name in ("images", "JPEGImages")), Path(*parts[:at])]
    return list(dict.fromkeys(places))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
