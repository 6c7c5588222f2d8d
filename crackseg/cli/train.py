"""``crackseg train``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.datasets.samples import Sample
    from crackseg.training.config import TrainConfig
    from crackseg.training.loop import TrainingProgress

    Report = Callable[[TrainingProgress], None]


def train(
    data: Annotated[list[Path], typer.Option(help="Folder with images and masks, or with train/ in it; repeatable.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Run folder.")],
    val: Annotated[list[Path] | None, typer.Option(help="Validate on this instead of a part held out.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="F", help="A configuration in YAML.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="a.b=v", help="One value of it.")] = None,
    init: Annotated[str | None, typer.Option(metavar="F", help="Weights to start from.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time; the schedule fits it.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. [default: 0]")] = None,
    folds: Annotated[
        int | None, typer.Option(metavar="K", help="Train K times, each validated on another part.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only draw what the network would see.")] = False,
    find_rate: Annotated[bool, typer.Option("--find-rate", help="Only look for a learning rate.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write curves for TensorBoard.")] = False,
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
    from crackseg.training.config import TrainConfig

    if (folds is not None) + preview + find_rate > 1 or (folds is not None and val):
        raise UsageError("choose one of --folds, --preview and --find-rate; --folds takes no --val")
    shortcuts = {"init": init, "schedule.minutes": minutes, "seed": seed}
    settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    chosen = load_config(TrainConfig, config, overrides=[*(overrides or []), *settings])
    fraction = 0.0 if preview or find_rate or folds is not None else chosen.data.validation_fraction
    samples, validation = _samples(data, val or [], fraction)
    require_train_extra()
    silent = quiet or json or not _speaks()
    if preview:
        return _preview(chosen, samples, output, json=json)
    if find_rate:
        return _find_rate(chosen, samples, output, device, silent=silent, json=json)
    with ProgressLine("train", 1.0, quiet=silent) as line, _reporting(line, output, tensorboard) as report:
        if folds is not None:
            return _train_folds(chosen, samples, folds, output, resume=resume, device=device, report=report, json=json)
        return _train(chosen, (samples, validation), output, resume=resume, device=device, report=report, json=json)


def _train(
    config: TrainConfig,
    data: tuple[tuple[Sample, ...], tuple[Sample, ...]],
    output: Path,
    *,
    resume: bool,
    device: str,
    report: Report,
    json: bool,
) -> int:
    from crackseg.training.run import TrainingData
    from crackseg.training.run import train as run

    result = run(config, TrainingData(*data), output, resume=resume, device=device, progress=report)
    if not result.finished:
        return _stopped(output)
    score = result.card.scores["validation"]["all"]["f1"]
    _tell(
        {"output": display_text(output), "f1": score, "threshold": result.card.threshold},
        f"validation F1 {score:.3f} at threshold {result.card.threshold:g}; "
        f"model, card and pictures are in {display_text(output)}",
        json=json,
    )
    return EXIT_DONE


def _train_folds(
    config: TrainConfig,
    samples: tuple[Sample, ...],
    count: int,
    output: Path,
    *,
    resume: bool,
    device: str,
    report: Report,
    json: bool,
) -> int:
    from crackseg.training.cross_validation import split_folds, train_folds

    result = train_folds(config, split_folds(samples, count), output, resume=resume, device=device, progress=report)
    if not result.finished:
        return _stopped(output)
    mean, deviation = result.mean("f1"), result.deviation("f1")
    _tell(
        {"output": display_text(output), "folds": [dict(scores) for scores in result.scores], "f1": mean},
        f"validation F1 {mean:.3f} +- {deviation:.3f} over {count} folds; they are in {display_text(output)}",
        json=json,
    )
    return EXIT_DONE


def _preview(config: TrainConfig, samples: tuple[Sample, ...], output: Path, *, json: bool) -> int:
    from crackseg.training.preview import draw_preview

    path = display_text(draw_preview(config, samples, output))
    _tell({"preview": path}, f"what the network would see is in {path}", json=json)
    return EXIT_DONE


def _find_rate(
    config: TrainConfig, samples: tuple[Sample, ...], output: Path, device: str, *, silent: bool, json: bool
) -> int:
    from crackseg.runtimes.torch import pick_device
    from crackseg.training.rate_finder import find_rate, save_trial

    with ProgressLine("find the rate", 1.0, quiet=silent) as line, _reporting(line, output, False) as report:
        trial = find_rate(config, samples, device=pick_device(device), progress=report)
    save_trial(trial, output)
    _tell(
        {"output": display_text(output), "learning_rate": trial.suggestion},
        f"--set optimiser.learning_rate={trial.suggestion:g}; the curve is in {display_text(output)}",
        json=json,
    )
    return EXIT_DONE


def _samples(data: list[Path], val: list[Path], fraction: float) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return what to train on and what to validate on."""
    from crackseg.datasets.samples import find_all_samples, hold_out

    samples = find_all_samples(data, "train")
    if val:
        return samples, find_all_samples(val, "val")
    if fraction == 0:
        return samples, ()
    if len(samples) < 2:
        raise UsageError("one image is not enough to train and to validate", where=data[0], hint="add images, or --val")
    return hold_out(samples, fraction)


@contextlib.contextmanager
def _reporting(line: ProgressLine, output: Path, tensorboard: bool) -> Iterator[Report]:
    """Yield what shows the messages of a training, and keeps them for TensorBoard where that is asked for."""
    best: list[float] = []

    def show(progress: TrainingProgress) -> None:
        if progress.note:
            line.say(progress.note)
            return
        if progress.row is not None:
            best.append(progress.row["f1"])
            line.say(_epoch(progress))
        score = f"  best F1 {max(best):.3f}" if best else ""
        line.update(progress.done, f"step {progress.step}  loss {progress.loss:.3f}{score}")

    if not tensorboard or not _speaks():
        yield show
        return
    from crackseg.training.tensorboard import tensorboard_progress

    with tensorboard_progress(output) as note:

        def both(progress: TrainingProgress) -> None:
            show(progress)
            note(progress)

        yield both


def _speaks() -> bool:
    """Tell whether this process is to say anything: of several, started by torchrun, the first one does."""
    return os.environ.get("RANK", "0") == "0"


def _stopped(output: Path) -> int:
    if _speaks():
        print_error(f"stopped and saved; the same command with --resume goes on in {display_text(output)}")
    return EXIT_INTERRUPTED


def _tell(values: dict[str, object], text: str, *, json: bool) -> None:
    """Say on stdout what came of it."""
    if not _speaks():
        return
    if json:
        print_json(values)
    else:
        print(text)


def _epoch(progress: TrainingProgress) -> str:
    row = progress.row or {}
    single = "".join(f"  {key.removeprefix('f1_')} {row[key]:.3f}" for key in row if key.startswith("f1_class"))
    return (
        f"epoch {row['epoch']:.0f}  step {progress.step}  {row['seconds']:.0f} s  loss {row['loss']:.3f}  "
        f"validation F1 {row['f1']:.3f}  precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
        f"threshold {row['threshold']:g}{single}"
    )
