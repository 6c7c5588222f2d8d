"""Define evaluation protocols: resizing, tolerance, pooling and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from crackseg.errors import UsageError
from crackseg.metrics.classes import class_scores
from crackseg.metrics.scores import CURVE, LINES, ORACLE, PLAIN, SHAPES, SIZES, Score, by_key

ProtocolName = Literal["native", "classic", "centreline", "resize512", "classes"]
Part = Literal["pixels", "shapes", "sizes", "lines", "curve", "sweep", "classes"]
"""Group of counts of an image; each protocol needs some of them."""

RESIZED_PX = 512
"""Side to which protocol ``resize512`` resizes images, in pixels."""
TOLERANCE_PX = 2
"""Tolerance of the boundary and component scores of protocol ``native``, in pixels."""
LINE_TOLERANCE_PX = 4
"""Tolerance of clIoU, in pixels."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules by which a model is scored; texts are for a report.

    Attributes:
        name: Name of the protocol.
        resized: Inputs that are resized, in words.
        tolerance: Distances at which pixels still match, in words.
        threshold: Source of the threshold, in words; None for the model's or the user's threshold.
        pooling: Pooling of pixels or averaging of scores over images, in words.
        empty: Treatment of images without crack or without predicted crack, in words.
        source: Publications that use the protocol.
        scores: Reported scores.
        parts: Counts that the scores need.
    """

    name: ProtocolName
    resized: str
    tolerance: str
    threshold: str | None
    pooling: str
    empty: str
    source: str
    scores: tuple[Score, ...]
    parts: tuple[Part, ...]

    @property
    def oracle(self) -> bool:
        """True if the threshold is chosen on the scored images."""
        return self.threshold is not None

    def card(self, threshold: str) -> dict[str, str]:
        """Return the rules to state next to the scores, by title.

        Args:
            threshold: Threshold in use and its source, in words; an oracle replaces it by its own.
        """
        return {
            "resized": self.resized,
            "tolerance": self.tolerance,
            "threshold": self.threshold or threshold,
            "pooling": self.pooling,
            "empty masks": self.empty,
            "source": self.source,
        }


_NOTHING_RESIZED = "nothing: images and masks at their own size"
_POOLED_EMPTY = (
    "an image without crack adds its false calls, one without calls its misses; a score with denominator 0 is undefined"
)

NATIVE = Protocol(
    name="native",
    resized=_NOTHING_RESIZED,
    tolerance="none; with a stated distance, any pixel of the other mask within it, centre to centre; boundaries "
    "and components 2 px",
    threshold=None,
    pooling="pixels pooled over images; 'mean of images' is the mean of the scores of the images",
    empty=f"{_POOLED_EMPTY}. A mean leaves out images with neither crack nor call; one with only either scores 0",
    source="this project; definitions in docs/evaluation.md",
    scores=(
        *by_key(PLAIN, "f1", "precision", "recall", "iou", "f1_mean", "iou_mean"),
        *by_key(PLAIN, "f1_0px", "f1_1px", "f1_2px", "f1_3px", "f1_4px", "f1_5px", "precision_2px", "recall_2px"),
        *SHAPES,
        *SIZES,
        *by_key(PLAIN, "false_alarm", "false_alarm_clean", "clean_images_alarmed"),
    ),
    parts=("pixels", "shapes", "sizes"),
)

CLASSIC = Protocol(
    name="classic",
    resized=_NOTHING_RESIZED,
    tolerance="2 px and 5 px: any pixel of the other mask within it, centre to centre; AP none",
    threshold=None,
    pooling="pixels pooled over images; AP over 256 thresholds even in log-odds",
    empty=_POOLED_EMPTY,
    source="2 px: Fan et al., structured prediction, 2018; 5 px: Shi et al., CrackForest, 2016",
    scores=(
        *by_key(PLAIN, "precision_2px", "recall_2px", "f1_2px", "precision_5px", "recall_5px", "f1_5px"),
        *CURVE,
    ),
    parts=("pixels", "curve"),
)

CENTRELINE = Protocol(
    name="centreline",
    resized=_NOTHING_RESIZED,
    tolerance="clIoU 4 px between the centrelines; clDice none",
    threshold=None,
    pooling="centreline pixels pooled over images; both masks are thinned to one pixel, as thin of scikit-image does, "
    "so widths do not count",
    empty=_POOLED_EMPTY,
    source="clIoU: Benz, Rodehorst, OmniCrack30k, 2024; clDice: Shit et al., 2021",
    scores=LINES,
    parts=("lines",),
)

RESIZE512 = Protocol(
    name="resize512",
    resized="image and mask to 512x512 px regardless of their shape, bicubic; mask values of at least half are crack",
    tolerance="none",
    threshold="ORACLE: the best of 0, 0.01 ... 0.99 on the same images that are scored; not available in use",
    pooling="ODS, OIS and mIoU are means over images, F1 and IoU pooled; mIoU averages the IoU of crack and "
    "background, so an all-black mask scores nearly .5. Probabilities are not stretched",
    empty="an image without crack scores 0 for any prediction",
    source="SCSegamba, Liu et al., CVPR 2025: its test.py divides each output by its largest value; its evaluate.py "
    "prints ODS, OIS and mIoU as here, and as F1 the pooled F1 at threshold 0 of the divided outputs. Here, F1 is the "
    "best pooled one",
    scores=ORACLE,
    parts=("sweep",),
)

_ALL = {protocol.name: protocol for protocol in (NATIVE, CLASSIC, CENTRELINE, RESIZE512)}
_CLASSIC_OF_MASKS = replace(
    CLASSIC,
    tolerance=CLASSIC.tolerance.removesuffix("; AP none"),
    pooling="pixels pooled over images; no AP, which needs probabilities",
    scores=tuple(score for score in CLASSIC.scores if score not in CURVE),
    parts=("pixels",),
)
_OF_MASKS = {protocol.name: protocol for protocol in (NATIVE, _CLASSIC_OF_MASKS, CENTRELINE)}


def find_protocols(
    name: ProtocolName | Literal["all"], *, classes: int = 1, probabilities: bool = True
) -> tuple[Protocol, ...]:
    """Return the protocols with a name; all of them for ``all``.

    Args:
        name: Name of a protocol, or ``all``.
        classes: Number of classes of the model; if more than two, the protocol for classes is added.
        probabilities: Whether there are probabilities. Masks allow no ``resize512`` and no AP.

    Raises:
        UsageError: If the protocol needs probabilities, and there are none.

    Example:
        >>> [protocol.name for protocol in find_protocols("all")]
        ['native', 'classic', 'centreline', 'resize512']
        >>> [protocol.name for protocol in find_protocols("all", probabilities=False)]
        ['native', 'classic', 'centreline']
    """
    known = _ALL if probabilities else _OF_MASKS
    if name != "all" and name not in known:
        raise UsageError(
            f"protocol {name} needs probabilities, and masks have none",
            where="--protocol",
            hint=f"use {', '.join(known)} or all",
        )
    protocols = tuple(known.values()) if name == "all" else (known[name],)
    return (*protocols, classes_protocol(classes)) if classes > 2 else protocols


def classes_protocol(classes: int) -> Protocol:
    """Return the protocol for a number of classes, the background included."""
    return Protocol(
        name="classes",
        resized=_NOTHING_RESIZED,
        tolerance="none",
        threshold=None,
        pooling="pixels pooled over images, each class against all others; macro is the mean of the classes, micro "
        "the score of their summed pixels",
        empty="a class that is neither present nor called is left out of the macro mean",
        source="this project: a pixel at or above the threshold has its most probable class other than the background",
        scores=class_scores(classes),
        parts=("classes",),
    )
