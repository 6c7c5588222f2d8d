"""Everything a training can be told, with its defaults. Importing this needs no torch, so mistakes show at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crackseg.config import Section

Probability = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["auto", "fp32", "bf16"]


class NetworkConfig(Section):
    """The network.

    Attributes:
        arch: Architecture.
        encoder: Encoder, by its name in segmentation-models-pytorch.
        encoder_weights: ``imagenet`` or another set segmentation-models-pytorch can fetch; null starts from random.
        decoder_channels: Widths of the decoder, coarse to fine; their number is the number of halvings.
    """

    arch: Literal["unet"] = "unet"
    encoder: str = "mobilenet_v2"
    encoder_weights: str | None = None
    decoder_channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((128, 64, 32, 16, 16), min_length=3, max_length=5)

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels."""
        return int(2 ** len(self.decoder_channels))


class DataConfig(Section):
    """How patches are taken from the images.

    Attributes:
        patch_px: Side of a training patch.
        batch_size: Patches per step.
        crack_share: Share of patches that are taken around a crack pixel, where the image has one.
        mix: ``size`` gives every image the same chance, ``even`` every data folder.
        validation_fraction: Share of the images held out for validation where no ``--val`` is given.
        cache_mb: Decoded images kept in memory, in megabytes.
    """

    patch_px: int = Field(256, ge=64, multiple_of=32)
    batch_size: int = Field(8, ge=1)
    crack_share: Probability = 0.8
    mix: Literal["size", "even"] = "size"
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    cache_mb: int = Field(4096, ge=0)


class AugmentConfig(Section):
    """Augmentation: a range of sizes, and the probability of each kind of change.

    Attributes:
        scale: Smallest and largest magnification of a patch.
        rotate: Rotation by up to 25 degrees, beside the eight flips and quarter turns that every patch goes through.
        elastic: Elastic deformation (Simard et al. 2003).
        light: Brightness, contrast and gamma.
        colour: Hue, saturation and loss of colour.
        shadow: A hard shadow edge.
        blur: Defocus, motion blur or lost resolution.
        noise: Sensor noise.
        jpeg: Compression artefacts.
        confounders: Joints, cables, stripes, stains and other things that look like cracks, drawn beside the cracks.
    """

    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.6, 1.6)
    rotate: Probability = 0.25
    elastic: Probability = 0.1
    light: Probability = 0.6
    colour: Probability = 0.3
    shadow: Probability = 0.1
    blur: Probability = 0.2
    noise: Probability = 0.2
    jpeg: Probability = 0.15
    confounders: Probability = 0.3

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("expected the smaller scale first")
        return scale


class LossConfig(Section):
    """A weighted sum of losses.

    Attributes:
        bce: Weight of the binary cross-entropy.
        dice: Weight of the Dice loss.
        positive_weight: Factor on the cross-entropy of crack pixels.
    """

    bce: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    positive_weight: float = Field(2.0, gt=0)

    @model_validator(mode="after")
    def _something(self) -> LossConfig:
        if self.bce + self.dice == 0:
            raise ValueError("expected at least one loss with a weight above 0")
        return self


class OptimiserConfig(Section):
    """AdamW, warm-up and cosine decay, and an exponential moving average of the weights.

    Attributes:
        learning_rate: Its peak.
        weight_decay: Decoupled weight decay.
        warmup: Share of the schedule that rises to the peak.
        gradient_clip: Largest norm of the gradient.
        ema_decay: Decay of the average per step; it starts lower and rises with the steps. 0 turns it off.
    """

    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: Probability = 0.05
    gradient_clip: float = Field(1.0, gt=0)
    ema_decay: float = Field(0.995, ge=0, lt=1)


class ScheduleConfig(Section):
    """How long.

    Attributes:
        epochs: Epochs, where no time is set.
        steps_per_epoch: Steps between two validations; null takes images / batch size, at least 50 and at most 500.
        minutes: Wall time of the training; the learning rate follows the clock, and epochs are not counted.
    """

    epochs: int = Field(30, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)


class TrainConfig(Section):
    """A whole training.

    Attributes:
        name: What to call the model; the run folder's name if null.
        terms: What the licences of the data ask of users of the weights; goes into the card.
        seed: Of everything random.
        init: Weights to start from: a checkpoint, run folder, model, or an encoder's state (``.pth``).
        precision: Arithmetic; ``auto`` takes bfloat16 where this processor is faster with it.
        workers: Processes that prepare patches; null chooses by the device.
    """

    name: str | None = None
    terms: str = "not stated"
    seed: int = Field(0, ge=0)
    init: str | None = None
    precision: Precision = "auto"
    workers: int | None = Field(None, ge=0)
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
