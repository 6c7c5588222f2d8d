"""Masks of any program, scored without a model, and tables of several of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.cli import main
from crackseg.datasets.samples import find_samples
from crackseg.errors import UsageError
from crackseg.evaluation import EvaluationReport, EvaluationRequest, Scoreboard, evaluate_model, format_table
from crackseg.evaluation.table import Evaluation
from tests.evaluation.scenes import Mask, model, scribbled, write_set
from tests.runs import only_error

Pair = tuple[Mask, Mask]


def write_mask(path: Path, mask: Mask) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(path)


def write_answers(folder: Path, pairs: list[Pair], pattern: str = "wall{:02d}.png") -> Path:
    """Write the predicted masks of pairs, as another program would."""
    for number, (predicted, _) in enumerate(pairs):
        write_mask(folder / pattern.format(number), predicted)
    return folder


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pair]:
    """Predicted and true masks; they are also in ``walls`` and ``other``."""
    monkeypatch.chdir(tmp_path)
    drawn = scribbled(6)
    write_set(Path("walls"), drawn)
    write_answers(Path("other"), drawn)
    return drawn


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert main(["evaluate", "--data", "walls", *arguments, "--json"]) == code
    content: dict[str, object] = json.loads(capsys.readouterr().out)
    return content


def pooled_f1(pairs: list[Pair]) -> float:
    hit = sum(int((predicted & true).sum()) for predicted, true in pairs)
    return 2 * hit / sum(int(predicted.sum() + true.sum()) for predicted, true in pairs)


def test_masks_score_as_the_model_that_predicts_them(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    content = answer(capsys, "--masks", "other", "--protocol", "all", "-o", "out")
    assert content["model"] == "other"
    assert content["threshold"] is None
    assert content["protocols"].keys() == {"native", "classic", "centreline"}  # type: ignore[attr-defined]
    expected = evaluate_model(model(), find_samples(Path("walls"), "test"), EvaluationRequest("all")).to_dict()
    for name, protocol in content["protocols"].items():  # type: ignore[attr-defined]
        for key, estimate in protocol["data"]["walls"].items():
            assert estimate == pytest.approx(expected["protocols"][name]["data"]["walls"][key]), (name, key)
    assert "ap" not in content["protocols"]["classic"]["data"]["walls"]  # type: ignore[index]
    assert content["data"]["walls"]["f1"] == pytest.approx(pooled_f1(pairs))  # type: ignore[index]
    page = Path("out/evaluation.html").read_text()
    assert "hit, missed and false pixels" in page
    assert "Precision and recall over all thresholds" not in page


def test_the_masks_of_predict_are_known_by_their_suffix(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_answers(Path("predicted"), pairs, "wall{:02d}_mask.png")
    write_answers(folder, pairs, "wall{:02d}_overlay.png")
    content = answer(capsys, "--masks", "predicted")
    assert content["data"]["walls"]["f1"] == pytest.approx(pooled_f1(pairs))  # type: ignore[index]


def test_masks_of_several_sets_are_in_folders_of_their_names(
    pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(Path("roads"), pairs[:2])
    arguments = ("--data", "roads", "--masks", "other")
    assert main(["evaluate", "--data", "walls", *arguments]) == 2
    assert "two data sets have an image of the same stem" in only_error(capsys.readouterr().err)
    write_answers(Path("both/walls"), pairs)
    write_answers(Path("both/roads"), pairs[:2])
    content = answer(capsys, "--data", "roads", "--masks", "both")
    assert content["data"]["roads"]["f1"] == pytest.approx(pooled_f1(pairs[:2]))  # type: ignore[index]
    assert content["data"]["all"]["f1"] == pytest.approx(pooled_f1([*pairs, *pairs[:2]]))  # type: ignore[index]


def test_missing_left_over_and_wrong_masks_are_named_and_the_rest_is_scored(
    pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other/wall00.png").unlink()
    write_mask(Path("other/wall01.png"), np.zeros((7, 9), np.bool_))
    write_mask(Path("other/stranger.png"), pairs[0][0])
    assert main(["evaluate", "--data", "walls", "--masks", "other", "--json"]) == 1
    shown = capsys.readouterr()
    missing, wrong, left_over = shown.err.splitlines()
    assert "other: no mask for wall00.png of walls" in missing
    assert f"wall01.png: the mask is 9x7 pixels, its image {pairs[0][1].shape[1]}x{pairs[0][1].shape[0]}" in wrong
    assert "stranger.png: belongs to no image" in left_over
    scores = json.loads(shown.out)["data"]["walls"]
    assert scores["images"] == 4
    assert scores["f1"] == pytest.approx(pooled_f1(pairs[2:]))


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        pytest.param(["--masks", "nowhere"], "nowhere: no such folder of masks", id="no folder"),
        pytest.param(["--masks", "strange"], "strange: no mask here has the stem of an image", id="no match"),
        pytest.param(["--masks", "other", "--threshold", "0.5"], "--threshold: masks have no probab", id="threshold"),
        pytest.param(["--masks", "other", "--tta", "flips"], "--tta: masks have no probabilities", id="averaging"),
        pytest.param(
            ["--masks", "other", "--protocol", "resize512"],
            "protocol resize512 needs probabilities",
            id="oracle of masks",
        ),
        pytest.param(["--masks", "other", "--compare", "a", "b"], "expected --masks or --compare", id="both"),
        pytest.param(["--masks", "other", "--masks", "other"], "other: listed twice", id="twice"),
        pytest.param(["--masks", "other", "--format", "csv", "--json"], "expected --format or --json", id="formats"),
    ],
)
def test_a_request_that_masks_do_not_allow_is_refused(
    pairs: list[Pair], capsys: pytest.CaptureFixture[str], arguments: list[str], mentions: str
) -> None:
    write_answers(Path("strange"), pairs, "strange{}.png")
    assert main(["evaluate", "--data", "walls", *arguments]) == 2
    shown = capsys.readouterr()
    assert mentions in only_error(shown.err)
    assert shown.out == ""


def test_two_folders_of_masks_are_compared(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    write_answers(Path("worse"), [(np.zeros_like(predicted), true) for predicted, true in pairs])
    content = answer(capsys, "--compare", "worse", "other", "-o", "out")
    entry = content["protocols"]["native"]["data"]["walls"]["f1"]  # type: ignore[index]
    assert (entry["a"], entry["difference"]) == (0, pytest.approx(pooled_f1(pairs)))
    assert "first where B loses most" in Path("out/evaluation.html").read_text()


def test_folders_of_masks_are_compared_on_their_common_images(
    pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    write_answers(Path("fewer"), pairs[:-2])
    Path("other/wall00.png").unlink()
    content = answer(capsys, "--compare", "fewer", "other", "-o", "out", code=1)
    entry = content["protocols"]["native"]["data"]["walls"]["f1"]  # type: ignore[index]
    assert (entry["a"], entry["difference"]) == (pytest.approx(pooled_f1(pairs[1:-2])), 0)
    assert content["b"]["data"]["walls"]["images"] == len(pairs) - 3  # type: ignore[index]


def test_several_entries_give_one_table_in_three_formats(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    write_answers(Path("a_b & 100%"), [(true, true) for _, true in pairs])
    arguments = ["evaluate", "--data", "walls", "--masks", "other", "--masks", "a_b & 100%", "-q"]
    assert main([*arguments, "--format", "csv", "-o", "out"]) == 0
    text = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(text)))
    values = {(row["model"], row["score"]): row for row in rows}
    assert float(values["other", "f1"]["value"]) == pytest.approx(pooled_f1(pairs))
    assert float(values["a_b & 100%", "f1"]["value"]) == 1
    assert {row["images"] for row in rows} == {"6"}
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"evaluation.html", "evaluation.json", "evaluation.md", "table.csv"}
    assert Path("out/table.csv").read_text() == text
    assert [each["model"] for each in json.loads(Path("out/evaluation.json").read_text())["models"]] == [
        "other",
        "a_b & 100%",
    ]

    assert main([*arguments, "--format", "latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == [r"\begin{tabular}{llrrrrrrrrrr}", r"\toprule"]
    assert lines[3].startswith("data & model & images & F1 & precision")
    assert r"95 \% interval of F1 \\" in lines[3]
    assert lines[6].startswith(r"walls & a\_b \& 100\% & 6 & 1.000 & ")
    assert lines[7:] == [r"\bottomrule", r"\end{tabular}"]
    assert len({line.replace(r"\&", "").count("&") for line in (lines[3], *lines[5:7])}) == 1

    assert main([*arguments, "--format", "markdown", "--protocol", "centreline"]) == 0
    head, marks, first, *_ = capsys.readouterr().out.splitlines()
    assert head == "| score | other | a_b & 100% |"
    assert marks == "| --- | ---: | ---: |"
    assert first.startswith("| clIoU 4 px | 0.")


def test_the_text_table_lines_up(pairs: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    write_answers(Path("another"), pairs)
    assert main(["evaluate", "--data", "walls", "--masks", "other", "--masks", "another", "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "other, threshold none: the masks as they are, crack from half of full scale"
    head, one, two = lines[-3:]
    assert one.split()[:3] == ["walls", "other", "6"]
    assert two.split()[2:] == one.split()[2:]
    assert len({head.index("F1") + 2, one.index(one.split()[3]) + 5}) == 1


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        pytest.param("a\\b", r"a\textbackslash{}b", id="backslash"),
        pytest.param("{x}~^", r"\{x\}\textasciitilde{}\textasciicircum{}", id="braces"),
        pytest.param("#1 $2", r"\#1 \$2", id="hash"),
        pytest.param("[a]", "{[a]}", id="bracket"),
        pytest.param("<b>", r"\textless{}b\textgreater{}", id="angles"),
    ],
)
def test_a_latex_cell_shows_the_name_as_it_is(name: str, escaped: str) -> None:
    report = EvaluationReport(name, "", None, "none", EvaluationRequest(), {"set": Evaluation()})
    assert f" & {escaped} & " in format_table(Scoreboard((report,)), "latex")


def test_a_request_without_probabilities_has_no_curve() -> None:
    request = EvaluationRequest("all", figures=True, probabilities=False)
    assert "curve" not in request.parts
    assert "sweep" not in request.parts
    with pytest.raises(UsageError, match="needs probabilities"):
        EvaluationRequest("resize512", probabilities=False)
