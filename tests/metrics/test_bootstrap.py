"""Test bootstrap intervals against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crackseg.metrics.bootstrap import interval, resample


def data(images: int = 60) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    rng = np.random.default_rng(4)
    crack = rng.integers(50, 900, images)
    hit = rng.binomial(crack, rng.beta(6, 2, images))
    return {"hit": hit, "crack": crack}


def test_the_interval_of_a_ratio_of_sums_is_that_of_scipy() -> None:
    columns = data()
    drawn = resample(columns, draws=4000)
    limits = interval(drawn["hit"] / drawn["crack"])
    expected = stats.bootstrap(
        (columns["hit"], columns["crack"]),
        lambda hit, crack, axis: hit.sum(axis=axis) / crack.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert limits is not None
    assert limits == pytest.approx((expected.low, expected.high), abs=0.005)


def test_each_draw_holds_as_many_images_as_there_are() -> None:
    drawn = resample({"images": np.ones(7), "pair": np.ones((7, 2))}, draws=250)
    assert drawn["images"].shape == (250,)
    assert drawn["pair"].shape == (250, 2)
    assert set(drawn["images"].tolist()) == {7.0}


def test_the_same_seed_draws_the_same_images_and_another_seed_others() -> None:
    columns = data()
    one, two, other = (resample(columns, draws=50, seed=seed)["hit"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_images_drawn_in_pairs_give_a_constant_difference_exactly() -> None:
    columns = data()
    drawn, better = resample(columns), resample({**columns, "hit": columns["hit"] + columns["crack"]})
    limits = interval(better["hit"] / better["crack"] - drawn["hit"] / drawn["crack"])
    assert limits == pytest.approx((1, 1))


def test_a_score_that_is_undefined_in_many_draws_has_no_interval() -> None:
    values = np.linspace(0, 1, 100)
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert interval(np.where(np.arange(100) < 4, np.nan, values)) is not None
    assert interval(np.where(np.arange(100) < 6, np.nan, values)) is None
    assert interval(np.full(3, np.nan)) is None
