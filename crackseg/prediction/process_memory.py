"""Choose tiles so small that a process stays below a limit of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crackseg.errors import CracksegError, UsageError
from crackseg.imaging.codec import image_size
from crackseg.prediction.model import Model
from crackseg.runtimes.predictor import process_bytes_of, room_of

_BYTES_PER_PX = 28
"""Memory of an image, its results and their files per pixel, besides the network; measured with 15 % crack pixels."""

_FUSED_BYTES_PER_PX = 34
"""Further memory if an image is computed at several sizes, per pixel: the probability of all rows of a tile."""

_STREAMED_BYTES = 2**30
"""Memory of an image that is streamed, besides the network."""

_IMAGES_IN_TURN = 3
"""Images in memory if one image goes through the network at a time: the next, this one and the one before."""

_SHARE_OF_IMAGES = 0.27
"""Memory of all images over that of their tiles if each core computes its own image; follows from `_BYTES_PER_PX`."""


def limit_process_memory(model: Model, memory_gib: float, paths: Sequence[Path], *, resizes: bool = False) -> Model:
    """Return a model that keeps this process below a limit.

    Besides a tile, a process holds Python, the runtime and the model, and the largest image with its results. On a GPU,
    the limit applies to the memory of the GPU.

    Args:
        model: The model, without other options.
        memory_gib: Most memory of the process, in GiB.
        paths: Images that will be predicted.
        resizes: Whether images will be computed at several sizes.

    Raises:
        UsageError: If the limit leaves no memory for a tile.
    """
    limit_bytes = memory_gib * 2**30
    tile_bytes = limit_bytes
    if not room_of(model.predictor):
        fixed_bytes = process_bytes_of(model.predictor)
        held_bytes = max((_image_bytes(path, resizes=resizes) for path in paths), default=0) * (
            1 if len(paths) == 1 else _IMAGES_IN_TURN
        )
        tile_bytes = limit_bytes - fixed_bytes - held_bytes
        if len(paths) > 1:
            tile_bytes = min(tile_bytes, (limit_bytes - fixed_bytes) / (1 + _SHARE_OF_IMAGES))
        if not tile_bytes > 0:
            least_gib = (fixed_bytes + held_bytes) / 2**30
            raise UsageError(
                f"expected more than {least_gib:.2f} GiB for these images, got {memory_gib:g}",
                where="--memory",
                hint="choose a higher limit or smaller images",
            )
    return Model(model.predictor, model.card, tile_size=model.tile_size, memory_gib=tile_bytes / 2**30)


def _image_bytes(path: Path, *, resizes: bool) -> int:
    """Return the bytes of an image with its results, 0 if unreadable."""
    try:
        height, width = image_size(path)
    except CracksegError:
        streamed_bytes = _STREAMED_BYTES * (2 if resizes else 1)
        return streamed_bytes if path.suffix.lower() in (".tif", ".tiff") else 0
    return (_BYTES_PER_PX + (_FUSED_BYTES_PER_PX if resizes else 0)) * height * width
