"""Declare ``crackseg evaluate``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, as_function, as_path, as_paths, option
from crackseg.cli.options import (
    DeviceOption,
    HysteresisOption,
    PrecisionOption,
    RuntimeOption,
    ThresholdOption,
    TtaOption,
)
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.datasets.samples import Sample
    from crackseg.evaluation.comparison import Comparison
    from crackseg.evaluation.mask_folder import MaskFolder
    from crackseg.evaluation.report import EvaluationReport
    from crackseg.evaluation.request import EvaluationRequest
    from crackseg.evaluation.scoreboard import Scoreboard
    from crackseg.parallel import Progress
    from crackseg.prediction.model import Model


@dataclass(frozen=True)
class Evaluate(Command["EvaluationReport | Comparison | Scoreboard"]):
    """Score models or masks against true masks.

    Scores follow a named protocol and have confidence intervals. The report also shows the worst images.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=2, size=64)
        >>> report = crackseg.evaluate(data="walls", model="crackseg-synthetic")
        >>> report.model
        'crackseg-synthetic'
    """

    _: KW_ONLY
    data: Annotated[
        PathInput | Sequence[PathInput],
        option("--data", metavar="DIR", help="Folder with images and masks, or with test/ in it.", group="Input"),
    ]
    masks: Annotated[
        PathInput | Sequence[PathInput] | None,
        option(
            "--masks",
            metavar="DIR",
            help="Score these masks, made by any program, instead of a model.",
            group="Input",
        ),
    ] = None
    model: Annotated[
        PathInput | Sequence[PathInput] | None,
        option(
            "--model",
            metavar="NAME|FILE|RUN",
            help="A shipped model, a model file or a run folder; several give one table.",
            group="Model",
            default="$CRACKSEG_MODEL, or crackseg-mobile",
        ),
    ] = None
    compare: Annotated[
        tuple[str, str] | None,
        option(
            "--compare",
            metavar="A B",
            help="Compare two models or folders of masks on the same images.",
            group="Model",
        ),
    ] = None
    threshold: ThresholdOption = None
    hysteresis: HysteresisOption = None
    tta: TtaOption = "none"
    protocol: Annotated[
        Literal["native", "classic", "centreline", "resize512", "all"] | None,
        option(
            "--protocol",
            help="Scoring protocol; its definition is printed with the scores.",
            group="Scores",
            default="the main scores of native",
        ),
    ] = None
    report: Annotated[
        PathInput | None,
        option(
            "--report",
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for evaluation.json, evaluation.md and evaluation.html.",
            group="Output",
            default="print only",
        ),
    ] = None
    format: Annotated[
        Literal["csv", "latex", "markdown"] | None,
        option(
            "--format",
            help="Format of the table on stdout and of table.* in the report folder.",
            group="Output",
            default="text for a person",
        ),
    ] = None
    runtime: RuntimeOption = "auto"
    precision: PrecisionOption = None
    device: DeviceOption = "auto"
    examples = (
        "crackseg evaluate --data walls --model runs/first --protocol all -o scores",
        "crackseg evaluate --data walls --masks other/masks --format latex",
    )

    def run(self) -> "EvaluationReport | Comparison | Scoreboard":
        """Score the models and the masks."""
        from crackseg.datasets.samples import find_all_samples
        from crackseg.evaluation.comparison import Comparison
        from crackseg.evaluation.contrast import draw_contrasts
        from crackseg.evaluation.files import write_report
        from crackseg.evaluation.scoreboard import Scoreboard
        from crackseg.files import make_folder

        self._check()
        folder = as_path(self.report)
        samples = find_all_samples(as_paths(self.data), "test")
        entries = self._load(samples)
        request = self._request([each for _, each in entries])
        if folder is not None:
            make_folder(folder)
        reports = self._score(entries, samples, request)
        result: EvaluationReport | Comparison | Scoreboard = reports[0]
        if self.compare is not None:
            result = Comparison.on_common_images(*reports)
        elif len(reports) > 1:
            result = Scoreboard(tuple(reports))
        if folder is not None:
            pair = (entries[0][1], entries[-1][1])
            contrasts = draw_contrasts(result, pair, samples) if isinstance(result, Comparison) else ()
            write_report(folder, result, contrasts, form=self.format)
        return result

    def execute(self, console: "Console") -> int:
        """Run on the command line and return the exit code."""
        if self.format is not None and console.json:
            raise UsageError("expected --format or --json, got both", hint="leave one of them out")
        return super().execute(console)

    def show(self, result: "EvaluationReport | Comparison | Scoreboard", console: "Console") -> int:
        """Print the scores, and the files that could not be scored."""
        from crackseg.evaluation.comparison import Comparison
        from crackseg.evaluation.scoreboard import Scoreboard, format_table, scoreboard_to_text
        from crackseg.evaluation.text import comparison_to_text, report_to_text

        for error in result.errors:
            console.error(error)
        if self.format is not None:
            text = format_table(result, self.format)
        elif isinstance(result, Scoreboard):
            text = scoreboard_to_text(result)
        else:
            text = comparison_to_text(result) if isinstance(result, Comparison) else report_to_text(result)
        console.result(result.to_dict(), text)
        return EXIT_SOME_FAILED if result.errors else EXIT_DONE

    def _check(self) -> None:
        """Check that the options agree.

        Raises:
            UsageError: If they do not.
        """
        for flag, value in (("--model", self.model), ("--masks", self.masks)):
            if self.compare is not None and value is not None:
                raise UsageError(f"expected {flag} or --compare, got both", hint="name both after --compare")
        options = (
            ("--threshold", self.threshold is not None),
            ("--hysteresis", self.hysteresis is not None),
            ("--tta", self.tta != "none"),
        )
        if self.masks is not None and self.model is None:
            for flag, used in options:
                if used:
                    raise UsageError("masks have no probabilities", where=flag, hint="leave the option out")

    def _load(self, samples: "Sequence[Sample]") -> "list[tuple[str | None, Model | MaskFolder]]":
        """Return the models and folders of masks, with names for the report."""
        from crackseg.errors import display_text
        from crackseg.evaluation.mask_folder import match_masks

        if self.compare is not None:
            return [
                (name, match_masks(Path(name), samples) if holds_masks(name) else self._load_model(name))
                for name in self.compare
            ]
        names = [] if self.model is None else as_paths(self.model)
        folders = [] if self.masks is None else as_paths(self.masks)
        paths = [*names, *folders]
        for path in paths:
            if paths.count(path) > 1:
                raise UsageError("listed twice", where=path, hint="list each model and each folder of masks once")
        several = len(paths) > 1
        masks = [match_masks(folder, samples) for folder in folders]
        if not paths:
            return [(None, self._load_model(None))]
        models = [(display_text(name) if several else None, self._load_model(name)) for name in names]
        return [*models, *((each.name, each) for each in masks)]

    def _load_model(self, name: "PathInput | None") -> "Model":
        from crackseg.prediction.loading import load_model

        model = load_model(name, runtime=self.runtime, device=self.device, precision=self.precision)
        return model.with_options(tta=self.tta, hysteresis=self.hysteresis)

    def _request(self, entries: "Sequence[Model | MaskFolder]") -> "EvaluationRequest":
        """Return what to score of all entries.

        Raises:
            UsageError: If a protocol or the classes of a model do not fit.
        """
        from crackseg.evaluation.mask_folder import MaskFolder
        from crackseg.evaluation.request import EvaluationRequest

        models = [each for each in entries if not isinstance(each, MaskFolder)]
        alone = len(models) == len(entries)
        classes = common_classes(models, "--compare" if self.compare else "--model") if models else 1
        if not alone and classes > 2:
            raise UsageError(
                f"has {classes - 1} classes of defect, and masks are scored as crack or background",
                where="--model",
                hint="score the masks without this model",
            )
        figures = self.report is not None and (len(entries) == 1 or self.compare is not None)
        return EvaluationRequest(self.protocol, self.threshold, figures=figures, classes=classes, probabilities=alone)

    def _score(
        self,
        entries: "Sequence[tuple[str | None, Model | MaskFolder]]",
        samples: "Sequence[Sample]",
        request: "EvaluationRequest",
    ) -> "list[EvaluationReport]":
        from crackseg.evaluation.mask_folder import MaskFolder
        from crackseg.evaluation.report import evaluate_masks, evaluate_model

        total = len(entries) * len(samples)
        reports: list[EvaluationReport] = []
        for name, entry in entries:

            def advance(step: "Progress", before: int = len(reports) * len(samples)) -> None:
                self.advance(before + step.done, total)

            if isinstance(entry, MaskFolder):
                reports.append(evaluate_masks(entry, samples, request, progress=advance))
            else:
                reports.append(evaluate_model(entry, samples, request, name=name, progress=advance))
        return reports


def holds_masks(name: str) -> bool:
    """Return whether a folder holds images and no model."""
    from crackseg.files import IMAGE_SUFFIXES
    from crackseg.prediction.loading import holds_model, shipped_models

    folder = Path(name)
    if name in shipped_models() or not folder.is_dir() or holds_model(folder):
        return False
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*"))


def common_classes(models: "Sequence[Model]", where: str = "--compare") -> int:
    """Return the number of classes that all models have, at least 2.

    Args:
        models: At least one model.
        where: Option that names the models.

    Raises:
        UsageError: If the models have different numbers of classes.
    """
    counts = [max(model.card.classes, 2) for model in models]
    if len(set(counts)) > 1:
        raise UsageError(
            f"have {' and '.join(str(count) for count in dict.fromkeys(counts))} classes",
            where=where,
            hint="compare models with the same number of classes",
        )
    return counts[0]


evaluate = as_function(Evaluate)
