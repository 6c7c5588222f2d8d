"""Steps of the training loop: accumulation, short memory, frozen encoders and targets."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crackseg.datasets.samples import find_samples
from crackseg.errors import TrainingError
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import build_network, normalise, start_at_prior
from crackseg.training.config import TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.loader import Batch, iter_batches
from crackseg.training.loop import Loop, TrainingProgress
from crackseg.training.loss_sum import total_loss
from crackseg.training.optimiser import STAGES, clip_gradients, find_encoder, make_optimiser, restore_averages, set_rate
from crackseg.training.patches import PatchDataset
from tests.runs import tiny_config

pytestmark = pytest.mark.train

TEAM = Team(torch.device("cpu"))


def loop_on(data: Path, *overrides: str, epoch_steps: int = 4) -> Loop:
    config = tiny_config(*overrides)
    torch.manual_seed(0)
    return Loop(
        build_network(config.network),
        PatchDataset(find_samples(data, "train"), config),
        config,
        epoch_steps=epoch_steps,
        team=TEAM,
        bfloat16=False,
    )


def first_batches(data: Path, config: TrainConfig, steps: int = 1) -> list[Batch]:
    return list(iter_batches(PatchDataset(find_samples(data, "train"), config), config, range(steps), TEAM))


def run_epoch(loop: Loop) -> list[float]:
    losses: list[float] = []
    assert loop.run_epoch(stopped=lambda: False, progress=lambda progress: losses.append(progress.loss))
    return losses


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(before: dict[str, Tensor], network: nn.Module) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


# In evaluation mode a patch does not depend on the others of its batch, and cross-entropy is a mean over patches.
STILL = ("loss={bce: 1, dice: 0}", "optimiser.learning_rate=0.01")


def test_two_accumulated_batches_equal_one_of_twice_the_size(data: Path) -> None:
    small = loop_on(data, *STILL, "data.batch_size=2", "optimiser.accumulate=2")
    large = loop_on(data, *STILL, "data.batch_size=4")
    losses = []
    for loop, overrides in ((small, ("data.batch_size=2", "optimiser.accumulate=2")), (large, ("data.batch_size=4",))):
        loop.network.eval()
        group = first_batches(data, tiny_config(*STILL, *overrides))
        losses.append(loop.train_step(group, rate=0.01))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in large.network.state_dict().items():
        torch.testing.assert_close(small.network.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def fails_above(size: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A memory that holds a limited number of patches."""

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > size:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return hook


