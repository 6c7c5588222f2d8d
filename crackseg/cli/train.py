"""``crackseg train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crackseg.cli.console import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.dataset import Sample
    from crackseg.nn.loop import TrainingProgress


def train(
    data: Annotated[list[Path], typer.Option(help="Folder with images and masks, or with train/ in it; repeatable.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Run folder.")],
    val: Annotated[list[Path] | None, typer.Option(help="Validate on this instead of a part held out.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="F", help="A configuration in YAML.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="a.b=v", help="One value of it.")] = None,
    init: Annotated[str | None, typer.Option(metavar="F", help="Weights to start from.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time; the schedule fits it.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. [default: 0]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier call stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Train a network on images and masks.

    Example: crackseg train --data walls --output runs/first --minutes 15
    """
    from crackseg.config import load_config
    from crackseg.machine import require_train_extra
    from crackseg.nn.train_config import TrainConfig

    shortcuts = {"init": init, "schedule.minutes": minutes, "seed": seed}
    settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    chosen = load_config(TrainConfig, config, overrides=[*(overrides or []), *settings])
    train_samples, validation = _samples(data, val or [], chosen.data.validation_fraction)
    require_train_extra()
    from crackseg.nn.training import TrainingData
    from crackseg.nn.training import train as run

    with ProgressLine("train", 1.0, quiet=quiet or json) as line:

        def report(progress: TrainingProgress) -> None:
            line.update(progress.done, f"step {progress.step}  loss {progress.loss:.3f}")
            if progress.row is not None:
                line.say(_epoch(progress))

        result = run(
            chosen, TrainingData(train_samples, validation), output, resume=resume, device=device, report=report
        )
    if not result.finished:
        print_error(f"stopped and saved; the same command with --resume goes on in {display_text(output)}")
        return EXIT_INTERRUPTED
    score = result.card.scores["validation"]["all"]["f1"]
    if json:
        print_json({"output": display_text(output), "f1": score, "threshold": result.card.threshold})
    else:
        print(
            f"validation F1 {score:.3f} at threshold {result.card.threshold:g}; "
            f"model, card and pictures are in {display_text(output)}"
        )
    return EXIT_DONE


def _samples(data: list[Path], val: list[Path], fraction: float) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return what to train on and what to validate on."""
    from crackseg.dataset import find_all_samples, hold_out

    samples = find_all_samples(data, "train")
    if val:
        return samples, find_all_samples(val, "val")
    if len(samples) < 2:
        raise UsageError("one image is not enough to train and to validate", where=data[0], hint="add images, or --val")
    return hold_out(samples, fraction)


def _epoch(progress: TrainingProgress) -> str:
    row = progress.row or {}
    return (
        f"epoch {row['epoch']:.0f}  step {progress.step}  {row['seconds']:.0f} s  loss {row['loss']:.3f}  "
        f"validation F1 {row['f1']:.3f}  precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
        f"threshold {row['threshold']:g}"
    )
