"""Everything a training can be told, with its defaults. Importing this needs no torch, so mistakes show at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from crackseg.config import Section

Probability = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["auto", "fp32", "bf16"]
Architecture = Literal[
    "unet", "unet-classic", "unetplusplus", "fcn",
    "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus", "pan", "upernet", "segformer", "dpt",
]  # fmt: skip
NOT_IN_ONNX: frozenset[str] = frozenset({"dpt", "pspnet", "upernet"})
"""Architectures that pool or enlarge by a factor that depends on the image, which ONNX of any size cannot express."""
FcnVariant = Literal["32s", "16s", "8s"]


class NetworkConfig(Section):
    """The network.

    Attributes:
        arch: Architecture: ``unet``; ``unet-classic``, that of 2015 with its own encoder and valid convolutions;
            ``unetplusplus``; ``fcn``; or another decoder of segmentation-models-pytorch by its name there.
        encoder: Encoder, by its name in segmentation-models-pytorch; ``tu-NAME`` takes one of timm, and
            ``shufflenet_v2_x1_0`` one of torchvision. ``unet-classic`` has none to choose.
        encoder_weights: ``imagenet`` or another set segmentation-models-pytorch can fetch; null starts from random.
        decoder_channels: Widths of the decoder of ``unet``, ``unetplusplus`` and ``manet``, coarse to fine; as many as
            the image is halved.
        channels: Channels of the input. Photographs have 3; 1 takes their grey value.
        classes: Channels of the output: 1 is crack or not (sigmoid), K classes of which 0 is the background (softmax).
        variant: Finest score of ``fcn``: at stride 32, 16 or 8.
        width: Factor on the widths of ``unet-classic``: 1 has 31 million parameters, 0.5 has 7.8 and 0.25 has 1.9.
        deep_supervision: Whether ``unetplusplus`` learns from an output at every depth, so that it can be pruned.
        pruned_to: Depth that ``unetplusplus`` is cut to, 1 being the fastest; null keeps all.
    """

    arch: Architecture = "unet"
    encoder: str = "mobilenet_v2"
    encoder_weights: str | None = None
    decoder_channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((128, 64, 32, 16, 16), min_length=3, max_length=5)
    channels: int = Field(3, ge=1)
    classes: int = Field(1, ge=1, le=255)
    variant: FcnVariant = "8s"
    width: float = Field(1.0, gt=0, le=4)
    deep_supervision: bool = True
    pruned_to: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> NetworkConfig:
        if self.pruned_to is not None:
            if self.arch != "unetplusplus":
                raise ValueError("pruned_to is for arch unetplusplus")
            if self.pruned_to >= len(self.decoder_channels):
                raise ValueError(
                    f"expected pruned_to of at most {len(self.decoder_channels) - 1}, one less than decoder_channels"
                )
            if not self.deep_supervision and self.pruned_to < len(self.decoder_channels) - 1:
                raise ValueError("pruned_to needs deep_supervision: without it no other depth has an output")
        return self

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels: images are filled up to a multiple of it, and tiles begin on one."""
        match self.arch:
            case "unetplusplus" if self.pruned_to is not None:
                return int(2 ** (self.pruned_to + 1))
            case "unet" | "unetplusplus" | "manet":
                return int(2 ** len(self.decoder_channels))
            case "unet-classic":
                return 16
            case "pspnet":
                return 8
            case "pan":
                return 128
            case _:
                return 32


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


class LossTerm(Section):
    """A loss with settings of its own. A bare number in its place is its weight.

    Attributes:
        weight: Its weight in the sum; 0 leaves it out.
    """

    weight: float = Field(1.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _number_is_weight(cls, value: Any) -> Any:
        return {"weight": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class BorderTerm(LossTerm):
    """Cross-entropy weighted by the map of the U-Net paper.

    Attributes:
        w0: Weight, beside that of the classes, where two cracks touch.
        sigma: How fast it falls with the distance to the two, in pixels.
        balance: Whether crack and background get weights by their frequency in the batch; else both have weight 1.
    """

    w0: float = Field(10.0, ge=0)
    sigma: float = Field(5.0, gt=0)
    balance: bool = False


class FocalTerm(LossTerm):
    """Focal loss.

    Attributes:
        gamma: How much less what is already right counts.
        alpha: Share of the weight that cracks get; background gets the rest.
    """

    gamma: float = Field(2.0, ge=0)
    alpha: Probability = 0.25


class TverskyTerm(LossTerm):
    """Tversky loss.

    Attributes:
        alpha: Weight of false alarms.
        beta: Weight of missed cracks.
    """

    alpha: float = Field(0.3, ge=0)
    beta: float = Field(0.7, ge=0)


class FocalTverskyTerm(TverskyTerm):
    """Focal Tversky loss.

    Attributes:
        gamma: The loss is the Tversky loss to the power of 1 / gamma.
    """

    gamma: float = Field(4 / 3, ge=1, le=3)


class ClDiceTerm(LossTerm):
    """Centreline Dice.

    Attributes:
        iterations: Erosions of the soft skeleton; at least half the width of the widest crack, in pixels.
    """

    iterations: int = Field(5, ge=1)


class OhemTerm(LossTerm):
    """Cross-entropy of the hardest pixels alone.

    Attributes:
        share: Their share of all pixels.
    """

    share: float = Field(0.1, gt=0, le=1)


class LossConfig(Section):
    """A weighted sum of losses.

    Attributes:
        bce: Weight of the cross-entropy: binary for one class, softmax for several.
        dice: Weight of the Dice loss.
        positive_weight: Factor on the cross-entropy of crack pixels in ``bce``.
        balanced_bce: Weight of the class-balanced cross-entropy.
        jaccard: Weight of the Jaccard loss.
        lovasz: Weight of the Lovasz loss.
        boundary: Weight of the boundary loss; it counts pixels of distance, so 0.01 is much.
        border: The cross-entropy weighted by the map of the U-Net paper.
        focal: The focal loss.
        tversky: The Tversky loss.
        focal_tversky: The focal Tversky loss.
        cldice: The centreline Dice loss.
        ohem: The cross-entropy of the hardest pixels.
    """

    bce: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    positive_weight: float = Field(2.0, gt=0)
    balanced_bce: float = Field(0.0, ge=0)
    jaccard: float = Field(0.0, ge=0)
    lovasz: float = Field(0.0, ge=0)
    boundary: float = Field(0.0, ge=0)
    border: BorderTerm = BorderTerm(weight=0)
    focal: FocalTerm = FocalTerm(weight=0)
    tversky: TverskyTerm = TverskyTerm(weight=0)
    focal_tversky: FocalTverskyTerm = FocalTverskyTerm(weight=0)
    cldice: ClDiceTerm = ClDiceTerm(weight=0)
    ohem: OhemTerm = OhemTerm(weight=0)

    @model_validator(mode="after")
    def _something(self) -> LossConfig:
        plain = self.bce + self.dice + self.balanced_bce + self.jaccard + self.lovasz + self.boundary
        terms = (self.border, self.focal, self.tversky, self.focal_tversky, self.cldice, self.ohem)
        if plain + sum(term.weight for term in terms) == 0:
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
