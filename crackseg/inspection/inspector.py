"""Inspect one file: read, predict, measure, judge and draw it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, ModelError, OutputError, UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Scale, ScaleSource
from crackseg.imaging.codec import decode_image, encode_png, image_size, mask_pixels, read_file
from crackseg.inspection.overlay import add_caption, draw_result, encode_thumbnail, find_widest_place
from crackseg.inspection.quality import list_quality_problems, measure_quality
from crackseg.inspection.records import FileResult, FileStamp, OutputFile, Verdict, failed_result, skipped_result
from crackseg.inspection.rules import judge
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import has_image_suffix, has_supported_suffix
from crackseg.inspection.tasks import FileRead, Inspector, ReadCallback, Task
from crackseg.machine import usable_cores
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.modelcard.domain import Domain
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.result import Prediction

_NO_DOMAIN = "the model card does not describe the training images, so no image is CANNOT JUDGE for being far from them"


@dataclass(frozen=True, slots=True)
class InspectorPlan:
    """Recipe for the inspector of a worker process.

    Attributes:
        settings: Settings that decide a result.
        root: Inspected folder.
        output: Folder of the results.
    """

    settings: Settings
    root: Path
    output: Path

    def build(self, threads: int) -> Inspector:
        """Load the model and return its inspector.

        Args:
            threads: Number of threads to compute with.

        Raises:
            CracksegError: If the model cannot be loaded.
        """
        settings = self.settings
        with _few_cores(threads):
            model = load_model(
                settings.model, runtime=settings.runtime, device=settings.device, tile_size=settings.tile_size
            )
        model.threshold(settings.threshold)
        return ModelInspector(self, model.with_options(tta=settings.tta))


class ModelInspector:
    """Inspector that applies a model to files.

    Args:
        plan: Settings and folders.
        model: Model.
    """

    def __init__(self, plan: InspectorPlan, model: Model) -> None:
        self._plan = plan
        self.model = model
        self._domain = Domain.from_dict(model.card.domain, where=model.card.name)

    @property
    def note(self) -> str:
        """Remark for the user that holds for the whole run; see `Inspector`."""
        checks_distance = self._plan.settings.area.rules.quality.max_distance is not None
        return _NO_DOMAIN if checks_distance and self._domain is None else ""

    @property
    def terms(self) -> str:
        """Terms of use of the model, from its card."""
        return self.model.card.terms

    def __call__(self, task: Task, on_read: ReadCallback, /) -> FileResult:
        """Inspect a file; see `Inspector`.

        Raises:
            OutputError: If an output cannot be written.
        """
        started_s = time.perf_counter()
        try:
            result = self._inspect(task, on_read)
        except OutputError:
            raise
        except ImageError as error:
            result = failed_result("decode", _without_place(error))
        except ModelError as error:
            result = failed_result("model", _without_place(error))
        except MemoryError:
            result = failed_result("memory", "needs more memory than the limit")
        except Exception as error:  # noqa: BLE001  the one boundary per file: the run continues
            result = _unforeseen(error)
        return dataclasses.replace(result, seconds=round(time.perf_counter() - started_s, 4))

    def _inspect(self, task: Task, on_read: ReadCallback) -> FileResult:
        path = self._plan.root / os.fsdecode(task.path)
        try:
            data, stamp = _read_steadily(path)
        except UsageError:
            return failed_result("missing", "file no longer exists")
        except ImageError as error:
            return failed_result("unreadable", _without_place(error))
        shape = _probe_shape(path)
        on_read(FileRead(hashlib.sha256(data).hexdigest(), stamp, 0 if shape is None else shape[0] * shape[1]))
        if shape is None and not has_image_suffix(task.path):
            return skipped_result("not_an_image", "not an image in a supported format")
        if shape is None and not has_supported_suffix(task.path):
            return failed_result("decode", "unsupported image format; convert the file to PNG, TIFF or JPEG")
        settings, name = self._plan.settings, display_text(task.path)
        pixels = decode_image(data, name=name)
        scale, problems = _find_scale(pixels, settings.scale)
        prediction = self.model.predict(pixels, threshold=settings.threshold, scale=scale, name=name)
        return self._judge(task, prediction, problems)

    def _judge(self, task: Task, result: Prediction, problems: tuple[str, ...]) -> FileResult:
        """Judge a prediction and write its mask and overlay.

        Args:
            task: File.
            result: Prediction for it.
            problems: Reasons why it cannot be judged, found before the prediction.
        """
        settings = self._plan.settings
        mask, counts = self._restrict_mask(result)
        cracks = result.cracks if counts is None else _measure(result, mask)
        area_px = mask.size if counts is None else int(counts.sum())
        quality = measure_quality(result.image, self._domain)
        measurements = _measurements(mask, area_px, cracks, result.scale)
        verdict, reasons = judge(settings.area.rules, measurements, cracks)
        if problems := (*problems, *list_quality_problems(quality, settings.area.rules.quality)):
            verdict, reasons = "CANNOT JUDGE", (*(f"CANNOT JUDGE {reason}" for reason in problems), *reasons)
        if area_px == 0:
            verdict, reasons = "CANNOT JUDGE", ("CANNOT JUDGE no pixel is inside the regions of the rules",)
        drawn = draw_result(result.image, mask, find_widest_place(cracks))
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

    def _restrict_mask(self, result: Prediction) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Restrict the mask of a prediction to the regions of the rules.

        Returns:
            ``(H, W)`` bool mask of the cracks that count, and ``(H, W)`` bool mask of all pixels that count; None for
            the latter if every pixel counts.
        """
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


