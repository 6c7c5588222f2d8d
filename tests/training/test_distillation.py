"""A teacher moves the network and does not change itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from crackseg.cli import main
from crackseg.datasets.samples import find_samples
from crackseg.errors import ConfigError, UsageError
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network, save_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import build_network, normalise
from crackseg.training.config import TeacherConfig
from crackseg.training.distillation import Teacher, load_teacher, teacher_loss
from crackseg.training.distributed import Team
from crackseg.training.loader import Batch, iter_batches
from crackseg.training.loop import Loop
from crackseg.training.patches import PatchDataset
from crackseg.training.run import train
from tests.runs import command, only_error, tiny_config, training_data

pytestmark = pytest.mark.train

CPU = torch.device("cpu")
SMALL = NetworkConfig(decoder_channels=(16, 8, 8))


def trained(path: Path, network: NetworkConfig = SMALL) -> Path:
    path.mkdir(exist_ok=True)
    torch.manual_seed(1)
    card = ModelCard(name="teacher", network=network.model_dump(mode="json"), stride=8, context_px=64)
    save_weights(path / "best.safetensors", build_network(network), card)
    return path


def pixels() -> torch.Tensor:
    return normalise(torch.randint(0, 256, (2, 64, 64, 3), generator=torch.Generator().manual_seed(0)))


def test_loss_is_the_cross_entropy_by_hand() -> None:
    taught = torch.tensor([[[[0.25, 0.9]]]])
    logits = torch.tensor([[[[0.0, 2.0]]]])
    probability = torch.sigmoid(logits)
    by_hand = -(taught * probability.log() + (1 - taught) * (1 - probability).log()).mean()
    torch.testing.assert_close(teacher_loss((logits,), taught), by_hand)
    torch.testing.assert_close(teacher_loss((logits, torch.zeros_like(logits)), taught), (by_hand + 0.6931472) / 2)


def test_the_loss_of_several_classes_is_lowest_for_the_output_of_the_teacher() -> None:
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    taught = torch.softmax(logits, dim=1)
    entropy = -(taught * taught.log()).sum(dim=1).mean()
    torch.testing.assert_close(teacher_loss((logits,), taught), entropy)
    assert teacher_loss((logits + torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1),), taught) > entropy


@pytest.mark.parametrize("classes", [1, 3])
def test_a_teacher_predicts_with_its_weights_and_keeps_them(tmp_path: Path, classes: int) -> None:
    config = SMALL.model_copy(update={"classes": classes})
    network, _ = load_network(trained(tmp_path, config) / "best.safetensors")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taught = Teacher(network, device=CPU, bfloat16=False)(pixels())
    assert taught.shape == (2, classes, 64, 64)
    assert not taught.requires_grad
    with torch.no_grad():
        logits = network.eval()(pixels())
    expected = torch.sigmoid(logits) if classes == 1 else functional.softmax(logits, dim=1)
    torch.testing.assert_close(taught, expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_an_int8_teacher_is_an_error(tmp_path: Path) -> None:
    path = trained(tmp_path) / "best.safetensors"
    network, card = load_network(path)
    save_weights(path, network, dataclasses.replace(card, precision="int8"))
    with pytest.raises(UsageError, match="int8 models do not run in PyTorch"):
        load_teacher(TeacherConfig(model=str(tmp_path)), SMALL, device=CPU, bfloat16=False)


def test_there_is_no_teacher_without_a_configured_one(tmp_path: Path) -> None:
    assert load_teacher(TeacherConfig(), SMALL, device=CPU, bfloat16=False) is None
    idle = TeacherConfig(model=str(trained(tmp_path)), weight=0)
    assert load_teacher(idle, SMALL, device=CPU, bfloat16=False) is None


def test_a_teacher_with_other_classes_is_an_error(tmp_path: Path) -> None:
    teacher = TeacherConfig(model=str(trained(tmp_path, SMALL.model_copy(update={"classes": 3}))))
    with pytest.raises(ConfigError, match="expected a teacher for classes=1, got classes=3") as caught:
        load_teacher(teacher, SMALL, device=CPU, bfloat16=False)
    assert caught.value.hint == "set network.classes=3 or choose another teacher"
    with pytest.raises(UsageError, match="no such weights"):
        load_teacher(TeacherConfig(model="nowhere"), SMALL, device=CPU, bfloat16=False)


def test_a_missing_teacher_is_an_error_of_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(data, tmp_path / "run", "--set", "teacher.model=nowhere")
    assert main(arguments) == 2
    assert "nowhere" in only_error(capsys.readouterr().err)


@pytest.mark.parametrize(("weight", "alike"), [(1.0, True), (0.5, False), (0.0, False)])
def test_masks_and_teacher_share_the_loss(data: Path, tmp_path: Path, weight: float, alike: bool) -> None:  # noqa: FBT001
    """With a weight of 1 the masks have no effect."""
    config = tiny_config(f"teacher.model={trained(tmp_path)}", f"teacher.weight={weight}")
    batch = next(iter(iter_batches(PatchDataset(find_samples(data, "train"), config), config, range(1), Team(CPU))))
    inverted = Batch(batch.images, 1 - batch.target, batch.numbers)
    losses, moved = [], []
    for each in (batch, inverted):
        torch.manual_seed(0)
        patches = PatchDataset(find_samples(data, "train"), config)
        loop = Loop(build_network(config.network), patches, config, epoch_steps=4, team=Team(CPU), bfloat16=False)
        losses.append(loop.train_step([each], rate=0.01))
        moved.append(torch.cat([parameter.detach().flatten() for parameter in loop.network.parameters()]))
    assert (losses[0] == losses[1]) is alike
    assert torch.equal(*moved) is alike


def test_the_card_names_the_teacher(data: Path, tmp_path: Path) -> None:
    teacher = trained(tmp_path / "large")
    taught = tiny_config(f"teacher.model={teacher}", "schedule.epochs=1", "schedule.steps_per_epoch=1")
    assert train(taught, training_data(data), tmp_path / "taught", device="cpu").card.training["teacher"] == "large"
