"""Turn measurements into OK, WARN, NG or CANNOT JUDGE, with reasons."""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from crackseg.config import Section, load_config
from crackseg.errors import ImageError, UsageError, display_text
from crackseg.imaging.codec import read_mask
from crackseg.inspection.quality import QualityLimits
from crackseg.inspection.records import VERDICTS, Verdict
from crackseg.measurement.crack import CrackMeasurement
from crackseg.measurement.resolution import RESOLUTIONS, WidthStatistic
from crackseg.measurement.values import NUMBER_NAMES

IMAGE_MEASUREMENTS = (
    "components",
    "crack_fraction",
    "density_per_px",
    "density_per_mm",
    "length_total_px",
    "length_total_mm",
)
"""Measurements of the whole image that a condition can compare."""

_SYNONYMS = {"density": "crack_fraction"}
_RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_CONDITION = re.compile(r"\s*([a-z0-9_]+)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*")
_STATISTICS: dict[str, WidthStatistic] = {name: name for name in get_args(WidthStatistic)}
_WIDTH = re.compile(rf"width_(?P<statistic>{'|'.join(_STATISTICS)})_(?P<unit>px|mm)")
_MILLIMETRES = re.compile(r"_(mm|mm2)$")


def crack_measurements() -> tuple[str, ...]:
    """Return the measurements of a crack that a condition can compare."""
    return NUMBER_NAMES


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a measurement with a limit.

    Attributes:
        measurement: Name of the measurement.
        relation: ``>``, ``>=``, ``<`` or ``<=``.
        limit: Limit, in the unit of the measurement.
    """

    measurement: str
    relation: str
    limit: float

    @property
    def of_image(self) -> bool:
        """True for a measurement of the whole image, not of a crack."""
        return self.measurement in IMAGE_MEASUREMENTS

    def holds(self, value: float) -> bool:
        """Return whether a value fulfils the condition."""
        return bool(_RELATIONS[self.relation](value, self.limit))


def parse_condition(text: str) -> Condition:
    """Parse a condition such as ``width_max_mm > 0.3``.

    Raises:
        ValueError: If the text is not a condition, or its measurement is unknown.

    >>> parse_condition("width_max_mm > 0.3")
    Condition(measurement='width_max_mm', relation='>', limit=0.3)
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a condition such as 'width_max_mm > 0.3', got {text!r}")
    name, relation, limit = match.groups()
    measurement = _SYNONYMS.get(name, name)
    if measurement not in (*IMAGE_MEASUREMENTS, *crack_measurements()):
        known = ", ".join((*IMAGE_MEASUREMENTS, *crack_measurements()))
        raise ValueError(f"unknown measurement {name!r}; use one of {known}")
    return Condition(measurement, relation, float(limit))


