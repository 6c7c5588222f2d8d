"""Training of networks: configuration, data loading, losses, loop and resume."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.training.adapt_config import AdaptConfig
    from crackseg.training.adaptation import AdaptationResult, adapt
    from crackseg.training.batch_statistics import find_norms, mix_statistics
    from crackseg.training.config import (
        AugmentConfig,
        DataConfig,
        OptimiserConfig,
        ScheduleConfig,
        TeacherConfig,
        TrainConfig,
    )
    from crackseg.training.cross_validation import FoldsResult, split_folds, train_folds
    from crackseg.training.label_width import LabelWidths, measure_labels
    from crackseg.training.loop import TrainingCallback, TrainingProgress
    from crackseg.training.loss_config import LossConfig
    from crackseg.training.loss_sum import total_loss
    from crackseg.training.preview import draw_preview
    from crackseg.training.rate_finder import RateTrial, find_rate, save_trial
    from crackseg.training.run import TrainingData, TrainingResult, train
    from crackseg.training.site import Site, find_site
    from crackseg.training.tensorboard import tensorboard_progress
    from crackseg.training.validation import ValidationCounts, validate
    from crackseg.training.weight_map import border_weights

__all__ = [
    "AdaptConfig",
    "AdaptationResult",
    "AugmentConfig",
    "DataConfig",
    "FoldsResult",
    "LabelWidths",
    "LossConfig",
    "OptimiserConfig",
    "RateTrial",
    "ScheduleConfig",
    "Site",
    "TeacherConfig",
    "TrainConfig",
    "TrainingCallback",
    "TrainingData",
    "TrainingProgress",
    "TrainingResult",
    "ValidationCounts",
    "adapt",
    "border_weights",
    "draw_preview",
    "find_norms",
    "find_rate",
    "find_site",
    "measure_labels",
    "mix_statistics",
    "save_trial",
    "split_folds",
    "tensorboard_progress",
    "total_loss",
    "train",
    "train_folds",
    "validate",
]

_HOMES = {
    "AdaptConfig": "crackseg.training.adapt_config",
    "AdaptationResult": "crackseg.training.adaptation",
    "AugmentConfig": "crackseg.training.config",
    "DataConfig": "crackseg.training.config",
    "FoldsResult": "crackseg.training.cross_validation",
    "LabelWidths": "crackseg.training.label_width",
    "LossConfig": "crackseg.training.loss_config",
    "OptimiserConfig": "crackseg.training.config",
    "RateTrial": "crackseg.training.rate_finder",
    "ScheduleConfig": "crackseg.training.config",
    "Site": "crackseg.training.site",
    "TeacherConfig": "crackseg.training.config",
    "TrainConfig": "crackseg.training.config",
    "TrainingCallback": "crackseg.training.loop",
    "TrainingData": "crackseg.training.run",
    "TrainingProgress": "crackseg.training.loop",
    "TrainingResult": "crackseg.training.run",
    "ValidationCounts": "crackseg.training.validation",
    "adapt": "crackseg.training.adaptation",
    "border_weights": "crackseg.training.weight_map",
    "draw_preview": "crackseg.training.preview",
    "find_norms": "crackseg.training.batch_statistics",
    "find_site": "crackseg.training.site",
    "mix_statistics": "crackseg.training.batch_statistics",
    "find_rate": "crackseg.training.rate_finder",
    "measure_labels": "crackseg.training.label_width",
    "save_trial": "crackseg.training.rate_finder",
    "split_folds": "crackseg.training.cross_validation",
    "tensorboard_progress": "crackseg.training.tensorboard",
    "total_loss": "crackseg.training.loss_sum",
    "train": "crackseg.training.run",
    "train_folds": "crackseg.training.cross_validation",
    "validate": "crackseg.training.validation",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg.training' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
