"""One file: read, predicted, measured, judged and drawn, in a process that may die of it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, ModelError, OutputError, UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Scale, ScaleSource
from crackseg.imaging.codec import decode_image, encode_png, image_size, mask_pixels, read_file
from crackseg.inspection.overlay import add_caption, draw_result, encode_thumbnail, widest_place
from crackseg.inspection.quality import list_quality_problems, measure_quality
from crackseg.inspection.records import FileResult, FileStamp, OutputFile, Verdict, failed, skipped
from crackseg.inspection.rules import JudgedArea, judge
from crackseg.inspection.source import has_image_suffix, has_supported_suffix
from crackseg.machine import usable_cores
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.modelcard.domain import Domain
from crackseg.prediction.loading import RuntimeName, load_model
from crackseg.prediction.model import DEFAULT_TILE_PX, Model
from crackseg.prediction.result import Prediction

_NO_DOMAIN = "the model's card does not tell what it was trained on: no image is taken for too far from that"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides a result, beside the file and the model's bytes.

    Attributes:
        area: The rules, and where they count.
        scale: Scale, or the markers in each image that give it; None if unknown.
        model: Name of a shipped model, file or run folder; the default one if None.
        threshold: Probability from which a pixel counts as crack; the model's own if None.
        runtime: Library that computes.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tile_size: Largest side of a tile, in pixels.
    """

    area: JudgedArea
    scale: ScaleSource | None = None
    model: str | None = None
    threshold: float | None = None
    runtime: RuntimeName = "auto"
    device: str = "auto"
    tile_size: int = DEFAULT_TILE_PX


@dataclass(frozen=True, slots=True)
class Task:
    """A file to inspect.

    Attributes:
        path: Its path below the inspected folder, as bytes.
        output_name: The name of its mask and overlay below their folders.
    """

    path: bytes
    output_name: bytes


@dataclass(frozen=True, slots=True)
class FileRead:
    """Told when a file has been read, before it is decoded.

    Attributes:
        sha256: Of its bytes, in hexadecimal.
        stamp: The file as it was read.
        pixels: How many the header promises; 0 if it cannot be read.
    """

    sha256: str
    stamp: FileStamp
    pixels: int


ReadCallback = Callable[[FileRead], None]


class Inspector(Protocol):
    """What a worker process does with a file."""

    @property
    def note(self) -> str:
        """What the user should know once, whatever the files are; empty if nothing."""

    def __call__(self, task: Task, on_read: ReadCallback, /) -> FileResult:
        """Inspect a file; tell as soon as it has been read.

        Raises:
            OutputError: If a result cannot be written; that ends the run.
        """


@dataclass(frozen=True, slots=True)
class InspectorPlan:
    """Makes the inspector of a worker process, inside of it.

    Attributes:
        settings: What decides a result.
        root: The inspected folder.
        output: Where results go.
    """

    settings: Settings
    root: Path
    output: Path

    def build(self, threads: int) -> Inspector:
        """Load the model.

        Args:
            threads: How many it may compute with.

        Raises:
            CracksegError: If the model cannot be loaded.
        """
        settings = self.settings
        with _few_cores(threads):
            model = load_model(
                settings.model, runtime=settings.runtime, device=settings.device, tile_size=settings.tile_size
            )
        model.threshold(settings.threshold)
        return ModelInspector(self, model)


class Plan(Protocol):
    """Something that can be sent to a worker process and makes an inspector there."""

    def build(self, threads: int) -> Inspector:
        """Return the inspector."""


