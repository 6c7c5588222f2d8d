"""The threshold that a training starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from crackseg.models import find_weights
from crackseg.nn.checkpoint import read_card
from crackseg.nn.validation import starting_threshold

pytestmark = pytest.mark.train


def test_it_is_that_of_the_model_one_starts_from_and_a_half_where_there_is_none(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder.safetensors"
    save_file({"weight": torch.zeros(3)}, encoder)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "encoder.pth")
    assert starting_threshold(None) == 0.5
    assert starting_threshold(encoder) == starting_threshold(tmp_path / "encoder.pth") == 0.5
    shipped = find_weights("crackseg-mobile")
    assert starting_threshold(shipped) == read_card(shipped).threshold
