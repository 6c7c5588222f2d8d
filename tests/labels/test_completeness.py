"""Tests that no image with an object in its file is written as free of cracks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crackseg.errors import LabelError
from crackseg.imaging.codec import read_mask
from crackseg.labels.annotation import LabelledImage, LabelledObject, ring_object
from crackseg.labels.completeness import draw_complete
from crackseg.labels.convert import AnnotationSource, ConversionResult, convert
from crackseg.labels.reading import Format, ImageSizes
from tests.runs import files_in


def save(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def cvat(body: str) -> str:
    return f'<annotations><image name="a.jpg" width="60" height="40">{body}</image></annotations>'


def voc(body: str) -> str:
    size = "<size><width>60</width><height>40</height></size>"
    return f"<annotation><filename>a.jpg</filename>{size}<object><name>crack</name>{body}</object></annotation>"


def labelme(kind: str, *points: list[float]) -> dict[str, Any]:
    shape = {"label": "crack", "points": list(points), "shape_type": kind}
    return {"imagePath": "a.jpg", "imageHeight": 40, "imageWidth": 60, "shapes": [shape]}


def coco(name: str = "a.jpg", **annotation: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": name, "height": 40, "width": 60}],
        "categories": [{"id": 1, "name": "crack"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **annotation}],
    }


def studio(*annotations: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": 1, "data": {"image": "a.jpg"}, "annotations": list(annotations)}]


def region(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": kind, "original_height": 40, "original_width": 60, "value": {kind: ["crack"], **value}}


def rectangle(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    return region("rectanglelabels", x=x, y=y, width=width, height=height)


def polygon(style: str, *points: tuple[int, int]) -> str:
    """Return a polygon of VOC as ``pt`` elements or as ``x1, y1, x2, ...``."""
    if style == "pt":
        inner = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in points)
    else:
        inner = "".join(f"<x{at}>{x}</x{at}><y{at}>{y}</y{at}>" for at, (x, y) in enumerate(points, start=1))
    return f"<polygon>{inner}</polygon>"


def run(folder: Path, kind: Format, content: Any, **options: Any) -> ConversionResult:
    suffix = {"cvat": "xml", "voc": "xml", "yolo": "txt"}.get(kind, "json")
    source = AnnotationSource(save(folder / f"a.{suffix}", content), kind, ImageSizes((40, 60)), **options)
    return convert(source, folder / "out", "masks")


BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
LOST: list[tuple[Format, Any, str]] = [
    ("cvat", cvat('<polyline label="c" points="5,5;30,20"/>'), "polyline"),
    ("cvat", cvat('<points label="c" points="5,5"/>'), "points"),
    ("cvat", cvat('<cuboid label="c" xtl1="5"/>'), "cuboid"),
    ("cvat", cvat('<polygon label="c" points="5,5;30,20"/>'), "polygon of fewer than three points"),
    ("cvat", cvat('<box label="c" xtl="5" ytl="5" xbr="5" ybr="9"/>'), "box without width or height"),
    ("cvat", cvat('<box label="c" xtl="90" ytl="5" xbr="95" ybr="9"/>'), "box outside the image"),
    ("cvat", cvat('<ellipse label="c" cx="5" cy="5" rx="0" ry="3"/>'), "ellipse without a pixel in the image"),
    ("cvat", cvat('<mask label="c" rle="4" left="1" top="1" width="2" height="2"/>'), "mask without a pixel"),
    ("labelme", labelme("linestrip", [5, 5], [9, 9]), "linestrip"),
    ("labelme", labelme("line", [5, 5], [9, 9]), "line"),
    ("labelme", labelme("point", [5, 5]), "point"),
    ("labelme", labelme("polygon", [5, 5], [9, 9]), "polygon of fewer than three points"),
    ("labelme", labelme("rectangle", [90, 5], [95, 9]), "box outside the image"),
    ("coco", coco(segmentation=[[5, 5, 9, 9]]), "polygon of fewer than three points"),
    ("coco", coco(bbox=[90, 5, 3, 3]), "box outside the image"),
    ("coco", coco(bbox=[9, 5, 0, 3]), "box without width or height"),
    ("coco", coco(keypoints=[5, 5, 2]), "keypoints"),
    ("voc", voc(BOX.format(90, 5, 95, 9)), "box outside the image"),
    ("voc", voc("<polygon><x1>5</x1><y1>5</y1></polygon>"), "polygon of fewer than three points"),
    ("yolo", "0 3 3 .1 .1\n", "box outside the image"),
    ("yolo", "0 .5 .5 0 .1\n", "box without width or height"),
    ("label-studio", studio({"was_cancelled": True, "result": []}), "task that nobody labelled"),
    ("label-studio", studio(), "task that nobody labelled"),
    ("label-studio", studio({"result": [region("keypointlabels", x=5, y=5)]}), "keypointlabels"),
    ("label-studio", studio({"result": [region("polygonlabels", points=[[1, 1]])]}), "polygon of fewer than three"),
    ("label-studio", studio({"result": [region("vectorlabels", vertices=[{"x": 1, "y": 1}])]}), "vector"),
]


@pytest.mark.parametrize(("kind", "content", "reason"), LOST)
def test_an_image_that_would_lose_an_object_is_not_written(
    kind: Format, content: Any, reason: str, tmp_path: Path
) -> None:
    result = run(tmp_path, kind, content)
    assert files_in(tmp_path / "out") == set()
    assert (result.images, len(result.failed), sum(result.left_out.values())) == ((), 1, 1)
    assert "a.jpg: not written, because it would lose 1 x " in str(result.failed[0])
    assert reason in str(result.failed[0])


@pytest.mark.parametrize(("kind", "content", "reason"), LOST)
def test_allow_partial_writes_it_and_the_iou_counts_the_loss(
    kind: Format, content: Any, reason: str, tmp_path: Path
) -> None:
    result = run(tmp_path, kind, content, allow_partial=True)
    assert files_in(tmp_path / "out") == {"a.png"}
    assert (result.iou_mean, result.failed) == (0, ())
    assert any(kind.startswith(reason) for kind in result.left_out)


READ: list[tuple[Format, Any, int]] = [
    ("cvat", cvat('<box label="c" xtl="30" ytl="20" xbr="10" ybr="5"/>'), 300),
    ("voc", voc(BOX.format(30, 20, 11, 6)), 300),
    ("voc", voc(BOX.format(1, 1, 9, 9) + polygon("x1", (5, 5), (9, 9))), 81),
    ("voc", voc(BOX.format(1, 1, 9, 9) + polygon("x1", (5, 5), (15, 5), (15, 9), (5, 9))), 40),
    ("voc", voc(polygon("pt", (5, 5), (15, 5), (15, 9), (5, 9))), 40),
    ("voc", voc("<robndbox><cx>10</cx><cy>7</cy><w>4</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"), 40),
    ("coco", coco(segmentation=[[]], bbox=[5, 5, 10, 4]), 40),
    ("coco", coco(segmentation=[[5, 5, 9, 9]], bbox=[5, 5, 10, 4]), 40),
    ("coco", coco(segmentation=[[5, 5, 9, 9, 13, 13]], bbox=[5, 5, 10, 4]), 40),
    ("coco", coco(segmentation={}, bbox=[5, 5, 10, 4]), 40),
    ("coco", coco(segmentation=None, bbox=[15, 9, -10, -4]), 40),
    ("coco", coco(segmentation=[5, 5, 15, 5, 15, 9, 5, 9]), 40),
    ("coco", coco(segmentation=[[[5, 5], [15, 5], [15, 9], [5, 9]]]), 40),
    ("coco", coco(segmentation=[[5, 5], [15, 5], [15, 9], [5, 9]]), 40),
    ("coco", coco(segmentation={"size": [40.0, 60], "counts": [200.0, 40.0, 2160.0]}), 40),
    ("yolo", "0 .5 .5 -.1 .1\n", 24),
    ("yolo", "0 .5 .5 .1 .1 .75\n", 24),
    ("yolo", "0 0 0 .5 0 .5 .5 0 .5 .83\n", 20 * 30 + 20 + 30 + 1),
    ("label-studio", studio({"result": []}, {"result": [rectangle(0, 0, 50, 50)]}), 600),
    ("label-studio", studio({"result": [rectangle(50, 50, -50, -50)]}), 600),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "content", "pixels"), READ)
def test_an_object_in_an_unusual_form_is_read(kind: Format, content: Any, pixels: int, tmp_path: Path) -> None:
    result = run(tmp_path, kind, content)
    assert (result.failed, result.iou_mean) == ((), 1)
    assert read_mask(tmp_path / "out" / "a.png").sum() == pixels


def test_swapped_corners_are_counted_as_mended(tmp_path: Path) -> None:
    changes = run(tmp_path, "voc", READ[1][1]).changes
    assert changes["box with swapped corners read as the box between them"] == 1


def test_an_annotation_with_an_empty_result_is_an_image_without_cracks(tmp_path: Path) -> None:
    assert run(tmp_path, "label-studio", studio({"result": []})).iou_mean == 1
    assert not read_mask(tmp_path / "out" / "a.png").any()


def test_objects_that_cover_no_pixel_are_no_crack_free_image() -> None:
    sliver = ring_object([np.array([(1.6, 1.0), (1.7, 1.0), (1.7, 5.0)])], "centre", "crack")
    with pytest.raises(LabelError, match="its object covers no pixel"):
        draw_complete(LabelledImage("a.png", (9, 9), (sliver,)))
    assert draw_complete(LabelledImage("a.png", (9, 9), (sliver, LabelledObject("crack", (1, 1, 3, 3))))).sum() == 4


@pytest.mark.parametrize("key", ["images", "categories"])
def test_two_entries_of_one_id_are_an_error_with_both_places(key: str, tmp_path: Path) -> None:
    content = coco(bbox=[5, 5, 10, 4])
    content[key].append({**content[key][0], "name": "spall", "file_name": "b.jpg"})
    with pytest.raises(LabelError, match=rf"{key}\[0\] and {key}\[1\] have the same id 1"):
        run(tmp_path, "coco", content)


def test_crowds_and_scores_survive_and_losses_are_counted(tmp_path: Path) -> None:
    source = save(tmp_path / "a.json", coco(bbox=[5, 5, 10, 4], iscrowd=1, score=0.83))
    result = convert(AnnotationSource(source, "coco"), tmp_path / "coco", "coco")
    (item,) = json.loads((tmp_path / "coco/annotations/instances.json").read_text(encoding="utf-8"))["annotations"]
    assert (item["iscrowd"], item["score"], result.changes) == (1, 0.83, {})
    again = convert(AnnotationSource(source, "coco"), tmp_path / "labelme", "labelme")
    (shape,) = json.loads((tmp_path / "labelme/a.json").read_text(encoding="utf-8"))["shapes"]
    assert (shape["description"], again.changes) == ("score 0.830", {"mark of a crowd dropped": 1})
    assert convert(AnnotationSource(source, "coco"), tmp_path / "voc", "voc").changes == {
        "mark of a crowd dropped": 1,
        "score dropped": 1,
    }