class Rule(Section):
    """Verdict for an image that fulfils all conditions of the rule.

    Conditions on cracks must all hold for the same crack.

    Attributes:
        name: Name of the rule in the reasons.
        verdict: WARN or NG.
        when: Conditions, such as ``width_max_mm > 0.3``.
    """

    name: str = Field(min_length=1)
    verdict: Literal["WARN", "NG"]
    when: tuple[str, ...] = Field(min_length=1)

    @field_validator("when")
    @classmethod
    def _check(cls, when: tuple[str, ...]) -> tuple[str, ...]:
        for text in when:
            parse_condition(text)
        return when

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Parsed conditions."""
        return tuple(parse_condition(text) for text in self.when)


class Area(Section):
    """Rectangle, as fractions of the height and width of the image, 0 to 1.

    Attributes:
        row0: Top.
        col0: Left.
        row1: Bottom.
        col1: Right.
    """

    row0: float = Field(default=0.0, ge=0, le=1)
    col0: float = Field(default=0.0, ge=0, le=1)
    row1: float = Field(default=1.0, ge=0, le=1)
    col1: float = Field(default=1.0, ge=0, le=1)


class Rules(Section):
    """Rules for verdicts, limits of image quality, and the regions where cracks count.

    Attributes:
        rules: Rules; the gravest verdict counts.
        quality: Limits that an image must keep to be judged.
        regions: Regions where cracks count; the whole image if empty.
        ignore: Regions where cracks do not count.
        region_mask: Mask file, resized to each image; cracks count where it is white.
        ignore_mask: Mask file, resized to each image; cracks do not count where it is white.
    """

    rules: tuple[Rule, ...] = (
        Rule(name="long crack", verdict="NG", when=("length_px >= 100",)),
        Rule(name="crack", verdict="WARN", when=("components >= 1",)),
    )
    quality: QualityLimits = QualityLimits()
    regions: tuple[Area, ...] = ()
    ignore: tuple[Area, ...] = ()
    region_mask: Path | None = None
    ignore_mask: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class JudgedArea:
    """Rules, with the masks that their files hold.

    Attributes:
        rules: Rules.
        inside: ``(h, w)`` bool mask of `Rules.region_mask`; None if there is none.
        outside: ``(h, w)`` bool mask of `Rules.ignore_mask`; None if there is none.
    """

    rules: Rules
    inside: NDArray[np.bool_] | None = None
    outside: NDArray[np.bool_] | None = None

    @property
    def whole(self) -> bool:
        """True if every pixel of every image counts."""
        has_regions = self.rules.regions or self.rules.ignore
        return not has_regions and self.inside is None and self.outside is None

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the pixels that count in an image.

        Args:
            shape: Height and width ``(H, W)`` of the image, in pixels.

        Returns:
            ``(H, W)`` bool mask.
        """
        counts = np.full(shape, not self.rules.regions)
        for area in self.rules.regions:
            counts[_slices(area, shape)] = True
        for area in self.rules.ignore:
            counts[_slices(area, shape)] = False
        if self.inside is not None:
            counts &= _fit_mask(self.inside, shape)
        if self.outside is not None:
            counts &= ~_fit_mask(self.outside, shape)
        return counts

    def sha256(self) -> str:
        """Return a hash of the two masks, in hexadecimal."""
        digest = hashlib.sha256()
        for mask in (self.inside, self.outside):
            digest.update(b"none" if mask is None else repr(mask.shape).encode() + np.packbits(mask).tobytes())
        return digest.hexdigest()


def load_rules(path: Path | None = None, *, overrides: Sequence[str] = ()) -> JudgedArea:
    """Read rules and their mask files.

    Args:
        path: YAML file; the default rules if None. Paths of masks are relative to its folder.
        overrides: Settings that replace those of the file, ``a.b=value`` each.

    Raises:
        ConfigError: If a key is unknown, or a value or condition is invalid.
        UsageError: If a mask is missing or cannot be read.
    """
    rules = load_config(Rules, path, overrides=overrides)
    home = Path() if path is None else path.parent

    def mask(name: Path | None) -> NDArray[np.bool_] | None:
        try:
            return None if name is None else read_mask(home / name)
        except ImageError as error:
            raise UsageError(error.what, where=error.where, hint=error.hint) from error

    return JudgedArea(rules, mask(rules.region_mask), mask(rules.ignore_mask))


def check_scale(rules: Rules, *, known: bool) -> None:
    """Check that rules in millimetres have a scale.

    Args:
        rules: Rules.
        known: Whether a scale is known.

    Raises:
        UsageError: If a rule needs millimetres and no scale is known.
    """
    for rule in rules.rules:
        for condition in rule.conditions:
            if _MILLIMETRES.search(condition.measurement) and not known:
                raise UsageError(
                    f"the condition on {condition.measurement} needs millimetres, and no scale is known",
                    where=f"rule '{display_text(rule.name)}'",
                    hint="give --scale MM_PER_PX, or use a measurement in pixels",
                )


def judge(
    rules: Rules, measurements: Mapping[str, float], cracks: Sequence[CrackMeasurement]
) -> tuple[Verdict, tuple[str, ...]]:
    """Apply the rules.

    A crack leaves a rule undecided if a measurement is missing, or is below the limit by less than its uncertainty.
    The image is then CANNOT JUDGE, unless another rule makes it NG.

    Args:
        rules: Rules.
        measurements: Measurements of the whole image, by name.
        cracks: Cracks of the image.

    Returns:
        Gravest verdict, and the reasons of all rules that apply, gravest first.
    """
    verdicts: list[tuple[Verdict, str]] = []
    for rule in rules.rules:
        answer = _apply(rule, measurements, cracks)
        if answer is not None:
            verdicts.append(answer)
    verdicts.sort(key=lambda answer: VERDICTS.index(answer[0]))
    return (verdicts[0][0] if verdicts else "OK"), tuple(reason for _, reason in verdicts)


