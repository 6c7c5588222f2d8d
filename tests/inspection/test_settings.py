"""Test the words and the time for test-time augmentation in an inspection."""

from __future__ import annotations

import pytest

from crackseg.inspection.rules import JudgedArea, Rules
from crackseg.inspection.settings import Settings
from crackseg.inspection.worker_limits import worker_limits
from crackseg.prediction.tta import PASSES, TtaName


@pytest.mark.parametrize(
    ("tta", "words"),
    [
        ("none", "the image at its own size"),
        ("flips", "mean over flips of the image"),
        ("scales", "mean over the image at 0.5, 1, 1.5, 2 times its size"),
    ],
)
def test_the_report_says_at_which_sizes_an_image_is_computed(tta: TtaName, words: str) -> None:
    assert Settings(area=JudgedArea(Rules()), tta=tta).describe_passes() == words


def test_more_passes_get_more_time() -> None:
    assert PASSES["scales"] == 7.5
    assert worker_limits(1, passes=7.5).time_per_megapixel_s == 7.5 * worker_limits(1).time_per_megapixel_s
