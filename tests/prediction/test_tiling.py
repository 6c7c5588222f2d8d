"""The overlap-tile plan: properties that must hold for every size of image, tile, context and stride."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crackseg.geometry import Region
from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.tiling import Tile, _Cuts, crop_mirrored, iter_tiles, plan_tiles, read_mirrored


def rounded_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@st.composite
def plans(draw: st.DrawFn) -> tuple[tuple[int, int], int, int, int, int]:
    """Shape, tile size, context, stride, border."""
    stride = draw(st.sampled_from([1, 2, 4, 8, 32]))
    context = draw(st.integers(0, 40))
    room = draw(st.integers(stride, 6 * stride + 20))
    shape = draw(st.tuples(st.integers(1, 200), st.integers(1, 200)))
    return shape, 2 * rounded_up(context, stride) + room, context, stride, draw(st.integers(0, 40))


def tiles_of(plan: tuple[tuple[int, int], int, int, int, int]) -> list[Tile]:
    shape, size, context, stride, border = plan
    return list(iter_tiles(shape, size=size, context=context, stride=stride, border=border))


@settings(max_examples=200)
@given(plans())
def test_every_pixel_is_written_exactly_once(plan: tuple[tuple[int, int], int, int, int, int]) -> None:
    written = np.zeros(plan[0], np.int64)
    for tile in tiles_of(plan):
        assert 0 <= tile.write.row0 < tile.write.row1 <= plan[0][0]
        assert 0 <= tile.write.col0 < tile.write.col1 <= plan[0][1]
        written[tile.write.slices()] += 1
    assert (written == 1).all()


@settings(max_examples=200)
@given(plans())
def test_read_regions_stand_on_the_stride_and_fit_the_tile(plan: tuple[tuple[int, int], int, int, int, int]) -> None:
    _, size, _, stride, border = plan
    for tile in tiles_of(plan):
        assert (tile.read.row0 + border) % stride == (tile.read.col0 + border) % stride == 0
        assert tile.read.height % stride == tile.read.width % stride == 0
        assert 0 < tile.read.height <= size
        assert 0 < tile.read.width <= size


@settings(max_examples=200)
@given(plans())
def test_tiles_read_their_context_or_the_same_mirrored_border(plan: tuple[tuple[int, int], int, int, int, int]) -> None:
    shape, _, context, stride, border = plan
    ends = [rounded_up(side + 2 * border, stride) - border for side in shape]
    for tile in tiles_of(plan):
        for (read0, read1), (write0, write1), end in (
            ((tile.read.row0, tile.read.row1), (tile.write.row0, tile.write.row1), ends[0]),
            ((tile.read.col0, tile.read.col1), (tile.write.col0, tile.write.col1), ends[1]),
        ):
            assert -border <= read0 <= write0
            assert write1 <= read1 <= end
            assert read0 == -border or write0 - read0 >= context
            assert read1 == end or read1 - write1 >= context


@settings(max_examples=200)
@given(plans())
def test_all_tiles_of_an_image_are_of_one_size(plan: tuple[tuple[int, int], int, int, int, int]) -> None:
    assert len({tile.read.shape for tile in tiles_of(plan)}) == 1


@given(plans())
def test_tiles_come_in_row_major_order(plan: tuple[tuple[int, int], int, int, int, int]) -> None:
    corners = [(tile.write.row0, tile.write.col0) for tile in tiles_of(plan)]
    assert corners == sorted(set(corners))


@given(shape=st.tuples(st.integers(1, 300), st.integers(1, 300)), stride=st.sampled_from([1, 2, 16, 32]))
def test_the_border_is_half_a_stride_by_default(shape: tuple[int, int], stride: int) -> None:
    (tile,) = iter_tiles(shape, size=1000, context=100, stride=stride)
    assert (tile.read.row0, tile.read.col0) == (-(stride // 2), -(stride // 2))
    assert tile.write == Region(0, 0, *shape)
    assert tile.read.row1 - shape[0] >= stride // 2
    assert (
        tile.read.shape == (rounded_up(shape[0] + stride, stride), rounded_up(shape[1] + stride, stride)) or stride == 1
    )


@pytest.mark.parametrize(
    ("shape", "size", "context", "stride", "reads"),
    [
        pytest.param((10, 10), 10, 3, 1, [(0, 0, 10, 10)], id="an image that fits is one tile"),
        pytest.param((1, 1), 64, 99, 32, [(-16, -16, 48, 48)], id="one pixel and its border"),
        pytest.param((4, 9), 8, 2, 1, [(0, 0, 4, 7), (0, 2, 4, 9)], id="two tiles side by side"),
    ],
)
def test_small_plans_are_as_worked_out_by_hand(
    shape: tuple[int, int], size: int, context: int, stride: int, reads: list[tuple[int, int, int, int]]
) -> None:
    tiles = list(iter_tiles(shape, size=size, context=context, stride=stride))
    assert [tile.read for tile in tiles] == [Region(*read) for read in reads]


@given(context=st.integers(0, 60), stride=st.sampled_from([1, 4, 32]))
def test_a_tile_without_room_is_refused_and_the_size_that_is_named_works(context: int, stride: int) -> None:
    smallest = 2 * rounded_up(context, stride) + stride
    with pytest.raises(ValueError, match=f"at least {smallest} px"):
        list(iter_tiles((200, 3), size=smallest - 1, context=context, stride=stride))
    assert len(list(iter_tiles((200, 3), size=smallest, context=context, stride=stride))) >= 1


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_image_without_pixels_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1x1"):
        list(iter_tiles(shape, size=64, context=1))


@settings(max_examples=150)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    before=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    after=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_mirroring_is_that_of_numpy(shape: tuple[int, int], before: tuple[int, int], after: tuple[int, int]) -> None:
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)
    region = Region(-before[0], -before[1], shape[0] + after[0], shape[1] + after[1])
    pairs = list(zip(before, after, strict=True))
    expected = np.pad(pixels, [*pairs, (0, 0)], mode="reflect")
    np.testing.assert_array_equal(read_mirrored(ArrayImage(pixels), region), expected)
    np.testing.assert_array_equal(crop_mirrored(pixels, region), expected)
    np.testing.assert_array_equal(crop_mirrored(pixels[..., 0], region), expected[..., 0])


@settings(max_examples=150)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    corner=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    sides=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_any_region_is_a_part_of_the_mirrored_image(
    shape: tuple[int, int], corner: tuple[int, int], sides: tuple[int, int]
) -> None:
    pixels = np.arange(shape[0] * shape[1] * 3, dtype=np.uint16).astype(np.uint8).reshape(*shape, 3)
    region = Region(corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1])
    wide = np.pad(pixels, [(60, 60), (60, 60), (0, 0)], mode="reflect")
    part = read_mirrored(ArrayImage(pixels), region)
    np.testing.assert_array_equal(part, wide[region.slices((-60, -60))])
    np.testing.assert_array_equal(crop_mirrored(pixels, region), part)
    assert part.flags.c_contiguous


# Plans under a budget


@st.composite
def budgets(draw: st.DrawFn) -> tuple[tuple[int, int], int, int, int]:
    """Shape, context, stride, budget in pixels."""
    stride = draw(st.sampled_from([1, 4, 32]))
    context = draw(st.integers(0, 40))
    least = (2 * rounded_up(context, stride) + stride) ** 2
    shape = draw(st.tuples(st.integers(1, 250), st.integers(1, 250)))
    return shape, context, stride, least + draw(st.integers(0, 60_000))


@settings(max_examples=50)
@given(budgets())
def test_a_plan_stays_within_its_budget_and_writes_every_pixel_once(
    plan: tuple[tuple[int, int], int, int, int],
) -> None:
    shape, context, stride, budget_px = plan
    tiles = plan_tiles(shape, context=context, stride=stride, budget_px=budget_px)
    written = np.zeros(shape, np.int64)
    read_px = 0
    for tile in tiles:
        assert tile.read.height * tile.read.width <= tiles.largest_px <= budget_px
        written[tile.write.slices()] += 1
        read_px += tile.read.height * tile.read.width
    assert (written == 1).all()
    assert read_px == tiles.read_px
    assert tiles.read_over_written == pytest.approx(read_px / written.size)
    assert len(list(tiles)) == len(tiles) == sum(len(band) for band in tiles.bands())


@settings(max_examples=15)
@example(plan=((1, 1), 0, 4, 32))
@given(budgets())
def test_no_other_grid_within_the_budget_reads_fewer_pixels(plan: tuple[tuple[int, int], int, int, int]) -> None:
    """Oracle: the plans for a largest side in each direction."""
    shape, context, stride, budget_px = plan
    best = plan_tiles(shape, context=context, stride=stride, budget_px=budget_px)
    least = 2 * rounded_up(context, stride) + stride
    for size in range(least, least + 400, 16 * stride):
        other = plan_tiles(shape, context=context, stride=stride, size=size)
        if other.largest_px <= budget_px:
            assert best.read_px <= other.read_px


@settings(max_examples=60)
@given(length=st.integers(1, 400), margin=st.integers(0, 12), stride=st.sampled_from([1, 4]), border=st.integers(0, 20))
def test_of_the_cuts_into_spans_of_one_length_only_the_first_is_looked_at(
    length: int, margin: int, stride: int, border: int
) -> None:
    """Oracle: every cut there is, one after the other."""
    cuts = _Cuts(length, margin * stride, stride, border)
    expected: dict[int, tuple[int, int]] = {}
    for count in range(1, cuts.whole // stride + 1):
        spans = cuts.spans(count)
        longest = spans[0].read[1] - spans[0].read[0]
        if longest < min(expected, default=cuts.whole + 1):
            expected[longest] = (count, longest * len(spans))
    assert {longest: (count, total) for count, longest, total in cuts.counts(cuts.whole)} == expected


def test_a_plan_looks_at_few_cuts_however_long_the_side() -> None:
    for length in (100, 10_000, 1_000_000):
        assert len(list(_Cuts(length, 0, 1, 0).counts(length))) <= 2 * math.isqrt(length) + 1
    assert plan_tiles((30_000, 30_000), context=0, stride=1, budget_px=4_000_000).read_over_written < 1.001


def test_a_small_image_is_one_tile_and_a_large_one_reads_little_twice() -> None:
    assert len(plan_tiles((1024, 1024), context=319, stride=32, budget_px=4_000_000)) == 1
    large = plan_tiles((8192, 8192), context=319, stride=32, budget_px=4 * 2**30 // 280)
    assert large.read_over_written <= 1.3
    assert "8192x8192 px in " in large.describe()
    wide = plan_tiles((600, 9000), context=319, stride=32, budget_px=4_000_000)
    assert all(tile.write.height == 600 for tile in wide), "a band is cut across, not along"


def test_a_budget_without_room_is_refused_and_the_one_that_is_named_works() -> None:
    with pytest.raises(ValueError, match="at least 451584 px"):
        plan_tiles((5000, 5000), context=319, stride=32, budget_px=400_000)
    assert plan_tiles((5000, 5000), context=319, stride=32, budget_px=451_584).largest_px == 451_584
