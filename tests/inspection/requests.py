"""Make requests for the tests of inspection."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from crackseg.config import load_config
from crackseg.geometry import Scale
from crackseg.inspection.request import InspectionRequest
from crackseg.inspection.rules import JudgedArea, Rules
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import Source
from crackseg.inspection.worker_limits import WorkerLimits


def make_request(folder: Path, output: Path, model: Path, **changes: object) -> InspectionRequest:
    """Return a request for an inspection in one worker process."""
    settings = Settings(area=JudgedArea(Rules()), model=str(model))
    first = InspectionRequest(
        source=Source(folder, output), settings=settings, workers=1, limits=WorkerLimits(time_s=120)
    )
    return dataclasses.replace(first, **changes)  # type: ignore[arg-type]


def with_rules(first: InspectionRequest, *overrides: str, scale: float | None = None) -> InspectionRequest:
    area = JudgedArea(load_config(Rules, overrides=overrides))
    known = None if scale is None else Scale(scale, "--scale")
    return dataclasses.replace(first, settings=dataclasses.replace(first.settings, area=area, scale=known))
