"""crackseg evaluate: numbers equal to those counted here from the masks, and its failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from crackseg.cli import main
from tests.runs import line_sample, only_error, write_lines, write_sample

pytestmark = pytest.mark.train

Mask = NDArray[np.bool_]


def read(path: Path) -> Mask:
    with Image.open(path) as image:
        return np.asarray(np.asarray(image) > 0)


def near(mask: Mask, other: Mask, distance_px: float) -> int:
    """Count the pixels of a mask close to the other one."""
    here, there = np.argwhere(mask)[:, None], np.argwhere(other)[None]
    if not here.size or not there.size:
        return 0
    return int((((here - there) ** 2).sum(axis=2).min(axis=1) <= distance_px**2).sum())


def expected_scores(pairs: list[tuple[Mask, Mask]]) -> dict[str, float]:
    """Pooled scores of pairs of predicted and true masks, from their definitions."""
    hit = sum(int((predicted & true).sum()) for predicted, true in pairs)
    called, crack = (sum(int(pair[index].sum()) for pair in pairs) for index in (0, 1))
    background = sum(true.size for _, true in pairs) - crack
    precision_2px = sum(near(predicted, true, 2) for predicted, true in pairs) / called
    recall_2px = sum(near(true, predicted, 2) for predicted, true in pairs) / crack
    return {
        "precision": hit / called,
        "recall": hit / crack,
        "f1": 2 * hit / (called + crack),
        "iou": hit / (called + crack - hit),
        "precision_2px": precision_2px,
        "recall_2px": recall_2px,
        "f1_2px": 2 * precision_2px * recall_2px / (precision_2px + recall_2px),
        "false_alarm": (called - hit) / background,
        "crack_px": crack,
        "called_px": called,
        "images": len(pairs),
    }


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", *arguments, "--json"]) == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three walls."""
    return write_lines(tmp_path_factory.mktemp("few") / "walls", 3)


@pytest.mark.parametrize("threshold", [None, "0.02", "0.9"])
def test_the_numbers_are_those_of_the_masks_that_predict_writes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: str | None
) -> None:
    folders = {
        "one": write_lines(tmp_path / "one", 3, first=40),
        "two": write_lines(tmp_path / "two", 2, first=50, shape=(70, 101)),
    }
    options = [] if threshold is None else ["--threshold", threshold]
    pairs: dict[str, list[tuple[Mask, Mask]]] = {}
    for name, folder in folders.items():
        out = tmp_path / "out" / name
        assert main(["predict", str(folder / "images"), "-o", str(out), "--model", str(run), *options]) == 0
        masks = sorted((folder / "masks").iterdir())
        pairs[name] = [(read(out / f"{mask.stem}_mask.png"), read(mask)) for mask in masks]
    pairs["all"] = pairs["one"] + pairs["two"]
    data = [part for folder in folders.values() for part in ("--data", str(folder))]
    answer = evaluated(capsys, *data, "--model", str(run), *options)
    assert list(answer["data"]) == ["one", "two", "all"]
    for name, members in pairs.items():
        scores = answer["data"][name]
        assert scores.pop("failed") == []
        assert scores == pytest.approx(expected_scores(members), abs=1e-9)


