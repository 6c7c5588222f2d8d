"""``crackseg predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crackseg.cli.console import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.cli.scales import MarkerOption, ScaleFileOption, ScaleOption, known_scale
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.detection import LabelFiles
    from crackseg.prediction import Prediction


def predict(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("predictions"),
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Probability that counts as crack. [default: the model's]")
    ] = None,
    probability: Annotated[bool, typer.Option("--probability", help="Also write the probability, 16 bit.")] = False,
    scale: ScaleOption = None,
    scale_file: ScaleFileOption = None,
    marker: MarkerOption = None,
    formats: Annotated[
        str | None, typer.Option(help="Also write labels: some of voc,coco,yolo,labelme.", metavar="FORMATS")
    ] = None,
    runtime: Annotated[
        Literal["auto", "onnx", "openvino", "torch"], typer.Option(help="Library that computes.")
    ] = "auto",
    precision: Annotated[
        Literal["fp32", "bf16", "int8"] | None, typer.Option(help="What to compute in. [default: the model's own]")
    ] = None,
    tile: Annotated[int | None, typer.Option(metavar="PX", help="Largest side of a tile.", min=64)] = None,
    memory: Annotated[float | None, typer.Option(metavar="GIB", help="Memory for a tile, in GiB. [default: 2]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say how each image is cut.")] = False,
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
    from crackseg.prediction import read_ahead

    paths = _collect(images)
    known = known_scale(scale, scale_file, marker)
    labels = _open_labels(output, formats)
    pixels = read_ahead(paths)
    loaded = pending.result()
    results: list[dict[str, Any]] = []
    failed = 0
    with ProgressLine("predict", len(paths), quiet=quiet or json) as line:
        for done, result in enumerate(loaded.predict_read(pixels, threshold=threshold, scale=known), start=1):
            if verbose and result.error is None:
                line.say(f"{display_text(result.name)}: {loaded.plan(result.mask.shape).describe()}")
            if result.error is None:
                result.save(output, probability=probability)
                results.append(result.to_dict())
                if labels is not None:
                    _add_labels(labels, paths[done - 1], result)
            else:
                failed += 1
                print_error(str(result.error))
                results.append({"image": display_text(result.name), "error": str(result.error)})
            if not json and result.error is None:
                print(_summary(result, output))
            line.update(done)
    if labels is not None:
        labels.finish()
    if json:
        print_json({"output": display_text(output), "failed": failed, "images": results})
    return EXIT_SOME_FAILED if failed else EXIT_DONE


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


def _summary(result: Prediction, output: Path) -> str:
    name, target = display_text(result.name), display_text(output / f"{Path(result.name).stem}_overlay.png")
    if not result.cracks:
        return f"{name}: no crack -> {target}"
    unit, factor = ("px", 1.0) if result.scale is None else ("mm", result.scale.mm_per_px)
    longest = max(crack.length_px for crack in result.cracks) * factor
    widths = [crack.width_max_px for crack in result.cracks if crack.width_max_px is not None]
    widest = f"widest {max(widths) * factor:.1f} {unit}" if widths else "too narrow to measure their width"
    count = f"{len(result.cracks)} crack{'s' if len(result.cracks) > 1 else ''}"
    share = 100 * float(result.mask.mean())
    sizes = f"longest {longest:.1f} {unit}, {widest}"
    return f"{name}: {count}, {share:.2f} % of the image, {sizes} -> {target}"
