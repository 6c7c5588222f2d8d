"""The losses of a training, each with its weight and its settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from crackseg.config import Section

Probability = Annotated[float, Field(ge=0, le=1)]


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


class PatchDiceTerm(LossTerm):
    """Dice loss of each patch by itself.

    Attributes:
        smooth: Pixels added to both sides of the fraction.
    """

    smooth: float = Field(100.0, gt=0)


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
        dice: Weight of the Dice loss over the whole batch.
        positive_weight: Factor on the cross-entropy of crack pixels in ``bce``.
        balanced_bce: Weight of the class-balanced cross-entropy.
        jaccard: Weight of the Jaccard loss.
        lovasz: Weight of the Lovasz loss.
        boundary: Weight of the boundary loss; it counts pixels of distance, so 0.01 is much.
        patch_dice: The Dice loss of each patch by itself.
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
    patch_dice: PatchDiceTerm = PatchDiceTerm(weight=0)
    border: BorderTerm = BorderTerm(weight=0)
    focal: FocalTerm = FocalTerm(weight=0)
    tversky: TverskyTerm = TverskyTerm(weight=0)
    focal_tversky: FocalTverskyTerm = FocalTverskyTerm(weight=0)
    cldice: ClDiceTerm = ClDiceTerm(weight=0)
    ohem: OhemTerm = OhemTerm(weight=0)

    @model_validator(mode="after")
    def _something(self) -> LossConfig:
        plain = self.bce + self.dice + self.balanced_bce + self.jaccard + self.lovasz + self.boundary
        terms = (
            self.patch_dice, self.border, self.focal, self.tversky, self.focal_tversky, self.cldice, self.ohem,
        )  # fmt: skip
        if plain + sum(term.weight for term in terms) == 0:
            raise ValueError("expected at least one loss with a weight above 0")
        return self
