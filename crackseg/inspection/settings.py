"""Define the settings that decide the result of a file."""

from __future__ import annotations

from dataclasses import dataclass

from crackseg.geometry import ScaleSource
from crackseg.inspection.rules import JudgedArea
from crackseg.prediction.loading import RuntimeName, default_model
from crackseg.prediction.model import DEFAULT_TILE_PX
from crackseg.prediction.scales import SCALES
from crackseg.prediction.tta import TtaName


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings that decide a result, together with the file and the model.

    Attributes:
        area: Rules, and the part of each image where cracks count.
        scale: Scale, or the markers in each image that give it; None if unknown.
        model: Name of a shipped model, a model file or a run folder; the default model if None.
        threshold: Probability from which a pixel counts as crack; the threshold of the model if None.
        runtime: Library that computes.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tile_size: Largest side of a tile, in pixels.
        tta: Test-time augmentation.
    """

    area: JudgedArea
    scale: ScaleSource | None = None
    model: str | None = None
    threshold: float | None = None
    runtime: RuntimeName = "auto"
    device: str = "auto"
    tile_size: int = DEFAULT_TILE_PX
    tta: TtaName = "none"

    @property
    def model_name(self) -> str:
        """Name of the requested model or of the default model."""
        return self.model or default_model()

    def describe_passes(self) -> str:
        """Return in words the images that a probability is the mean over."""
        if self.tta == "none":
            return "the image at its own size"
        if self.tta == "scales":
            return f"mean over the image at {', '.join(f'{scale:g}' for scale in SCALES)} times its size"
        return f"mean over {self.tta} of the image"

    def describe_scale(self) -> str:
        """Return the source of millimetres in words."""
        return "no scale" if self.scale is None else self.scale.describe()
