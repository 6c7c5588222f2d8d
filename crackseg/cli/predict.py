"""``crackseg predict``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.console import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.cli.scales import MarkerOption, ScaleFileOption, ScaleOption, known_scale
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
    from crackseg.detection import LabelFiles
    from crackseg.geometry import Scale
    from crackseg.measurement.scale import Marker
    from crackseg.prediction import Model, Prediction
    from crackseg.reading import ReadImage
    from crackseg.streaming import StreamedPrediction


ThresholdOption = Annotated[float | None, typer.Option(help="Probability that counts as crack. [default: the model's]")]
HysteresisOption = Annotated[
    float | None, typer.Option(metavar="LOW", help="From here on pixels count, too, that hang together with a crack.")
]
RuntimeOption = Annotated[
    Literal["auto", "onnx", "openvino", "torch", "torch-compiled"], typer.Option(help="Library that computes.")
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "int8"] | None, typer.Option(help="What to compute in. [default: the model's own]")
]
TtaOption = Annotated[
    Literal["none", "flips", "rotations", "scales"],
    typer.Option(help="Average over 4 mirror images, 8 with turns, or 3 sizes."),
]


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("predictions"),
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    threshold: ThresholdOption = None,
    hysteresis: HysteresisOption = None,
    probability: Annotated[bool, typer.Option("--probability", help="Also write the probability, 16 bit.")] = False,
    scale: ScaleOption = None,
    scale_file: ScaleFileOption = None,
    marker: MarkerOption = None,
    formats: Annotated[
        str | None, typer.Option(help="Also write labels: some of voc,coco,yolo,labelme.", metavar="FORMATS")
    ] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = None,
    tile: Annotated[int | None, typer.Option(metavar="PX", help="Largest side of a tile.", min=64)] = None,
    memory: Annotated[float | None, typer.Option(metavar="GIB", help="Memory for a tile, in GiB. [default: 2]")] = None,
    tta: TtaOption = "none",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say how each image is cut, and the memory used.")
    ] = False,
) -> int:
    """Find the cracks in images: mask, overlay and measurements of each.

    Example: crackseg predict wall.jpg drone/ -o out --scale 0.4
    """
    import numpy  # noqa: F401  both threads need it, so it comes before the second one

    from crackseg.models import load_ahead, load_model

    pending = load_ahead(
        lambda: load_model(
            model, runtime=runtime, device=device, precision=precision, tile_size=tile, memory_gib=memory
        )
    )
    import crackseg.prediction  # noqa: F401  all that is needed is imported while the model is loaded
    from crackseg.reading import read_ahead

    paths = _collect(images)
    known = known_scale(scale, scale_file, marker)
    labels = _open_labels(output, formats)
    pixels = read_ahead(paths) if len(paths) == 1 else None
    loaded = pending.result().tuned(tta=tta, hysteresis=hysteresis)
    writer = _Writer(loaded, output, probability, labels, threshold, known)
    with ProgressLine("predict", len(paths), quiet=quiet or json) as line:
        tell = (line.say if verbose else _say_nothing, _say_nothing if json else print)
        if note := getattr(loaded.predictor, "note", ""):
            line.say(f"crackseg: note: {note}")
        results, failed = [], 0
        for done, entry in enumerate(writer.write_all(paths, pixels, tell), 1):
            failed += isinstance(entry, dict)
            if json:
                results.append(entry if isinstance(entry, dict) else entry.to_dict())
            line.update(done)
    if labels is not None:
        labels.finish()
    if json:
        print_json({"output": display_text(output), "failed": failed, "images": results})
    return EXIT_SOME_FAILED if failed else EXIT_DONE


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
    scale: Scale | Marker | None

    def write_all(
        self,
        paths: list[Path],
        pixels: Iterable[ReadImage] | None,
        tell: tuple[Callable[[str], None], Callable[[str], None]],
    ) -> Iterator[Prediction | StreamedPrediction | dict[str, str]]:
        """Write the results of images in their order, and return each, or its name and why there is none.

        Args:
            paths: The images.
            pixels: What is in them, where that is being read already.
            tell: Told how each image is cut, and what was found.

        Raises:
            ModelError: If the model cannot be used.
            OutputError: If a result cannot be written.
        """
        from crackseg.machine import peak_memory_text

        if pixels is None:
            found = self.model.predict_each(paths, self._save, threshold=self.threshold, scale=self.scale)
        else:
            found = map(self._save, self.model.predict_read(pixels, threshold=self.threshold, scale=self.scale))
        for path, prediction in zip(paths, found, strict=True):
            try:
                result = self._write(prediction, path)
            except (ModelError, OutputError):
                raise
            except CracksegError as error:
                print_error(str(error))
                yield {"image": display_text(prediction.name), "error": str(error)}
                continue
            tell[0](f"{display_text(result.name)}: {result.plan_of(self.model).describe()}, {peak_memory_text()}")
            tell[1](_summary(result, self.output))
            yield result

    def _save(self, found: Prediction) -> Prediction:
        """Write a result, where there is one, in the thread that found it."""
        if found.error is None:
            found.save(self.output, probability=self.probability)
        return found

    def _write(self, found: Prediction, path: Path) -> Prediction | StreamedPrediction:
        """Write what goes into one file for all images, or find and write what is too large to be read whole.

        Raises:
            CracksegError: If there is no result, or it cannot be written.
        """
        from crackseg.prediction import TooLargeError

        if isinstance(found.error, TooLargeError):
            return self._stream(path)
        if found.error is not None:
            raise found.error
        if self.labels is not None:
            _add_labels(self.labels, path, found)
        return found

    def _stream(self, path: Path) -> StreamedPrediction:
        from crackseg.geometry import Scale
        from crackseg.streaming import predict_streamed
        from crackseg.tiff import TiffImage

        if self.labels is not None:
            raise UsageError("is too large for labels", where=path, hint="leave --formats out")
        if self.scale is not None and not isinstance(self.scale, Scale):
            raise UsageError("is too large to look for markers", where=path, hint="give --scale")
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
    from crackseg.detection import LabelFiles, parse_formats

    return LabelFiles(output / "labels", parse_formats(formats))


def _add_labels(labels: LabelFiles, photo: Path, result: Prediction) -> None:
    from crackseg.detection import Detected, detected_objects

    objects = detected_objects(result.mask, [crack.to_dict() for crack in result.cracks])
    shape = (result.mask.shape[0], result.mask.shape[1])
    labels.add(Detected(name=display_text(result.name), photo=photo, shape=shape, objects=objects))


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