class ModelInspector:
    """Inspects files with a model.

    Args:
        plan: What decides a result, and where things are.
        model: The model.
    """

    def __init__(self, plan: InspectorPlan, model: Model) -> None:
        self._plan = plan
        self.model = model
        self._domain = Domain.from_dict(model.card.domain, where=model.card.name)

    @property
    def note(self) -> str:
        """What the user should know once; see `Inspector`."""
        wanted = self._plan.settings.area.rules.quality.max_distance is not None
        return _NO_DOMAIN if wanted and self._domain is None else ""

    def __call__(self, task: Task, on_read: ReadCallback, /) -> FileResult:
        """Inspect a file; see `Inspector`."""
        started_s = time.perf_counter()
        try:
            finding = self._inspect(task, on_read)
        except OutputError:
            raise
        except ImageError as error:
            finding = failed("decode", _without_place(error))
        except ModelError as error:
            finding = failed("model", _without_place(error))
        except MemoryError:
            finding = failed("memory", "takes more memory than is allowed")
        except Exception as error:  # noqa: BLE001  the one boundary per file: whatever it is, the rest go on
            finding = _unforeseen(error)
        return _timed(finding, time.perf_counter() - started_s)

    def _inspect(self, task: Task, on_read: ReadCallback) -> FileResult:
        path = self._plan.root / os.fsdecode(task.path)
        try:
            data, stamp = _read_steadily(path)
        except UsageError:
            return failed("missing", "no such file any more")
        except ImageError as error:
            return failed("unreadable", _without_place(error))
        shape = _probed(path)
        on_read(FileRead(hashlib.sha256(data).hexdigest(), stamp, 0 if shape is None else shape[0] * shape[1]))
        if shape is None and not has_image_suffix(task.path):
            return skipped("not_an_image", "not an image in a format known here")
        if shape is None and not has_supported_suffix(task.path):
            return failed("decode", "a picture in a format that is not read here; convert it to PNG, TIFF or JPEG")
        settings, name = self._plan.settings, display_text(task.path)
        pixels = decode_image(data, name=name)
        scale, missing = _scale_of(pixels, settings.scale)
        result = self.model.predict(pixels, threshold=settings.threshold, scale=scale, name=name)
        return self._judged(task, result, missing)

    def _judged(self, task: Task, result: Prediction, missing: tuple[str, ...]) -> FileResult:
        """Judge a prediction, of which something may be missing, and write its pictures."""
        settings = self._plan.settings
        mask, counts = self._counting_mask(result)
        cracks = result.cracks if counts is None else _measure(result, mask)
        area_px = mask.size if counts is None else int(counts.sum())
        quality = measure_quality(result.image, self._domain)
        measurements = _measurements(mask, area_px, cracks, result.scale)
        verdict, reasons = judge(settings.area.rules, measurements, cracks)
        if why := (*missing, *list_quality_problems(quality, settings.area.rules.quality)):
            verdict, reasons = "CANNOT JUDGE", (*(f"CANNOT JUDGE {reason}" for reason in why), *reasons)
        if area_px == 0:
            verdict, reasons = "CANNOT JUDGE", ("CANNOT JUDGE no pixel lies inside the regions that count",)
        drawn = draw_result(result.image, mask, widest_place(cracks))
        return FileResult(
            status="ok",
            verdict=verdict,
            reasons=reasons,
            height_px=mask.shape[0],
            width_px=mask.shape[1],
            measurements=measurements,
            scale_source=None if result.scale is None else result.scale.source,
            cracks=[crack.to_dict() for crack in cracks],
            quality=quality.to_dict(),
            mask=self._write(b"masks", task, encode_png(mask_pixels(mask))),
            overlay=self._write(b"overlays", task, _overlay(drawn, verdict, reasons)),
            thumbnail=encode_thumbnail(drawn),
        )

    def _counting_mask(self, result: Prediction) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Return the mask of the cracks that count, and of the pixels that do; None if all do."""
        area = self._plan.settings.area
        if area.whole:
            return result.mask, None
        counts = area.mask((result.mask.shape[0], result.mask.shape[1]))
        return result.mask & counts, counts

    def _write(self, folder: bytes, task: Task, data: bytes) -> OutputFile:
        name = folder + b"/" + task.output_name
        path = self._plan.output / os.fsdecode(name)
        make_folder(path.parent)
        write_bytes(path, data)
        return OutputFile(name, len(data))


def _scale_of(pixels: NDArray[np.uint8], scale: ScaleSource | None) -> tuple[Scale | None, tuple[str, ...]]:
    """Return the scale of an image, or why there is none."""
    if scale is None:
        return None, ()
    try:
        return scale.scale_of(pixels), ()
    except ImageError as error:
        return None, (f"no scale: {error.what}",)


def _measure(result: Prediction, mask: NDArray[np.bool_]) -> tuple[CrackMeasurement, ...]:
    """Measure the part of a prediction's mask that counts."""
    return measure_cracks(
        mask, scale=result.scale, probability=result.probability, threshold=result.threshold, image=result.image
    )


