"""Read, write and convert crack annotations in eight label formats."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.labels.annotation import (
        Cutout,
        LabelledImage,
        LabelledObject,
        Polygons,
        draw_object,
        draw_objects,
        mask_iou,
        mask_object,
        mask_objects,
    )
    from crackseg.labels.brush import decode_brush, encode_brush
    from crackseg.labels.coco import CocoDocument, CocoImage, CocoObject, decode_coco, encode_coco, read_coco_image
    from crackseg.labels.convert import AnnotationSource, ConversionResult, ConvertedImage, convert
    from crackseg.labels.counts import (
        compress_counts,
        decode_counts,
        decode_cvat,
        decompress_counts,
        encode_counts,
        encode_cvat,
    )
    from crackseg.labels.cvat import decode_cvat_xml, encode_cvat_image, encode_cvat_xml, read_cvat_image
    from crackseg.labels.detections import (
        LABEL_FORMATS,
        ImageDetections,
        LabelFiles,
        LabelFormat,
        detected_objects,
        parse_formats,
    )
    from crackseg.labels.guess import DialectGuess, guess_dialect
    from crackseg.labels.kaggle import KaggleRow, decode_kaggle, encode_kaggle
    from crackseg.labels.label_studio import (
        decode_label_studio,
        encode_label_studio,
        encode_label_studio_task,
        read_label_studio_task,
    )
    from crackseg.labels.labelme import decode_labelme, encode_labelme
    from crackseg.labels.polygon import Ring, Rule, fill_rings, trace_rings
    from crackseg.labels.reading import Format, ImageSizes, read_entries
    from crackseg.labels.rle import DIALECTS, KAGGLE, Dialect, rle_decode, rle_encode
    from crackseg.labels.runs import Order, Shape, tight_box
    from crackseg.labels.segmentation import decode_labelmap, decode_segmentation, encode_labelmap, encode_segmentation
    from crackseg.labels.voc import VocAnnotation, decode_voc, describe_voc, encode_voc
    from crackseg.labels.writing import Layout, Writer, open_writer
    from crackseg.labels.yolo import YoloObject, decode_yolo, encode_yolo, encode_yolo_boxes

__all__ = [
    "DIALECTS",
    "KAGGLE",
    "LABEL_FORMATS",
    "AnnotationSource",
    "CocoDocument",
    "CocoImage",
    "CocoObject",
    "ConversionResult",
    "ConvertedImage",
    "Cutout",
    "Dialect",
    "DialectGuess",
    "Format",
    "ImageDetections",
    "ImageSizes",
    "KaggleRow",
    "LabelFiles",
    "LabelFormat",
    "LabelledImage",
    "LabelledObject",
    "Layout",
    "Order",
    "Polygons",
    "Ring",
    "Rule",
    "Shape",
    "VocAnnotation",
    "Writer",
    "YoloObject",
    "compress_counts",
    "convert",
    "decode_brush",
    "decode_coco",
    "decode_counts",
    "decode_cvat",
    "decode_cvat_xml",
    "decode_kaggle",
    "decode_label_studio",
    "decode_labelmap",
    "decode_labelme",
    "decode_segmentation",
    "decode_voc",
    "decode_yolo",
    "decompress_counts",
    "describe_voc",
    "detected_objects",
    "draw_object",
    "draw_objects",
    "encode_brush",
    "encode_coco",
    "encode_counts",
    "encode_cvat",
    "encode_cvat_image",
    "encode_cvat_xml",
    "encode_kaggle",
    "encode_label_studio",
    "encode_label_studio_task",
    "encode_labelmap",
    "encode_labelme",
    "encode_segmentation",
    "encode_voc",
    "encode_yolo",
    "encode_yolo_boxes",
    "fill_rings",
    "guess_dialect",
    "mask_iou",
    "mask_object",
    "mask_objects",
    "open_writer",
    "parse_formats",
    "read_coco_image",
    "read_cvat_image",
    "read_entries",
    "read_label_studio_task",
    "rle_decode",
    "rle_encode",
    "tight_box",
    "trace_rings",
]

_HOMES = {
    "AnnotationSource": "crackseg.labels.convert",
    "CocoDocument": "crackseg.labels.coco",
    "CocoImage": "crackseg.labels.coco",
    "CocoObject": "crackseg.labels.coco",
    "ConversionResult": "crackseg.labels.convert",
    "ConvertedImage": "crackseg.labels.convert",
    "Cutout": "crackseg.labels.annotation",
    "DIALECTS": "crackseg.labels.rle",
    "Dialect": "crackseg.labels.rle",
    "DialectGuess": "crackseg.labels.guess",
    "Format": "crackseg.labels.reading",
    "ImageDetections": "crackseg.labels.detections",
    "ImageSizes": "crackseg.labels.reading",
    "KAGGLE": "crackseg.labels.rle",
    "KaggleRow": "crackseg.labels.kaggle",
    "LABEL_FORMATS": "crackseg.labels.detections",
    "LabelFiles": "crackseg.labels.detections",
    "LabelFormat": "crackseg.labels.detections",
    "LabelledImage": "crackseg.labels.annotation",
    "LabelledObject": "crackseg.labels.annotation",
    "Layout": "crackseg.labels.writing",
    "Order": "crackseg.labels.runs",
    "Polygons": "crackseg.labels.annotation",
    "Ring": "crackseg.labels.polygon",
    "Rule": "crackseg.labels.polygon",
    "Shape": "crackseg.labels.runs",
    "VocAnnotation": "crackseg.labels.voc",
    "Writer": "crackseg.labels.writing",
    "YoloObject": "crackseg.labels.yolo",
    "compress_counts": "crackseg.labels.counts",
    "convert": "crackseg.labels.convert",
    "decode_brush": "crackseg.labels.brush",
    "decode_coco": "crackseg.labels.coco",
    "decode_counts": "crackseg.labels.counts",
    "decode_cvat": "crackseg.labels.counts",
    "decode_cvat_xml": "crackseg.labels.cvat",
    "decode_kaggle": "crackseg.labels.kaggle",
    "decode_label_studio": "crackseg.labels.label_studio",
    "decode_labelmap": "crackseg.labels.segmentation",
    "decode_labelme": "crackseg.labels.labelme",
    "decode_segmentation": "crackseg.labels.segmentation",
    "decode_voc": "crackseg.labels.voc",
    "decode_yolo": "crackseg.labels.yolo",
    "decompress_counts": "crackseg.labels.counts",
    "describe_voc": "crackseg.labels.voc",
    "detected_objects": "crackseg.labels.detections",
    "draw_object": "crackseg.labels.annotation",
    "draw_objects": "crackseg.labels.annotation",
    "encode_brush": "crackseg.labels.brush",
    "encode_coco": "crackseg.labels.coco",
    "encode_counts": "crackseg.labels.counts",
    "encode_cvat": "crackseg.labels.counts",
    "encode_cvat_image": "crackseg.labels.cvat",
    "encode_cvat_xml": "crackseg.labels.cvat",
    "encode_kaggle": "crackseg.labels.kaggle",
    "encode_label_studio": "crackseg.labels.label_studio",
    "encode_label_studio_task": "crackseg.labels.label_studio",
    "encode_labelmap": "crackseg.labels.segmentation",
    "encode_labelme": "crackseg.labels.labelme",
    "encode_segmentation": "crackseg.labels.segmentation",
    "encode_voc": "crackseg.labels.voc",
    "encode_yolo": "crackseg.labels.yolo",
    "encode_yolo_boxes": "crackseg.labels.yolo",
    "fill_rings": "crackseg.labels.polygon",
    "guess_dialect": "crackseg.labels.guess",
    "mask_iou": "crackseg.labels.annotation",
    "mask_object": "crackseg.labels.annotation",
    "mask_objects": "crackseg.labels.annotation",
    "open_writer": "crackseg.labels.writing",
    "parse_formats": "crackseg.labels.detections",
    "read_coco_image": "crackseg.labels.coco",
    "read_cvat_image": "crackseg.labels.cvat",
    "read_entries": "crackseg.labels.reading",
    "read_label_studio_task": "crackseg.labels.label_studio",
    "rle_decode": "crackseg.labels.rle",
    "rle_encode": "crackseg.labels.rle",
    "tight_box": "crackseg.labels.runs",
    "trace_rings": "crackseg.labels.polygon",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.labels' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
