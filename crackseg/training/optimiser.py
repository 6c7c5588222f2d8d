"""Build the optimiser, clip gradients and freeze the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from crackseg.errors import ConfigError
from crackseg.training.config import OptimiserConfig

STAGES = 5
"""Number of encoder stages for ``decay_below``, each with the same number of tensors."""


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> torch.optim.AdamW:
    """Build AdamW with weight decay on kernels only.

    The learning rate of the deepest encoder stage is ``decay_below`` times that of the rest of the network. The next
    stage has the square of that factor, and so on towards the image.

    Args:
        network: A segmentation network with its encoder in ``network.encoder``.
        config: Configuration of the optimiser.

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
    """Restore the moving averages and step counts of an optimiser.

    Averages get the memory layout of their parameter, which files do not keep. The fused optimiser walks through both
    by address, and would otherwise pair the wrong numbers.

    Args:
        optimiser: An optimiser of the same parameters.
        stored: Tensors by ``INDEX.NAME``, where INDEX is the number of the parameter in the optimiser's state. Averages
            have the shape of their parameter; step counts have shape ``()``.
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
    """Scale gradients, of any shape, to a total norm of ``limit``."""
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in trained if parameter.grad is not None])
    if not norm <= limit:
        nn.utils.clip_grads_with_norm_(trained, limit, norm)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, times the factor of each parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def find_encoder(network: nn.Module) -> nn.Module:
    """Return the encoder of a segmentation network.

    Raises:
        ConfigError: If the network has none.
    """
    encoder = getattr(getattr(network, "network", None), "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise ConfigError(
            "expected 0, since this architecture has no encoder to freeze",
            where="optimiser.frozen",
            hint="set optimiser.frozen=0 or choose another network.arch",
        )
    return encoder


def freeze(encoder: nn.Module, *, frozen: bool) -> None:
    """Freeze an encoder with its batch normalisation, or train it again."""
    for parameter in encoder.parameters():
        parameter.requires_grad_(not frozen)
    encoder.train(not frozen)


def _encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    encoder = getattr(getattr(network, "network", None), "encoder", None)
    return list(encoder.parameters()) if isinstance(encoder, nn.Module) else []
