"""Declare the losses of a training, with weights and settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from crackseg.config import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class LossTerm(Section):
    """A loss with settings; a bare number in its place is its weight.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
    """

    weight: float = Field(1.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _number_is_weight(cls, value: Any) -> Any:
        return {"weight": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class BorderTerm(LossTerm):
    """Cross-entropy weighted by the border map of the U-Net paper.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        w0: Additional weight of a pixel where two cracks touch.
        sigma: Distance over which the additional weight decreases, in pixels.
        balance: true weights crack and background by their frequency in the batch; false gives both a weight of 1.
    """

    w0: float = Field(10.0, ge=0)
    sigma: float = Field(5.0, gt=0)
    balance: bool = False


class PatchDiceTerm(LossTerm):
    """Dice loss of each patch.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        smooth: Number of pixels added to numerator and denominator.
    """

    smooth: float = Field(100.0, gt=0)


class FocalTerm(LossTerm):
    """Focal loss.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        gamma: Exponent that reduces the loss of pixels that are already right; 0 is the cross-entropy.
        alpha: Weight of crack pixels. Background pixels have 1 - alpha.
    """

    gamma: float = Field(2.0, ge=0)
    alpha: Probability = 0.25


class TverskyTerm(LossTerm):
    """Tversky loss.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        alpha: Weight of false alarms.
        beta: Weight of missed cracks.
    """

    alpha: float = Field(0.3, ge=0)
    beta: float = Field(0.7, ge=0)


class FocalTverskyTerm(TverskyTerm):
    """Focal Tversky loss: the Tversky loss to the power of 1 / gamma.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        alpha: Weight of false alarms.
        beta: Weight of missed cracks.
        gamma: Inverse of the exponent.
    """

    gamma: float = Field(4 / 3, ge=1, le=3)


class ClDiceTerm(LossTerm):
    """Centreline Dice loss.

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        iterations: Number of erosions of the soft skeleton; at least half the width of the widest crack, in pixels.
    """

    iterations: int = Field(5, ge=1)


class OhemTerm(LossTerm):
    """Cross-entropy of the hardest pixels only (online hard example mining).

    Attributes:
        weight: Weight in the sum; 0 leaves the loss out.
        share: Share of all pixels that count as the hardest.
    """

    share: float = Field(0.1, gt=0, le=1)


class LossConfig(Section):
    """Weighted sum of losses.

    Attributes:
        bce: Weight of the cross-entropy: binary for one class, softmax for several.
        dice: Weight of the Dice loss over the whole batch.
        positive_weight: Factor on the cross-entropy of crack pixels in ``bce``.
        balanced_bce: Weight of the class-balanced cross-entropy.
        jaccard: Weight of the Jaccard loss.
        lovasz: Weight of the Lovasz loss.
        boundary: Weight of the boundary loss. That loss is a distance in pixels, so 0.01 is a large weight.
        patch_dice: Dice loss of each patch.
        border: Cross-entropy weighted by the border map of the U-Net paper.
        focal: Focal loss.
        tversky: Tversky loss.
        focal_tversky: Focal Tversky loss.
        cldice: Centreline Dice loss.
        ohem: Cross-entropy of the hardest pixels only.
    """

    bce: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    positive_weight: float = Field(2.0, gt=0)
    balanced_bce: float = Field(0.0, ge=0)
    jaccard: float = Field(0.0, ge=0)
    lovasz: float = Field(0.0, ge=0)
    boundary: float = Field(0.0, ge=0)
    patch_dice: PatchDiceTerm = PatchDiceTerm(weight=0)
    border: BorderTerm = BorderTerm(weight=0)
    focal: FocalTerm = FocalTerm(weight=0)
    tversky: TverskyTerm = TverskyTerm(weight=0)
    focal_tversky: FocalTverskyTerm = FocalTverskyTerm(weight=0)
    cldice: ClDiceTerm = ClDiceTerm(weight=0)
    ohem: OhemTerm = OhemTerm(weight=0)

    @model_validator(mode="after")
    def _check_weights(self) -> LossConfig:
        plain = self.bce + self.dice + self.balanced_bce + self.jaccard + self.lovasz + self.boundary
        terms = (
            self.patch_dice, self.border, self.focal, self.tversky, self.focal_tversky, self.cldice, self.ohem,
        )  # fmt: skip
        if plain + sum(term.weight for term in terms) == 0:
            raise ValueError("expected at least one loss with a weight above 0")
        return self
