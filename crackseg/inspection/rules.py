"""Rules: from measurements to OK, WARN, NG or CANNOT JUDGE, with the reasons."""

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
"""What a condition can ask of an image as a whole."""

_SYNONYMS = {"density": "crack_fraction"}
_RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_CONDITION = re.compile(r"\s*([a-z0-9_]+)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*")
_STATISTICS: dict[str, WidthStatistic] = {name: name for name in get_args(WidthStatistic)}
_WIDTH = re.compile(rf"width_(?P<statistic>{'|'.join(_STATISTICS)})_(?P<unit>px|mm)")
_MILLIMETRES = re.compile(r"_(mm|mm2)$")


def crack_measurements() -> tuple[str, ...]:
    """Return what a condition can ask of a single crack: every number that is measured."""
    return NUMBER_NAMES


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a measurement with a limit.

    Attributes:
        measurement: Name of the measurement.
        relation: One of ``>``, ``>=``, ``<``, ``<=``.
        limit: The limit, in the unit of the measurement.
    """

    measurement: str
    relation: str
    limit: float

    @property
    def of_image(self) -> bool:
        """Whether it asks something of the image as a whole, not of a single crack."""
        return self.measurement in IMAGE_MEASUREMENTS

    def holds(self, value: float) -> bool:
        """Return whether a value fulfils the condition."""
        return bool(_RELATIONS[self.relation](value, self.limit))


def parse_condition(text: str) -> Condition:
    """Read a condition such as ``width_max_mm > 0.3``.

    Raises:
        ValueError: If it is none, or its measurement is unknown.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a condition such as 'width_max_mm > 0.3', got {text!r}")
    name, relation, limit = match.groups()
    measurement = _SYNONYMS.get(name, name)
    if measurement not in (*IMAGE_MEASUREMENTS, *crack_measurements()):
        raise ValueError(
            f"no such measurement: {name!r}; known are {', '.join((*IMAGE_MEASUREMENTS, *crack_measurements()))}"
        )
    return Condition(measurement, relation, float(limit))


class Rule(Section):
    """One rule: when all of its conditions hold, the image gets its verdict.

    Conditions on cracks must all hold for one and the same crack.

    Attributes:
        name: What to call it in the reasons.
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
        """Its conditions, read."""
        return tuple(parse_condition(text) for text in self.when)


class Area(Section):
    """A rectangle in shares of the image's height and width, 0 to 1.

    Attributes:
        row0: Upper side.
        col0: Left side.
        row1: Lower side.
        col1: Right side.
    """

    row0: float = Field(default=0.0, ge=0, le=1)
    col0: float = Field(default=0.0, ge=0, le=1)
    row1: float = Field(default=1.0, ge=0, le=1)
    col1: float = Field(default=1.0, ge=0, le=1)


class Rules(Section):
    """What is judged, where, and how.

    Attributes:
        rules: All are looked at; the gravest verdict counts.
        quality: What an image must have to be judged.
        regions: Only cracks inside one of these count; the whole image if there are none.
        ignore: Cracks inside these do not count.
        region_mask: A mask file, enlarged or shrunk to each image: only cracks where it is white count.
        ignore_mask: The same the other way round.
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
    """Which part of the images counts.

    Attributes:
        rules: Where it is described.
        inside: ``(h, w) bool`` mask of `Rules.region_mask`, or None.
        outside: ``(h, w) bool`` mask of `Rules.ignore_mask`, or None.
    """

    rules: Rules
    inside: NDArray[np.bool_] | None = None
    outside: NDArray[np.bool_] | None = None

    @property
    def whole(self) -> bool:
        """Whether every pixel of every image counts."""
        named = self.rules.regions or self.rules.ignore
        return not named and self.inside is None and self.outside is None

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which pixels of an image of this height and width count."""
        counts = np.full(shape, not self.rules.regions)
        for area in self.rules.regions:
            counts[_slices(area, shape)] = True
        for area in self.rules.ignore:
            counts[_slices(area, shape)] = False
        if self.inside is not None:
            counts &= _fitted(self.inside, shape)
        if self.outside is not None:
            counts &= ~_fitted(self.outside, shape)
        return counts

    def sha256(self) -> str:
        """Return a hash of the two masks, in hexadecimal."""
        digest = hashlib.sha256()
        for mask in (self.inside, self.outside):
            digest.update(b"none" if mask is None else repr(mask.shape).encode() + np.packbits(mask).tobytes())
        return digest.hexdigest()


def load_rules(path: Path | None = None, *, overrides: Sequence[str] = ()) -> JudgedArea:
    """Read rules and the masks they name; a mask's path counts from the folder of the file.

    Args:
        path: A YAML file; the rules that come with the package if None.
        overrides: ``a.b=value`` each.

    Raises:
        ConfigError: If a key is unknown, or a value or condition wrong.
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
    """Check that no rule asks for millimetres where there are none.

    Raises:
        UsageError: If one does.
    """
    for rule in rules.rules:
        for condition in rule.conditions:
            if _MILLIMETRES.search(condition.measurement) and not known:
                raise UsageError(
                    f"the rule asks for {condition.measurement}, and no scale is known",
                    where=f"rule '{display_text(rule.name)}'",
                    hint="give --scale MM_PER_PX, or ask for pixels",
                )


