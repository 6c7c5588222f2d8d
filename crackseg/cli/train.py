"""Declare ``crackseg train``."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from crackseg.cli.command import Command, PathInput, as_function, as_paths, option
from crackseg.cli.options import DeviceOption, SetOption
from crackseg.errors import EXIT_DONE, EXIT_INTERRUPTED, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console, ProgressDisplay
    from crackseg.datasets.samples import Sample
    from crackseg.datasets.separation import Clusters
    from crackseg.parallel import Progress, ProgressCallback
    from crackseg.training.config import TrainConfig
    from crackseg.training.cross_validation import FoldsResult
    from crackseg.training.loop import TrainingCallback, TrainingProgress
    from crackseg.training.rate_finder import RateTrial
    from crackseg.training.run import TrainingResult


@dataclass(frozen=True)
class TrainingPreview:
    """Figure of the patches that a network would train on.

    Attributes:
        path: The figure.
    """

    path: Path


@dataclass(frozen=True)
class Train(Command["TrainingResult | FoldsResult | RateTrial | TrainingPreview"]):
    """Train a network on images and masks.

    Accepts DIR/{images,masks}, DIR/{train,test}/{images,masks} and folders written by crackseg generate. Needs the
    extra train.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=4, size=96)
        >>> short = ["schedule.epochs=1", "schedule.steps_per_epoch=1", "data.patch_px=64", "workers=0"]
        >>> crackseg.train(data="walls", output="run", set=short).finished
        True
    """

    _: KW_ONLY
    data: Annotated[
        PathInput | Sequence[PathInput],
        option("--data", metavar="DIR", help="Folder with images and masks, or with train/ in it.", group="Input"),
    ]
    val: Annotated[
        PathInput | Sequence[PathInput],
        option(
            "--val",
            metavar="DIR",
            help="Folder to validate on.",
            group="Input",
            default="a held-out part of --data",
        ),
    ] = ()
    output: Annotated[
        PathInput, option("--output", "-o", metavar="RUN", help="Run folder to write.", group="Output")
    ] = "run"
    resume: Annotated[bool, option("--resume", help="Continue where an earlier call stopped.", group="Output")] = False
    tensorboard: Annotated[bool, option("--tensorboard", help="Also write curves for TensorBoard.", group="Output")] = (
        False
    )
    config: Annotated[
        PathInput | None,
        option(
            "--config",
            metavar="NAME|FILE",
            help="Configuration: a YAML file or the name of a shipped one (crackseg configs).",
            group="Configuration",
            default="default",
        ),
    ] = None
    set: SetOption = ()
    init: Annotated[
        PathInput | None,
        option(
            "--init",
            metavar="NAME|FILE|RUN",
            help="Start from the weights of this model.",
            group="Configuration",
            default="random weights, or network.encoder_weights",
        ),
    ] = None
    minutes: Annotated[
        float | None,
        option(
            "--minutes",
            metavar="M",
            help="Wall time; the schedule is fitted to it.",
            group="Configuration",
            default="schedule.epochs decides",
        ),
    ] = None
    seed: Annotated[int | None, option("--seed", help="Random seed.", group="Configuration", default="0")] = None
    folds: Annotated[
        int | None,
        option(
            "--folds",
            metavar="K",
            help="Cross-validate: train K times, each on other images.",
            group="Mode",
            default="off",
        ),
    ] = None
    group_by: Annotated[
        str | None,
        option(
            "--group-by",
            metavar="REGEX",
            help="Hold out images in groups whose names share a match, such as tiles of one photo: '(.*)_[0-9]+'.",
            group="Input",
            default="off",
        ),
    ] = None
    preview: Annotated[
        bool, option("--preview", help="Only draw patches that the network would train on.", group="Mode")
    ] = False
    find_rate: Annotated[bool, option("--find-rate", help="Only search for a learning rate.", group="Mode")] = False
    device: DeviceOption = "auto"
    examples = ("crackseg train --data walls --output runs/first --minutes 15",)

    def run(self) -> "TrainingResult | FoldsResult | RateTrial | TrainingPreview":
        """Train, cross-validate, preview or search for a rate."""
        from crackseg.machine import require_train_extra

        if (self.folds is not None) + self.preview + self.find_rate > 1 or (self.folds is not None and self.val):
            raise UsageError("choose one of --folds, --preview and --find-rate; --folds takes no --val")
        config, output = self._config(), Path(self.output)
        samples, validation = _samples(as_paths(self.data), as_paths(self.val))
        require_train_extra()
        if self.preview:
            from crackseg.training.preview import draw_preview

            return TrainingPreview(draw_preview(config, samples, output))
        if self.find_rate:
            return self._find_rate(config, samples, output)
        with _callback(self.progress, output, tensorboard=self.tensorboard) as progress:
            if self.folds is not None:
                from crackseg.training.cross_validation import split_folds, train_folds

                folds = split_folds(samples, self.folds, self._clusters(samples))
                return train_folds(config, folds, output, resume=self.resume, device=self.device, progress=progress)
            from crackseg.training.run import TrainingData, train

            data = TrainingData(*self._divide(samples, validation, config.data.validation_fraction))
            return train(config, data, output, resume=self.resume, device=self.device, progress=progress)

    def execute(self, console: "Console") -> int:
        """Train, with the loss and the best F1 in the progress bar."""
        if not _is_first_process():
            console = console.muted()
        title = "find the rate" if self.find_rate else "train"
        with console.progress(title) as display:
            result = replace(self, progress=show_training(display)).run()
        return self.show(result, console)

    def show(self, result: "TrainingResult | FoldsResult | RateTrial | TrainingPreview", console: "Console") -> int:
        """Print the score and the folder."""
        from crackseg.training.cross_validation import FoldsResult
        from crackseg.training.rate_finder import RateTrial

        output = display_text(self.output)
        if isinstance(result, TrainingPreview):
            path = display_text(result.path)
            console.result({"preview": path}, f"{path} shows patches that the network would train on")
        elif isinstance(result, RateTrial):
            rate = result.suggestion
            text = f"--set optimiser.learning_rate={rate:g}; the curve is in {output}"
            console.result({"output": output, "learning_rate": rate}, text)
        elif not result.finished:
            if _is_first_process():
                console.error(f"stopped and saved; run the same command with --resume to continue in {output}")
            return EXIT_INTERRUPTED
        elif isinstance(result, FoldsResult):
            mean, deviation = result.mean("f1"), result.deviation("f1")
            text = f"validation F1 {mean:.3f} +- {deviation:.3f} over {self.folds} folds, in {output}"
            console.result({"output": output, "folds": [dict(row) for row in result.scores], "f1": mean}, text)
        else:
            score = result.card.scores["validation"]["all"]["f1"]
            text = f"validation F1 {score:.3f} at threshold {result.card.threshold:g}; "
            text += f"model, card and figures are in {output}"
            console.result({"output": output, "f1": score, "threshold": result.card.threshold}, text)
        return EXIT_DONE

    def _config(self) -> "TrainConfig":
        from crackseg.config import find_config, load_config
        from crackseg.training.config import TrainConfig

        init = None if self.init is None else os.fspath(self.init)
        shortcuts = {"init": init, "schedule.minutes": self.minutes, "seed": self.seed}
        settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
        return load_config(TrainConfig, find_config("train", self.config), overrides=[*self.set, *settings])

    def _clusters(self, samples: "Sequence[Sample]") -> "Clusters":
        """Return the samples that belong on one side."""
        from crackseg.datasets.separation import cluster_samples
        from crackseg.parallel import Progress

        def show(work: Progress) -> None:
            if self.progress is not None:
                self.progress(Progress(0.0, 1.0, f"{work.note}: {work.done:.0f} of {work.total:.0f}"))

        return cluster_samples(samples, pattern=self.group_by, progress=show)

    def _divide(
        self, samples: "tuple[Sample, ...]", validation: "tuple[Sample, ...]", fraction: float
    ) -> "tuple[tuple[Sample, ...], tuple[Sample, ...]]":
        """Return training and validation samples that share no content."""
        from crackseg.datasets.separation import hold_out_clusters, separate
        from crackseg.training.loop import TrainingProgress

        if not validation:
            if len(samples) < 2:
                where, hint = as_paths(self.data)[0], "add images, or --val"
                raise UsageError("one image is not enough to train and to validate", where=where, hint=hint)
            return hold_out_clusters(samples, fraction, self._clusters(samples))
        kept, removed = separate(samples, validation, self._clusters([*samples, *validation]))
        if removed and self.progress is not None:
            note = (
                f"{len(removed)} of {len(samples)} training images are left out: near copies of validation images, or"
            )
            note += f" tiles of the same photo, such as {display_text(removed[0].image)}"
            self.progress(TrainingProgress(0.0, 1.0, note, step=0, loss=0.0))
        return kept, validation

    def _find_rate(self, config: "TrainConfig", samples: "tuple[Sample, ...]", output: Path) -> "RateTrial":
        from crackseg.runtimes.torch import pick_device
        from crackseg.training.rate_finder import find_rate, save_trial

        trial = find_rate(config, samples, device=pick_device(self.device), progress=self.progress)
        save_trial(trial, output)
        return trial


def _samples(data: list[Path], val: list[Path]) -> "tuple[tuple[Sample, ...], tuple[Sample, ...]]":
    """Return the samples of the data and of the validation folders."""
    from crackseg.datasets.samples import find_all_samples

    return find_all_samples(data, "train"), find_all_samples(val, "val") if val else ()


@contextlib.contextmanager
def _callback(
    progress: "ProgressCallback | None", output: Path, *, tensorboard: bool
) -> "Iterator[TrainingCallback | None]":
    """Yield a callback that also writes for TensorBoard if requested."""
    if not tensorboard or not _is_first_process():
        yield progress
        return
    from crackseg.training.tensorboard import tensorboard_progress

    with tensorboard_progress(output) as write:

        def notify(step: "TrainingProgress") -> None:
            if progress is not None:
                progress(step)
            write(step)

        yield notify


def show_training(display: "ProgressDisplay") -> "ProgressCallback":
    """Return a callback that shows a training on the display."""
    from crackseg.parallel import Progress

    scores: list[float] = []

    def show(progress: "Progress") -> None:
        row, phase = getattr(progress, "row", None), getattr(progress, "phase", "")
        if not hasattr(progress, "step") or phase:
            display(Progress(progress.done, progress.total, phase or progress.note))
            return
        if progress.note:
            display.write(progress.note)
            return
        step, loss = getattr(progress, "step", 0), getattr(progress, "loss", 0.0)
        if row is not None:
            scores.append(row["f1"])
            display.write(_epoch_line(step, row))
        best = f"  best F1 {max(scores):.3f}" if scores else ""
        display(Progress(progress.done, progress.total, f"step {step}  loss {loss:.3f}{best}"))

    return show


def _is_first_process() -> bool:
    """Return True in the process that prints, the first of torchrun."""
    return os.environ.get("RANK", "0") == "0"


def _epoch_line(step: int, row: Mapping[str, float]) -> str:
    single = "".join(f"  {key.removeprefix('f1_')} {row[key]:.3f}" for key in row if key.startswith("f1_class"))
    return (
        f"epoch {row['epoch']:.0f}  step {step}  {row['seconds']:.0f} s  loss {row['loss']:.3f}  "
        f"validation F1 {row['f1']:.3f}  precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
        f"threshold {row['threshold']:g}{single}"
    )


train = as_function(Train)
