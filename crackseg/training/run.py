"""Train a network into a run folder, with validation, resume and a clean stop."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crackseg.config import dump_config
from crackseg.datasets.samples import Sample, check_sizes
from crackseg.errors import (
    ConfigError,
    CracksegError,
    DatasetError,
    ImageError,
    TrainingError,
    UsageError,
    display_text,
)
from crackseg.exporting.from_torch import export_onnx
from crackseg.files import make_folder, write_bytes
from crackseg.machine import describe_machine
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import initialise, read_weights, save_weights
from crackseg.networks.config import NOT_IN_ONNX
from crackseg.networks.factory import build_network, start_at_prior
from crackseg.networks.precision import use_bfloat16
from crackseg.networks.receptive_field import FALLBACK_CONTEXT_PX, measure_context
from crackseg.prediction.loading import RUN_MODEL, find_weights
from crackseg.runtimes.torch import TorchPredictor, pick_device
from crackseg.training.batch_check import check_batch_size
from crackseg.training.config import TrainConfig
from crackseg.training.data_identity import DataDescription, check_same_data, describe_data, describe_domain
from crackseg.training.distributed import Team, join_team
from crackseg.training.label_width import measure_labels
from crackseg.training.loader import name_killed_workers
from crackseg.training.loop import Loop, TrainingCallback, TrainingProgress, as_phase, ignore_progress
from crackseg.training.patches import PatchDataset
from crackseg.training.plots import draw_curves, draw_samples
from crackseg.training.resume import RESUME_FILE, ResumeState, state_to_resume
from crackseg.training.schedule import steps_per_epoch
from crackseg.training.signals import stop_signals
from crackseg.training.validation import (
    pick_examples,
    predict_examples,
    starting_threshold,
    sum_by_group,
    sum_counts,
    validate,
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Samples of a training.

    Attributes:
        train: Samples to cut training patches from.
        validation: Samples that decide the best epoch and the threshold.
    """

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, repr=False)
class TrainingResult:
    """Result of a training, finished or stopped.

    Attributes:
        output: Run folder.
        finished: False if the training was stopped and can be resumed.
        card: Model card of the best epoch so far.
        history: Rows of ``metrics.csv``, one per epoch.
    """

    output: Path
    finished: bool
    card: ModelCard
    history: tuple[dict[str, float], ...]

    def __repr__(self) -> str:
        epochs = "1 epoch" if len(self.history) == 1 else f"{len(self.history)} epochs"
        score = f", F1 {self.f1:.3f}" if self.history else ""
        state = "" if self.finished else ", stopped"
        return f"TrainingResult('{display_text(self.output)}', {epochs}{score}{state})"

    @property
    def f1(self) -> float:
        """Validation F1 of the best epoch; NaN before the first validation."""
        if self.finished:
            return float(self.card.scores["validation"]["all"]["f1"])
        return max((row["f1"] for row in self.history), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        last = self.history[-1] if self.history else {}
        return {
            "output": display_text(self.output),
            "finished": self.finished,
            "epochs": len(self.history),
            "steps": int(last.get("step", 0)),
            "seconds": last.get("seconds", 0.0),
            "f1": self.f1 if self.history else None,
            "threshold": self.card.threshold,
        }

    def rows(self) -> list[dict[str, float]]:
        """Return one flat row per epoch, for a data frame."""
        return [dict(row) for row in self.history]


def train(
    config: TrainConfig,
    data: TrainingData,
    output: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: TrainingCallback | None = None,
) -> TrainingResult:
    """Train a network into a run folder.

    The processes started by ``torchrun`` share the batch of every step. The first of them validates and writes.

    Args:
        config: Configuration of the training.
        data: Training and validation samples.
        output: Run folder for ``best.safetensors``, ``last.safetensors``, ``resume.safetensors``, ``model.onnx``,
            ``config.yaml``, ``metrics.csv``, ``curves.png``, ``samples.png`` and ``card.json``. Architectures in
            `NOT_IN_ONNX` have no ``model.onnx``.
        resume: Continue the run in ``output``, if there is one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called after every step and every epoch, and before the first step with the width of the labels.

    Raises:
        UsageError: If the folder holds a run and ``resume`` is False, or the device, the initial weights or the teacher
            are missing. No image has been read then.
        ConfigError: If configuration or data differ from those of the run to resume. Also if the configuration does not
            fit image files, or the network needs a larger batch.
        DatasetError: If an image and its mask differ in size, or the masks hold other classes than the network.
        TrainingError: If the loss or a weight is not finite, or memory is too small for one patch. Also if the network
            has collapsed (see `CollapseGuard`), or an image can no longer be read; such a run can be resumed.
        OutputError: If the run folder cannot be written.
    """
    if config.network.channels not in (1, 3):
        raise ConfigError(
            f"expected 1 or 3, since image files have three channels; got {config.network.channels}",
            where="network.channels",
            hint="set 3 for colour or 1 for grey values",
        )
    notify = progress or ignore_progress
    chosen = pick_device(device)
    state = state_to_resume(config, output, resume=resume)
    weights = None if config.init is None else find_weights(config.init)
    if config.teacher.model is not None:
        find_weights(config.teacher.model)
    check_sizes([*data.train, *data.validation])
    identity = describe_data(data.train, data.validation, progress=as_phase(notify))
    if state is not None:
        check_same_data(state.values.get("data"), identity, where=output)
    with join_team(chosen) as team, stop_signals() as stopped:
        if team.size == 1:
            check_batch_size(config)
        run = _Run(_Job(config, data, identity, make_folder(output), weights), team)
        if state is not None:
            run.restore(state)
        elif team.leads:
            note = measure_labels(data.train, config.network.classes).describe()
            notify(TrainingProgress(0.0, 1.0, note, step=0, loss=0.0))
        with name_killed_workers(), contextlib.closing(run.loop):
            while not run.is_over():
                if not run.train_epoch(stopped=stopped, progress=notify):
                    return run.result(finished=False)
                notify(run.end_epoch())
        run.finish(notify)
        return run.result(finished=True)


@dataclass(frozen=True, slots=True)
class _Job:
    """Inputs of a run, checked."""

    config: TrainConfig
    data: TrainingData
    identity: DataDescription
    output: Path
    weights: Path | None


class _Run:
    """A run folder and the training loop that fills it."""

    def __init__(self, job: _Job, team: Team) -> None:
        config, data, output, weights = job.config, job.data, job.output, job.weights
        torch.manual_seed(config.seed)
        self._config, self._data, self._output, self._team = config, data, output, team
        self._identity = job.identity
        self._bfloat16 = team.broadcast(use_bfloat16(config.precision, team.device))
        patches = PatchDataset(data.train, config)
        network = build_network(config.network)
        context = measure_context(network.network.eval(), stride=network.stride)
        start_at_prior(network, patches.crack_prior())
        if weights is not None:
            initialise(network, weights)
        self._start = starting_threshold(weights)
        self.card = _first_card(job, context)
        self.history: list[dict[str, float]] = []
        self.loop = Loop(
            network,
            patches,
            config,
            epoch_steps=steps_per_epoch(
                config.schedule, images=len(data.train), batch_size=config.data.batch_size * team.size
            ),
            team=team,
            bfloat16=self._bfloat16,
        )
        if team.leads:
            write_bytes(output / "config.yaml", dump_config(config).encode())

    def restore(self, state: ResumeState) -> None:
        self.loop.restore(state, where=self._output / RESUME_FILE)
        self.history = [dict(row) for row in state.values["history"]]
        self.card = dataclasses.replace(self.card, threshold=float(state.values["threshold"]))

    def result(self, *, finished: bool) -> TrainingResult:
        return TrainingResult(self._output, finished, self.card, tuple(self.history))

    def is_over(self) -> bool:
        """Return True after the last epoch, or once patience is exhausted."""
        return self._team.broadcast(bool(self.history) and (self.loop.done >= 1 or self._epochs_lost() is not None))

    def _epochs_lost(self) -> int | None:
        """Return the epochs since the best F1 if ``patience`` is exhausted."""
        scores = [row["f1"] for row in self.history]
        lost = len(scores) - 1 - scores.index(max(scores))
        patience = self._config.schedule.patience
        return lost if patience is not None and lost >= patience else None

    def train_epoch(self, *, stopped: Callable[[], bool], progress: TrainingCallback) -> bool:
        """Train one epoch; save the state if it ends early.

        Returns:
            True if the epoch is complete.
        """
        try:
            finished = self.loop.run_epoch(stopped=stopped, progress=progress)
        except CracksegError as error:
            lost = self._as_lost(error)
            if lost is error:
                raise
            self.save_state()
            raise lost from error
        if not finished:
            self.save_state()
        return finished

    def _as_lost(self, error: CracksegError) -> CracksegError:
        """Return a resumable TrainingError if data has become unreadable; else the error."""
        if isinstance(error, ConfigError) or not isinstance(error, (DatasetError, ImageError, UsageError)):
            return error
        return TrainingError(
            f"{error.what}, at step {self.loop.step}",
            where=error.where,
            hint="restore the data and run the same command with --resume",
        )

    def save_state(self) -> None:
        """Write the state that `restore` continues from."""
        if not self._team.leads:
            return
        tensors, values = self.loop.state()
        values |= {"history": self.history, "threshold": self.card.threshold, "config": dump_config(self._config)}
        values["data"] = self._identity
        ResumeState(tensors, values).save(self._output / RESUME_FILE)

    def end_epoch(self) -> TrainingProgress:
        """Validate and write in the first process, and broadcast the outcome."""
        outcome: TrainingProgress | CracksegError | None = None
        if self._team.leads:
            try:
                outcome = self._validate_epoch()
            except CracksegError as error:
                outcome = self._as_lost(error)
        outcome, self.history, self.card = self._team.broadcast((outcome, self.history, self.card))
        if not isinstance(outcome, TrainingProgress):
            raise outcome or TrainingError("the first process did not validate", hint="continue with --resume")
        return outcome

    def _validate_epoch(self) -> TrainingProgress:
        """Validate, keep the best weights, and write the resume state last."""
        rate, loss = self.loop.current_learning_rate, self.loop.take_mean_loss()
        predictor = TorchPredictor(self.loop.average, self.card, device=self._team.device, bfloat16=self._bfloat16)
        counts = sum_counts(validate(predictor, self._data.validation, classes=self._config.network.classes))
        threshold = counts.crack.steady_threshold(self._start)
        row = {
            "epoch": len(self.history) + 1.0,
            "step": float(self.loop.step),
            "seconds": round(self.loop.elapsed_s, 1),
            "learning_rate": rate,
            "loss": loss,
            **counts.scores_at(threshold),
            "threshold": threshold,
        }
        best = max((old["f1"] for old in self.history), default=-1.0)
        self.history.append(row)
        if row["f1"] > best:
            self.card = dataclasses.replace(self.card, threshold=threshold)
            save_weights(self._output / "best.safetensors", self.loop.average, self.card)
        save_weights(
            self._output / "last.safetensors", self.loop.average, dataclasses.replace(self.card, threshold=threshold)
        )
        write_bytes(self._output / "metrics.csv", format_history(self.history))
        self.save_state()
        self.loop.guard.check_epoch(counts.crack, done=self.loop.done)
        return TrainingProgress(self.loop.done, 1.0, step=self.loop.step, loss=loss, row=row)

    def finish(self, progress: TrainingCallback) -> None:
        """Score the stored best weights, and write card, model and figures."""
        lost = self._epochs_lost()
        if lost is not None and self.loop.done < 1:
            note = f"no better validation F1 for {lost} epochs; the training ends early"
            progress(TrainingProgress(self.loop.done, 1.0, note, step=self.loop.step, loss=0.0))
        if self._team.leads:
            try:
                self.card = self._finish()
            except CracksegError as error:
                raise self._as_lost(error) from error
        self.card = self._team.broadcast(self.card)

    def _finish(self) -> ModelCard:
        best = self._output / "best.safetensors"
        network = self.loop.average
        network.load_state_dict(read_weights(best))
        predictor = TorchPredictor(network, self.card, device=self._team.device)
        samples, classes = self._data.validation, self._config.network.classes
        counts = validate(predictor, samples, classes=classes)
        threshold = sum_counts(counts).crack.steady_threshold(self._start)
        scores = {
            group: {key: round(value, 4) for key, value in part.scores_at(threshold).items() if not math.isnan(value)}
            for group, part in {"all": sum_counts(counts), **sum_by_group(samples, counts)}.items()
        }
        training = {
            **self.card.training,
            "steps": self.loop.step,
            "seconds": round(self.loop.elapsed_s, 1),
            "bfloat16": self._bfloat16,
            "processes": self._team.size,
        }
        card = dataclasses.replace(self.card, threshold=threshold, scores={"validation": scores}, training=training)
        # Equal runs take different times, but files made of the weights must be equal.
        timeless = dataclasses.replace(card, training={**card.training, "seconds": None})
        if self._config.network.arch not in NOT_IN_ONNX:
            export_onnx(network, self._output / RUN_MODEL, timeless)
        save_weights(best, network, timeless)
        draw_curves(self.history, self._output / "curves.png")
        picked = pick_examples(samples, counts, threshold)
        draw_samples(predict_examples(predictor, picked, threshold, classes=classes), self._output / "samples.png")
        write_bytes(self._output / "card.json", (card.to_json() + "\n").encode())
        return card


def _first_card(job: _Job, context: int | None) -> ModelCard:
    config = job.config
    return ModelCard(
        name=config.name or job.output.resolve().name,
        network=config.network.model_dump(mode="json"),
        stride=config.network.stride,
        context_px=FALLBACK_CONTEXT_PX if context is None else context,
        context_exact=context is not None,
        data=tuple(dict(group) for group in job.identity["train"]),
        terms=config.terms,
        domain=describe_domain(job.data.train),
        training={
            "seed": config.seed,
            "init": None if config.init is None else Path(config.init).name,
            "teacher": None if config.teacher.model is None else Path(config.teacher.model).name,
            "torch": torch.__version__,
            **describe_machine(),
        },
    )


def format_history(history: Sequence[dict[str, float]]) -> bytes:
    """Return rows of scores as the bytes of ``metrics.csv``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in history)
    return text.getvalue().encode()
