"""The optimiser of a network: learning rates that fall from its head to its first layers, and an encoder kept still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from crackseg.errors import ConfigError
from crackseg.training.config import OptimiserConfig

STAGES = 5
"""An encoder is taken for so many stages, each with the same number of tensors."""


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> torch.optim.AdamW:
    """Return AdamW; only kernels decay, not biases and normalisation, and each group knows its factor on the rate.

    The encoder's deepest stage learns at ``decay_below`` times the rate of everything else, the stage before it at
    the square of that, and so on down to the image.

    Args:
        network: A segmentation network; what it calls ``network.encoder`` is the encoder.
        config: The optimiser.

    Source:
        Howard, Ruder, "Universal language model fine-tuning for text classification", ACL 2018, section 3.2.
    """
    inside = {id(parameter): index for index, parameter in enumerate(_encoder_parameters(network))}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        place = inside.get(id(parameter))
        steps_below = 0 if place is None or config.decay_below == 1 else STAGES - place * STAGES // len(inside)
        groups.setdefault((steps_below, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if is_kernel else 0.0,
                "factor": config.decay_below**steps_below,
            }
            for (steps_below, is_kernel), parameters in sorted(
                groups.items(), key=lambda item: (item[0][0], not item[0][1])
            )
        ],
        lr=config.learning_rate,
        fused=True,
    )


def restore_averages(optimiser: torch.optim.Optimizer, stored: Mapping[str, Tensor]) -> None:
    """Give an optimiser back the averages it keeps of each parameter, and its count of steps.

    They get the layout in memory of their parameter, which files do not keep: the fused form walks through both by
    address, and would pair the wrong numbers.

    Args:
        optimiser: An optimiser of the same parameters.
        stored: Tensors by ``INDEX.NAME``, the index being that of the parameter in the optimiser's state.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        index, _, slot = name.partition(".")
        parameter = parameters[int(index)]
        same_shape = tensor.shape == parameter.shape
        slots.setdefault(int(index), {})[slot] = torch.empty_like(parameter).copy_(tensor) if same_shape else tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scale gradients down so that their norm, taken together, is at most ``limit``; what is below stays untouched."""
    learning = [parameter for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in learning if parameter.grad is not None])
    if not norm <= limit:
        nn.utils.clip_grads_with_norm_(learning, limit, norm)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; every group takes its own share of it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def find_encoder(network: nn.Module) -> nn.Module:
    """Return the encoder of a segmentation network.

    Raises:
        ConfigError: If it has none.
    """
    encoder = getattr(getattr(network, "network", None), "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise ConfigError(
            "this architecture has no encoder that could be kept still",
            where="optimiser.frozen",
            hint="unet-classic learns as a whole; set optimiser.frozen=0",
        )
    return encoder


def freeze(encoder: nn.Module, *, frozen: bool) -> None:
    """Keep an encoder still, its batch normalisation included, or let it learn."""
    for parameter in encoder.parameters():
        parameter.requires_grad_(not frozen)
    encoder.train(not frozen)


def _encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    encoder = getattr(getattr(network, "network", None), "encoder", None)
    return list(encoder.parameters()) if isinstance(encoder, nn.Module) else []
