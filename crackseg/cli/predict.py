"""Declare ``crackseg predict``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from crackseg.cli.command import Command, PathInput, Positional, as_paths, option
from crackseg.cli.options import (
    DeviceOption,
    FormatsOption,
    HysteresisOption,
    MarkerOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ScaleFileOption,
    ScaleOption,
    ThresholdOption,
    TtaOption,
    memory_option,
)
from crackseg.cli.outcome import Outcome
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, display_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from crackseg.cli.console import Console
    from crackseg.cli.prediction_writer import WrittenPrediction
    from crackseg.geometry import ScaleSource
    from crackseg.prediction.model import Model


@dataclass(frozen=True)
class PredictedImages:
    """Predictions of several images, written to a folder.

    Attributes:
        output: The folder.
        model: Name of the model.
        terms: Terms of use of the model.
        failed: Number of images without a prediction.
        images: Content of the JSON file, or the error, of each image in input order.
    """

    output: Path
    model: str
    terms: str
    failed: int
    images: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {
            "output": display_text(self.output),
            "model": self.model,
            "terms": self.terms,
            "failed": self.failed,
            "images": list(self.images),
        }


@dataclass(frozen=True)
class Predict(Command[PredictedImages]):
    """Find the cracks in images: mask, overlay and measurements of each.

    Writes STEM_mask.png, STEM_overlay.png and STEM.json for each image. In Python, use crackseg.load_model and its
    methods predict and predict_many.
    """

    images: Annotated[PathInput | Sequence[PathInput], Positional("IMAGE|DIR", "Images, or folders of images.")]
    _: KW_ONLY
    output: Annotated[
        PathInput, option("--output", "-o", metavar="DIR", help="Folder for the results.", group="Output")
    ] = "predictions"
    probability: Annotated[
        bool, option("--probability", help="Also write the probability as a 16-bit PNG.", group="Output")
    ] = False
    formats: FormatsOption = None
    model: ModelOption = None
    threshold: ThresholdOption = None
    hysteresis: HysteresisOption = None
    tta: TtaOption = "none"
    scale: ScaleOption = None
    scale_file: ScaleFileOption = None
    marker: MarkerOption = None
    runtime: RuntimeOption = "auto"
    precision: PrecisionOption = None
    device: DeviceOption = "auto"
    tile: Annotated[
        int | None,
        option(
            "--tile",
            metavar="PX",
            help="Largest side of a tile, in pixels.",
            group="Computation",
            default="follows from the memory",
            minimum=64,
        ),
    ] = None
    memory: Annotated[float | None, memory_option("no limit, with tiles of up to 2 GiB")] = None
    examples = ("crackseg predict wall.jpg drone/ -o out --scale 0.4",)
    presentation = ("json", "quiet", "verbose")

    def run(self) -> PredictedImages:
        """Predict all images and write the results."""
        return self._predict(begin=lambda _: None, show=lambda _: None, keep=True)

    def execute(self, console: "Console") -> int:
        """Predict all images and print each when its results are written."""
        import atexit
        import gc

        from crackseg.cli.prediction_writer import describe, summarise

        # Searching the imported modules for garbage, now and at exit, would take a tenth of a cold start.
        gc.disable()
        atexit.register(_skip_last_collection)

        def begin(model: "Model") -> None:
            gc.enable()
            if note := getattr(model.predictor, "note", ""):
                console.note(note)
            console.detail(f"model {model.card.name}; terms: {model.card.terms}")

        def show(outcome: "Outcome[WrittenPrediction]") -> None:
            if outcome.error is not None:
                console.error(str(outcome.error))
            elif outcome.result is not None:
                console.detail(describe(outcome.result))
                console.text(summarise(outcome.result, Path(self.output)))

        try:
            with console.progress("predict") as progress:
                result = replace(self, progress=progress)._predict(begin=begin, show=show, keep=console.json)
        finally:
            gc.enable()
        return self.show(result, console)

    def show(self, result: PredictedImages, console: "Console") -> int:
        """Print the JSON object; the text of each image is printed already."""
        console.result(result.to_dict(), "")
        return EXIT_SOME_FAILED if result.failed else EXIT_DONE

    def _predict(
        self,
        *,
        begin: "Callable[[Model], None]",
        show: "Callable[[Outcome[WrittenPrediction]], None]",
        keep: bool,
    ) -> PredictedImages:
        """Predict all images.

        Args:
            begin: Called with the model before the first image.
            show: Called with each image when its results are written.
            keep: Return the values of all images; without it, memory does not grow with their number.
        """
        import numpy  # noqa: F401  both threads need it, so it is imported before the second one starts

        from crackseg.prediction.loading import load_ahead

        pending = load_ahead(self._load_model)
        import crackseg.prediction.model  # noqa: F401  imported while the model is loaded
        from crackseg.cli.prediction_writer import PredictionWriter, collect_images, open_labels
        from crackseg.prediction.decoding import ReadAhead

        output, paths = Path(self.output), collect_images(as_paths(self.images))
        scale, labels = self._scale(), open_labels(output, self.formats)
        images = ReadAhead(paths) if len(paths) == 1 else paths
        model = pending.result()
        if self.memory is not None:
            from crackseg.prediction.process_memory import limit_process_memory

            model = limit_process_memory(model, self.memory, paths, resizes=self.tta == "scales")
        model = model.with_options(tta=self.tta, hysteresis=self.hysteresis)
        begin(model)
        writer = PredictionWriter(model, output, self.probability, labels, self.threshold, scale)
        values: list[dict[str, Any]] = []
        failed = 0
        for number, outcome in enumerate(writer.write_all(paths, images), start=1):
            show(outcome)
            failed += outcome.error is not None
            if keep and outcome.result is not None:
                values.append(outcome.result.to_dict())
            elif keep:
                values.append({"image": outcome.name, "error": str(outcome.error)})
            self.advance(number, len(paths))
        if labels is not None:
            labels.finish()
        return PredictedImages(output, model.card.name, model.card.terms, failed, tuple(values))

    def _load_model(self) -> "Model":
        from crackseg.prediction.loading import load_model

        return load_model(
            self.model,
            runtime=self.runtime,
            device=self.device,
            precision=self.precision,
            tile_size=self.tile,
        )

    def _scale(self) -> "ScaleSource | None":
        if (self.scale, self.scale_file, self.marker) == (None, None, None):
            return None
        from crackseg.cli.scale import scale_source

        return scale_source(self.scale, self.scale_file, self.marker)


def _skip_last_collection() -> None:
    """Skip the search for garbage at exit.

    With torch, the search is needed: without it, a library of torch reports leaks.
    """
    import gc
    import sys

    if "torch" not in sys.modules:
        gc.freeze()
