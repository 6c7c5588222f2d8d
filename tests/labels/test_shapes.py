"""Tests of shapes against independent drawings: pycocotools, Pillow and geometry."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from crackseg.errors import UsageError
from crackseg.labels.annotation import LabelledImage, LabelledObject, draw_object
from crackseg.labels.cvat import decode_cvat_xml, read_cvat_image
from crackseg.labels.label_studio import decode_label_studio, read_label_studio_task
from crackseg.labels.labelme import decode_labelme
from crackseg.labels.polygon import fill_rings, trace_rings
from crackseg.labels.shapes import sort_box
from tests.labels.strategies import draw_image, masks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = 40, 60
numbers = st.floats(-5, 65, allow_nan=False).map(lambda value: round(value, 2))
points = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8)


def unknown(name: str) -> tuple[int, int]:
    raise UsageError("no size", where=name)


def labelme(kind: str, corners: list[tuple[float, float]], line_width_px: float | None = None) -> LabelledImage:
    shape = {"label": "crack", "points": corners, "shape_type": kind}
    content = {"imagePath": "wall.png", "imageHeight": SHAPE[0], "imageWidth": SHAPE[1], "shapes": [shape]}
    return decode_labelme(json.dumps(content).encode(), unknown, line_width_px=line_width_px)


def pillow(method: str, *arguments: Any, **options: Any) -> NDArray[np.bool_]:
    """Draw with Pillow as labelme.utils.shape_to_mask does."""
    image = Image.new("L", (SHAPE[1], SHAPE[0]))
    getattr(ImageDraw.Draw(image), method)(*arguments, fill=1, **options)
    return np.asarray(image).astype(np.bool_)


@given(points)
def test_a_polygon_of_labelme_has_the_pixels_of_pillow_on_truncated_points(corners: list[tuple[float, float]]) -> None:
    truncated = [(int(x), int(y)) for x, y in corners]
    assert np.array_equal(draw_image(labelme("polygon", corners)), pillow("polygon", truncated, outline=1))


@pytest.mark.parametrize("kind", ["rotation", "quadrilateral", "oriented_rectangle"])
def test_four_points_of_x_anylabeling_are_a_polygon(kind: str) -> None:
    corners = [(10.0, 10.0), (30.0, 12.0), (29.0, 20.0), (9.0, 18.0)]
    assert np.array_equal(draw_image(labelme(kind, corners)), pillow("polygon", corners, outline=1))


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
def test_a_rectangle_of_labelme_has_the_pixels_of_pillow(first: tuple[float, float], last: tuple[float, float]) -> None:
    image = labelme("rectangle", [first, last])
    (x0, x1), (y0, y1) = sorted((first[0], last[0])), sorted((first[1], last[1]))
    expected = pillow("rectangle", [math.trunc(x0), math.trunc(y0), math.trunc(x1), math.trunc(y1)], outline=1)
    assert np.array_equal(draw_image(image), expected)
    assert bool(image.left_out) == (not expected.any())


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
def test_a_circle_of_labelme_has_the_pixels_of_pillow(centre: tuple[float, float], edge: tuple[float, float]) -> None:
    radius = math.hypot(centre[0] - edge[0], centre[1] - edge[1])
    box = [centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius]
    image = labelme("circle", [centre, edge])
    assert np.array_equal(draw_image(image), pillow("ellipse", box, outline=1))


@given(points, st.integers(1, 12))
def test_a_line_of_labelme_has_the_pixels_of_pillow(corners: list[tuple[float, float]], width: int) -> None:
    image = labelme("linestrip", corners, line_width_px=width)
    assert np.array_equal(draw_image(image), pillow("line", corners, width=width))


@given(masks())
def test_a_traced_ring_is_restored_by_pillow(mask: NDArray[np.bool_]) -> None:
    rings = trace_rings(mask, "pillow")
    assert np.array_equal(fill_rings(rings, (mask.shape[0], mask.shape[1]), "pillow"), mask)


@given(numbers, numbers, numbers, numbers)
def test_a_box_has_the_pixels_of_pycocotools(row0: float, col0: float, row1: float, col1: float) -> None:
    box, swapped = sort_box((row0, col0, row1, col1), SHAPE)
    assert swapped == (row0 > row1 or col0 > col1)
    if isinstance(box, str):
        return
    flat = [box[1], box[0], box[3] - box[1], box[2] - box[0]]
    (rle,) = coco_mask.frPyObjects(np.array([flat], dtype=np.float64), *SHAPE)
    assert np.array_equal(draw_object(LabelledObject("crack", box), SHAPE), coco_mask.decode(rle).astype(np.bool_))


radii = st.floats(0.7, 30).map(lambda value: round(value, 2))


def ellipse(row: float, col: float, down: float, across: float, angle_deg: float) -> NDArray[np.bool_]:
    """Draw an ellipse pixel by pixel."""
    mask = np.zeros(SHAPE, np.bool_)
    turn = math.radians(angle_deg)
    for at in np.ndindex(*SHAPE):
        y, x = at[0] + 0.5 - row, at[1] + 0.5 - col
        along, aside = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        mask[at] = (along / across) ** 2 + (aside / down) ** 2 <= 1
    return mask


ellipses = st.tuples(numbers, numbers, radii, radii, st.sampled_from([0, 30, 45.5, 90, 200]))


@given(ellipses)
def test_an_ellipse_of_cvat_holds_the_pixels_whose_centres_lie_inside(values: tuple[float, ...]) -> None:
    row, col, down, across, angle_deg = values
    body = f'<ellipse label="pit" cx="{col}" cy="{row}" rx="{across}" ry="{down}" rotation="{angle_deg}"/>'
    data = f'<annotations><image name="a.png" width="60" height="40">{body}</image></annotations>'.encode()
    ((name, element),) = decode_cvat_xml(data)
    image = read_cvat_image(name, element, unknown, name="a.xml")
    expected = ellipse(row, col, down, across, angle_deg)
    assert np.count_nonzero(draw_image(image) != expected) <= 1, "a pixel may lie on the border"
    assert bool(image.objects) != bool(image.left_out)


@given(ellipses)
def test_an_ellipse_of_label_studio_holds_the_pixels_whose_centres_lie_inside(values: tuple[float, ...]) -> None:
    row, col, down, across, angle_deg = values
    value = {"x": col / 0.6, "y": row / 0.4, "radiusX": across / 0.6, "radiusY": down / 0.4, "rotation": angle_deg}
    region = {"type": "ellipselabels", "original_height": 40, "original_width": 60, "value": value}
    task = {"data": {"image": "a.png"}, "annotations": [{"result": [region]}]}
    ((name, again),) = decode_label_studio(json.dumps(task).encode())
    image = read_label_studio_task(name, again, unknown, name="a.json")
    assert np.count_nonzero(draw_image(image) != ellipse(row, col, down, across, angle_deg)) <= 2


def test_a_polyline_is_as_wide_as_its_width() -> None:
    body = '<polyline label="crack" points="5,5;30,5;30,20"/>'
    data = f'<annotations><image name="a.png" width="60" height="40">{body}</image></annotations>'.encode()
    ((name, element),) = decode_cvat_xml(data)
    mask = draw_image(read_cvat_image(name, element, unknown, name="a.xml", line_width_px=3))
    assert mask[:, 15].sum() == 3
    assert mask[12].sum() == 3
    assert read_cvat_image(name, element, unknown, name="a.xml").left_out == ("polyline",)
