"""Encoders by name: those of segmentation-models-pytorch, ``tu-NAME`` of timm, ShuffleNetV2 of torchvision."""

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
    """A module that gives features at strides 1, 2, 4, ..."""

    @property
    def out_channels(self) -> Sequence[int]:
        """Their channels."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return the features of ``(N, C, H, W)`` images."""


def library() -> Any:
    """Return segmentation-models-pytorch, quietly, with the encoders that are added to it here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch as smp
    for name in WIDTHS:
        # The library's own way of adding an encoder is an entry in this dictionary.
        entry = {"encoder": ShuffleNetEncoder, "pretrained_settings": {}, "params": {"name": name}}
        smp.encoders.encoders.setdefault(name, entry)
    return smp


def build_encoder(config: NetworkConfig, depth: int) -> tuple[nn.Module, list[int]]:
    """Build an encoder alone, of ``depth`` halvings; return it with the channels of its features from stride 1 on.

    Raises:
        ConfigError: If the encoder or its weights are unknown, or it does not halve so often.
        ModelError: If pretrained weights cannot be fetched.
    """
    smp = library()
    with encoder_errors(config):
        encoder = smp.encoders.get_encoder(
            config.encoder, in_channels=config.channels, depth=depth, weights=config.encoder_weights
        )
    widths = [int(width) for width in cast(Encoder, encoder).out_channels][: depth + 1]
    if len(widths) < depth + 1:
        raise ConfigError(
            f"{config.encoder} halves {len(widths) - 1} times, {config.arch} needs {depth}", where="network.encoder"
        )
    return cast(nn.Module, encoder), widths


def check_features(encoder: object, *, channels: int, side: int) -> None:
    """Make sure that an encoder's features divide an image evenly; otherwise they lie askew, and tiles show.

    Args:
        encoder: Gives features; one that gives something else than maps is let through.
        channels: Channels of its input.
        side: Side of the image to try, in pixels, a multiple of the stride.

    Raises:
        ConfigError: If it pads so that they do not.
    """
    if not isinstance(encoder, nn.Module):
        return
    was = encoder.training
    with torch.inference_mode():
        features = encoder.eval()(torch.zeros(1, channels, side, side))
    encoder.train(was)
    uneven = [
        feature.shape[-1]
        for feature in features
        if isinstance(feature, Tensor) and feature.ndim == 4 and side % feature.shape[-1]
    ]
    if uneven:
        raise ConfigError(
            f"the encoder's features do not halve the image: {uneven[0]} px of {side}",
            where="network.encoder",
            hint="inceptionv4 and inceptionresnetv2 are padded so that they do",
        )


@contextlib.contextmanager
def encoder_errors(config: NetworkConfig) -> Iterator[None]:
    """Turn what the libraries raise over an encoder, inside the block, into one line; keep them quiet otherwise.

    Raises:
        ConfigError: If the encoder is unknown, with the nearest name as a hint, or cannot be used as configured.
        ModelError: If pretrained weights cannot be fetched.
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
        raise ConfigError(_one_line(error), where="network") from error
    except OSError as error:
        raise ModelError(
            f"the weights '{config.encoder_weights}' of {config.encoder} cannot be fetched",
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
        hint=f"did you mean '{close[0]}'?" if close else "tu-NAME takes one of timm",
    )


def _one_line(error: Exception) -> str:
    text = str(error).strip("'\"") or type(error).__name__
    return " ".join(text.split())[:300]
