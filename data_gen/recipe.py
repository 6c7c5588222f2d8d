"""Frozen, validated settings of a sample; every range is ``[low, high]`` with low <= high."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MIN_AREA_PX = 30
"""Default least area of a cut-out, in pixels."""

Placement = Literal["anywhere", "beside", "on"]


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] <= pair[1]:
        raise ValueError(f"expected [low, high] with low <= high, got [{pair[0]}, {pair[1]}]")
    return pair


def _ordered_count(pair: tuple[int, int]) -> tuple[int, int]:
    if not pair[0] <= pair[1]:
        raise ValueError(f"expected [low, high] with low <= high, got [{pair[0]}, {pair[1]}]")
    return pair


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Unit = Annotated[float, Field(ge=0, le=1)]

Probability = _Unit
Weight = _NotNegative
Span = Annotated[tuple[_Finite, _Finite], AfterValidator(_ordered)]
SpanNotNegative = Annotated[tuple[_NotNegative, _NotNegative], AfterValidator(_ordered)]
SpanPositive = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
SpanUnit = Annotated[tuple[_Unit, _Unit], AfterValidator(_ordered)]
SpanCount = Annotated[
    tuple[Annotated[int, Field(ge=0, le=100_000)], Annotated[int, Field(ge=0, le=100_000)]],
    AfterValidator(_ordered_count),
]


class Section(BaseModel):
    """A frozen group of settings in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mix(Section):
    """Relative weights of alternatives, one field each; they need not sum to one."""

    @model_validator(mode="after")
    def _some_weight(self) -> "Mix":
        if not sum(self.weights().values()) > 0:
            raise ValueError("expected at least one weight above 0, got all 0")
        return self

    def weights(self) -> dict[str, float]:
        """Return the weight of each alternative by name."""
        return {name: float(getattr(self, name)) for name in type(self).model_fields}


class PatternMix(Mix):
    """Weights of the crack patterns. ``cutout`` applies only if patterns are given."""

    single: Weight = 5.0
    branched: Weight = 3.0
    crossing: Weight = 0.7
    network: Weight = 1.0
    parallel: Weight = 0.6
    hairline: Weight = 2.0
    cutout: Weight = 3.0


class CracksRecipe(Section):
    """Shape of the cracks.

    Lengths are fractions of the image side. Widths are in pixels, and thin cracks are more frequent. Cut-outs with an
    area below ``min_cutout_px`` are dropped, before and after they are scaled and cut off at the border of the image.
    """

    empty_probability: Probability = 0.08
    count: SpanCount = (1, 4)
    mix: PatternMix = PatternMix()
    width_px: SpanPositive = (0.8, 16.0)
    hairline_width_px: SpanPositive = (0.45, 1.0)
    wide_probability: Probability = 0.12
    wide_width_px: SpanPositive = (10.0, 45.0)
    length: SpanPositive = (0.6, 2.6)
    roughness: SpanNotNegative = (0.3, 1.3)
    edge_roughness: SpanNotNegative = (0.1, 0.5)
    width_variation: SpanNotNegative = (0.1, 0.45)
    gap_probability: Probability = 0.15
    overlap: bool = True
    min_cutout_px: Annotated[int, Field(ge=1)] = MIN_AREA_PX
    scale: SpanPositive = (1.0, 1.0)
    shear: SpanUnit = (0.0, 0.2)
    elastic_probability: Probability = 0.5
    elastic_alpha_px: SpanNotNegative = (2.0, 12.0)
    elastic_sigma_px: SpanPositive = (16.0, 64.0)


class AppearanceRecipe(Section):
    """Appearance of the cracks. A ``contrast`` of 1 is black, 0 is invisible.

    Without a profile, the cracks of an image have one flat tone: no depth, crumbs, lips, chips, dust or stains. Dark
    open cracks look like that in real images, and a network trained only on profiles misses them.
    """

    profile_probability: Probability = 0.5
    contrast: SpanUnit = (0.1, 0.95)
    faint_probability: Probability = 0.35
    faint_contrast: SpanUnit = (0.05, 0.28)
    light_probability: Probability = 0.03
    softness_px: SpanNotNegative = (0.0, 1.2)
    crumble: SpanUnit = (0.0, 0.75)
    lip_probability: Probability = 0.5
    lip_strength: SpanUnit = (0.05, 0.45)
    spall_probability: Probability = 0.3
    rubble_probability: Probability = 0.6
    dust_probability: Probability = 0.6
    halo_probability: Probability = 0.25


class SurfaceMix(Mix):
    """Weights of the surfaces. ``background`` applies only if background images are given."""

    concrete: Weight = 4.0
    asphalt: Weight = 4.0
    plaster: Weight = 1.5
    brick: Weight = 0.7
    tile: Weight = 0.5
    metal: Weight = 0.5
    background: Weight = 5.0


class SurfaceRecipe(Section):
    """Crack-free surface. Background images that are too small are mirrored or tiled."""

    mix: SurfaceMix = SurfaceMix()
    brightness: SpanUnit = (0.35, 0.86)
    colourfulness: SpanUnit = (0.0, 0.15)
    texture: SpanNotNegative = (0.5, 1.4)
    grain_px: SpanPositive = (1.2, 16.0)
    stain_probability: Probability = 0.4
    extend: Literal["mirror", "tile"] = "mirror"