def _find_scale(pixels: NDArray[np.uint8], scale: ScaleSource | None) -> tuple[Scale | None, tuple[str, ...]]:
    """Find the scale of an image, or the problem with it."""
    if scale is None:
        return None, ()
    try:
        return scale.scale_of(pixels), ()
    except ImageError as error:
        return None, (f"no scale: {error.what}",)


def _measure(result: Prediction, mask: NDArray[np.bool_]) -> tuple[CrackMeasurement, ...]:
    """Measure the cracks of part of the mask of a prediction."""
    return measure_cracks(
        mask, scale=result.scale, probability=result.probability, threshold=result.threshold, image=result.image
    )


def _overlay(drawn: NDArray[np.uint8], verdict: Verdict, reasons: tuple[str, ...]) -> bytes:
    return encode_png(add_caption(drawn, verdict, reasons), compression=1)


def _measurements(
    mask: NDArray[np.bool_], area_px: int, cracks: tuple[CrackMeasurement, ...], scale: Scale | None
) -> dict[str, float]:
    """Return the measurements of the whole image, by name."""
    lengths = [crack.length_px for crack in cracks]
    widths = [crack.width_max_px for crack in cracks if crack.width_max_px is not None]
    measurements = {
        "components": float(len(cracks)),
        "crack_fraction": int(mask.sum()) / max(area_px, 1),
        "density_per_px": sum(lengths) / max(area_px, 1),
        "length_total_px": sum(lengths),
        "length_max_px": max(lengths, default=0.0),
    }
    if widths or not cracks:  # cracks whose widths are all unknown give no width, not zero
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
    """Read a file and its stamp, invalid if the file changed meanwhile."""
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


def _probe_shape(path: Path) -> tuple[int, int] | None:
    """Return height and width from the header; None without a header."""
    try:
        return image_size(path)
    except CracksegError:
        return None


def _without_place(error: CracksegError) -> str:
    """Return the text of an error without the name of the file."""
    return display_text(error.what if error.hint is None else f"{error.what}; {error.hint}")


def _unforeseen(error: Exception) -> FileResult:
    reason = display_text(str(error))[:300]
    if "alloc" in reason.lower():
        return failed_result("memory", "needs more memory than the limit")
    return failed_result("error", f"{type(error).__name__}: {reason}")


@contextmanager
def _few_cores(threads: int) -> Iterator[None]:
    """Show only some cores to libraries that count them while they load."""
    if not hasattr(os, "sched_setaffinity") or threads >= usable_cores():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
