"""Everything a training can be told, with its defaults. Importing this needs no torch, so mistakes show at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crackseg.config import Section
from crackseg.networks.config import NetworkConfig, Precision
from crackseg.training.loss_config import LossConfig, Probability


class DataConfig(Section):
    """How patches are taken from the images.

    Attributes:
        patch_px: Side of a training patch.
        batch_size: Patches per step.
        crack_share: Share of patches that are taken around a crack pixel, where the image has one.
        mix: ``size`` gives every image the same chance, ``even`` every data folder; or a share for folders by name,
            1 for those not named.
        validation_fraction: Share of the images held out for validation where no ``--val`` is given.
        cache_mb: Decoded images kept in memory, in megabytes; as much again for features of a frozen encoder.
        distinct_patches: Take so many patches and no more, again and again; null never takes one twice. While the
            encoder is frozen, what it makes of each of them is computed once.
    """

    patch_px: int = Field(256, ge=64, multiple_of=32)
    batch_size: int = Field(8, ge=1)
    crack_share: Probability = 0.8
    mix: Literal["size", "even"] | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = "size"
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    cache_mb: int = Field(4096, ge=0)
    distinct_patches: int | None = Field(None, ge=1)


class AugmentConfig(Section):
    """Augmentation: a range of sizes, and the probability of each kind of change.

    Attributes:
        scale: Smallest and largest magnification of a patch.
        turns: One of the eight flips and quarter turns (the group D4).
        rotate: Rotation by up to 25 degrees and shear by up to 8.
        elastic: Elastic deformation (Simard et al. 2003).
        grid: Distortion of a coarse grid.
        perspective: A view from the side.
        light: Brightness, contrast and gamma.
        colour: Hue, saturation and loss of colour.
        shadow: A hard shadow edge.
        blur: Defocus, motion blur or lost resolution.
        noise: Sensor noise.
        jpeg: Compression artefacts.
        confounders: Joints, cables, stripes, stains and other things that look like cracks, drawn beside the cracks.
        label_width: Labels a pixel wider, or narrower, on either side; a line of one or two pixels stays.
    """

    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.6, 1.6)
    turns: Probability = 1.0
    rotate: Probability = 0.25
    elastic: Probability = 0.1
    grid: Probability = 0.0
    perspective: Probability = 0.0
    light: Probability = 0.6
    colour: Probability = 0.3
    shadow: Probability = 0.1
    blur: Probability = 0.2
    noise: Probability = 0.2
    jpeg: Probability = 0.15
    confounders: Probability = 0.3
    label_width: Probability = 0.0

    @field_validator("scale")
    @classmethod
    def _ordered(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("expected the smaller scale first")
        return scale


class TeacherConfig(Section):
    """A trained model, larger as a rule, whose probabilities are learnt beside the masks.

    Attributes:
        model: A run folder, a checkpoint, or a model in the package by its name; null does without.
        weight: Share of its probabilities in the loss; the masks have the rest.
    """

    model: str | None = None
    weight: Probability = 0.5


class OptimiserConfig(Section):
    """AdamW, warm-up and cosine decay, and an exponential moving average of the weights.

    Attributes:
        learning_rate: Its peak.
        weight_decay: Decoupled weight decay.
        warmup: Share of the schedule that rises to the peak.
        gradient_clip: Largest norm of the gradient.
        ema_decay: Decay of the average per step; it starts lower and rises with the steps. 0 turns it off.
        accumulate: Batches whose gradients are added up for one step.
        frozen: Share of the training, its beginning, during which the encoder keeps still; 1 is all of it.
        decay_below: Factor on the learning rate from each stage of the encoder to the one below it, towards the image.
    """

    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: Probability = 0.05
    gradient_clip: float = Field(1.0, gt=0)
    ema_decay: float = Field(0.995, ge=0, lt=1)
    accumulate: int = Field(1, ge=1)
    frozen: Probability = 0.0
    decay_below: float = Field(1.0, gt=0, le=1)


class ScheduleConfig(Section):
    """How long.

    Attributes:
        epochs: Epochs, where no time is set.
        steps_per_epoch: Steps between two validations; null takes images / batch size, at least 50 and at most 500.
        minutes: Wall time of the training; the learning rate follows the clock, and epochs are not counted.
        patience: Epochs without a better validation F1 after which the training ends early; null waits for the end.
    """

    epochs: int = Field(30, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    patience: int | None = Field(None, ge=1)


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
    teacher: TeacherConfig = TeacherConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()

    @model_validator(mode="after")
    def _can_be_frozen(self) -> TrainConfig:
        if self.optimiser.frozen and self.network.arch == "unet-classic":
            raise ValueError("optimiser.frozen: unet-classic has no encoder that could keep still")
        return self