class NoiseRecipe(Section):
    """Noise patches of four families: specks, squares, tall and flat patches.

    Counts are per 1024 x 1024 pixels and scale with the area. Sizes are in pixels. With ``changes_mask``, the patches
    cover the cracks, and the covered part is removed from the mask.
    """

    probability: Probability = 0.2
    specks: SpanCount = (100, 300)
    speck_side_px: SpanPositive = (10, 15)
    squares: SpanCount = (3, 5)
    square_side_px: SpanPositive = (30, 50)
    tall: SpanCount = (3, 5)
    flat: SpanCount = (3, 5)
    long_side_px: SpanPositive = (30, 50)
    short_side_px: SpanPositive = (10, 15)
    strength: SpanUnit = (0.05, 0.45)
    placement: Placement = "anywhere"
    changes_mask: bool = False

    @model_validator(mode="before")
    @classmethod
    def _accept_old_name(cls, values: Any) -> Any:
        """Read ``changes_truth``, the former name of ``changes_mask``; the last one wins."""
        if not isinstance(values, Mapping):
            return values
        return {"changes_mask" if key == "changes_truth" else key: value for key, value in values.items()}


class ConfounderMix(Mix):
    """Weights of the confounders."""

    joint: Weight = 2.0
    formwork: Weight = 1.0
    moulding: Weight = 1.0
    cable: Weight = 1.0
    scratch: Weight = 1.0
    tar_seam: Weight = 0.6
    pencil: Weight = 1.0
    wire_shadow: Weight = 1.0
    stain: Weight = 1.0
    tyre_mark: Weight = 0.7
    tile_gap: Weight = 0.8
    marking: Weight = 1.2
    insect: Weight = 0.4
    hair: Weight = 0.4
    shadow: Weight = 1.0
    patch_edge: Weight = 0.7


class ConfounderRecipe(Section):
    """Objects that look like cracks. ``probability`` is that of any, ``count`` then their number.

    Cables, hairs, insects, markings, patches and seams cover cracks with ``over_probability``. The covered part is
    removed from the mask.
    """

    probability: Probability = 0.6
    count: SpanCount = (1, 3)
    mix: ConfounderMix = ConfounderMix()
    width_px: SpanPositive = (0.8, 9.0)
    contrast: SpanUnit = (0.08, 0.8)
    follow_probability: Probability = 0.3
    over_probability: Probability = 0.3
    clearance_px: Annotated[int, Field(ge=0, le=64)] = 2


class CameraRecipe(Section):
    """Camera effects. Strengths without a unit are relative to full scale (1.0)."""

    enabled: bool = True
    defocus_probability: Probability = 0.75
    defocus_sigma_px: SpanNotNegative = (0.3, 1.4)
    motion_probability: Probability = 0.12
    motion_px: SpanPositive = (2.0, 6.0)
    vignette: SpanUnit = (0.0, 0.35)
    shading: SpanUnit = (0.0, 0.4)
    exposure: SpanPositive = (0.75, 1.2)
    gamma: SpanPositive = (0.75, 1.3)
    white_balance: SpanUnit = (0.0, 0.12)
    grey_probability: Probability = 0.2
    shot_noise: SpanUnit = (0.0, 0.03)
    read_noise: SpanUnit = (0.0, 0.02)
    sharpen_probability: Probability = 0.3
    sharpen: SpanNotNegative = (0.2, 1.2)
    jpeg_probability: Probability = 0.7
    jpeg_quality: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]],
        AfterValidator(_ordered_count),
    ] = (45, 97)


class AnnotatorRecipe(Section):
    """Errors of a simulated annotator, for studies. The exact mask is kept as well.

    A branch is missed with ``miss_probability`` and shortened with ``shorten_probability``.
    """

    enabled: bool = False
    dilate_px: SpanCount = (0, 2)
    erode_px: SpanCount = (0, 1)
    shift_px: SpanNotNegative = (0.0, 2.0)
    miss_probability: Probability = 0.1
    shorten_probability: Probability = 0.1


class Recipe(Section):
    """All settings of a sample; the defaults are those of ``mixed.yaml``.

    ``size`` is the side of the square image, in pixels. Pixels above ``level`` are crack or noise: in patterns that are
    cut out, in noise that covers cracks, and in binary images. None is 50, or Otsu's threshold in grey patterns.

    Example:
        >>> Recipe(size=256, cracks={"count": [1, 1]}).cracks.count
        (1, 1)
    """

    mode: Literal["photo", "binary"] = "photo"
    size: Annotated[int, Field(ge=64, le=16_384)] = 1024
    level: Annotated[int, Field(ge=0, le=254)] | None = None
    cracks: CracksRecipe = CracksRecipe()
    appearance: AppearanceRecipe = AppearanceRecipe()
    surface: SurfaceRecipe = SurfaceRecipe()
    noise: NoiseRecipe = NoiseRecipe()
    confounders: ConfounderRecipe = ConfounderRecipe()
    camera: CameraRecipe = CameraRecipe()
    annotator: AnnotatorRecipe = AnnotatorRecipe()

    @model_validator(mode="after")
    def _cracks_fit(self) -> "Recipe":
        thinnest = min(self.cracks.width_px[0], self.cracks.hairline_width_px[0])
        if self.cracks.count[1] > 0 and thinnest > self.size / 8:
            raise ValueError(
                f"expected a size of {math.ceil(8 * thinnest)} or more for cracks of at least {thinnest:g} px width, "
                f"got {self.size}"
            )
        return self