def test_short_memory_halves_the_batch_with_a_note_and_the_same_gradient(data: Path) -> None:
    narrow, wide = (loop_on(data, *STILL, "data.batch_size=4") for _ in range(2))
    group = first_batches(data, tiny_config(*STILL, "data.batch_size=4"))
    narrow.network.network.register_forward_pre_hook(fails_above(1))
    notes: list[TrainingProgress] = []
    for loop in (narrow, wide):
        loop.network.eval()
    losses = [narrow.train_step(group, rate=0.01, progress=notes.append), wide.train_step(group, rate=0.01)]
    assert [progress.note for progress in notes] == [
        "out of memory; from now on 2 patches at once, with their gradients added",
        "out of memory; from now on 1 patch at once, with their gradients added",
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in wide.network.state_dict().items():
        torch.testing.assert_close(narrow.network.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    narrow.train_step(group, rate=0.01, progress=notes.append)
    assert len(notes) == 2, "the second step starts small"


def test_memory_too_small_for_one_patch_ends_the_training(data: Path) -> None:
    loop = loop_on(data)
    loop.network.network.register_forward_pre_hook(fails_above(0))
    with pytest.raises(TrainingError, match=r"out of memory for 1 patch of 64 px.*batch_size"):
        run_epoch(loop)


def test_another_error_is_not_mistaken_for_short_memory(data: Path) -> None:
    loop = loop_on(data)

    def hook(*_: object) -> None:
        raise RuntimeError("something else")

    loop.network.network.register_forward_pre_hook(hook)
    with pytest.raises(RuntimeError, match="something else"):
        run_epoch(loop)


def test_one_process_prepares_the_same_patches_for_all_epochs(data: Path) -> None:
    parallel, serial = loop_on(data, "workers=1", epoch_steps=2), loop_on(data, epoch_steps=2)
    others = {child.pid for child in multiprocessing.active_children()}
    losses, helpers = [], []
    for _ in range(2):
        losses += run_epoch(parallel)
        helpers.append({child.pid for child in multiprocessing.active_children()} - others)
    assert len(helpers[0]) == 1
    assert helpers[0] == helpers[1]
    assert losses == run_epoch(serial) + run_epoch(serial)
    parallel.close()
    assert {child.pid for child in multiprocessing.active_children()} <= others


def test_a_frozen_encoder_does_not_change_until_it_is_trained(data: Path) -> None:
    loop = loop_on(data, "schedule.epochs=2", "optimiser.frozen=0.5")
    before = weights(loop.network)
    run_epoch(loop)
    moved = changed(before, loop.network)
    assert moved
    assert not [name for name in moved if name.startswith("network.encoder.")]
    run_epoch(loop)
    later = changed(before, loop.network)
    encoder = {name for name in before if name.startswith("network.encoder.")}
    assert len(later & encoder) > 0.9 * len(encoder)


def test_cached_features_are_computed_once_and_do_not_change_the_loss(data: Path) -> None:
    recurring = ("data.distinct_patches=4", "optimiser.frozen=1")
    known = loop_on(data, *recurring, epoch_steps=6)
    calls: list[int] = []
    find_encoder(known.network).get_submodule("features.0").register_forward_hook(
        lambda _, inputs, __: calls.append(len(inputs[0]))
    )
    plain = loop_on(data, *recurring, "data.cache_mb=0", epoch_steps=6)
    assert run_epoch(known) == pytest.approx(run_epoch(plain), rel=1e-4)
    assert sum(calls) == 4, "six steps of two patches look at four"


def test_distinct_patches_are_repeated(data: Path) -> None:
    patches = PatchDataset(find_samples(data, "train"), tiny_config("data.distinct_patches=3"))
    for index in range(3):
        np.testing.assert_array_equal(patches[index][0], patches[index + 3][0])
        np.testing.assert_array_equal(patches[index][1], patches[index + 6][1])
    assert len({patches[index][0].tobytes() for index in range(3)}) == 3


def test_learning_rates_fall_towards_the_image() -> None:
    network = build_network(NetworkConfig(decoder_channels=(16, 8, 8)))
    optimiser = make_optimiser(network, tiny_config("optimiser.decay_below=0.5").optimiser)
    set_rate(optimiser, 1.0)
    rate_of = {id(parameter): float(group["lr"]) for group in optimiser.param_groups for parameter in group["params"]}
    inside = [rate_of[id(parameter)] for parameter in find_encoder(network).parameters()]
    assert inside == sorted(inside)
    assert set(inside) == {0.5**step for step in range(1, STAGES + 1)}
    assert {rate_of[id(parameter)] for parameter in network.parameters()} == {1.0, *inside}
    assert len(rate_of) == len(list(network.parameters()))
    assert {group["weight_decay"] for group in optimiser.param_groups} == {0.0, 1e-2}


def test_dropout_acts_only_in_training_and_has_no_weights() -> None:
    torch.manual_seed(0)
    dropped = build_network(NetworkConfig(decoder_channels=(16, 8, 8), dropout=0.5))
    torch.manual_seed(0)
    plain = build_network(NetworkConfig(decoder_channels=(16, 8, 8)))
    assert dropped.state_dict().keys() == plain.state_dict().keys()
    image = torch.randn((2, 3, 64, 64))
    with torch.no_grad():
        assert torch.equal(dropped.eval()(image), plain.eval()(image))
        dropped.train()
        torch.manual_seed(1)
        one = dropped(image)
        two = dropped(image)
    assert not torch.equal(one, two)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.001), (0.03, 0.03), (0.9, 0.5)])
def test_the_output_starts_at_the_share_of_crack_in_the_patches(share: float, expected: float) -> None:
    for classes in (1, 3):
        network = build_network(NetworkConfig(decoder_channels=(16, 8, 8), classes=classes))
        start_at_prior(network, share)
        bias = network.network.get_submodule("segmentation_head").get_submodule("0").bias
        assert isinstance(bias, Tensor)
        start = bias.detach()
        probability = torch.sigmoid(start) if classes == 1 else torch.softmax(start, dim=0)[1:].sum()
        assert float(probability) == pytest.approx(expected, rel=1e-4)


