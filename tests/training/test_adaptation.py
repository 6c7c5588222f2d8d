"""Adaptation to one site: what changes, what stays, and what the run folder holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crackseg.datasets.samples import find_samples
from crackseg.errors import UsageError
from crackseg.exporting.from_torch import export_onnx
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network, read_card, read_weights, save_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network, normalise
from crackseg.parallel import Progress
from crackseg.prediction.loading import load_model
from crackseg.runtimes.torch import TorchPredictor
from crackseg.training import adaptation
from crackseg.training.adapt_config import AdaptConfig
from crackseg.training.adaptation import AdaptationResult, adapt
from crackseg.training.batch_statistics import find_norms, mix_statistics
from crackseg.training.validation import sum_counts, validate
from tests.runs import files_in, line_sample, write_lines, write_sample

pytestmark = pytest.mark.train

FILES = {"best.safetensors", "card.json", "config.yaml", "metrics.csv", "model.onnx"}


def config(run: Path, *, share: float | None = None, steps: int = 8) -> AdaptConfig:
    return AdaptConfig(
        model=str(run), share=share, steps=steps, rounds=2, patch_px=64, batch_size=2, precision="fp32", workers=0
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of dark, red walls with little contrast."""
    folder = tmp_path_factory.mktemp("sites") / "tunnel"
    for number in range(40, 46):
        image, mask = line_sample(number)
        dim = image * np.array([0.45, 0.3, 0.3]) + np.array([30.0, 10.0, 10.0])
        write_sample(folder, f"wall{number}", dim.astype(np.uint8), mask)
    return folder


