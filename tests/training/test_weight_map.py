"""The border weight map against one distance transform per component, and its cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from crackseg.training import weight_map
from crackseg.training.weight_map import (
    balanced_class_weights,
    border_weights,
    cache_folder,
    cached_border_weights,
    signed_distance,
    two_nearest,
)

pytestmark = pytest.mark.train

Mask = NDArray[np.bool_]


def brute_force(mask: Mask, w0: float, sigma: float) -> NDArray[np.float64]:
    """Compute equation 2 with one exact distance transform per component."""
    labels, count = label(mask, connectivity=2, return_num=True)  # type: ignore[no-untyped-call]
    if count < 2:
        return np.zeros(mask.shape)
    distances = [ndimage.distance_transform_edt(labels != number) for number in range(1, count + 1)]
    nearest, second = np.sort(np.stack(distances), axis=0)[:2]
    return np.asarray(w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2)))


def specks(seed: int, share: float, shape: tuple[int, int] = (70, 90)) -> Mask:
    return np.asarray(np.random.default_rng(seed).random(shape) < share)


def stripes(count: int, shape: tuple[int, int] = (90, 120)) -> Mask:
    """Diagonal lines, the boxes of which fill the image."""
    rows, cols = np.indices(shape)
    return np.asarray((rows + cols) % (sum(shape) // count) < 2)


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(specks(0, 0.002), id="few specks"),
        pytest.param(specks(1, 0.02), id="many specks"),
        pytest.param(specks(2, 0.2), id="specks that touch"),
        pytest.param(specks(3, 0.6), id="one large component"),
        pytest.param(stripes(12), id="diagonal lines"),
        pytest.param(~stripes(9), id="wide diagonal bands"),
        pytest.param(specks(4, 0.0), id="empty"),
        pytest.param(specks(5, 2.0), id="full"),
        pytest.param(specks(6, 0.3, (1, 60)), id="one row"),
    ],
)
@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 1.0), (25.0, 12.0)])
def test_the_weights_equal_the_brute_force_weights(mask: Mask, w0: float, sigma: float) -> None:
    np.testing.assert_allclose(border_weights(mask, w0=w0, sigma=sigma), brute_force(mask, w0, sigma), atol=1e-5)


@given(
    mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)),
    w0=st.floats(0, 50),
    sigma=st.floats(0.3, 20),
)
def test_the_weights_of_any_mask_equal_the_brute_force_weights(mask: Mask, w0: float, sigma: float) -> None:
    np.testing.assert_allclose(border_weights(mask, w0=w0, sigma=sigma), brute_force(mask, w0, sigma), atol=1e-5)


@pytest.mark.parametrize(
    "overhead", [pytest.param(-(10**9), id="by neighbourhood"), pytest.param(10**9, id="by digit")]
)
@pytest.mark.parametrize("mask", [specks(1, 0.02), stripes(12), specks(2, 0.2)])
def test_both_methods_find_the_two_nearest_components(
    monkeypatch: pytest.MonkeyPatch, mask: Mask, overhead: int
) -> None:
    monkeypatch.setattr(weight_map, "_OVERHEAD_PX", overhead)
    labels, count = label(mask, connectivity=2, return_num=True)  # type: ignore[no-untyped-call]
    distances = [ndimage.distance_transform_edt(labels != number) for number in range(1, count + 1)]
    expected = np.sort(np.stack(distances), axis=0)[:2]
    near = expected.sum(axis=0) <= 20
    assert near.any()
    for actual, right in zip(two_nearest(mask, reach_px=20), expected, strict=True):
        np.testing.assert_allclose(actual[near], right[near], atol=1e-4)


def test_components_that_touch_at_a_corner_are_one() -> None:
    assert border_weights(np.eye(12, dtype=np.bool_)).max() == 0


def test_weights_are_highest_in_the_gap_between_two_cracks() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:35, 20:24] = mask[5:35, 29:33] = True
    weights = border_weights(mask, w0=10, sigma=5)
    assert weights[20, 24:29] == pytest.approx(10 * np.exp(-(6**2) / 50), rel=1e-5)  # 1 + 5, 2 + 4, 3 + 3, ...
    assert weights[20, 20] == pytest.approx(10 * np.exp(-(9**2) / 50), rel=1e-5)
    assert weights[20, 50] < 0.01


def test_the_weight_map_adds_the_class_weights() -> None:
    mask = specks(1, 0.02)
    whole = weight_map.weight_map(mask, w0=10, sigma=5, class_weights=(0.5, 4.0))
    np.testing.assert_allclose(whole - border_weights(mask), np.where(mask, 4.0, 0.5), atol=1e-5)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_balanced_weights_give_both_classes_the_same_sum(share: float) -> None:
    mask = specks(0, share)
    background, crack = balanced_class_weights(mask)
    assert crack * mask.sum() == pytest.approx(background * (~mask).sum())
    assert np.where(mask, crack, background).mean() == pytest.approx(1)


@pytest.mark.parametrize("value", [0, 1])
def test_a_single_class_has_a_weight_of_1(value: int) -> None:
    assert balanced_class_weights(np.full((4, 5), value, np.bool_)) == (1, 1)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_the_signed_distance_equals_that_of_scipy(mask: Mask) -> None:
    expected = np.zeros(mask.shape)
    if mask.any() and not mask.all():
        inside, outside = (ndimage.distance_transform_edt(plane) for plane in (mask, ~mask))
        expected = np.where(mask, 1 - inside, outside)
    np.testing.assert_allclose(signed_distance(mask), expected, atol=1e-5)


def test_computed_weights_are_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = specks(1, 0.02)
    first = cached_border_weights(mask, folder=tmp_path / "maps")
    files = list((tmp_path / "maps").iterdir())
    assert len(files) == 1
    np.testing.assert_array_equal(first, border_weights(mask))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(weight_map, "border_weights", never)
    np.testing.assert_array_equal(cached_border_weights(mask.copy(), folder=tmp_path / "maps"), first)


@pytest.mark.parametrize(
    ("mask", "w0", "sigma"),
    [
        pytest.param(specks(2, 0.02), 10, 5, id="another mask"),
        pytest.param(specks(1, 0.02).reshape(90, 70), 10, 5, id="another shape of the same pixels"),
        pytest.param(specks(1, 0.02), 11, 5, id="another weight"),
        pytest.param(specks(1, 0.02), 10, 4, id="another sigma"),
    ],
)
def test_every_mask_and_setting_has_its_own_file(tmp_path: Path, mask: Mask, w0: float, sigma: float) -> None:
    cached_border_weights(specks(1, 0.02), w0=10, sigma=5, folder=tmp_path)
    weights = cached_border_weights(mask, w0=w0, sigma=sigma, folder=tmp_path)
    np.testing.assert_array_equal(weights, border_weights(mask, w0=w0, sigma=sigma))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, content: bytes) -> None:
    mask = specks(1, 0.02)
    first = cached_border_weights(mask, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    np.testing.assert_array_equal(cached_border_weights(mask, folder=tmp_path), first)
    assert len(path.read_bytes()) > 100


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    mask = specks(1, 0.02)
    np.testing.assert_array_equal(cached_border_weights(mask, folder=tmp_path / "file"), border_weights(mask))


def test_the_cache_folder_follows_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "crackseg" / "border"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "crackseg" / "border"
