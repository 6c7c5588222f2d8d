"""Weights on disk: whole or not at all, finite, and from no file that runs code."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from crackseg.errors import ModelError, OutputError, TrainingError, UsageError
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import (
    initialise,
    read_card,
    read_weights,
    save_weights,
)
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network
from crackseg.prediction.loading import find_weights, shipped_models
from crackseg.runtimes.torch import load_torch_predictor
from crackseg.training.resume import ResumeState
from tests.runs import REPOSITORY

pytestmark = pytest.mark.train

SMALL = NetworkConfig(decoder_channels=(16, 8, 8))
CARD = ModelCard(name="small", network=SMALL.model_dump(mode="json"), stride=8, context_px=47, threshold=0.3)


@functools.cache
def _built() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(SMALL)


def network(seed: int = 0) -> SegmentationNetwork:
    """A small network of one's own, with random weights."""
    own = copy.deepcopy(_built())
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in own.parameters() if seed else ():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return own


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    save_weights(path, network(), CARD)
    return path


def test_weights_and_card_read_back(saved: Path) -> None:
    state = read_weights(saved)
    original = network().state_dict()
    assert state.keys() == original.keys()
    for name, tensor in original.items():
        assert state[name].dtype == tensor.dtype
        torch.testing.assert_close(state[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    assert read_card(saved) == CARD


def test_saving_weights_again_changes_nothing(saved: Path, tmp_path: Path) -> None:
    again = network(1)
    again.load_state_dict(read_weights(saved))
    save_weights(tmp_path / "again.safetensors", again, CARD)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_that_is_not_finite_is_not_saved(saved: Path, bad: float) -> None:
    before = saved.read_bytes()
    broken = network()
    with torch.no_grad():
        next(iter(broken.parameters())).view(-1)[3] = bad
    with pytest.raises(TrainingError, match="nothing was saved"):
        save_weights(saved, broken, CARD)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_weight_too_large_for_its_storage_is_not_saved_as_infinity(saved: Path) -> None:
    large = network()
    kernel = max(large.parameters(), key=lambda parameter: parameter.numel())
    with torch.no_grad():
        kernel.view(-1)[0] = 1e5
    with contextlib.suppress(TrainingError):
        save_weights(saved, large, CARD)
    assert all(torch.isfinite(tensor).all() for tensor in read_weights(saved).values())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_weight_that_is_not_finite_is_not_read(tmp_path: Path, suffix: str) -> None:
    state = {"a": torch.ones(3), "b": torch.tensor([1.0, float("nan")])}
    path = tmp_path / f"broken{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        path.write_bytes(safetensors.torch.save(state))
    with pytest.raises(ModelError, match="weights are NaN or infinite in 1 of 2 tensors, first in b"):
        read_weights(path)


class _Bomb:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".onnx", ""])
@pytest.mark.parametrize("way", ["pickle", "torch"])
def test_a_pickle_with_code_is_an_error_and_its_code_does_not_run(tmp_path: Path, suffix: str, way: str) -> None:
    path, target = tmp_path / f"foreign{suffix}", tmp_path / "made by the pickle"
    if way == "pickle":
        path.write_bytes(pickle.dumps({"weight": _Bomb(target)}))
    else:
        torch.save({"weight": _Bomb(target)}, path)
    with pytest.raises(ModelError):
        read_weights(path)
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(b"\xff" * 100, id="ones"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, id="an image"),
        pytest.param(b"{}", id="json"),
        pytest.param((2).to_bytes(8, "little") + b"{}", id="no tensors"),
        pytest.param((2**62).to_bytes(8, "little") + b"{}", id="an absurd length"),
    ],
)
def test_a_file_of_another_kind_does_not_initialise_a_network(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"foreign{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        initialise(network(), path)
    with pytest.raises(ModelError):
        load_torch_predictor(path)


@pytest.mark.parametrize("value", [[1, 2], "text", {"a": 1}, {"state_dict": {"a": torch.ones(2)}}, {3: torch.ones(2)}])
def test_a_pickle_without_a_state_does_not_initialise_a_network(tmp_path: Path, value: object) -> None:
    path = tmp_path / "foreign.pth"
    torch.save(value, path)
    with pytest.raises(ModelError):
        initialise(network(), path)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
def test_a_truncated_file_is_an_error(saved: Path, run: Path, tmp_path: Path, suffix: str, share: float) -> None:
    data = {".safetensors": saved, ".onnx": run / "model.onnx"}.get(suffix, tmp_path / "state.pth")
    if suffix == ".pth":
        torch.save(network().state_dict(), data)
    content = data.read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError):
        initialise(network(), path)
    if suffix != ".pth":
        with pytest.raises(ModelError):
            load_torch_predictor(path)


def test_weights_without_a_card_are_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    path.write_bytes(safetensors.torch.save(network().state_dict()))
    with pytest.raises(ModelError, match="not a model of crackseg"):
        read_card(path)


