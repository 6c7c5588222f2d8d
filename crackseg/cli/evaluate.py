"""``crackseg evaluate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.cli.predict import HysteresisOption, PrecisionOption, RuntimeOption, ThresholdOption, TtaOption
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from crackseg.evaluation.comparison import Comparison
    from crackseg.evaluation.report import EvaluationReport
    from crackseg.parallel import Progress
    from crackseg.prediction.model import Model


def evaluate(
    data: Annotated[list[Path], typer.Option(help="Folder with images and masks, or with test/ in it; repeatable.")],
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Two models side by side, with the difference.")
    ] = None,
    threshold: ThresholdOption = None,
    protocol: Annotated[
        Literal["native", "classic", "centreline", "resize512", "all"] | None,
        typer.Option(help="How to score; printed with its card. [default: native, the headline alone]"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", "--output", "-o", metavar="OUT", help="Folder for evaluation.json, .md and .html."),
    ] = None,
    hysteresis: HysteresisOption = None,
    tta: TtaOption = "none",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Score a model against true masks, by a named protocol, with confidence intervals and the worst images.

    Example: crackseg evaluate --data synthetic --data walls --model runs/first --protocol all --report scores
    """
    from crackseg.datasets.samples import find_all_samples
    from crackseg.evaluation.comparison import Comparison
    from crackseg.evaluation.contrast import draw_contrasts
    from crackseg.evaluation.files import write_report
    from crackseg.evaluation.report import evaluate_model
    from crackseg.evaluation.request import EvaluationRequest
    from crackseg.files import make_folder
    from crackseg.prediction.loading import load_model

    if compare is not None and model is not None:
        raise UsageError("expected --model or --compare, got both", hint="name both models after --compare")
    request = EvaluationRequest(protocol, threshold, figures=report is not None)
    samples = find_all_samples(data, "test")
    models = [
        load_model(name, runtime=runtime, device=device, precision=precision).with_options(
            tta=tta, hysteresis=hysteresis
        )
        for name in compare or (model,)
    ]
    request = replace(request, classes=_common_classes(models))
    if report is not None:
        make_folder(report)
    reports: list[EvaluationReport] = []
    with ProgressLine("evaluate", len(models) * len(samples), quiet=quiet or json) as line:
        for loaded, name in zip(models, compare or (None,), strict=True):

            def advance(progress: Progress, before: int = len(reports) * len(samples)) -> None:
                line.update(before + progress.done)

            reports.append(evaluate_model(loaded, samples, request, name=name, progress=advance))
    found = reports[0] if compare is None else Comparison(*reports)
    if report is not None:
        drawn = draw_contrasts(found, (models[0], models[1]), samples) if isinstance(found, Comparison) else ()
        write_report(report, found, drawn)
    return _tell(found, json=json)


def _common_classes(models: list[Model]) -> int:
    """Return how many classes the models tell apart; crack or not is both one class and two."""
    counts = [max(model.card.classes, 2) for model in models]
    if len(set(counts)) > 1:
        raise UsageError(
            f"tell {counts[0]} and {counts[1]} classes", where="--compare", hint="compare models of the same classes"
        )
    return counts[0]


def _tell(found: EvaluationReport | Comparison, *, json: bool) -> int:
    """Print what was found, and the files that could not be scored; return the exit code."""
    from crackseg.evaluation.report import EvaluationReport
    from crackseg.evaluation.text import comparison_to_text, report_to_text

    for error in found.errors:
        print_error(error)
    if json:
        print_json(found.to_dict())
    else:
        print(report_to_text(found) if isinstance(found, EvaluationReport) else comparison_to_text(found))
    return EXIT_SOME_FAILED if found.errors else EXIT_DONE
