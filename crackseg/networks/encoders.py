"""Build encoders of segmentation-models-pytorch, timm and torchvision by name."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from crackseg.errors import ConfigError, ModelError
from crackseg.networks.config import NetworkConfig
from crackseg.networks.shufflenet import WIDTHS, ShuffleNetEncoder


class Encoder(Protocol):
    """A module that returns features at strides 1, 2, 4, ..."""

    @property
    def out_channels(self) -> Sequence[int]:
        """Channels of the features."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return the ``(N, C, h, w)`` features of ``(N, C, H, W)`` images."""


def library() -> Any:
    """Import segmentation-models-pytorch and register the ShuffleNet encoders."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp
    for name in WIDTHS:
        # The library has no other way to add an encoder than an entry in this dictionary.
        entry = {"encoder": ShuffleNetEncoder, "pretrained_settings": {}, "params": {"name": name}}
        smp.encoders.encoders.setdefault(name, entry)
    return smp


def build_encoder(config: NetworkConfig, depth: int) -> tuple[nn.Module, list[int]]:
    """Build an encoder without a decoder.

    Args:
        config: Configuration of the network.
        depth: Number of times that the encoder halves the image.

    Returns:
        The encoder, and the channels of its features from stride 1.

    Raises:
        ConfigError: If the encoder or its weights are unknown, or its depth is smaller.
        ModelError: If pretrained weights cannot be downloaded.
    """
    smp = library()
    with encoder_errors(config):
        encoder = smp.encoders.get_encoder(
            config.encoder, in_channels=config.channels, depth=depth, weights=config.encoder_weights
        )
    widths = [int(width) for width in cast(Encoder, encoder).out_channels][: depth + 1]
    if len(widths) < depth + 1:
        raise ConfigError(
            f"expected an encoder that halves the image {depth} times, got {config.encoder}, which halves it "
            f"{len(widths) - 1} times",
            where="network.encoder",
            hint="choose another encoder",
        )
    return cast(nn.Module, encoder), widths


def check_features(encoder: object, *, channels: int, side: int) -> None:
    """Check that the features of an encoder divide an image evenly.

    Otherwise features are shifted against the image, and seams between tiles are visible.

    Args:
        encoder: Encoder to check. One whose features are no maps passes.
        channels: Channels of its input.
        side: Side of a test image in pixels, a multiple of the stride.

    Raises:
        ConfigError: If the features do not divide the image.
    """
    if not isinstance(encoder, nn.Module):
        return
    training = encoder.training
    with torch.inference_mode():
        features = encoder.eval()(torch.zeros(1, channels, side, side))
    encoder.train(training)
    uneven = [
        feature.shape[-1]
        for feature in features
        if isinstance(feature, Tensor) and feature.ndim == 4 and side % feature.shape[-1]
    ]
    if uneven:
        raise ConfigError(
            f"expected features that halve the image, got {uneven[0]} px for {side} px",
            where="network.encoder",
            hint="choose another encoder, such as inceptionv4 or inceptionresnetv2",
        )


@contextlib.contextmanager
def encoder_errors(config: NetworkConfig) -> Iterator[None]:
    """Turn errors of the libraries inside the block into one-line errors.

    Raises:
        ConfigError: If the encoder is unknown, with the nearest name as a hint, or cannot be used as configured.
        ModelError: If pretrained weights cannot be downloaded.
    """
    _check_name(config.encoder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ConfigError(_one_line(error), where="network", hint="choose another encoder or network.arch") from error
    except OSError as error:
        raise ModelError(
            f"the weights '{config.encoder_weights}' of {config.encoder} cannot be downloaded",
            hint="give a file with --init and set network.encoder_weights=null",
        ) from error


def _check_name(name: str) -> None:
    import timm

    ours = list(library().encoders.get_encoder_names())
    known = name in ours or (name.startswith("tu-") and timm.is_model(name.removeprefix("tu-").partition(".")[0]))
    if known:
        return
    close = difflib.get_close_matches(name, [*ours, *(f"tu-{other}" for other in timm.list_models())], n=1)
    raise ConfigError(
        f"expected an encoder of segmentation-models-pytorch, got '{name}'",
        where="network.encoder",
        hint=f"did you mean '{close[0]}'?" if close else "use tu-NAME for an encoder of timm",
    )


def _one_line(error: Exception) -> str:
    text = str(error).strip("'\"") or type(error).__name__
    return " ".join(text.split())[:300]
