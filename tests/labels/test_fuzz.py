"""Fuzz of label documents: no empty mask for an image with an object, and no traceback."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crackseg.errors import CracksegError
from crackseg.imaging.codec import read_mask
from crackseg.labels.convert import AnnotationSource, convert
from crackseg.labels.reading import Format, ImageSizes

HEIGHT, WIDTH = 24, 32
odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", "nan", [], {}, -1, 0, 1e300, True, "7", "1e5", [[]], "\ud800"]
)
number = st.one_of(st.floats(-8, 40, allow_nan=False).map(lambda value: round(value, 2)), st.integers(-8, 40))
loose = st.one_of(number, number, number, number, odd)
pairs = st.lists(st.tuples(number, number).map(list), max_size=6)
loose_pairs = st.one_of(pairs, pairs, pairs, st.lists(st.lists(loose, max_size=3), max_size=4))


def sometimes(draw: st.DrawFn, value: Any) -> Any:
    """Return a value, or rarely something that does not belong there."""
    return draw(odd) if draw(st.integers(0, 15)) == 0 else value


@st.composite
def coco(draw: st.DrawFn) -> tuple[str, int]:
    annotations = []
    for at in range(draw(st.integers(0, 3))):
        flat = [value for pair in draw(loose_pairs) for value in pair]
        size = [HEIGHT, WIDTH]
        forms: list[Any] = [
            [],
            [[]],
            None,
            flat,
            [flat],
            [flat, []],
            {},
            [[flat]],
            {"size": size, "counts": [HEIGHT * WIDTH]},
        ]
        forms.append({"size": size, "counts": [100.0, 30.0, HEIGHT * WIDTH - 130]})
        segmentation = draw(st.sampled_from(forms))
        item = {"id": at, "image_id": 1, "category_id": 1, "segmentation": sometimes(draw, segmentation)}
        if draw(st.booleans()):
            item["bbox"] = sometimes(draw, [draw(loose) for _ in range(4)])
        annotations.append(item)
    image = {"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}
    document = {"images": [image], "categories": [{"id": 1, "name": "crack"}], "annotations": annotations}
    return json.dumps(document), len(annotations)


@st.composite
def labelme(draw: st.DrawFn) -> tuple[str, int]:
    kinds = ["polygon", "rectangle", "circle", "line", "linestrip", "point", "rotation", "quadrilateral", "mask", "x"]
    shapes = [
        {
            "label": sometimes(draw, "crack"),
            "points": sometimes(draw, draw(loose_pairs)),
            "shape_type": sometimes(draw, draw(st.sampled_from(kinds))),
            "group_id": draw(st.sampled_from([None, 1])),
        }
        for _ in range(draw(st.integers(0, 3)))
    ]
    document = {"imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    return json.dumps(document), len(shapes)


@st.composite
def label_studio(draw: st.DrawFn) -> tuple[str, int]:
    kinds = ["brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels", "x"]
    regions = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(kinds))
        keys = ("x", "y", "width", "height", "radiusX", "radiusY", "rotation")
        value = {key: draw(loose) for key in keys} | {kind: ["crack"], "rle": draw(st.lists(st.integers(0, 255)))}
        value["points"] = sometimes(draw, draw(loose_pairs))
        value["vertices"] = [{"x": x, "y": y} for x, y in draw(pairs)]
        value["closed"] = draw(st.booleans())
        regions.append(
            {"type": sometimes(draw, kind), "value": value, "original_height": HEIGHT, "original_width": WIDTH}
        )
    annotations = [{"was_cancelled": draw(st.booleans()), "result": regions}] if draw(st.integers(0, 5)) else []
    counts = [len(regions) for item in annotations if not item["was_cancelled"]]
    if draw(st.booleans()):
        annotations.append({"was_cancelled": False, "result": []})
        counts.append(0)
    held = max(counts, default=1)
    return json.dumps([{"data": {"image": "a.png"}, "annotations": annotations}]), held


@st.composite
def cvat(draw: st.DrawFn) -> tuple[str, int]:
    body = []
    for _ in range(draw(st.integers(0, 3))):
        points = ";".join(f"{x},{y}" for x, y in draw(pairs))
        corner = {key: draw(loose) for key in ("xtl", "ytl", "xbr", "ybr", "cx", "cy", "rx", "ry")}
        attributes = " ".join(f'{key}="{escape(value)}"' for key, value in corner.items())
        kind = draw(st.sampled_from(["polygon", "box", "ellipse", "polyline", "points", "mask", "cuboid"]))
        rle = draw(st.sampled_from(["4", "0, 4", "1, 2, 1", "x"]))
        body.append(
            f'<{kind} label="c" points="{points}" {attributes} rle="{rle}" left="2" top="2" width="2" height="2"/>'
        )
    image = f'<image name="a.png" width="{WIDTH}" height="{HEIGHT}">{"".join(body)}</image>'
    return f"<annotations>{image}</annotations>", len(body)


@st.composite
def voc(draw: st.DrawFn) -> tuple[str, int]:
    body = []
    for _ in range(draw(st.integers(0, 3))):
        box = "".join(f"<{key}>{escape(draw(loose))}</{key}>" for key in ("xmin", "ymin", "xmax", "ymax"))
        points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(draw(pairs), start=1))
        parts = [f"<bndbox>{box}</bndbox>", f"<polygon>{points}</polygon>"]
        body.append(f"<object><name>c</name>{''.join(part for part in parts if draw(st.booleans()))}</object>")
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    return f"<annotation><filename>a.png</filename>{size}{''.join(body)}</annotation>", len(body)


@st.composite
def yolo(draw: st.DrawFn) -> tuple[str, int]:
    share = st.one_of(st.floats(-0.2, 1.2, allow_nan=False).map(lambda value: f"{value:.4f}"), odd.map(escape))
    lines = [" ".join(["0", *draw(st.lists(share, max_size=10))]) for _ in range(draw(st.integers(0, 3)))]
    return "\n".join(lines), len(lines)


@st.composite
def kaggle(draw: st.DrawFn) -> tuple[str, int]:
    cell = draw(st.sampled_from(["", "-1", "1 3", "5 2 9 1", "1 0", "x", "1", "-5 2", "700 200"]))
    return f"ImageId,EncodedPixels,height,width\na.png,{cell},{HEIGHT},{WIDTH}\n", int(cell not in ("", "-1"))


def escape(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(char for char in text if char.isascii() and char not in '<>&"')


CASES: dict[Format, tuple[str, st.SearchStrategy[tuple[str, int]]]] = {
    "coco": ("a.json", coco()),
    "labelme": ("a.json", labelme()),
    "label-studio": ("a.json", label_studio()),
    "cvat": ("a.xml", cvat()),
    "voc": ("a.xml", voc()),
    "yolo": ("a.txt", yolo()),
    "kaggle-rle": ("a.csv", kaggle()),
}


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_an_image_with_an_object_is_never_an_empty_mask(kind: Format, data: st.DataObject) -> None:
    name, strategy = CASES[kind]
    text, objects = data.draw(strategy)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, name), Path(folder, "out")
        source.write_text(text, encoding="utf-8")
        try:
            result = convert(AnnotationSource(source, kind, ImageSizes((HEIGHT, WIDTH))), target, "masks")
        except CracksegError:
            return
        masks = [read_mask(path) for path in target.glob("*.png")]
    assert len(result.images) + len(result.failed) == 1
    assert len(masks) == len(result.images)
    assert all(mask.any() == bool(objects) for mask in masks), text