def test_the_crack_prior_is_the_share_in_the_patches(data: Path) -> None:
    patches = PatchDataset(find_samples(data, "train"), tiny_config())
    share = float(np.mean([patches[index][1].mean() for index in range(200)]))
    assert patches.crack_prior() == pytest.approx(share, rel=0.25)


def test_the_losses_get_border_and_distance_of_the_augmented_patch(data: Path) -> None:
    settings = ("loss.border={w0: 10, sigma: 5}", "loss.boundary=0.01")
    config = tiny_config(*settings)
    batch = first_batches(data, config)[0]
    assert batch.target.shape == (2, 3, 64, 64)
    assert batch.target.dtype == torch.float32
    inside = batch.target[:, 0] > 0
    assert (batch.target[:, 2][inside] <= 0).all()
    assert (batch.target[:, 2][~inside] > 0).all()
    loop = loop_on(data, *settings)
    loop.network.eval()
    with torch.no_grad():
        expected = float(total_loss(loop.network(normalise(batch.images)), batch.target, config.loss))
    assert loop.train_step([batch], rate=0.0) == pytest.approx(expected, rel=1e-5)


def test_every_output_of_a_nested_network_is_trained(data: Path) -> None:
    loop = loop_on(data, "network={arch: unetplusplus, decoder_channels: [16, 8, 8]}", epoch_steps=1)
    before = weights(loop.network)
    run_epoch(loop)
    moved = changed(before, loop.network)
    assert all(any(name.startswith(f"network.outputs.{depth}.") for name in moved) for depth in (1, 2))


def test_the_average_follows_the_weights_and_the_statistics(data: Path) -> None:
    loop = loop_on(data, "optimiser.ema_decay=0.5", "optimiser.learning_rate=0.01")
    expected = weights(loop.average)
    for step, batch in enumerate(first_batches(data, tiny_config(), 4)):
        loop.train_step([batch], rate=0.01)
        decay = min(0.5, (2 + step) / (11 + step))
        for name, now in loop.network.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * now if now.is_floating_point() else now.clone()
    for name, mean in loop.average.state_dict().items():
        torch.testing.assert_close(mean, expected[name], rtol=1e-5, atol=1e-6)


def kernels() -> list[nn.Parameter]:
    """Return two kernels in channels-last layout and a bias, with gradients."""
    torch.manual_seed(0)
    layout = torch.channels_last
    shapes = ((7, 5, 3, 3), (3, 7, 3, 3))
    parameters = [nn.Parameter(torch.randn(shape).contiguous(memory_format=layout)) for shape in shapes]
    parameters.append(nn.Parameter(torch.randn(7)))
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


@pytest.mark.parametrize("form", ["fused", "foreach"])
def test_an_optimiser_continues_from_averages_in_another_layout_and_form(form: str) -> None:
    unbroken, resumed = (kernels() for _ in range(2))
    before = torch.optim.AdamW(unbroken, lr=0.1, fused=form == "fused", foreach=form == "foreach")
    before.step()
    stored = {
        f"{index}.{name}": tensor.detach().contiguous().clone()
        for index, slots in before.state_dict()["state"].items()
        for name, tensor in slots.items()
    }
    for one, two in zip(unbroken, resumed, strict=True):
        two.data.copy_(one.data)
    after = torch.optim.AdamW(resumed, lr=0.1, fused=True)
    restore_averages(after, stored)
    before.step()
    after.step()
    for one, two in zip(unbroken, resumed, strict=True):
        torch.testing.assert_close(one, two, rtol=0 if form == "fused" else 1e-5, atol=0 if form == "fused" else 1e-6)


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_gradients_are_clipped_as_torch_clips_them(limit: float) -> None:
    mine, theirs = kernels(), kernels()
    still = nn.Parameter(torch.zeros(3))
    clip_gradients([*mine, still], limit)
    nn.utils.clip_grad_norm_([*theirs, still], limit)
    for one, two in zip(mine, theirs, strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, two.grad, rtol=0, atol=0)
