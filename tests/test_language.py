"""The language rules hold in every module, docstring, message, test name and document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.language import violations

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("crackseg", "data_gen", "tests", "benchmarks", "experiments", "docs", ".ci", ".github")
RULE_FILES = {"tests/language.py", "tests/test_language.py"}
"""The rules name the words that they forbid."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


FILES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if path.suffix in (".py", ".md") and relative(path) not in RULE_FILES
)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_keeps_the_language_rules(path: Path) -> None:
    messages = [f"{relative(path)}:{line}: {kind}: {message}" for line, kind, message in violations(path)]
    assert messages == [], "\n".join(messages)


def test_there_are_files_to_look_at() -> None:
    assert {"README.md", "CHANGELOG.md", "crackseg/errors.py"} <= {relative(path) for path in FILES}
    assert len(FILES) > 300


BAD = [
    pytest.param('"""Whether a model still says what it said."""', "opener", id="riddle opener"),
    pytest.param(f'"""{"Long words. " * 12}"""', "opener", id="long opener"),
    pytest.param('"""M."""\n# The user is told.', "word", id="forbidden word in a comment"),
    pytest.param('"""M."""\nraise ValueError("it lies beside the mask")', "word", id="forbidden word in a message"),
    pytest.param('"""M."""\nfound = 1', "name", id="participle that holds a value"),
    pytest.param('"""M."""\ndef tell_all() -> None: ...', "name", id="forbidden word in a name"),
    pytest.param('"""M."""\ndef test_a_user_is_told() -> None: ...', "name", id="forbidden word in a test name"),
    pytest.param('"""M."""\ndef f() -> None:\n    """' + "Do " * 13 + '."""', "summary", id="long summary"),
    pytest.param('"""M.\n\nThis ' + "very " * 25 + 'long sentence."""', "sentence", id="long sentence"),
    pytest.param('"""M."""\ndef f(x: NDArray) -> None:\n    """Do."""', "shape", id="array without a shape"),
]


@pytest.mark.parametrize(("source", "kind"), BAD)
def test_a_violation_is_listed(tmp_path: Path, source: str, kind: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert kind in {item for _, item, _ in violations(path)}


GOOD = [
    pytest.param('"""Read and write COCO annotations."""', id="plain opener"),
    pytest.param('"""M."""\nlearning_rate = 1e-3  # The learning rate, from deep learning.', id="learning rate"),
    pytest.param('"""M."""\n# Leave it alone: scikit-learn needs it.', id="left alone"),
    pytest.param(
        '"""M."""\ndef f(x: NDArray) -> None:\n    """Do it to a ``(H, W)`` mask."""', id="array with a shape"
    ),
    pytest.param(
        '"""M."""\ndef f(x: NDArray) -> None:\n    """Do it to ``(N, 2)`` points."""', id="points with a shape"
    ),
    pytest.param('"""M."""\nparts = slice(1, 2)', id="slice as a builtin"),
]


@pytest.mark.parametrize("source", GOOD)
def test_plain_english_passes(tmp_path: Path, source: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert violations(path) == []


def test_a_document_keeps_the_rules_too(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Page\n\nThe user is told.\n\n```text\nThe user is told.\n```\n", encoding="utf-8")
    assert [(line, kind) for line, kind, _ in violations(path)] == [(3, "word")]
