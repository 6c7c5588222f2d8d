"""Read, decode, draw and write images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.imaging.codec import (
        MASK_LEVEL,
        ArrayImage,
        ImageSource,
        decode_image,
        decode_stored,
        encode_png,
        image_size,
        mask_pixels,
        read_file,
        read_image,
        read_mask,
        read_mask_levels,
        rgb_from_array,
        rgb_from_pil,
        write_png,
    )
    from crackseg.imaging.contours import ComponentOutline, Contour, RotatedBox, find_boxes, find_outlines, rotated_box
    from crackseg.imaging.decoding import MAX_PIXELS, StoredImage
    from crackseg.imaging.drawing import (
        BOX_COLOUR,
        CRACK_COLOUR,
        contact_sheet,
        draw_boxes,
        draw_components,
        draw_overlay,
    )
    from crackseg.imaging.samples import to_mask_levels, to_rgb, turn_upright
    from crackseg.imaging.tiff import TiffImage, TiffWriter, open_large_tiff

__all__ = [
    "BOX_COLOUR",
    "CRACK_COLOUR",
    "MASK_LEVEL",
    "MAX_PIXELS",
    "ArrayImage",
    "ComponentOutline",
    "Contour",
    "ImageSource",
    "RotatedBox",
    "StoredImage",
    "TiffImage",
    "TiffWriter",
    "contact_sheet",
    "decode_image",
    "decode_stored",
    "draw_boxes",
    "draw_components",
    "draw_overlay",
    "encode_png",
    "find_boxes",
    "find_outlines",
    "image_size",
    "mask_pixels",
    "open_large_tiff",
    "read_file",
    "read_image",
    "read_mask",
    "read_mask_levels",
    "rgb_from_array",
    "rgb_from_pil",
    "rotated_box",
    "to_mask_levels",
    "to_rgb",
    "turn_upright",
    "write_png",
]

_HOMES = {
    "ArrayImage": "crackseg.imaging.codec",
    "BOX_COLOUR": "crackseg.imaging.drawing",
    "CRACK_COLOUR": "crackseg.imaging.drawing",
    "ComponentOutline": "crackseg.imaging.contours",
    "Contour": "crackseg.imaging.contours",
    "ImageSource": "crackseg.imaging.codec",
    "MASK_LEVEL": "crackseg.imaging.codec",
    "MAX_PIXELS": "crackseg.imaging.decoding",
    "RotatedBox": "crackseg.imaging.contours",
    "StoredImage": "crackseg.imaging.decoding",
    "TiffImage": "crackseg.imaging.tiff",
    "TiffWriter": "crackseg.imaging.tiff",
    "contact_sheet": "crackseg.imaging.drawing",
    "decode_image": "crackseg.imaging.codec",
    "decode_stored": "crackseg.imaging.codec",
    "draw_boxes": "crackseg.imaging.drawing",
    "draw_components": "crackseg.imaging.drawing",
    "draw_overlay": "crackseg.imaging.drawing",
    "encode_png": "crackseg.imaging.codec",
    "find_boxes": "crackseg.imaging.contours",
    "find_outlines": "crackseg.imaging.contours",
    "image_size": "crackseg.imaging.codec",
    "mask_pixels": "crackseg.imaging.codec",
    "open_large_tiff": "crackseg.imaging.tiff",
    "read_file": "crackseg.imaging.codec",
    "read_image": "crackseg.imaging.codec",
    "read_mask": "crackseg.imaging.codec",
    "read_mask_levels": "crackseg.imaging.codec",
    "rgb_from_array": "crackseg.imaging.codec",
    "rgb_from_pil": "crackseg.imaging.codec",
    "rotated_box": "crackseg.imaging.contours",
    "to_mask_levels": "crackseg.imaging.samples",
    "to_rgb": "crackseg.imaging.samples",
    "turn_upright": "crackseg.imaging.samples",
    "write_png": "crackseg.imaging.codec",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.imaging' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