@pytest.mark.parametrize("missing", ["first", "last"])
def test_a_checkpoint_without_a_kernel_is_an_error(tmp_path: Path, missing: str) -> None:
    partial = network()
    kernels = [name for name, tensor in partial.state_dict().items() if tensor.ndim == 4]
    path = tmp_path / "partial.safetensors"
    save_weights(path, _Without(partial, kernels[0 if missing == "first" else -1]), CARD)
    with pytest.raises(ModelError):
        load_torch_predictor(path)


class _Without(nn.Module):
    """A network whose state lacks one tensor."""

    def __init__(self, whole: nn.Module, missing: str) -> None:
        super().__init__()
        self._state = {name: tensor for name, tensor in whole.state_dict().items() if name != missing}

    def state_dict(self, *args: object, **kwargs: object) -> dict[str, Tensor]:  # type: ignore[override]
        return self._state


def test_a_network_starts_from_the_state_of_its_encoder(tmp_path: Path) -> None:
    encoder = network(7).network.encoder
    assert isinstance(encoder, nn.Module)
    path = tmp_path / "encoder.pth"
    torch.save(encoder.state_dict(), path)
    started = network(8)
    head = started.network.segmentation_head[0].weight.clone()  # type: ignore[index,union-attr]
    done, all_of_them = initialise(started, path)
    assert done == all_of_them > 50
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(started.state_dict()[f"network.encoder.{name}"], tensor)
    assert torch.equal(started.network.segmentation_head[0].weight, head)  # type: ignore[index,union-attr]


def test_a_network_starts_from_one_with_another_decoder(saved: Path) -> None:
    torch.manual_seed(9)
    wider = build_network(NetworkConfig(decoder_channels=(16, 8, 16)))
    done, all_of_them = initialise(wider, saved)
    assert all_of_them / 2 < done < all_of_them


def test_a_network_does_not_start_from_another_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = build_network(NetworkConfig(encoder="resnet18", decoder_channels=(16, 8, 8)))
    path = tmp_path / "other.pth"
    torch.save(other.state_dict(), path)
    started = network()
    before = {name: tensor.clone() for name, tensor in started.state_dict().items()}
    with pytest.raises(ModelError, match="do not fit this network"):
        initialise(started, path)
    for name, tensor in started.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_weights_are_found_by_file_and_by_run_folder(saved: Path) -> None:
    assert find_weights(str(saved)) == saved
    assert find_weights(str(saved.parent)) == saved


@pytest.mark.parametrize("name", shipped_models())
def test_a_network_starts_from_a_shipped_model_by_its_name(name: str) -> None:
    path = find_weights(name)
    assert path.name == f"{name}.onnx"
    started = build_network(NetworkConfig.model_validate(read_card(path).network))
    assert initialise(started, path) == (len(read_weights(path)),) * 2


@pytest.mark.parametrize("missing", ["nothing.pth", "."])
def test_missing_weights_are_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UsageError, match="no such weights"):
        find_weights(str(tmp_path / missing))


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        save_weights(tmp_path / "missing" / "best.safetensors", network(), CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_resume_state_reads_back(tmp_path: Path) -> None:
    tensors = {"network.a": torch.randn((2, 3)), "optimiser.0.step": torch.tensor(3.0), "n": torch.tensor(4)}
    values = {"step": 3, "history": [{"f1": 0.1}], "config": "seed: 0\n", "elapsed_s": 1.5}
    path = tmp_path / "resume.safetensors"
    ResumeState(tensors, values).save(path)
    state = ResumeState.load(path)
    assert state.values == values
    assert state.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(state.tensors[name], tensor)
        assert state.tensors[name].dtype == tensor.dtype


def test_a_file_without_a_resume_state_is_an_error(saved: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(saved.read_bytes()[:-10])
    for path in (saved, cut):
        with pytest.raises(ModelError, match="not the state of a training"):
            ResumeState.load(path)


_SAVE_FOREVER = """
import sys, itertools
from pathlib import Path
import torch
torch.set_num_threads(1)
from torch import nn
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import save_weights
import os, random, signal, time
from crackseg.networks.checkpoint import read_weights, read_card

class Even(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(64, 64, 3) for _ in range(8))

path, kills = Path(sys.argv[1]), int(sys.argv[2])
network = Even()
def save(value):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    save_weights(path, network, ModelCard(name=str(value), network={}, stride=1, context_px=0))
save(0)
random.seed(0)
values = set()
def seen():
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
for turn in range(kills):
    before = seen()
    child = os.fork()
    if child == 0:
        for value in itertools.count(turn):
            save(value % 7)
    while seen() == before:  # it has saved once, however slow the machine is
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    numbers = {float(number) for tensor in read_weights(path).values() for number in tensor.unique()}
    assert numbers == {float(read_card(path).name)}, numbers
    values |= numbers
print(len(values))
"""


def test_a_kill_while_saving_never_leaves_an_unreadable_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    done = subprocess.run(
        [sys.executable, "-c", _SAVE_FOREVER, str(path), "12"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2  # saving did go on between the kills
