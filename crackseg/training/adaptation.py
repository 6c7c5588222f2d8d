"""Adapt the batch normalisation of a model to the images of one site."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crackseg.config import dump_config
from crackseg.datasets.samples import Sample, hold_out
from crackseg.errors import UsageError, display_text
from crackseg.exporting.from_torch import export_onnx
from crackseg.files import make_folder, write_bytes
from crackseg.machine import describe_machine
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network, read_card, save_weights
from crackseg.networks.config import NOT_IN_ONNX, NetworkConfig
from crackseg.networks.factory import SegmentationNetwork
from crackseg.networks.precision import use_bfloat16
from crackseg.parallel import Progress, ProgressCallback
from crackseg.prediction.loading import RUN_MODEL, ModelFile, find_model
from crackseg.runtimes.torch import TorchPredictor, pick_device
from crackseg.training.adapt_config import DEFAULT_SHARE, HELD_OUT_FROM, AdaptConfig
from crackseg.training.batch_statistics import find_norms, mix_statistics
from crackseg.training.config import DataConfig, OptimiserConfig, ScheduleConfig, TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.loader import iter_batches, name_killed_workers
from crackseg.training.loop import Loop
from crackseg.training.patches import PatchDataset
from crackseg.training.run import format_history
from crackseg.training.site import Site, cut_batches, find_site
from crackseg.training.validation import ValidationCounts, sum_counts, validate

SHARES = (0.0, 0.1, 0.25)
"""Shares of the site in the statistics that are measured where there are labels."""

RUN_FILES = ("best.safetensors", "resume.safetensors", RUN_MODEL, "card.json", "config.yaml", "metrics.csv")
_MOST_FOR_SHARE = 16
_STATISTICS_END = 0.4


@dataclass(frozen=True, slots=True, repr=False)
class AdaptationResult:
    """Result of an adaptation.

    Attributes:
        output: Run folder.
        card: Model card of the adapted model.
        images: Number of images of the site.
        labelled: True if the images had masks.
        share: Share of the site in the statistics of batch normalisation.
        history: One row per validation: ``step``, ``share``, ``f1`` and ``threshold``; the first one is the original
            model. Empty without labels.
    """

    output: Path
    card: ModelCard
    images: int
    labelled: bool
    share: float
    history: tuple[dict[str, float], ...] = ()

    def __repr__(self) -> str:
        images = "1 image" if self.images == 1 else f"{self.images} images"
        score = f", F1 {self.history[0]['f1']:.3f} -> {self.f1:.3f}" if self.history else ""
        return f"AdaptationResult('{display_text(self.output)}', {images}{score})"

    @property
    def f1(self) -> float:
        """F1 of the adapted model on the measured images; NaN without labels."""
        return max((row["f1"] for row in self.history), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "output": display_text(self.output),
            "images": self.images,
            "labelled": self.labelled,
            "share": self.share,
            "f1_before": self.history[0]["f1"] if self.history else None,
            "f1": self.f1 if self.history else None,
            "threshold": self.card.threshold,
            "terms": self.card.terms,
        }

    def rows(self) -> list[dict[str, float]]:
        """Return one flat row per validation, for a data frame."""
        return [dict(row) for row in self.history]


def adapt(
    config: AdaptConfig,
    folder: Path,
    output: Path,
    *,
    device: str = "auto",
    progress: ProgressCallback | None = None,
) -> AdaptationResult:
    """Adapt the batch normalisation of a model to one site.

    Without masks only its statistics change. With masks its scale and shift are trained as well. All other weights stay
    those of the original model. The result is never worse than the original on the images it is measured on.

    Args:
        config: Configuration of the adaptation.
        folder: Images of the site, or a folder with ``images`` and ``masks``.
        output: Run folder for ``model.onnx``, ``best.safetensors``, ``card.json``, ``config.yaml``, and ``metrics.csv``
            if there are labels. Nothing is written before the end.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called while the work goes on.

    Raises:
        UsageError: If there is no image, no such model or device, the model is int8 or has no batch normalisation, or
            the output holds a run.
        DatasetError: If an image has no mask, or one of another size or with other classes.
        ImageError: If an image cannot be read.
        TrainingError: If the loss is not finite, or no label holds a crack.
        OutputError: If the run folder cannot be written.
    """
    started_s = time.monotonic()
    site = find_site(folder)
    _check_output(output, folder)
    chosen = pick_device(device)
    file = find_model(config.model)
    network, card = _load(file)
    torch.manual_seed(config.seed)
    work = _Adaptation(config, site, (network, card), chosen, progress)
    work.mix()
    if site.samples and config.steps:
        work.train()
    adapted = work.write(output, file, started_s)
    return AdaptationResult(output, adapted, len(site.images), bool(site.samples), work.share, tuple(work.history))


def _check_output(output: Path, folder: Path) -> None:
    """Check that a run can be written to the output.

    Raises:
        UsageError: If it holds a run or is a folder of the site.
        OutputError: If a file is in the way.
    """
    if output.resolve() in {folder.resolve(), (folder / "images").resolve(), (folder / "masks").resolve()}:
        raise UsageError("the images are read from this folder", where=output, hint="choose another folder with -o")
    if any((output / name).exists() for name in RUN_FILES):
        raise UsageError("the folder holds a run already", where=output, hint="choose another folder with -o")
    if not next(path for path in (output, *output.parents) if path.exists()).is_dir():
        make_folder(output)  # fails now, not after minutes


def _load(file: ModelFile) -> tuple[SegmentationNetwork, ModelCard]:
    """Load a model that can be adapted, with its card.

    Raises:
        UsageError: If the model is int8 or has no batch normalisation.
        ModelError: If it is no model of crackseg, or damaged.
    """
    if file.path.suffix == ".xml":
        raise UsageError("OpenVINO models cannot be adapted", where=file.name, hint="give the model it was made from")
    if file.sha256 is not None:
        file.read()
    if read_card(file.path).precision == "int8":
        raise UsageError("int8 models cannot be adapted", where=file.name, hint="give the model it was made from")
    network, card = load_network(file.path)
    if not find_norms(network):
        raise UsageError(
            "the network has no batch normalisation to adapt",
            where=file.name,
            hint=f"use crackseg train --config fine-tune --init {file.name}",
        )
    return network, card


class _Adaptation:
    """A network that is being adapted, and the best one so far."""

    def __init__(
        self,
        config: AdaptConfig,
        site: Site,
        original: tuple[SegmentationNetwork, ModelCard],
        device: torch.device,
        progress: ProgressCallback | None,
    ) -> None:
        self._config, self._site, self._device, self._progress = config, site, device, progress
        network, self._card = original
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()
        self._best = self._network
        self._bfloat16 = bool(site.samples) and use_bfloat16(config.precision, device)
        self._trained, self._measured = _divide(site.samples, config)
        self._done = 0.0
        self._steps = 0
        self.share = DEFAULT_SHARE if config.share is None else config.share
        self.history: list[dict[str, float]] = []

    def mix(self) -> None:
        """Mix the statistics; masks choose the share of the site."""
        side_px = -(-self._config.patch_px // self._card.stride) * self._card.stride
        paths = [sample.image for sample in self._trained] or self._site.images
        batches = list(cut_batches(paths, side_px, seed=self._config.seed))
        if self._site.samples:
            self._keep_if_best(self._network, share=0.0)
            if self._config.share is None:
                self.share = self._measure_shares(batches)
        if self.share:
            self._network = self._mix(batches, self.share)
            self._keep_if_best(self._network, share=self.share)
        self._done = _STATISTICS_END

    def _mix(self, batches: Sequence[Tensor], share: float) -> SegmentationNetwork:
        """Return a copy of the network with mixed statistics."""
        mixed = copy.deepcopy(self._network)
        note = f"statistics with {share:g} of the site"
        mix_statistics(mixed, batches, share=share, progress=lambda: self._report(note))
        return mixed

    def _measure_shares(self, batches: Sequence[Tensor]) -> float:
        """Return the share of the best F1.

        No mask enters the statistics, so the images that are trained on count too.
        """
        samples = self._site.samples[:: -(-len(self._site.samples) // _MOST_FOR_SHARE)]
        scores = {}
        for turn, share in enumerate(SHARES, start=1):
            network = self._mix(batches, share) if share else self._network
            scores[share] = self._score(network, samples)["f1"]
            self._done = _STATISTICS_END * turn / len(SHARES)
            self._report(f"statistics with {share:g} of the site: F1 {scores[share]:.3f}")
        return max(scores, key=lambda share: scores[share])

    def train(self) -> None:
        """Train scale and shift of the normalisation, and keep the best one."""
        _free_only(self._network)
        rounds = min(self._config.rounds, self._config.steps)
        round_steps = self._config.steps // rounds
        settings = self._settings(rounds, round_steps)
        patches = PatchDataset(self._trained, settings)
        team = Team(self._device)
        loop = Loop(self._network, patches, settings, epoch_steps=round_steps, team=team, bfloat16=self._bfloat16)
        loop.network.eval()  # the statistics stay
        scores = [self.history[-1]["f1"]]
        batches = iter_batches(patches, settings, range(rounds * round_steps), team)
        with name_killed_workers(), contextlib.closing(batches):
            for _ in range(rounds):
                for batch in itertools.islice(batches, round_steps):
                    loss = loop.train_step([batch], rate=loop.current_learning_rate)
                    self._done = _STATISTICS_END + (1 - _STATISTICS_END) * loop.step / (rounds * round_steps + 1)
                    self._report(f"step {loop.step}  loss {loss:.3f}  F1 {max(scores):.3f}")
                self._steps = loop.step
                self._keep_if_best(loop.average, share=self.share)
                scores.append(self.history[-1]["f1"])
                if len(scores) - 1 - scores.index(max(scores)) >= self._config.patience:
                    break

    def _settings(self, rounds: int, round_steps: int) -> TrainConfig:
        """Return the settings of the steps in the form of a training."""
        config = self._config
        return TrainConfig(
            seed=config.seed,
            workers=config.workers,
            precision=config.precision,
            network=NetworkConfig.model_validate({**self._card.network, "encoder_weights": None}),
            data=DataConfig(patch_px=config.patch_px, batch_size=config.batch_size),
            augment=config.augment,
            loss=config.loss,
            optimiser=OptimiserConfig(learning_rate=config.learning_rate, ema_decay=0.9, warmup=0.1),
            schedule=ScheduleConfig(epochs=rounds, steps_per_epoch=round_steps),
        )

    def _keep_if_best(self, network: SegmentationNetwork, *, share: float) -> None:
        """Score a network on the measured images, and keep the best one."""
        if not self._measured:
            self._best = network
            return
        best = max((row["f1"] for row in self.history), default=-1.0)
        row = {"step": float(self._steps), "share": share, **self._score(network, self._measured)}
        self.history.append(row)
        if row["f1"] > best:
            self._best = copy.deepcopy(network)

    def _score(self, network: SegmentationNetwork, samples: Sequence[Sample]) -> dict[str, float]:
        """Return the scores at the threshold chosen on the samples."""
        counts = self._count(network, samples, bfloat16=self._bfloat16)
        threshold = counts.crack.steady_threshold(self._card.threshold)
        return {**counts.scores_at(threshold), "threshold": threshold}

    def _count(
        self, network: SegmentationNetwork, samples: Sequence[Sample], *, bfloat16: bool = False
    ) -> ValidationCounts:
        predictor = TorchPredictor(network, self._card, device=self._device, bfloat16=bfloat16)
        return sum_counts(validate(predictor, samples, classes=self._card.classes))

    def _report(self, note: str) -> None:
        if self._progress is not None:
            self._progress(Progress(self._done, 1.0, note))

    def write(self, output: Path, file: ModelFile, started_s: float) -> ModelCard:
        """Write the run folder and return the card of the adapted model."""
        card = self._adapted_card(output, file, started_s)
        timeless = dataclasses.replace(card, training={**card.training, "seconds": None})
        make_folder(output)
        write_bytes(output / "config.yaml", dump_config(self._config).encode())
        if self.history:
            write_bytes(output / "metrics.csv", format_history(self.history))
        if card.network.get("arch") not in NOT_IN_ONNX:
            export_onnx(self._best, output / RUN_MODEL, timeless)
        save_weights(output / "best.safetensors", self._best, timeless)
        write_bytes(output / "card.json", (card.to_json() + "\n").encode())
        self._done = 1.0
        self._report("")
        return card

    def _adapted_card(self, output: Path, file: ModelFile, started_s: float) -> ModelCard:
        """Return the card of the original with what has changed."""
        card, site = self._card, self._site
        threshold, scores = card.threshold, {}
        if self._measured:
            counts = self._count(self._best, self._measured)
            threshold = counts.crack.steady_threshold(card.threshold)
            rounded = {key: round(value, 4) for key, value in counts.scores_at(threshold).items() if value == value}
            # Scores of images that were also trained on are no validation.
            scores = {"adaptation" if self._trained == self._measured else "validation": {"all": rounded}}
        images = "1 image" if len(site.images) == 1 else f"{len(site.images)} images"
        best = max(self.history, key=lambda row: row["f1"], default={"step": 0.0, "share": self.share})
        parts = [("batch normalisation statistics", best["share"]), ("scale and shift", best["step"])]
        return dataclasses.replace(
            card,
            name=output.resolve().name,
            threshold=threshold,
            data=(*card.data, site.describe()),
            scores=scores,
            terms=f"{card.terms}; adapted on {images} of {site.name}",
            training={
                "parent": card.name,
                "parent_sha256": hashlib.sha256(file.read()).hexdigest(),
                "adapted": [name for name, amount in parts if amount],
                "images": len(site.images),
                "labelled": bool(site.samples),
                "held_out": 0 if self._trained == self._measured else len(self._measured),
                "share": best["share"],
                "steps": int(best["step"]),
                "seconds": round(time.monotonic() - started_s, 1),
                "seed": self._config.seed,
                "bfloat16": self._bfloat16,
                "torch": torch.__version__,
                **describe_machine(),
            },
        )


def _divide(samples: tuple[Sample, ...], config: AdaptConfig) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the images to train on and those to measure on."""
    if len(samples) < HELD_OUT_FROM:
        return samples, samples
    return hold_out(samples, config.held_out)


def _free_only(network: SegmentationNetwork) -> None:
    """Freeze all parameters but the scale and shift of batch normalisation."""
    network.requires_grad_(requires_grad=False)
    for norm in find_norms(network).values():
        norm.requires_grad_(requires_grad=True)