def _overlay(drawn: NDArray[np.uint8], verdict: Verdict, reasons: tuple[str, ...]) -> bytes:
    return encode_png(add_caption(drawn, verdict, reasons), compression=1)


def _measurements(
    mask: NDArray[np.bool_], area_px: int, cracks: tuple[CrackMeasurement, ...], scale: Scale | None
) -> dict[str, float]:
    """Return the measurements of an image as a whole, by name."""
    lengths = [crack.length_px for crack in cracks]
    widths = [crack.width_max_px for crack in cracks if crack.width_max_px is not None]
    measurements = {
        "components": float(len(cracks)),
        "crack_fraction": int(mask.sum()) / max(area_px, 1),
        "density_per_px": sum(lengths) / max(area_px, 1),
        "length_total_px": sum(lengths),
        "length_max_px": max(lengths, default=0.0),
    }
    if widths or not cracks:  # where no width could be told there is none, not zero
        measurements["width_max_px"] = max(widths, default=0.0)
    if scale is not None:
        factor = scale.mm_per_px
        measurements["scale_mm_per_px"] = factor
        measurements["density_per_mm"] = measurements["density_per_px"] / factor
        for name in ("length_total", "length_max", "width_max"):
            if f"{name}_px" in measurements:
                measurements[f"{name}_mm"] = measurements[f"{name}_px"] * factor
    return {name: round(value, 9 if name.startswith("density") else 6) for name, value in measurements.items()}


def _read_steadily(path: Path) -> tuple[bytes, FileStamp]:
    """Return a file's bytes, and a stamp that vouches for them only if nobody wrote to it meanwhile."""
    now = time.time_ns()
    before = _stat(path)
    data = read_file(path)
    after = _stat(path)
    if before is None or after is None:
        return data, FileStamp(len(data), 0, 0, 0)
    stamp, later = FileStamp.of(before, now), FileStamp.of(after, now)
    return data, stamp if stamp == later else FileStamp.of(after, 0)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _probed(path: Path) -> tuple[int, int] | None:
    """Return the height and width that the header promises; None if there is no header of an image."""
    try:
        return image_size(path)
    except CracksegError:
        return None


def _without_place(error: CracksegError) -> str:
    """Return what an error says, without the file's name, which stands in the row already."""
    return display_text(error.what if error.hint is None else f"{error.what}; {error.hint}")


def _unforeseen(error: Exception) -> FileResult:
    reason = display_text(str(error))[:300]
    if "alloc" in reason.lower():
        return failed("memory", "takes more memory than is allowed")
    return failed("error", f"{type(error).__name__}: {reason}")


def _timed(finding: FileResult, seconds: float) -> FileResult:
    import dataclasses

    return dataclasses.replace(finding, seconds=round(seconds, 4))


@contextmanager
def _few_cores(threads: int) -> Iterator[None]:
    """Let a library that counts the cores it may use while it loads find no more than these."""
    if not hasattr(os, "sched_setaffinity") or threads >= usable_cores():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker process may take.

    Attributes:
        memory_bytes: Memory; None for no limit.
        time_s: Time for one file, beside `time_per_megapixel_s`.
        time_per_megapixel_s: Further time for each million pixels.
        threads: Threads to compute with.
    """

    memory_bytes: int | None = None
    time_s: float = 120.0
    time_per_megapixel_s: float = 5.0
    threads: int = 1
