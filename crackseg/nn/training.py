"""A training from data to a run folder: validated each epoch, resumable after any kill, stopped cleanly when asked."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
import yaml

from crackseg.card import ModelCard
from crackseg.config import dump_config
from crackseg.dataset import Sample, check_sizes, hash_samples
from crackseg.errors import ConfigError, UsageError
from crackseg.files import make_folder, write_bytes
from crackseg.machine import describe_machine
from crackseg.models import RUN_MODEL
from crackseg.nn.checkpoint import ResumeState, find_weights, initialise, read_weights, save_weights
from crackseg.nn.export import export_onnx
from crackseg.nn.factory import build_network
from crackseg.nn.loop import Loop, TrainingProgress
from crackseg.nn.patches import PatchDataset
from crackseg.nn.precision import use_bfloat16
from crackseg.nn.receptive_field import FALLBACK_CONTEXT_PX, measure_context
from crackseg.nn.report import draw_curves, draw_samples
from crackseg.nn.schedule import steps_per_epoch
from crackseg.nn.train_config import TrainConfig
from crackseg.nn.validation import judge, pooled, validate
from crackseg.runtimes.torch import TorchPredictor, pick_device

RESUME_FILE = "resume.safetensors"
"""Network, average, optimiser and counters of a run, in one file beside ``last.safetensors``."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What to train on, and what to choose the best epoch and the threshold by."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        finished: False if it was stopped; then it can be resumed.
        card: The card of the best epoch so far.
        history: The rows of ``metrics.csv``.
    """

    finished: bool
    card: ModelCard
    history: tuple[dict[str, float], ...]


def train(
    config: TrainConfig,
    data: TrainingData,
    output: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    report: Callable[[TrainingProgress], None] = lambda _: None,
) -> TrainingResult:
    """Train a network into a run folder.

    Args:
        config: How.
        data: On what.
        output: The run folder: ``best.safetensors``, ``last.safetensors``, ``resume.safetensors``, ``model.onnx``,
            ``config.yaml``, ``metrics.csv``, ``curves.png``, ``samples.png``, ``card.json``.
        resume: Go on where an earlier call with the same configuration stopped, if there was one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        report: Called after every step and every epoch.

    Raises:
        UsageError: If the folder holds a run and ``resume`` is off, or the device is not there.
        ConfigError: If the configuration is not that of the run to resume.
        DatasetError: If an image and its mask do not fit.
        TrainingError: If the loss or a weight is no longer finite, or the network has collapsed (see `CollapseGuard`).
        OutputError: If the run folder cannot be written.
    """
    chosen = pick_device(device)
    state = _state_to_resume(config, output, resume=resume)
    check_sizes([*data.train, *data.validation])
    run = _Run(config, data, make_folder(output), chosen)
    if state is not None:
        run.restore(state)
    with _stop_signals() as stopped:
        while not run.history or run.loop.done < 1:
            if not run.loop.run_epoch(stopped=stopped, report=report):
                run.save_state()
                return TrainingResult(finished=False, card=run.card, history=tuple(run.history))
            report(run.end_epoch())
    return TrainingResult(finished=True, card=run.finish(), history=tuple(run.history))


class _Run:
    """A run folder and the loop that fills it."""

    def __init__(self, config: TrainConfig, data: TrainingData, output: Path, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self._config, self._data, self._output, self._device = config, data, output, device
        self._bfloat16 = use_bfloat16(config.precision, device)
        network = build_network(config.network)
        context = measure_context(network.network.eval(), stride=network.stride)
        if config.init is not None:
            initialise(network, find_weights(config.init))
        self.card = _first_card(config, data, output, context)
        self.history: list[dict[str, float]] = []
        self.loop = Loop(
            network,
            PatchDataset(data.train, config),
            config,
            epoch_steps=steps_per_epoch(config.schedule, images=len(data.train), batch_size=config.data.batch_size),
            device=device,
            bfloat16=self._bfloat16,
        )
        write_bytes(output / "config.yaml", dump_config(config).encode())

    def restore(self, state: ResumeState) -> None:
        self.loop.restore(state, where=self._output / RESUME_FILE)
        self.history = [dict(row) for row in state.values["history"]]
        self.card = dataclasses.replace(self.card, threshold=float(state.values["threshold"]))

    def save_state(self) -> None:
        tensors, values = self.loop.state()
        values |= {"history": self.history, "threshold": self.card.threshold, "config": dump_config(self._config)}
        ResumeState(tensors, values).save(self._output / RESUME_FILE)

    def end_epoch(self) -> TrainingProgress:
        """Validate, keep the best, and write everything; the state that makes it count is written last."""
        rate, loss = self.loop.current_learning_rate, self.loop.take_mean_loss()
        predictor = TorchPredictor(self.loop.average, self.card, device=self._device, bfloat16=self._bfloat16)
        histogram = pooled(validate(predictor, self._data.validation))
        threshold = histogram.best_threshold()
        counts = histogram.counts_at(threshold)
        row = {
            "epoch": len(self.history) + 1.0,
            "step": float(self.loop.step),
            "seconds": round(self.loop.elapsed_s, 1),
            "learning_rate": rate,
            "loss": loss,
            **{key: _or_zero(getattr(counts, key)) for key in ("f1", "precision", "recall", "iou")},
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
        write_bytes(self._output / "metrics.csv", _csv(self.history))
        self.save_state()
        self.loop.guard.check_epoch(histogram, done=self.loop.done)
        return TrainingProgress(self.loop.done, self.loop.step, loss, row)

    def finish(self) -> ModelCard:
        """Score the best weights as they are stored, and write card, model and pictures."""
        best = self._output / "best.safetensors"
        network = self.loop.average
        network.load_state_dict(read_weights(best))
        predictor = TorchPredictor(network, self.card, device=self._device)
        histograms = validate(predictor, self._data.validation)
        threshold = pooled(histograms).best_threshold()
        scores = {
            group: {
                key: round(_or_zero(getattr(histogram.counts_at(threshold), key)), 4)
                for key in ("f1", "precision", "recall", "iou")
            }
            for group, histogram in {"all": pooled(histograms), **histograms}.items()
        }
        training = {
            **self.card.training,
            "steps": self.loop.step,
            "seconds": round(self.loop.elapsed_s, 1),
            "bfloat16": self._bfloat16,
        }
        card = dataclasses.replace(self.card, threshold=threshold, scores={"validation": scores}, training=training)
        # How long it took differs between equal runs; what is built from the weights alone must not.
        timeless = dataclasses.replace(card, training={**card.training, "seconds": None})
        export_onnx(network, self._output / RUN_MODEL, timeless)
        save_weights(best, network, timeless)
        draw_curves(self.history, self._output / "curves.png")
        draw_samples(judge(predictor, self._data.validation, threshold), self._output / "samples.png")
        write_bytes(self._output / "card.json", (card.to_json() + "\n").encode())
        return card


def _first_card(config: TrainConfig, data: TrainingData, output: Path, context: int | None) -> ModelCard:
    groups = dict.fromkeys(sample.group for sample in data.train)
    return ModelCard(
        name=config.name or output.resolve().name,
        network=config.network.model_dump(mode="json"),
        stride=config.network.stride,
        context_px=FALLBACK_CONTEXT_PX if context is None else context,
        context_exact=context is not None,
        data=tuple(_describe_group(group, data.train) for group in groups),
        terms=config.terms,
        training={
            "seed": config.seed,
            "init": None if config.init is None else Path(config.init).name,
            "torch": torch.__version__,
            **describe_machine(),
        },
    )


def _describe_group(group: str, samples: Sequence[Sample]) -> dict[str, str | int]:
    members = [sample for sample in samples if sample.group == group]
    return {"name": group, "images": len(members), "sha256": hash_samples(members)}


def _state_to_resume(config: TrainConfig, output: Path, *, resume: bool) -> ResumeState | None:
    path = output / RESUME_FILE
    if not path.exists():
        if (output / "best.safetensors").exists() and not resume:
            raise UsageError("holds a run already", where=output, hint="choose another folder")
        return None
    if not resume:
        raise UsageError("holds a run already", where=output, hint="add --resume to go on, or choose another folder")
    state = ResumeState.load(path)
    was, now = (yaml.safe_load(text) for text in (state.values["config"], dump_config(config)))
    difference = _first_difference(was, now)
    if difference is not None:
        raise ConfigError(
            f"the run was begun with another configuration: {difference}",
            where=output,
            hint="use the same one, or another folder",
        )
    return state


def _first_difference(was: object, now: object, key: str = "") -> str | None:
    """Return the first key in which two configurations differ; how long to train may change."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            path = f"{key}.{name}" if key else str(name)
            if path in ("schedule.epochs", "schedule.minutes"):
                continue
            found = _first_difference(was.get(name), now.get(name), path)
            if found is not None:
                return found
        return None
    return None if was == now else f"{key} was {was!r} and is {now!r}"


def _csv(history: Sequence[dict[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in history)
    return text.getvalue().encode()


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


@contextlib.contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a wish to stop after the current step, where signals can be caught."""
    wish = threading.Event()

    def note(_signal: int, _frame: FrameType | None) -> None:
        wish.set()

    if threading.current_thread() is not threading.main_thread():
        yield wish.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
