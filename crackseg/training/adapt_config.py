"""Declare the configuration of an adaptation, with defaults; importing it does not load PyTorch."""

from __future__ import annotations

from pydantic import Field

from crackseg.config import Section
from crackseg.networks.config import Precision
from crackseg.training.config import AugmentConfig
from crackseg.training.loss_config import LossConfig, Probability

LIGHT_AUGMENTATION = AugmentConfig(
    scale=(0.8, 1.25), rotate=0.1, elastic=0.0, light=0.3, colour=0.1, shadow=0.0, blur=0.1, noise=0.1, jpeg=0.05,
    confounders=0.0,
)  # fmt: skip
"""Changes that keep the look of the site."""


class AdaptConfig(Section):
    """Configuration of the adaptation of a model to one site.

    Attributes:
        model: Name, file or run folder of the original model.
        seed: Random seed.
        share: Share of the site in the statistics of batch normalisation. null measures it on labelled images, and is
            `DEFAULT_SHARE` without labels.
        steps: Number of steps in which scale and shift are trained; without labels it is not used.
        rounds: Number of validations, evenly spread over the steps.
        patience: Rounds without a better F1 after which the adaptation ends early.
        held_out: Share of the labelled images held out from `HELD_OUT_FROM` images on.
        learning_rate: Highest learning rate.
        patch_px: Side of a patch, in pixels.
        batch_size: Number of patches per step.
        augment: Random changes of the patches.
        loss: Weighted sum of losses.
        precision: Float width of the arithmetic of the steps.
        workers: Number of processes that prepare patches; null chooses it by device.
    """

    model: str = "crackseg-mobile"
    seed: int = Field(0, ge=0)
    share: Probability | None = None
    steps: int = Field(40, ge=0)
    rounds: int = Field(4, ge=1)
    patience: int = Field(3, ge=1)
    held_out: float = Field(0.2, gt=0, lt=1)
    learning_rate: float = Field(2e-3, gt=0)
    patch_px: int = Field(256, ge=64, multiple_of=32)
    batch_size: int = Field(4, ge=1)
    augment: AugmentConfig = LIGHT_AUGMENTATION
    loss: LossConfig = LossConfig()
    precision: Precision = "auto"
    workers: int | None = Field(None, ge=0)


DEFAULT_SHARE = 0.1
"""Share of the site in the statistics where no label can measure it; see ``docs/research/adapt.md``."""

HELD_OUT_FROM = 40
"""Number of labelled images from which some are held out; with fewer, all of them are trained on and measured."""
