"""The configuration of a training, and the files in configs/train."""

from pathlib import Path

import pytest

from crackseg.config import dump_config, load_config
from crackseg.errors import ConfigError
from crackseg.networks.config import NetworkConfig
from crackseg.training.config import TrainConfig
from tests.runs import REPOSITORY

CONFIGS = REPOSITORY / "configs" / "train"


def test_the_default_file_equals_the_defaults() -> None:
    assert load_config(TrainConfig, CONFIGS / "default.yaml") == TrainConfig()


def test_the_default_file_writes_out_every_key() -> None:
    text = (CONFIGS / "default.yaml").read_text(encoding="utf-8")
    sections = TrainConfig.model_fields | {
        name: field
        for section in (TrainConfig(),)
        for part in section.__class__.model_fields
        for name, field in getattr(type(getattr(section, part)), "model_fields", {}).items()
    }
    assert [name for name in sections if f"{name}:" not in text] == []


def test_every_file_in_configs_train_loads() -> None:
    files = sorted(CONFIGS.glob("*.yaml"))
    assert files
    for path in files:
        assert isinstance(load_config(TrainConfig, path), TrainConfig)


def test_a_dumped_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = load_config(TrainConfig, overrides=["seed=7", "network.decoder_channels=[8, 8, 8]", "init=some.pth"])
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(TrainConfig, path) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        pytest.param("data.patch_pix=64", "data.patch_pix: unknown key; did you mean 'patch_px'?", id="unknown key"),
        pytest.param("schedul.epochs=3", "schedul: unknown key; did you mean 'schedule'?", id="unknown section"),
        pytest.param("network.arch=vgg", "network.arch: expected 'unet', 'unet-classic', ", id="unknown architecture"),
        pytest.param("network.pruned_to=2", "expected pruned_to only with arch unetplusplus", id="nothing to prune"),
        pytest.param(
            "network={arch: unetplusplus, pruned_to: 5}",
            "expected pruned_to of at most 4",
            id="pruned to more than all",
        ),
        pytest.param(
            "network={arch: unetplusplus, pruned_to: 2, deep_supervision: false}",
            "expected deep_supervision with pruned_to",
            id="no output",
        ),
        pytest.param(
            "network.variant=4s", "network.variant: expected '32s', '16s' or '8s'; got '4s'", id="FCN variant"
        ),
        pytest.param("loss.dise=1", "loss.dise: unknown key; did you mean 'dice'?", id="mistyped loss"),
        pytest.param(
            "loss.focal={gama: 1}", "loss.focal.gama: unknown key; did you mean 'gamma'?", id="mistyped setting"
        ),
        pytest.param("loss.cldice=-1", "loss.cldice.weight: ", id="negative weight"),
        pytest.param("loss.border=yes", "loss.border: ", id="a switch for a loss"),
        pytest.param("data.patch_px=100", "data.patch_px: expected a multiple of 32; got 100", id="odd patch"),
        pytest.param("augment.scale=[2, 1]", "expected the smaller scale first", id="scales in the wrong order"),
        pytest.param("loss={bce: 0, dice: 0}", "expected at least one loss with a weight above 0", id="no loss"),
        pytest.param("network.decoder_channels=[8, 8]", "network.decoder_channels: ", id="two halvings"),
        pytest.param("optimiser.learning_rate=.nan", "optimiser.learning_rate: ", id="rate is NaN"),
        pytest.param("precision=fp16", "precision: expected 'auto', 'fp32' or 'bf16'; got 'fp16'", id="precision"),
        pytest.param("network=3", "network: ", id="a value for a section"),
    ],
)
def test_a_mistake_is_one_line_with_key_and_expectation(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, overrides=[override])
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"--set {override}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("channels", "stride"),
    [
        pytest.param((16, 8, 8), 8, id="three halvings"),
        pytest.param((64, 32, 16, 16), 16, id="four"),
        pytest.param((128, 64, 32, 16, 16), 32, id="five"),
    ],
)
def test_the_stride_is_two_to_the_number_of_halvings(channels: tuple[int, ...], stride: int) -> None:
    assert NetworkConfig(decoder_channels=channels).stride == stride


def test_a_network_without_an_encoder_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.frozen: expected 0, since unet-classic has no encoder"):
        load_config(TrainConfig, overrides=["network.arch=unet-classic", "optimiser.frozen=0.5"])
