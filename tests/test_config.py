"""Configuration: defaults, YAML and overrides, and errors that name file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from crackseg.config import Section, dump_config, find_config, find_shipped, load_config, shipped_configs
from crackseg.errors import ConfigError, UsageError
from data_gen import Recipe

ROOT = Path(__file__).parents[1]


class ModelSection(Section):
    arch: Literal["fcn", "unet", "unetplusplus"] = "unet"
    channels: tuple[int, int] = (32, 16)


class Training(Section):
    tile_size: int = Field(default=512, ge=32)
    rate: float = Field(default=1e-3, gt=0)
    name: str = "run"
    note: str | None = None
    amp: bool = True
    model: ModelSection = ModelSection()


class Needy(Section):
    seed: int


class Paired(Section):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Paired:
        if self.low > self.high:
            raise ValueError(f"expected low <= high, got {self.low} and {self.high}")
        return self


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def error_of(kind: type[Section], path: Path | None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(kind, path, overrides=overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "name: a\nmodel:\n  arch: vgg\n",
            ":3: model.arch: expected 'fcn', 'unet' or 'unetplusplus'; got 'vgg'",
            id="a value that is no choice",
        ),
        pytest.param(
            "\n\n# size\nname: a\n\n\n\n\ntile_sise: 64\n",
            ":9: tile_sise: unknown key; did you mean 'tile_size'?",
            id="a key with a slip of the pen",
        ),
        pytest.param("model:\n  arhc: unet\n", ":2: model.arhc: unknown key; did you mean 'arch'?", id="a nested slip"),
        pytest.param("zzz: 1\n", ":1: zzz: unknown key", id="a key like no other"),
        pytest.param("tile_size: big\n", ":1: tile_size: expected a valid integer", id="text for a number"),
        pytest.param("tile_size: 3\n", ":1: tile_size: expected greater than or equal to 32; got 3", id="out of range"),
        pytest.param("model:\n  channels:\n  - 8\n  - x\n", ":4: model.channels.1: ", id="a member of a list"),
        pytest.param("model: 5\n", ":1: model: ", id="a value for a section"),
        pytest.param("rate: .inf\n", ":1: rate: ", id="infinity"),
        pytest.param("rate: .nan\n", ":1: rate: ", id="not a number"),
        pytest.param("rate: 0\n", ":1: rate: expected greater than 0; got 0", id="zero"),
        pytest.param("- a\n- b\n", ":1: expected keys and values", id="a list"),
        pytest.param("just text", ":1: expected keys and values", id="text"),
        pytest.param("name: [1, 2\nrate: 3\n", ": not valid YAML: ", id="an open bracket"),
        pytest.param("name: a\n\tb: 3\n", ":2: not valid YAML: ", id="a tab"),
        pytest.param("a: &x\n  b: *x\n", ":", id="a value inside itself"),
        pytest.param("model: &x\n  arch: *x\n", ":", id="a section inside itself"),
        pytest.param("1: x\n", ":", id="a number as key"),
        pytest.param("? [1, 2]\n: x\n", ":", id="a list as key"),
        pytest.param("name: !!python/object/apply:os.system ['true']\n", ":1: not valid YAML: ", id="a Python object"),
    ],
)
def test_an_error_names_file_line_key_and_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)
    message = error_of(Training, path)
    if expected.startswith(": "):
        assert message.startswith(str(path))
        assert expected in message
    else:
        assert message.startswith(f"{path}{expected}")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param(
            "tile_sise=3", "--set tile_sise=3: tile_sise: unknown key; did you mean 'tile_size'?", id="unknown key"
        ),
        pytest.param("model.arch=vgg", "--set model.arch=vgg: model.arch: expected 'fcn', 'unet' or", id="no choice"),
        pytest.param("tile_size", "--set tile_size: expected KEY=VALUE", id="no value"),
        pytest.param("=3", "--set =3: expected KEY=VALUE", id="no key"),
        pytest.param("model..arch=unet", "--set model..arch=unet: expected KEY=VALUE", id="an empty part"),
        pytest.param("name=[1", "--set name=[1: the value is not valid YAML", id="no YAML"),
        pytest.param("name.deep=1", "--set name.deep=1: name: expected a valid string", id="a key inside a value"),
    ],
)
def test_an_override_that_cannot_be_used_is_named(override: str, expected: str) -> None:
    assert error_of(Training, None, override).startswith(expected)


def test_an_override_below_a_value_of_the_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "name: a\n")
    assert error_of(Training, path, "name.deep=1") == "--set name.deep=1: name is a value, not a section"


def test_an_error_of_an_override_names_it_and_not_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "tile_size: 64\n")
    assert error_of(Training, path, "tile_size=1").startswith("--set tile_size=1: tile_size: ")


def test_a_required_key_that_is_missing_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert error_of(Needy, path) == f"{path}: seed: this key is required"
    assert error_of(Needy, None) == "configuration: seed: this key is required"


def test_a_rule_over_two_keys_says_its_own_words(tmp_path: Path) -> None:
    message = error_of(Paired, written(tmp_path, "low: 5\nhigh: 2\n"))
    assert message.endswith("expected low <= high, got 5 and 2")
    assert "Value error" not in message


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda path: None, "cannot be read (No such file or directory)", id="missing"),
        pytest.param(lambda path: path.mkdir(), "cannot be read (Is a directory)", id="a folder"),
        pytest.param(lambda path: path.write_bytes(b"name: \xff\n"), "is not UTF-8 text", id="no UTF-8"),
        pytest.param(lambda path: path.write_bytes(b"name: \0\n"), "not valid YAML", id="a zero byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, make: object, expected: str) -> None:
    path = tmp_path / "train.yaml"
    assert callable(make)
    make(path)
    message = error_of(Training, path)
    assert message.startswith(str(path))
    assert expected in message
    assert len(message.splitlines()) == 1


def test_without_a_file_the_defaults_count() -> None:
    assert load_config(Training) == Training()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert load_config(Training, written(tmp_path, text)) == Training()


def test_overrides_win_over_the_file_and_the_last_over_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, "tile_size: 64\nname: file\nmodel: {arch: fcn, channels: [1, 2]}\n")
    overrides = ["tile_size=128", "tile_size=256", "model.arch=unetplusplus", "note=a=b", "amp=false"]
    config = load_config(Training, path, overrides=overrides)
    assert config == Training(
        tile_size=256, name="file", note="a=b", amp=False, model=ModelSection(arch="unetplusplus", channels=(1, 2))
    )


@pytest.mark.parametrize("in_file", ["changes_truth", "changes_mask"])
@pytest.mark.parametrize("first", ["changes_truth", "changes_mask"])
@pytest.mark.parametrize("last", ["changes_truth", "changes_mask"])
def test_the_last_override_wins_under_an_old_and_a_new_name(
    tmp_path: Path, in_file: str, first: str, last: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"noise:\n  {in_file}: false\n", encoding="utf-8")
    overrides = [f"noise.{first}=false", f"noise.{last}=true"]
    assert load_config(Recipe, path, overrides=overrides).noise.changes_mask


def test_an_error_in_an_overridden_value_of_the_file_does_not_matter(tmp_path: Path) -> None:
    assert load_config(Training, written(tmp_path, "tile_size: 1\n"), overrides=["tile_size=64"]).tile_size == 64


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Training().tile_size = 3  # type: ignore[misc]


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=40)
@given(
    tile_size=st.integers(32, 10**9),
    rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    name=TEXT,
    note=st.none() | TEXT,
    amp=st.booleans(),
    arch=st.sampled_from(["fcn", "unet", "unetplusplus"]),
)
def test_what_is_dumped_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    tile_size: int,
    rate: float,
    name: str,
    note: str | None,
    amp: bool,  # noqa: FBT001
    arch: Literal["fcn", "unet", "unetplusplus"],
) -> None:
    model = ModelSection(arch=arch, channels=(tile_size, 3))
    config = Training(tile_size=tile_size, rate=rate, name=name, note=note, amp=amp, model=model)
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_bytes(dump_config(config).encode())
    assert load_config(Training, path) == config


def test_a_dump_names_every_key() -> None:
    lines = dump_config(Training()).splitlines()
    keys = [line.split(":")[0] for line in lines if not line.startswith(" ")]
    assert keys == ["tile_size", "rate", "name", "note", "amp", "model"]


# Shipped configurations


def test_every_shipped_configuration_is_found_by_name_and_has_a_summary() -> None:
    configs = shipped_configs()
    sources = {path.relative_to(ROOT / "configs"): path.read_bytes() for path in (ROOT / "configs").glob("*/*.yaml")}
    assert {Path(config.kind, config.path.name): config.path.read_bytes() for config in configs} == sources
    for config in configs:
        assert find_config(config.kind, config.name) == config.path
        assert find_shipped(f"{config.kind}/{config.name}") == config
        assert len(config.summary) > 20


def test_a_file_wins_over_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("train", "thin") == find_shipped("train/thin").path
    Path("thin").write_text("seed: 1\n")
    assert find_config("train", "thin") == Path("thin")
    assert find_config("train", None) is None
    assert find_config("train", "missing.yaml") == Path("missing.yaml")


def test_an_unknown_name_lists_the_known_ones_and_the_closest() -> None:
    with pytest.raises(UsageError, match=r"thni: no such file or configuration; did you mean 'thin'\? .*, thin,"):
        find_config("train", "thni")
    with pytest.raises(UsageError, match=r"several configurations .*give train/default or rules/default"):
        find_shipped("default")
    with pytest.raises(UsageError, match="did you mean 'presence'"):
        find_shipped("presense")
