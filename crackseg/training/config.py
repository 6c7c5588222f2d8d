"""Declare the configuration of a training, with defaults; importing it does not load PyTorch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crackseg.config import Section
from crackseg.networks.config import NetworkConfig, Precision
from crackseg.training.loss_config import LossConfig, Probability


class DataConfig(Section):
    """Training patches and the images they are cut from.

    Attributes:
        patch_px: Side of a training patch, in pixels.
        batch_size: Number of patches per batch.
        crack_share: Share of patches cut around a crack pixel, in images that have one.
        mix: Shares of the data folders. ``size`` draws every image equally often, ``even`` every folder. A mapping sets
            the share of each folder by name; folders that it does not name have a share of 1.
        validation_fraction: Share of the images held out for validation if ``--val`` is not given.
        cache_mb: Memory for decoded images, in megabytes. Features of a frozen encoder get the same amount again.
        distinct_patches: Number of different patches, which are repeated; null never repeats one. While the encoder is
            frozen, the features of each patch are computed only once.
    """

    patch_px: int = Field(256, ge=64, multiple_of=32)
    batch_size: int = Field(8, ge=1)
    crack_share: Probability = 0.8
    mix: Literal["size", "even"] | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = "size"
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    cache_mb: int = Field(4096, ge=0)
    distinct_patches: int | None = Field(None, ge=1)


class AugmentConfig(Section):
    """Range of magnifications, and the probability of each other change of a patch.

    Attributes:
        scale: Smallest and largest magnification.
        turns: Probability of one of the eight flips and quarter turns (the group D4).
        rotate: Probability of a rotation by up to 25 degrees and a shear by up to 8 degrees.
        elastic: Probability of an elastic deformation (Simard et al. 2003).
        grid: Probability of a distortion of a coarse grid.
        perspective: Probability of a perspective distortion.
        light: Probability of a change of brightness and contrast, or of gamma.
        colour: Probability of a change of hue and saturation, of a colour shift, or of a conversion to grey.
        shadow: Probability of a shadow with a hard edge.
        blur: Probability of defocus, motion blur or reduced resolution.
        noise: Probability of sensor noise.
        jpeg: Probability of JPEG compression artefacts.
        confounders: Probability of drawn objects that resemble cracks: joints, cables, stripes, stains. They suit walls
            and roads only, so that the configuration has to ask for them.
        label_width: Probability that the mask becomes one pixel wider or narrower on each side. Lines of one or two
            pixels never become narrower.
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
    confounders: Probability = 0.0
    label_width: Probability = 0.0

    @field_validator("scale")
    @classmethod
    def _check_order(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("expected the smaller scale first")
        return scale


class TeacherConfig(Section):
    """A trained model whose probabilities are a second target of the training.

    Attributes:
        model: Run folder, checkpoint, or name of a shipped model; null trains without a teacher.
        weight: Share of the teacher's probabilities in the loss. The masks have the rest.
    """

    model: str | None = None
    weight: Probability = 0.5


class OptimiserConfig(Section):
    """AdamW with warm-up, cosine decay and an exponential moving average of the weights.

    Attributes:
        learning_rate: Highest learning rate, at the end of the warm-up.
        weight_decay: Decoupled weight decay of the kernels.
        warmup: Share of the training in which the learning rate rises.
        gradient_clip: Largest norm of the gradient.
        ema_decay: Decay of the moving average per step. It is lower in the first steps; 0 turns averaging off.
        accumulate: Number of batches per step, whose gradients are added.
        frozen: Share of the training, from its beginning, in which the encoder is not trained; 1 never trains it.
        decay_below: Factor on the learning rate from each fifth of the encoder to the next one towards the image.
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
    """Length of the training.

    Attributes:
        epochs: Number of epochs; unused if ``minutes`` is set.
        steps_per_epoch: Steps between two validations. null sets images / batch size, at least 50 and at most 500.
        minutes: Wall time of the training, in minutes. The learning rate follows the clock.
        patience: Epochs without a better validation F1 after which the training ends early; null never ends it early.
    """

    epochs: int = Field(30, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    patience: int | None = Field(None, ge=1)


class TrainConfig(Section):
    """Configuration of a training.

    Attributes:
        name: Name of the model; null takes the name of the run folder.
        terms: Terms of the data's licences for users of the weights; written to the model card.
        seed: Random seed.
        init: Initial weights: a checkpoint, run folder, shipped model or encoder state (``.pth``). null starts from
            random weights, or from ``network.encoder_weights``.
        precision: Float width of the arithmetic; ``auto`` uses bfloat16 where the processor is faster with it.
        workers: Number of processes that prepare patches; null chooses it by device.
        network: Architecture, encoder and classes.
        data: Training patches and the images they are cut from.
        augment: Random changes of the patches.
        loss: Weighted sum of losses.
        teacher: Trained model whose probabilities are a second target.
        optimiser: Learning rate, weight decay and averaging.
        schedule: Length of the training.
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
    def _check_frozen(self) -> TrainConfig:
        if self.optimiser.frozen and self.network.arch == "unet-classic":
            raise ValueError("optimiser.frozen: expected 0, since unet-classic has no encoder to freeze")
        return self
