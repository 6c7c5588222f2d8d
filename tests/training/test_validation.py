"""Initial threshold of a training, and the example images of its figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from crackseg.datasets.samples import Sample
from crackseg.metrics.histogram import ProbabilityHistogram
from crackseg.networks.checkpoint import read_card
from crackseg.prediction.loading import find_weights
from crackseg.training.validation import ValidationCounts, pick_examples, starting_threshold, sum_by_group, sum_counts

pytestmark = pytest.mark.train


def test_the_starting_threshold_is_that_of_the_initial_model_or_a_half(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder.safetensors"
    save_file({"weight": torch.zeros(3)}, encoder)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "encoder.pth")
    assert starting_threshold(None) == 0.5
    assert starting_threshold(encoder) == starting_threshold(tmp_path / "encoder.pth") == 0.5
    shipped = find_weights("crackseg-mobile")
    assert starting_threshold(shipped) == read_card(shipped).threshold


def counts_of(hits: int, *, crack: int = 20) -> ValidationCounts:
    """Return the counts of an image without false alarms."""
    true = np.arange(100) < crack
    return ValidationCounts(ProbabilityHistogram.of((np.arange(100) < hits).astype(np.float32), true))


def sample(number: int, group: str = "walls") -> Sample:
    return Sample(Path(f"{number:02}.png"), Path(f"{number:02}.png"), group)


def test_examples_are_the_worst_the_median_and_the_best_images() -> None:
    samples = [sample(number) for number in range(20)]
    order = np.random.default_rng(0).permutation(20)
    chosen = pick_examples(samples, [counts_of(int(rank)) for rank in order], 0.5, count=3)
    assert [int(order[int(one.image.stem)]) for one in chosen] == [0, 1, 2, 8, 9, 10, 17, 18, 19]


def test_few_images_are_all_examples_once() -> None:
    samples = [sample(number) for number in range(5)]
    assert sorted(
        one.image.name for one in pick_examples(samples, [counts_of(number) for number in range(5)], 0.5)
    ) == [one.image.name for one in samples]


def test_an_image_without_true_and_predicted_cracks_is_among_the_best() -> None:
    samples = [sample(number) for number in range(9)]
    quiet = counts_of(0, crack=0)
    assert (
        pick_examples(samples, [quiet, *[counts_of(number) for number in range(1, 9)]], 0.5, count=1)[-1] == samples[0]
    )


def test_counts_add_up_by_data_set_and_in_total() -> None:
    samples = [sample(0, "walls"), sample(1, "roads"), sample(2, "walls")]
    of_images = [counts_of(5), counts_of(10), counts_of(15)]
    groups = sum_by_group(samples, of_images)
    assert groups["walls"].scores_at(0.5)["recall"] == pytest.approx(20 / 40)
    assert groups["roads"].scores_at(0.5)["recall"] == pytest.approx(10 / 20)
    assert sum_counts(of_images).scores_at(0.5) == sum_counts(groups.values()).scores_at(0.5)
