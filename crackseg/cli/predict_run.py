"""``crackseg predict``, apart from its options: what it does needs no library that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crackseg.cli.output import ProgressLine, print_error, print_json
from crackseg.errors import (
    EXIT_DONE,
    EXIT_SOME_FAILED,
    CracksegError,
    ModelError,
    OutputError,
    UsageError,
    display_text,
)

if TYPE_CHECKING:
    from crackseg.geometry import ScaleSource
    from crackseg.labels.detections import LabelFiles
    from crackseg.modelcard.card import PrecisionName
    from crackseg.prediction.decoding import ReadAhead
    from crackseg.prediction.loading import RuntimeName
    from crackseg.prediction.model import Model
    from crackseg.prediction.result import Prediction, PredictionResult
    from crackseg.prediction.streaming import StreamedPrediction
    from crackseg.prediction.tta import TtaName


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """What a user may say; `crackseg.cli.predict` says what each means."""

    images: list[Path]
    output: Path = Path("predictions")
    model: str | None = None
    threshold: float | None = None
    hysteresis: float | None = None
    probability: bool = False
    scale: float | None = None
    scale_file: Path | None = None
    marker: float | None = None
    formats: str | None = None
    runtime: RuntimeName = "auto"
    precision: PrecisionName | None = None
    tile: int | None = None
    memory: float | None = None
    tta: TtaName = "none"
    device: str = "auto"
    json: bool = False
    quiet: bool = False
    verbose: bool = False


def run_predict(options: PredictOptions) -> int:
    """Find the cracks in images; return the exit code.

    Raises:
        CracksegError: If it cannot be begun or finished.
    """
    import numpy  # noqa: F401  both threads need it, so it comes before the second one

    from crackseg.prediction.loading import load_ahead, load_model

    pending = load_ahead(
        lambda: load_model(
            options.model,
            runtime=options.runtime,
            device=options.device,
            precision=options.precision,
            tile_size=options.tile,
            memory_gib=options.memory,
        )
    )
    import crackseg.prediction.model  # noqa: F401  all that is needed is imported while the model is loaded
    from crackseg.prediction.decoding import ReadAhead

    paths = _collect(options.images)
    known = _known_scale(options)
    labels = _open_labels(options.output, options.formats)
    images = ReadAhead(paths) if len(paths) == 1 else paths
    loaded = pending.result().with_options(tta=options.tta, hysteresis=options.hysteresis)
    writer = _Writer(loaded, options.output, options.probability, labels, options.threshold, known)
    results, failed = [], 0
    with ProgressLine("predict", len(paths), quiet=options.quiet or options.json) as line:
        tell = (line.say if options.verbose else _say_nothing, _say_nothing if options.json else print)
        if note := getattr(loaded.predictor, "note", ""):
            line.say(f"crackseg: note: {note}")
        for done, entry in enumerate(writer.write_all(paths, images, tell), 1):
            failed += isinstance(entry, dict)
            if options.json:
                results.append(entry if isinstance(entry, dict) else entry.to_dict())
            line.update(done)
    if labels is not None:
        labels.finish()
    if options.json:
        print_json({"output": display_text(options.output), "failed": failed, "images": results})
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def _known_scale(options: PredictOptions) -> ScaleSource | None:
    given = options.scale, options.scale_file, options.marker
    if given == (None, None, None):
        return None
    from crackseg.cli.scale_options import known_scale

    return known_scale(*given)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes what a model says about an image.

    Attributes:
        model: The model.
        output: Where to.
        probability: Whether to write the probability, too.
        labels: Where labels go, if they are asked for.
        threshold: Probability from which a pixel counts as crack; the model's own if None.
        scale: Millimetres per pixel, if known, or the markers that tell.
    """

    model: Model
    output: Path
    probability: bool
    labels: LabelFiles | None
    threshold: float | None
    scale: ScaleSource | None

    def write_all(
        self,
        paths: list[Path],
        images: list[Path] | ReadAhead,
        tell: tuple[Callable[[str], None], Callable[[str], None]],
    ) -> Iterator[Prediction | StreamedPrediction | dict[str, str]]:
        """Write the results of images in their order, and return each, or its name and why there is none.

        Args:
            paths: The images.
            images: The same paths, or the files if they are already being read.
            tell: Told how each image is cut, and what was found.

        Raises:
            ModelError: If the model cannot be used.
            OutputError: If a result cannot be written.
        """
        from crackseg.machine import peak_memory_text
        from crackseg.prediction.scheduling import predict_each

        steps = self.model.steps(threshold=self.threshold, scale=self.scale)
        for path, prediction in zip(paths, predict_each(steps, images, self._save), strict=True):
            try:
                result = self._write(prediction, path)
            except (ModelError, OutputError):
                raise
            except CracksegError as error:
                print_error(str(error))
                yield {"image": display_text(prediction.name), "error": str(error)}
                continue
            tell[0](f"{display_text(result.name)}: {result.plan.describe()}, {peak_memory_text()}")
            tell[1](_summary(result, self.output))
            yield result

    def _save(self, result: PredictionResult) -> PredictionResult:
        """Write a result in the thread that computed it; a failure is left as it is."""
        if result.error is None:
            result.save(self.output, probability=self.probability)
        return result

    def _write(self, result: PredictionResult, path: Path) -> Prediction | StreamedPrediction:
        """Write what goes into one file for all images, or find and write what is too large to be read whole.

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


def _say_nothing(_: str) -> None:
    pass


def _open_labels(output: Path, formats: str | None) -> LabelFiles | None:
    if formats is None:
        return None
    from crackseg.labels.detections import LabelFiles, parse_formats

    return LabelFiles(output / "labels", parse_formats(formats))


def _add_labels(labels: LabelFiles, photo: Path, result: Prediction) -> None:
    from crackseg.labels.detections import ImageDetections, detected_objects

    objects = detected_objects(result.mask, [crack.to_dict() for crack in result.cracks])
    shape = (result.mask.shape[0], result.mask.shape[1])
    labels.add(ImageDetections(name=display_text(result.name), path=photo, shape=shape, objects=objects))


def _collect(given: list[Path]) -> list[Path]:
    """Return the image files that are meant; two that would write the same results are refused."""
    from crackseg.files import list_images

    paths: list[Path] = []
    for item in given:
        found = list_images(item) if item.is_dir() else (item,)
        if not found:
            raise UsageError("holds no image", where=item, hint="put images there, as PNG or JPEG for example")
        if not item.exists():
            raise UsageError("no such file", where=item, hint="check the path")
        paths.extend(found)
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            other = display_text(stems[path.stem])
            raise UsageError(f"would write the same files as {other}", where=path, hint="predict them into two folders")
        stems[path.stem] = path
    return paths


def _summary(result: Prediction | StreamedPrediction, output: Path) -> str:
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
