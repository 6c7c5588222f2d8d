"""Define the protocol of a network that predicts, whichever library runs it."""

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
        """Total downsampling, in pixels; input sides are multiples of it."""

    @property
    def context(self) -> int:
        """Distance over which an input pixel can change the output, in pixels."""

    def __call__(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Return the crack probability of images of one size.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` float32 crack probability, in [0, 1].

        Raises:
            TileMemoryError: If there is no memory for an input of this size.
        """


PROBABILITY, DEFECT_CLASS = "probability", "defect_class"
"""Names of the outputs of a stored network; the second exists only for a model with defect classes."""


class ClassPredictor(Predictor, Protocol):
    """A network with several defect classes."""

    def classes(self, pixels: NDArray[np.uint8], /) -> NDArray[np.uint8]:
        """Return the likeliest defect class of each pixel.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB pixels.

        Returns:
            ``(N, H, W)`` uint8 class numbers, from 1; the background does not compete.

        Raises:
            ModelError: If the model has no classes.
            TileMemoryError: If there is no memory for an input of this size.
        """


@runtime_checkable
class DevicePredictor(Predictor, Protocol):
    """A predictor on a device with separate memory, which is faster with several inputs at a time."""

    def room_bytes(self) -> int:
        """Return the free memory of the device, in bytes; 0 for none."""


def room_of(predictor: Predictor) -> int:
    """Return the free memory of the device, in bytes; 0 for none."""
    return predictor.room_bytes() if isinstance(predictor, DevicePredictor) else 0


@runtime_checkable
class SplitPredictor(Predictor, Protocol):
    """A predictor with a form that several threads can call at once, each computing with one core."""

    def one_thread(self) -> Predictor:
        """Return that form of the network; its results are the same."""


BYTES_PER_PX = 280
"""Memory that a network needs per pixel of a tile if its runtime does not state it, in bytes."""


def bytes_per_px_of(predictor: Predictor) -> int:
    """Return the memory a network needs per pixel, in bytes."""
    return int(getattr(predictor, "bytes_per_px", BYTES_PER_PX))


PROCESS_BYTES = 256 * 2**20
"""Memory of a process without images and tiles if its runtime does not state it, in bytes."""


def process_bytes_of(predictor: Predictor) -> int:
    """Return the memory of a process without images and tiles, in bytes."""
    return int(getattr(predictor, "process_bytes", PROCESS_BYTES))


class WithCard:
    """Base class of predictors whose model card states stride and context.

    Attributes:
        card: Model card.
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
    """There is no memory for a tile of this size; a smaller one may fit."""


def no_classes_error(card: ModelCard) -> ModelError:
    """Return the error of a network without defect classes."""
    return ModelError("the network has no output for defect classes", where=card.name, hint="export it again")
