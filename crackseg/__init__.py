"""Find, segment and measure cracks in photographs.

    model = crackseg.load_model()
    result = model.predict("photo.jpg")
    result.mask, result.probability, result.cracks

Names are resolved when they are used: importing this package imports neither torch nor OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crackseg.errors import CracksegError
    from crackseg.geometry import Scale
    from crackseg.measurement.crack import CrackMeasurement
    from crackseg.prediction.loading import load_model
    from crackseg.prediction.model import Model
    from crackseg.prediction.result import Prediction

    __version__: str

__all__ = ["CrackMeasurement", "CracksegError", "Model", "Prediction", "Scale", "load_model"]

_HOMES = {
    "CrackMeasurement": "crackseg.measurement.crack",
    "CracksegError": "crackseg.errors",
    "Model": "crackseg.prediction.model",
    "Prediction": "crackseg.prediction.result",
    "Scale": "crackseg.geometry",
    "load_model": "crackseg.prediction.loading",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Asking for it costs a third of a start of the command line, so only who wants it pays.
        from importlib.metadata import version

        return version("crackseg")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackseg' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