def test_the_table_and_the_report_say_the_same_as_the_json(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = evaluated(capsys, "--data", str(data), "--model", str(run), "--report", str(tmp_path / "report"))
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text()) == answer
    assert main(["evaluate", "--data", str(data), "--model", str(run), "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    header, row = shown.out.splitlines()[-2:]
    interval = answer["protocols"]["native"]["data"]["walls"]["f1"]
    assert row.endswith(f"[{interval['low']:.3f}, {interval['high']:.3f}]")
    assert header.split()[:3] == ["data", "images", "F1"]
    scores = answer["data"]["walls"]
    assert row.split()[:4] == ["walls", "12", f"{scores['f1']:.3f}", f"{scores['precision']:.3f}"]


@pytest.mark.parametrize("protocol", ["native", "classic", "centreline", "resize512"])
def test_a_named_protocol_prints_its_card_and_every_score(
    run: Path, few: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    assert main(["evaluate", "--data", str(few), "--model", str(run), "--protocol", protocol, "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"protocol {protocol}")
    titles = [line.split("  ")[1] for line in lines if line.startswith("  ") and line[2] != " "]
    assert titles[:6] == ["resized", "tolerance", "threshold", "pooling", "empty masks", "source"]
    assert "walls, 3 images; in brackets: 95 % intervals over images" in lines
    answer = evaluated(capsys, "--data", str(few), "--model", str(run), "--protocol", protocol)
    assert answer["protocol"] == protocol
    assert len(titles) == 6 + len(answer["protocols"][protocol]["data"]["walls"])
    assert answer["data"]["walls"]["images"] == len(answer["images"]) == 3
    assert ("oracle" in answer["threshold_from"].lower()) == (protocol == "resize512") == (answer["threshold"] is None)


def test_all_protocols_together_score_as_each_one_does(
    run: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--data", str(few), "--model", str(run), "--protocol")
    together = evaluated(capsys, *arguments, "all", "--output", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == together
    alone = evaluated(capsys, *arguments, "centreline")
    assert alone["protocols"]["centreline"] == together["protocols"]["centreline"]
    for name in ("evaluation.md", "evaluation.html"):
        assert "resize512" in (tmp_path / "out" / name).read_text()


def test_two_models_are_put_side_by_side(
    run: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [str(run), str(run / "model.onnx")]
    arguments = ["--data", str(few), "--compare", *models]
    assert main(["evaluate", *arguments, "--report", str(tmp_path / "out"), "-q"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line.split()[1].rstrip(",") for line in shown.out.splitlines()[:2]] == models
    answer = evaluated(capsys, *arguments, "--protocol", "classic")
    assert (answer["compared"]["a"], answer["compared"]["b"]) == tuple(models)
    for entry in answer["protocols"]["classic"]["data"]["walls"].values():
        assert entry["difference"] == pytest.approx(0, abs=1e-6)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"evaluation.{end}" for end in ("json", "md", "html")
    }


def test_the_test_part_of_a_folder_is_taken(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "set" / "train", 4)
    write_lines(tmp_path / "set" / "test", 2, first=10)
    answer = evaluated(capsys, "--data", str(tmp_path / "set"), "--model", str(run))
    assert answer["data"]["set"]["images"] == 2


def test_two_folders_of_one_name_are_scored_apart(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_lines(tmp_path / "a" / "walls", 1), write_lines(tmp_path / "b" / "walls", 2)
    answer = evaluated(capsys, "--data", str(one), "--data", str(two), "--model", str(run))
    assert sorted(entry["images"] for entry in answer["data"].values()) == [1, 2, 3]


def test_images_without_any_crack_have_no_f1_but_false_alarms(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample(tmp_path / "blank", "wall", line_sample(0)[0], np.zeros((64, 80), np.bool_))
    answer = evaluated(capsys, "--data", str(tmp_path / "blank"), "--model", str(run))["data"]["blank"]
    assert answer["recall"] is None
    assert answer["precision"] == 0
    assert answer["false_alarm"] > 0
    blind = evaluated(capsys, "--data", str(tmp_path / "blank"), "--model", str(run), "--threshold", "1")
    assert blind["data"]["blank"]["f1"] is None


def test_a_mask_of_another_size_is_named_and_the_rest_is_scored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_lines(tmp_path / "walls", 3)
    Image.new("L", (40, 30)).save(folder / "masks" / "wall01.png")
    arguments = ["evaluate", "--data", str(folder), "--model", str(run)]
    assert main([*arguments, "--json"]) == 1
    shown = capsys.readouterr()
    assert "wall01.png: the mask is 40x30 pixels, its image 80x64" in only_error(shown.err)
    scores = json.loads(shown.out)["data"]["walls"]
    assert scores["images"] == 2
    assert len(scores["failed"]) == 1


def test_an_unreadable_image_is_named_and_the_rest_is_scored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_lines(tmp_path / "walls", 3)
    (folder / "images" / "wall02.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    assert main(["evaluate", "--data", str(folder), "--model", str(run)]) == 1
    assert "wall02.png" in only_error(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "mentions"),
    [
        pytest.param(["--data", "missing"], 2, "missing: no such data folder", id="missing folder"),
        pytest.param(["--data", "empty"], 2, "empty", id="empty folder"),
        pytest.param(["--data", "hollow"], 2, "images: no images here", id="no image"),
        pytest.param(["--data", "walls", "--threshold", "2"], 2, "threshold", id="threshold above one"),
        pytest.param(["--data", "walls", "--threshold", "0"], 2, "threshold", id="threshold of zero"),
        pytest.param(["--data", "walls", "--device", "gpu"], 2, "got 'gpu'", id="unknown device"),
        pytest.param(["--data", "walls", "--model", "nothing"], 2, "no such model", id="no such model"),
        pytest.param(["--data", "walls", "--model", "walls/images/wall00.png"], 3, "wall00.png", id="no model"),
        pytest.param(
            ["--data", "walls", "--report", "walls/images/wall00.png"], 3, "wall00.png", id="report is a file"
        ),
        pytest.param(
            ["--data", "walls", "--protocol", "resize512", "--threshold", "0.5"], 2, "best threshold", id="oracle's"
        ),
        pytest.param(["--data", "walls", "--model", "a", "--compare", "a", "b"], 2, "got both", id="model and compare"),
        pytest.param(["--data", "walls", "--compare", "nothing", "b"], 2, "no such model", id="no model to compare"),
        pytest.param(["--data", "unmasked"], 3, "1 of 2 images have no mask", id="an image without a mask"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    mentions: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(Path("walls"), 1)
    write_lines(Path("unmasked"), 2)
    Path("unmasked/masks/wall01.png").unlink()
    Path("empty").mkdir()
    for name in ("images", "masks"):
        (Path("hollow") / name).mkdir(parents=True)
    model = [] if {"--model", "--compare"} & set(arguments) else ["--model", str(run)]
    assert main(["evaluate", *arguments, *model]) == code
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""
