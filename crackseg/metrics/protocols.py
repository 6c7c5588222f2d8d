"""Protocols: what is resized, forgiven, pooled and left out before a number may be called F1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crackseg.metrics.classes import class_scores
from crackseg.metrics.scores import CURVE, LINES, ORACLE, PLAIN, SHAPES, SIZES, Score, by_key

ProtocolName = Literal["native", "classic", "centreline", "resize512", "classes"]
Part = Literal["pixels", "shapes", "sizes", "lines", "curve", "sweep", "classes"]
"""What is counted of an image; each protocol needs some."""

RESIZED_PX = 512
"""Side to which protocol ``resize512`` brings images, in pixels."""
TOLERANCE_PX = 2
"""Distance forgiven by the tolerant scores of protocol ``native``, in pixels."""
LINE_TOLERANCE_PX = 4
"""Distance forgiven by clIoU, in pixels."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a model is scored.

    Attributes:
        name: Of the protocol.
        resized: What is resized.
        tolerance: Which distance is forgiven.
        threshold: Where the threshold comes from; None for the model's own or the one that was asked for.
        pooling: Whether pixels are pooled over images or scores averaged.
        empty: What becomes of images without crack, and of those on which nothing is called.
        source: Who reports so.
        scores: What is reported.
        parts: What must be counted for it.
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
        """Whether the threshold is chosen on the very images that are scored."""
        return self.threshold is not None

    def card(self, threshold: str) -> dict[str, str]:
        """Return what must be told beside the scores, by title.

        Args:
            threshold: The threshold in use and where it came from; an oracle says its own.
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
    "an image without crack adds its false calls, one without calls its misses; a score with nothing to divide by is "
    "undefined"
)

NATIVE = Protocol(
    name="native",
    resized=_NOTHING_RESIZED,
    tolerance="none; where a distance is named, any pixel of the other mask within it, centre to centre; boundaries "
    "and components 2 px",
    threshold=None,
    pooling="pixels pooled over images; 'mean of images' is the mean of the images' own scores",
    empty=f"{_POOLED_EMPTY}. In a mean an image with neither crack nor call is left out, one with only either scores 0",
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
    pooling="centreline pixels pooled over images; both masks are thinned to one pixel, so widths do not count",
    empty=_POOLED_EMPTY,
    source="clIoU: Benz, Rodehorst, OmniCrack30k, 2024; clDice: Shit et al., 2021",
    scores=LINES,
    parts=("lines",),
)

RESIZE512 = Protocol(
    name="resize512",
    resized="image and mask to 512x512 px whatever their shape, bicubic; the mask is crack from half on",
    tolerance="none",
    threshold="ORACLE: the best of 0, 0.01 ... 0.99 on the very images that are scored; not to be had in use",
    pooling="ODS, OIS and mIoU are means over images, F1 and IoU pooled; mIoU averages in the background, of which an "
    "all-black mask alone gets nearly .5",
    empty="an image without crack scores 0, whatever is called",
    source="as recent crack transformers report: SCSegamba, Liu et al., CVPR 2025, and its evaluate.py",
    scores=ORACLE,
    parts=("sweep",),
)

_ALL = {protocol.name: protocol for protocol in (NATIVE, CLASSIC, CENTRELINE, RESIZE512)}


def find_protocols(name: ProtocolName | Literal["all"], *, classes: int = 1) -> tuple[Protocol, ...]:
    """Return the protocols of a name; all of them for ``all``.

    Args:
        name: Of the protocol.
        classes: Classes that the model tells apart; of more than two, each is scored besides.
    """
    found = tuple(_ALL.values()) if name == "all" else (_ALL[name],)
    return (*found, classes_protocol(classes)) if classes > 2 else found


def classes_protocol(classes: int) -> Protocol:
    """Return how so many classes are scored, the background being one of them."""
    return Protocol(
        name="classes",
        resized=_NOTHING_RESIZED,
        tolerance="none",
        threshold=None,
        pooling="pixels pooled over images, each class against all else; macro is the mean of the classes, micro "
        "the score of their pixels put together",
        empty="a class that neither is there nor is called is left out of the macro mean",
        source="this project: a pixel from the threshold on is of the class that is likeliest beside the background",
        scores=class_scores(classes),
        parts=("classes",),
    )
