"""The cached features of a frozen encoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from crackseg.training.feature_cache import FeatureCache

pytestmark = pytest.mark.train

IMAGES = torch.arange(24.0).reshape(2, 3, 2, 2)


class Encoder(nn.Module):
    """Two features, and the number of images they were computed for."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def forward(self, images: Tensor) -> list[Tensor]:
        self.images += len(images)
        return [images, images[:, :1] + 1]


def test_features_are_computed_once_per_patch_in_any_order() -> None:
    encoder = Encoder()
    cache = FeatureCache(encoder, limit_bytes=10_000)
    cache.expect([7, 8])
    first = encoder(IMAGES)
    cache.expect([8, 7])
    second = encoder(IMAGES.flip(0))
    assert (encoder.images, cache.computed) == (2, 2)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(other, one.flip(0))


def test_a_full_cache_computes_features_again() -> None:
    encoder = Encoder()
    cache = FeatureCache(encoder, limit_bytes=4 * (12 + 4))
    for _ in range(2):
        cache.expect([7, 8])
        encoder(IMAGES)
    assert encoder.images == 4, "only one of the two patches fits"
    cache.expect([7])
    torch.testing.assert_close(encoder(IMAGES[:1])[0], IMAGES[:1])
    assert encoder.images == 4


def test_images_that_are_no_expected_patches_are_not_cached() -> None:
    encoder = Encoder()
    cache = FeatureCache(encoder, limit_bytes=10_000)
    for _ in range(2):
        encoder(IMAGES)
    assert (encoder.images, cache.computed) == (4, 0)


def test_a_detached_cache_leaves_the_encoder_as_it_was() -> None:
    encoder = Encoder()
    cache = FeatureCache(encoder, limit_bytes=10_000)
    cache.expect([7, 8])
    encoder(IMAGES)
    cache.detach()
    cache.expect([7, 8])
    encoder(IMAGES)
    assert encoder.images == 4
