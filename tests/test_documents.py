"""The documents: links lead somewhere, and every list of checks is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path
    for folder in (ROOT, *(ROOT / name for name in ("docs", "benchmarks", "experiments", ".github")))
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("a source distribution lacks some of the linked files", allow_module_level=True)

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose_of(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors_of(path: Path) -> set[str]:
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", prose_of(path), flags=re.MULTILINE)}


def is_broken(document: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    path = (document.parent / file).resolve() if file else document
    return not path.exists() or (bool(anchor) and anchor not in anchors_of(path))


def test_there_are_documents_to_look_at() -> None:
    assert {"README.md", "docs/README.md", "docs/models.md"} <= {relative(path) for path in DOCUMENTS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = [
        target for target in LINK.findall(prose_of(path)) if "://" not in target and not target.startswith("mailto")
    ]
    assert [target for target in targets if is_broken(path, target)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=relative)
def test_the_index_lists_every_page(path: Path) -> None:
    listed = {
        target.partition("#")[0] for target in LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    }
    assert path.name == "README.md" or path.name in listed


def checks_of_contributing() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    (ruff format --check .*)$", text, flags=re.MULTILINE)
    return [check.strip() for check in line.split("&&")]


def test_the_workflow_runs_every_check() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = {step.get("run") for job in workflow["jobs"].values() for step in job["steps"]}
    assert set(checks_of_contributing()) <= steps


def test_the_local_run_has_every_check() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    *others, last = checks_of_contributing()
    assert set(others) <= set(lines)
    assert f"pip install '.[dev]' && {last}" in readme


def test_the_hooks_run_every_check() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    entries = [hook["entry"] for hook in repository["hooks"]]
    checks = [check.removesuffix(" .") for check in checks_of_contributing()]
    assert len(entries) == len(checks)
    assert all(any(entry.startswith(check) for entry in entries) for check in checks)
