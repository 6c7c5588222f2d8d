"""Define what to inspect, and describe it for the outputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from crackseg.errors import display_text
from crackseg.imaging.codec import read_file
from crackseg.inspection.pool import StartMethod
from crackseg.inspection.records import Key
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import Source
from crackseg.inspection.tasks import Plan
from crackseg.inspection.worker_limits import WorkerLimits
from crackseg.labels.detections import LabelFormat
from crackseg.prediction.loading import find_model


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionRequest:
    """Files to inspect, and how to inspect them.

    Attributes:
        source: Files.
        settings: Settings that decide a result.
        workers: Number of worker processes; one per core if None.
        limits: Limits of each worker process.
        watch: Whether to continue with files that arrive later.
        retry_failed: Whether to inspect files again that failed.
        parquet: Whether to write results.parquet as well.
        formats: Label formats to write at the end.
        start: Method of starting processes; see `Pool`.
        plan: Recipe for the inspectors; `InspectorPlan` if None.
    """

    source: Source
    settings: Settings
    workers: int | None = None
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    watch: bool = False
    retry_failed: bool = False
    parquet: bool = False
    formats: tuple[LabelFormat, ...] = ()
    start: StartMethod | None = None
    plan: Plan | None = None

    @property
    def output(self) -> Path:
        """Folder of the results."""
        return self.source.output


def compute_key(settings: Settings) -> Key:
    """Compute the part of the key that all results share.

    Raises:
        UsageError: If there is no such model.
        ModelError: If a run folder holds no finished model.
    """
    from importlib.metadata import version

    config = {
        "version": version("crackseg"),
        "rules": json.loads(settings.area.rules.model_dump_json()),
        "masks": settings.area.sha256(),
        "scale": None if settings.scale is None else settings.scale.to_dict(),
        "threshold": settings.threshold,
        "runtime": settings.runtime,
        "device": settings.device,
        "tile": settings.tile_size,
        "tta": settings.tta,
    }
    model = hashlib.sha256(read_file(find_model(settings.model).path)).hexdigest()
    return Key(None, model, hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest())


def dump_request(request: InspectionRequest, key: Key) -> str:
    """Return the effective configuration as YAML."""
    settings = request.settings
    scale = None if settings.scale is None else settings.scale.fixed
    config = {
        "model_sha256": key.model,
        "config_sha256": key.config,
        "threshold": settings.threshold,
        "scale_mm_per_px": None if scale is None else scale.mm_per_px,
        "scale_source": settings.describe_scale(),
        "tile_px": settings.tile_size,
        "tta": settings.tta,
        **json.loads(settings.area.rules.model_dump_json()),
    }
    return str(yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True))


def describe_request(request: InspectionRequest) -> dict[str, str]:
    """Return folder, model, scale and rules in words, by title."""
    settings = request.settings
    rules = [f"{rule.verdict} {rule.name}: {' and '.join(rule.when)}" for rule in settings.area.rules.rules]
    return {
        "Folder": display_text(request.source.folder),
        "Model": display_text(settings.model_name),
        "Computed at": settings.describe_passes(),
        "Scale": settings.describe_scale(),
        "Rules": display_text("; ".join(rules)) or "none",
    }
