"""Declare ``crackseg evaluate``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, as_function, as_path, as_paths, option
from crackseg.cli.options import (
    DeviceOption,
    HysteresisOption,
    ModelOption,
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
    from crackseg.evaluation.report import EvaluationReport
    from crackseg.evaluation.request import EvaluationRequest
    from crackseg.parallel import Progress
    from crackseg.prediction.model import Model


@dataclass(frozen=True)
class Evaluate(Command["EvaluationReport | Comparison"]):
    """Score a model against true masks.

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
    model: ModelOption = None
    compare: Annotated[
        tuple[str, str] | None,
        option("--compare", metavar="A B", help="Compare two models on the same images.", group="Model"),
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
    runtime: RuntimeOption = "auto"
    precision: PrecisionOption = None
    device: DeviceOption = "auto"
    examples = ("crackseg evaluate --data walls --model runs/first --protocol all -o scores",)

    def run(self) -> "EvaluationReport | Comparison":
        """Score the model, or both models."""
        from crackseg.datasets.samples import find_all_samples
        from crackseg.evaluation.comparison import Comparison
        from crackseg.evaluation.contrast import draw_contrasts
        from crackseg.evaluation.files import write_report
        from crackseg.evaluation.request import EvaluationRequest
        from crackseg.files import make_folder

        if self.compare is not None and self.model is not None:
            raise UsageError("expected --model or --compare, got both", hint="name both models after --compare")
        folder = as_path(self.report)
        request = EvaluationRequest(self.protocol, self.threshold, figures=folder is not None)
        samples = find_all_samples(as_paths(self.data), "test")
        models = self._load_models()
        request = replace(request, classes=common_classes(models))
        if folder is not None:
            make_folder(folder)
        reports = self._score(models, samples, request)
        result = reports[0] if self.compare is None else Comparison(*reports)
        if folder is not None:
            pair = (models[0], models[-1])
            contrasts = draw_contrasts(result, pair, samples) if isinstance(result, Comparison) else ()
            write_report(folder, result, contrasts)
        return result

    def show(self, result: "EvaluationReport | Comparison", console: "Console") -> int:
        """Print the scores, and the files that could not be scored."""
        from crackseg.evaluation.report import EvaluationReport
        from crackseg.evaluation.text import comparison_to_text, report_to_text

        for error in result.errors:
            console.error(error)
        text = report_to_text(result) if isinstance(result, EvaluationReport) else comparison_to_text(result)
        console.result(result.to_dict(), text)
        return EXIT_SOME_FAILED if result.errors else EXIT_DONE

    def _load_models(self) -> "list[Model]":
        from crackseg.prediction.loading import load_model

        return [
            load_model(name, runtime=self.runtime, device=self.device, precision=self.precision).with_options(
                tta=self.tta, hysteresis=self.hysteresis
            )
            for name in self.compare or (self.model,)
        ]

    def _score(
        self, models: "list[Model]", samples: "Sequence[Sample]", request: "EvaluationRequest"
    ) -> "list[EvaluationReport]":
        from crackseg.evaluation.report import evaluate_model

        total = len(models) * len(samples)
        reports: list[EvaluationReport] = []
        for model, name in zip(models, self.compare or (None,), strict=True):

            def advance(step: "Progress", before: int = len(reports) * len(samples)) -> None:
                self.advance(before + step.done, total)

            reports.append(evaluate_model(model, samples, request, name=name, progress=advance))
        return reports


def common_classes(models: "Sequence[Model]") -> int:
    """Return the number of classes that all models have, at least 2.

    Raises:
        UsageError: If the models have different numbers of classes.
    """
    counts = [max(model.card.classes, 2) for model in models]
    if len(set(counts)) > 1:
        raise UsageError(
            f"have {counts[0]} and {counts[1]} classes", where="--compare", hint="compare models of the same classes"
        )
    return counts[0]


evaluate = as_function(Evaluate)
