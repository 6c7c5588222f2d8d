"""Find, segment and measure cracks in images.

    model = crackseg.load_model()
    result = model.predict("wall.jpg")
    result.mask, result.probability, result.cracks

Each command of the command line is a function with the same options, except predict: for that, use `Model.predict` and
`Model.predict_many`. Names are resolved at their first use: importing this package imports neither torch nor OpenCV.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crackseg.cli.adapt import adapt
    from crackseg.cli.check import check
    from crackseg.cli.clean import clean
    from crackseg.cli.convert import convert
    from crackseg.cli.evaluate import evaluate
    from crackseg.cli.export import export
    from crackseg.cli.generate import generate
    from crackseg.cli.inspect import inspect
    from crackseg.cli.measure import measure
    from crackseg.cli.train import train
    from crackseg.errors import CracksegError
    from crackseg.geometry import Scale
    from crackseg.measurement.crack import CrackMeasurement
    from crackseg.parallel import Progress
    from crackseg.prediction.loading import load_model
    from crackseg.prediction.model import Model
    from crackseg.prediction.result import Prediction, PredictionFailure

    __version__: str

__all__ = [
    "CrackMeasurement",
    "CracksegError",
    "Model",
    "Prediction",
    "PredictionFailure",
    "Progress",
    "Scale",
    "adapt",
    "check",
    "clean",
    "convert",
    "evaluate",
    "export",
    "generate",
    "inspect",
    "load_model",
    "measure",
    "train",
]

_HOMES = {
    "CrackMeasurement": "crackseg.measurement.crack",
    "CracksegError": "crackseg.errors",
    "Model": "crackseg.prediction.model",
    "Prediction": "crackseg.prediction.result",
    "PredictionFailure": "crackseg.prediction.result",
    "Progress": "crackseg.parallel",
    "Scale": "crackseg.geometry",
    "adapt": "crackseg.cli.adapt",
    "check": "crackseg.cli.check",
    "clean": "crackseg.cli.clean",
    "convert": "crackseg.cli.convert",
    "evaluate": "crackseg.cli.evaluate",
    "export": "crackseg.cli.export",
    "generate": "crackseg.cli.generate",
    "inspect": "crackseg.cli.inspect",
    "load_model": "crackseg.prediction.loading",
    "measure": "crackseg.cli.measure",
    "train": "crackseg.cli.train",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Reading it takes a third of the start of the command line, so only its users pay for it.
        from importlib.metadata import version

        return version("crackseg")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