def _apply(
    rule: Rule, measurements: Mapping[str, float], cracks: Sequence[CrackMeasurement]
) -> tuple[Verdict, str] | None:
    """Return verdict and reason of a rule, if it applies."""
    name = display_text(rule.name)
    facts = []
    for condition in (item for item in rule.conditions if item.of_image):
        value = measurements.get(condition.measurement)
        if value is None or not condition.holds(value):
            return None
        facts.append(_describe(condition, value))
    on_cracks = [item for item in rule.conditions if not item.of_image]
    if not on_cracks:
        return rule.verdict, f"{rule.verdict} {name}: {', '.join(facts)}"
    hits = [crack for crack in cracks if _decide(on_cracks, crack) is True]
    if hits:
        worst = max(hits, key=lambda crack: abs(_value(crack, on_cracks[0].measurement) or 0.0))
        facts += [_describe(item, _value(worst, item.measurement) or 0.0) for item in on_cracks]
        row0, col0, row1, col1 = worst.box
        count = f"{len(hits)} cracks, the largest" if len(hits) > 1 else "a crack"
        place = f"{count} at rows {row0}-{row1}, cols {col0}-{col1}"
        return rule.verdict, f"{rule.verdict} {name}: {', '.join(facts)} ({place})"
    open_cracks = sum(_decide(on_cracks, crack) is None for crack in cracks)
    if open_cracks:
        conditions = ", ".join(f"{item.measurement} {item.relation} {item.limit:g}" for item in on_cracks)
        reason = f"{conditions} is undecided for {open_cracks} of {len(cracks)} cracks"
        return "CANNOT JUDGE", f"CANNOT JUDGE {name}: {reason}"
    return None


def _decide(conditions: Sequence[Condition], crack: CrackMeasurement) -> bool | None:
    """Return whether a crack fulfils all conditions; None if undecided."""
    unknown = False
    for condition in conditions:
        value = _value(crack, condition.measurement)
        if value is None:
            bound = _width_bound(condition.measurement, crack)
            unknown = True
            if bound is not None and condition.relation.startswith(">") and not condition.holds(bound):
                return False
        elif _could_hold(condition, crack, value):
            unknown = True
        elif not condition.holds(value):
            return False
    return None if unknown else True


def _could_hold(condition: Condition, crack: CrackMeasurement, value: float) -> bool:
    """Return whether a value could exceed a limit within its uncertainty."""
    stem, _, unit = condition.measurement.rpartition("_")
    uncertainty = crack.flat_values().get(f"{stem}_uncertainty_{unit}")
    if uncertainty is None or condition.holds(value) or not condition.relation.startswith(">"):
        return False
    return condition.holds(value + uncertainty)


def _width_bound(measurement: str, crack: CrackMeasurement) -> float | None:
    """Return an upper bound of an unmeasurable width, if known."""
    match = _WIDTH.fullmatch(measurement)
    if match is None or (match["unit"] == "mm" and crack.scale is None):
        return None
    resolution, statistic = RESOLUTIONS[crack.width.source], _STATISTICS[match["statistic"]]
    least_px = resolution.least_px(statistic)
    factor = 1.0 if crack.scale is None or match["unit"] == "px" else crack.scale.mm_per_px
    return (least_px + resolution.uncertainty_px(least_px, statistic)) * factor


def _value(crack: CrackMeasurement, measurement: str) -> float | None:
    value = crack.flat_values()[measurement]
    return None if value is None else float(value)


def _describe(condition: Condition, value: float) -> str:
    return f"{condition.measurement} {value:.4g} {condition.relation} {condition.limit:g}"


def _slices(area: Area, shape: tuple[int, int]) -> tuple[slice, slice]:
    height, width = shape
    rows = slice(round(area.row0 * height), round(area.row1 * height))
    return rows, slice(round(area.col0 * width), round(area.col1 * width))


def _fit_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == shape:
        return mask
    return cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.bool_)