def judge(
    rules: Rules, measurements: Mapping[str, float], cracks: Sequence[CrackMeasurement]
) -> tuple[Verdict, tuple[str, ...]]:
    """Apply the rules.

    A crack that a rule cannot decide on, because the measurement it asks for could not be made or keeps below the
    limit by less than its uncertainty, makes the image CANNOT JUDGE, unless another rule makes it NG.

    Args:
        rules: The rules.
        measurements: Measurements of the image as a whole, by name.
        cracks: Its cracks.

    Returns:
        The gravest verdict, and the reasons for every rule that applied, gravest first.
    """
    found: list[tuple[Verdict, str]] = []
    for rule in rules.rules:
        answer = _apply(rule, measurements, cracks)
        if answer is not None:
            found.append(answer)
    found.sort(key=lambda answer: VERDICTS.index(answer[0]))
    return (found[0][0] if found else "OK"), tuple(reason for _, reason in found)


def _apply(
    rule: Rule, measurements: Mapping[str, float], cracks: Sequence[CrackMeasurement]
) -> tuple[Verdict, str] | None:
    """Return the verdict and reason of a rule; None if it does not apply."""
    name = display_text(rule.name)
    told = []
    for condition in (item for item in rule.conditions if item.of_image):
        value = measurements.get(condition.measurement)
        if value is None or not condition.holds(value):
            return None
        told.append(_told(condition, value))
    asked = [item for item in rule.conditions if not item.of_image]
    if not asked:
        return rule.verdict, f"{rule.verdict} {name}: {', '.join(told)}"
    hits = [crack for crack in cracks if _decide(asked, crack) is True]
    if hits:
        worst = max(hits, key=lambda crack: abs(_value(crack, asked[0].measurement) or 0.0))
        told += [_told(condition, _value(worst, condition.measurement) or 0.0) for condition in asked]
        row0, col0, row1, col1 = worst.box
        count = f"{len(hits)} cracks, the largest" if len(hits) > 1 else "a crack"
        place = f"{count} at rows {row0}-{row1}, cols {col0}-{col1}"
        return rule.verdict, f"{rule.verdict} {name}: {', '.join(told)} ({place})"
    open_cracks = sum(_decide(asked, crack) is None for crack in cracks)
    if open_cracks:
        wanted = ", ".join(f"{item.measurement} {item.relation} {item.limit:g}" for item in asked)
        return "CANNOT JUDGE", f"CANNOT JUDGE {name}: {wanted} cannot be told of {open_cracks} of {len(cracks)} cracks"
    return None


def _decide(conditions: Sequence[Condition], crack: CrackMeasurement) -> bool | None:
    """Return whether a crack fulfils all conditions; None if that hangs on a measurement that could not be made."""
    unknown = False
    for condition in conditions:
        value = _value(crack, condition.measurement)
        if value is None:
            most = _most(condition.measurement, crack)
            unknown = True
            if most is not None and condition.relation.startswith(">") and not condition.holds(most):
                return False
        elif _could_hold(condition, crack, value):
            unknown = True
        elif not condition.holds(value):
            return False
    return None if unknown else True


def _could_hold(condition: Condition, crack: CrackMeasurement, value: float) -> bool:
    """Return whether a value that keeps below a limit may exceed it all the same, by its uncertainty."""
    stem, _, unit = condition.measurement.rpartition("_")
    uncertainty = crack.flat_values().get(f"{stem}_uncertainty_{unit}")
    if uncertainty is None or condition.holds(value) or not condition.relation.startswith(">"):
        return False
    return condition.holds(value + uncertainty)


def _most(measurement: str, crack: CrackMeasurement) -> float | None:
    """Return what a width stays below that is too small to be told; None if that is not known either."""
    found = _WIDTH.fullmatch(measurement)
    if found is None or (found["unit"] == "mm" and crack.scale is None):
        return None
    resolution, statistic = RESOLUTIONS[crack.width.source], _STATISTICS[found["statistic"]]
    least_px = resolution.least_px(statistic)
    factor = 1.0 if crack.scale is None or found["unit"] == "px" else crack.scale.mm_per_px
    return (least_px + resolution.uncertainty_px(least_px, statistic)) * factor


def _value(crack: CrackMeasurement, measurement: str) -> float | None:
    value = crack.flat_values()[measurement]
    return None if value is None else float(value)


def _told(condition: Condition, value: float) -> str:
    return f"{condition.measurement} {value:.4g} {condition.relation} {condition.limit:g}"


def _slices(area: Area, shape: tuple[int, int]) -> tuple[slice, slice]:
    height, width = shape
    rows = slice(round(area.row0 * height), round(area.row1 * height))
    return rows, slice(round(area.col0 * width), round(area.col1 * width))


def _fitted(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == shape:
        return mask
    return cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.bool_)