@pytest.fixture(scope="module")
def labelled(run: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> AdaptationResult:
    """The trained run, adapted to the site with its masks."""
    return adapt(config(run, steps=24), site, tmp_path_factory.mktemp("adapted") / "tunnel-model", device="cpu")


@pytest.fixture(scope="module")
def unlabelled(run: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> AdaptationResult:
    """The trained run, adapted to the images of the site only."""
    output = tmp_path_factory.mktemp("adapted") / "unlabelled"
    return adapt(config(run, share=0.5), site / "images", output, device="cpu")


def patches(count: int, seed: int = 0) -> Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
    return torch.from_numpy(pixels)


def tiny_network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(NetworkConfig(decoder_channels=(16, 8, 8))).eval()


def statistics(network: nn.Module) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    norms = find_norms(network).items()
    return {name: (as_array(norm.running_mean), as_array(norm.running_var)) for name, norm in norms}


def as_array(tensor: Tensor | None) -> NDArray[np.float64]:
    assert tensor is not None
    return tensor.double().numpy().copy()


def activations(network: SegmentationNetwork, pixels: Tensor) -> dict[str, NDArray[np.float64]]:
    """The inputs of each normalisation layer, as ``(C, values)``."""
    kept: dict[str, NDArray[np.float64]] = {}

    def keep(name: str, inputs: tuple[Tensor, ...]) -> None:
        kept[name] = np.moveaxis(inputs[0].double().numpy(), 1, 0).reshape(inputs[0].shape[1], -1)

    hooks = [
        norm.register_forward_pre_hook(lambda _, inputs, name=name: keep(name, inputs))
        for name, norm in find_norms(network).items()
    ]
    with torch.no_grad():
        network(normalise(pixels))
    for hook in hooks:
        hook.remove()
    return kept


def changed(before: Path, after: Path) -> set[str]:
    """The names of the tensors that differ between two models."""
    old, new = read_weights(before), read_weights(after)
    return {name for name in old if not name.endswith("num_batches_tracked") and not torch.equal(old[name], new[name])}


def norm_tensors(path: Path, *parts: str) -> set[str]:
    network, _ = load_network(path)
    return {f"{name}.{part}" for name in find_norms(network) for part in parts}


# Statistics


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_statistics_are_those_of_the_activations_in_the_adapted_network(share: float) -> None:
    network, batch = tiny_network(), patches(3)
    old = statistics(network)
    mix_statistics(network, [batch], share=share)
    kept = activations(network, batch)
    assert len(kept) == len(old) > 20
    for name, (mean, variance) in statistics(network).items():
        expected = (1 - share) * old[name][0] + share * kept[name].mean(axis=1)
        np.testing.assert_allclose(mean, expected, rtol=1e-3, atol=1e-4)
        expected = (1 - share) * old[name][1] + share * kept[name].var(axis=1)
        np.testing.assert_allclose(variance, expected, rtol=1e-3, atol=1e-4)


def test_several_batches_are_pooled_as_one() -> None:
    network, batches = tiny_network(), [patches(3), patches(1, seed=1) // 2]
    first = next(iter(find_norms(network)))
    values = activations(network, torch.cat(batches))[first]
    mix_statistics(network, batches, share=1.0)
    mean, variance = statistics(network)[first]
    np.testing.assert_allclose(mean, values.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, values.var(axis=1), rtol=1e-4)


def test_a_share_of_zero_changes_nothing() -> None:
    network = tiny_network()
    old = statistics(network)
    mix_statistics(network, [patches(2)], share=0.0)
    for name, (mean, variance) in statistics(network).items():
        assert np.array_equal(mean, old[name][0])
        assert np.array_equal(variance, old[name][1])


# What changes


def test_without_masks_only_the_statistics_change(run: Path, unlabelled: AdaptationResult) -> None:
    differ = changed(run / "best.safetensors", unlabelled.output / "best.safetensors")
    allowed = norm_tensors(run / "best.safetensors", "running_mean", "running_var")
    assert differ
    assert differ <= allowed
    assert len(differ) > 0.9 * len(allowed)
    assert not unlabelled.labelled
    assert unlabelled.card.threshold == read_card(run / "best.safetensors").threshold


def test_with_masks_only_the_normalisation_changes(run: Path, labelled: AdaptationResult) -> None:
    differ = changed(run / "best.safetensors", labelled.output / "best.safetensors")
    assert differ & norm_tensors(run / "best.safetensors", "weight", "bias")
    parts = ("weight", "bias", "running_mean", "running_var")
    assert differ <= norm_tensors(run / "best.safetensors", *parts)


def f1_of(path: Path, samples_of: Path) -> float:
    network, card = load_network(path / "best.safetensors")
    predictor = TorchPredictor(network, card, device=torch.device("cpu"))
    counts = sum_counts(validate(predictor, find_samples(samples_of, "train")))
    return counts.scores_at(card.threshold)["f1"]


def test_the_site_gains_and_the_old_walls_are_not_forgotten(
    run: Path, data: Path, site: Path, labelled: AdaptationResult
) -> None:
    gain = f1_of(labelled.output, site) - f1_of(run, site)
    loss = f1_of(run, data) - f1_of(labelled.output, data)
    assert labelled.f1 - labelled.history[0]["f1"] > 0.5
    assert gain > 0.5
    assert loss < 0.3


def test_the_result_is_never_worse_than_the_original_on_the_measured_images(
    run: Path, data: Path, tmp_path: Path
) -> None:
    wild = config(run, share=0.5).model_copy(update={"learning_rate": 3.0})
    result = adapt(wild, data, tmp_path / "wild", device="cpu")
    assert result.f1 >= result.history[0]["f1"]
    assert result.card.scores["adaptation"]["all"]["f1"] == pytest.approx(result.f1, abs=0.01)


# The run folder


def test_the_run_folder_holds_the_model_with_its_card(run: Path, labelled: AdaptationResult, site: Path) -> None:
    parent = read_card(run / "best.safetensors")
    card = ModelCard.from_json((labelled.output / "card.json").read_text(), where="card.json")
    assert files_in(labelled.output) == FILES
    assert (card.stride, card.context_px, card.context_exact) == (parent.stride, parent.context_px, True)
    assert card.network == parent.network
    assert card.terms == f"{parent.terms}; adapted on 6 images of tunnel"
    assert card.data[:-1] == parent.data
    assert (card.data[-1]["name"], card.data[-1]["images"]) == ("tunnel", 6)
    assert card.training["parent"] == parent.name
    assert "scale and shift" in card.training["adapted"]
    assert "adaptation" in card.scores
    assert card.name == "tunnel-model"


def test_the_exported_model_is_the_adapted_network(labelled: AdaptationResult, site: Path) -> None:
    image = find_samples(site, "train")[0].image
    exported = load_model(labelled.output).predict(image).probability
    trained = load_model(labelled.output / "best.safetensors", runtime="torch").predict(image).probability
    np.testing.assert_allclose(exported, trained, atol=2e-3)


def test_an_adapted_model_can_be_adapted_again_from_its_onnx_file(
    labelled: AdaptationResult, site: Path, tmp_path: Path
) -> None:
    again = adapt(config(labelled.output / "model.onnx"), site / "images", tmp_path / "again", device="cpu")
    assert again.card.terms.endswith("adapted on 6 images of tunnel; adapted on 6 images of images")


def test_the_same_seed_gives_the_same_files(run: Path, site: Path, tmp_path: Path) -> None:
    first, second = (adapt(config(run, steps=2), site, tmp_path / name / "same", device="cpu") for name in "ab")
    names = FILES - {"card.json"}
    assert {name: (first.output / name).read_bytes() for name in names} == {
        name: (second.output / name).read_bytes() for name in names
    }


def test_some_of_many_images_are_held_out(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation, "HELD_OUT_FROM", 10)
    result = adapt(config(run, share=0.0, steps=2), data, tmp_path / "held", device="cpu")
    card = json.loads((tmp_path / "held" / "card.json").read_text())
    assert card["training"]["held_out"] == 2
    assert set(card["scores"]) == {"validation"}
    assert [row["step"] for row in result.rows()] == [0, 1, 2]


def test_the_progress_ends_at_one(run: Path, site: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []
    adapt(config(run, steps=2), site, tmp_path / "run", device="cpu", progress=steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("F1" in step.note for step in steps)


# Errors


def test_a_network_without_batch_normalisation_is_refused(site: Path, tmp_path: Path) -> None:
    network = NetworkConfig(arch="unet-classic", width=0.0625)
    card = ModelCard(name="old", network=network.model_dump(mode="json"), stride=16, context_px=92)
    save_weights(tmp_path / "old.safetensors", build_network(network), card)
    with pytest.raises(UsageError, match="the network has no batch normalisation to adapt; use crackseg train"):
        adapt(config(tmp_path / "old.safetensors"), site, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_an_int8_model_is_refused(run: Path, site: Path, tmp_path: Path) -> None:
    network, card = load_network(run / "best.safetensors")
    export_onnx(network, tmp_path / "small.onnx", dataclasses.replace(card, precision="int8"))
    with pytest.raises(UsageError, match="int8 models cannot be adapted; give the model it was made from"):
        adapt(config(tmp_path / "small.onnx"), site, tmp_path / "run", device="cpu")


def test_an_image_without_a_crack_is_no_reason_to_fail(run: Path, tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "walls", 3)
    image, _ = line_sample(9)
    write_sample(folder, "clean", image[:1].repeat(64, axis=0), np.zeros((64, 80), np.bool_))
    assert adapt(config(run, steps=2), folder, tmp_path / "run", device="cpu").images == 4
