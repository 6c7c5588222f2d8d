"""What prediction asks of a network, whatever library runs it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ModelError
from crackseg.modelcard.card import ModelCard


class Predictor(Protocol):
    """A network with its normalisation and sigmoid inside."""

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels; both sides of an input are multiples of it."""

    @property
    def context(self) -> int:
        """How far a pixel of the input can change the output, in pixels."""

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the ``(N, H, W)`` crack probability, in [0, 1], of ``(N, H, W, 3)`` RGB pixels.

        Raises:
            TileMemoryError: If there is no memory for an input of this size.
        """


PROBABILITY, DEFECT_CLASS = "probability", "defect_class"
"""Outputs of a stored network; the second is there where it tells several classes of defect."""


class ClassPredictor(Predictor, Protocol):
    """A network that tells several classes of defect."""

    def classes(self, pixels: NDArray[np.uint8], /) -> NDArray[np.uint8]:
        """Return the ``(N, H, W)`` class, from 1, likeliest beside the background, of ``(N, H, W, 3)`` RGB pixels.

        Raises:
            ModelError: If the model does not tell.
            TileMemoryError: If there is no memory for an input of this size.
        """


@runtime_checkable
class DevicePredictor(Predictor, Protocol):
    """A predictor on a device with a memory of its own, which is faster with several inputs at a time."""

    def room_bytes(self) -> int:
        """Return the memory that the device has free now, in bytes; 0 if one input at a time is best."""


def room_of(predictor: Predictor) -> int:
    """Return what `DevicePredictor.room_bytes` says; 0 for any other predictor."""
    return predictor.room_bytes() if isinstance(predictor, DevicePredictor) else 0


@runtime_checkable
class SplitPredictor(Predictor, Protocol):
    """A predictor that several threads can call at once, each of which then computes by itself."""

    def one_thread(self) -> Predictor:
        """Return the network prepared so: the same answers, from one core for each that calls."""


BYTES_PER_PX = 280
"""Memory that a network is taken to need for each pixel of a tile, where its runtime does not say."""


def bytes_per_px_of(predictor: Predictor) -> int:
    """Return the memory that a network needs for each pixel of a tile, in bytes, as measured of its runtime."""
    return int(getattr(predictor, "bytes_per_px", BYTES_PER_PX))


class WithCard:
    """What the card of a model says of its predictor.

    Attributes:
        card: What the model is.
    """

    card: ModelCard

    @property
    def stride(self) -> int:
        """Total downsampling, in pixels."""
        return self.card.stride

    @property
    def context(self) -> int:
        """Measured context, in pixels."""
        return self.card.context_px


class TileMemoryError(ModelError):
    """There is no memory to compute a tile of this size; a smaller one may do."""


def no_classes_error(card: ModelCard) -> ModelError:
    """Return the error of a model that was asked for classes of defect and has none to tell."""
    return ModelError("does not tell which class a defect is of", where=card.name, hint="export it again")
