"""Write the predictions of images to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crackseg.cli.outcome import Outcome
from crackseg.errors import CracksegError, ModelError, OutputError, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.geometry import ScaleSource
    from crackseg.labels.detections import LabelFiles
    from crackseg.prediction.decoding import ReadAhead
    from crackseg.prediction.model import Model
    from crackseg.prediction.result import Prediction, PredictionResult
    from crackseg.prediction.streaming import StreamedPrediction

    WrittenPrediction = Prediction | StreamedPrediction


@dataclass(frozen=True, slots=True)
class PredictionWriter:
    """Writer of the results of one model.

    Attributes:
        model: The model.
        output: Folder for the results.
        probability: Also write the probability.
        labels: Files of labels to add to, if any.
        threshold: Probability from which a pixel counts as crack, in (0, 1]; the model's own if None.
        scale: Source of the millimetres per pixel, if known.
    """

    model: Model
    output: Path
    probability: bool
    labels: LabelFiles | None
    threshold: float | None
    scale: ScaleSource | None

    def write_all(self, paths: list[Path], images: list[Path] | ReadAhead) -> Iterator[Outcome[WrittenPrediction]]:
        """Write the results of images and yield their outcomes in order.

        Args:
            paths: The images.
            images: The same paths, or the files if they are already being read.

        Raises:
            ModelError: If the model cannot be used.
            OutputError: If a result cannot be written.
        """
        from crackseg.prediction.scheduling import predict_each

        steps = self.model.steps(threshold=self.threshold, scale=self.scale)
        for path, prediction in zip(paths, predict_each(steps, images, self._save), strict=True):
            name = display_text(prediction.name)
            try:
                yield Outcome(name, self._finish(prediction, path))
            except (ModelError, OutputError):
                raise
            except CracksegError as error:
                yield Outcome(name, error=error)

    def _save(self, result: PredictionResult) -> PredictionResult:
        """Write a result, in the thread that computed it."""
        if result.error is None:
            result.save(self.output, probability=self.probability)
        return result

    def _finish(self, result: PredictionResult, path: Path) -> WrittenPrediction:
        """Add a result to the labels, or predict a huge image.

        Raises:
            CracksegError: If there is no result, or it cannot be written.
        """
        from crackseg.prediction.result import TooLargeError

        if isinstance(result.error, TooLargeError):
            return self._stream(path)
        if result.error is not None:
            raise result.error
        if self.labels is not None:
            _add_labels(self.labels, path, result)
        return result

    def _stream(self, path: Path) -> StreamedPrediction:
        from crackseg.imaging.tiff import TiffImage
        from crackseg.prediction.streaming import predict_streamed

        if self.labels is not None:
            raise UsageError("is too large for labels", where=path, hint="leave --formats out")
        return predict_streamed(
            TiffImage(path),
            self.model,
            self.output / path.name,
            threshold=self.threshold,
            scale=self.scale,
            keep_probability=self.probability,
        )


def describe(result: WrittenPrediction) -> str:
    """Return the tiles of an image and the peak memory."""
    from crackseg.machine import peak_memory_text

    return f"{display_text(result.name)}: {result.plan.describe()}, {peak_memory_text()}"


def open_labels(output: Path, formats: str | None) -> LabelFiles | None:
    """Return the label files; None if no format is named."""
    if formats is None:
        return None
    from crackseg.labels.detections import LabelFiles, parse_formats

    return LabelFiles(output / "labels", parse_formats(formats))


def _add_labels(labels: LabelFiles, path: Path, result: Prediction) -> None:
    from crackseg.labels.detections import ImageDetections, detected_objects

    objects = detected_objects(result.mask, [crack.to_dict() for crack in result.cracks])
    shape = (result.mask.shape[0], result.mask.shape[1])
    labels.add(ImageDetections(name=display_text(result.name), path=path, shape=shape, objects=objects))


def collect_images(items: list[Path]) -> list[Path]:
    """Return the image files among files and folders.

    Raises:
        UsageError: If one is missing or holds no image, or two would write the same results.
    """
    from crackseg.files import list_images

    paths: list[Path] = []
    for item in items:
        members = list_images(item) if item.is_dir() else (item,)
        if not members:
            raise UsageError("holds no image", where=item, hint="put images there, as PNG or JPEG for example")
        if not item.exists():
            raise UsageError("no such file", where=item, hint="check the path")
        paths.extend(members)
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            other = display_text(stems[path.stem])
            raise UsageError(f"would write the same files as {other}", where=path, hint="predict them into two folders")
        stems[path.stem] = path
    return paths


def summarise(result: WrittenPrediction, output: Path) -> str:
    """Return the cracks of an image in one line."""
    name, target = display_text(result.name), display_text(output / f"{Path(result.name).stem}_overlay.png")
    if not result.cracks:
        return f"{name}: no crack -> {target}"
    unit, factor = ("px", 1.0) if result.scale is None else ("mm", result.scale.mm_per_px)
    longest = max(crack.length_px for crack in result.cracks) * factor
    widths = [crack.width_max_px for crack in result.cracks if crack.width_max_px is not None]
    widest = f"widest {max(widths) * factor:.1f} {unit}" if widths else "too narrow to measure their width"
    count = f"{len(result.cracks)} crack{'s' if len(result.cracks) > 1 else ''}"
    share = 100 * result.crack_fraction
    sizes = f"longest {longest:.1f} {unit}, {widest}"
    return f"{name}: {count}, {share:.2f} % of the image, {sizes} -> {target}"
