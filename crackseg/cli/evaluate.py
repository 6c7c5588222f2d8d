"""``crackseg evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crackseg.cli.console import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED

if TYPE_CHECKING:
    from crackseg.evaluation import Evaluation


def evaluate(
    data: Annotated[list[Path], typer.Option(help="Folder with images and masks, or with test/ in it; repeatable.")],
    model: Annotated[str | None, typer.Option(help="A shipped model, a .onnx file or a run folder.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Probability that counts as crack. [default: the model's]")
    ] = None,
    protocol: Annotated[
        Literal["native"], typer.Option(help="native: own size, one threshold, pixels pooled.")
    ] = "native",
    report: Annotated[Path | None, typer.Option(metavar="OUT", help="Folder for evaluation.json.")] = None,
    runtime: Annotated[Literal["auto", "onnx", "torch"], typer.Option(help="Library that computes.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Score a model against true masks: precision, recall, F1 and IoU of the crack class, and F1 within 2 px.

    Example: crackseg evaluate --data synthetic --data walls --model runs/first
    """
    import json as json_format

    from crackseg.dataset import find_all_samples
    from crackseg.evaluation import Evaluation
    from crackseg.evaluation import evaluate as run
    from crackseg.files import make_folder, write_bytes
    from crackseg.models import load_model

    samples = find_all_samples(data, "test")
    loaded = load_model(model, runtime=runtime, device=device)
    with ProgressLine("evaluate", len(samples), quiet=quiet or json) as line:
        results = run(loaded, samples, threshold=threshold, report=line.update)
    if len(results) > 1:
        results["all"] = sum(results.values(), Evaluation())
    cut = loaded.card.threshold if threshold is None else threshold
    table = {
        "model": loaded.card.name,
        "protocol": protocol,
        "threshold": cut,
        "threshold_from": "the model's validation images" if threshold is None else "--threshold",
        "data": {name: result.to_dict() for name, result in results.items()},
    }
    if report is not None:
        write_bytes(make_folder(report) / "evaluation.json", (json_format.dumps(table, indent=2) + "\n").encode())
    failed = [error for result in results.values() for _, error in result.failed]
    for error in dict.fromkeys(failed):
        print_error(str(error))
    if json:
        print_json(table)
    else:
        print(
            f"{loaded.card.name}, protocol {protocol}, threshold {cut:g} ({table['threshold_from']})\n{_table(results)}"
        )
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def _table(results: dict[str, Evaluation]) -> str:
    width = max(len(name) for name in results)
    keys = ("f1", "precision", "recall", "iou", "f1_2px", "false_alarm")
    lines = [f"{'data':<{width}}  images     F1  precision  recall    IoU  F1 2px  false alarm"]
    for name, result in results.items():
        scores = result.scores()
        cells = ["    -" if (value := scores[key]) is None else f"{value:5.3f}" for key in keys[:-1]]
        alarm = "-" if (value := scores["false_alarm"]) is None else f"{100 * value:.3f} %"
        f1, precision, recall, iou, f1_2px = cells
        row = f"{name:<{width}}  {result.images:>6}  {f1}  {precision:>9}  {recall:>6}  {iou}  {f1_2px:>6}  {alarm:>11}"
        lines.append(row)
    return "\n".join(lines)
