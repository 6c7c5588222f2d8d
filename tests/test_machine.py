"""The machine, the installed packages, and the command that installs an extra."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crackseg import machine
from crackseg.errors import MissingExtraError
from crackseg.machine import install_command, require_extra

ROOT = Path(machine.__file__).parents[1]
"""The folder that holds the imported package: the checkout, or site-packages after ``pip install .``."""
EDITABLE = (ROOT / "pyproject.toml").is_file()
ORIGIN = f"{'-e ' if EDITABLE else ''}'{Path(__file__).parents[1]}"
"""Start of the requirement that names this checkout, from which the package was installed in either way."""
METADATA = """Metadata-Version: 2.4
Name: crackseg
Version: 0.1.0
Provides-Extra: train
Provides-Extra: openvino
Requires-Dist: numpy>=2.0
Requires-Dist: openvino>=2026.0; extra == 'openvino'
Requires-Dist: torch>=2.6; extra == 'train'
Requires-Dist: onnx>=1.17; extra == 'train'
"""


def installed_command(site: Path, url: str | None) -> str:
    """Return the command that a package installed from a URL names."""
    (site / "crackseg").mkdir(parents=True)
    (site / "crackseg" / "__init__.py").touch()
    for name in ("machine.py", "errors.py"):
        shutil.copy(ROOT / "crackseg" / name, site / "crackseg" / name)
    info = site / "crackseg-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "archive_info": {}}))
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from crackseg.machine import install_command as command\n"
    code += "print(command('train'))"
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.strip()


def test_from_a_checkout_the_command_names_the_checkout() -> None:
    assert install_command("train") == f"pip install {ORIGIN}[train]'"


def test_from_a_wheel_the_command_names_the_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "my wheels" / "crackseg-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    assert installed_command(tmp_path / "site", wheel.as_uri()) == f"pip install '{wheel}[train]'"


@pytest.mark.parametrize(
    "url", [None, "file:///gone/crackseg.whl", "https://example.org/crackseg.whl"], ids=["index", "gone", "web"]
)
def test_from_elsewhere_the_command_names_the_packages(tmp_path: Path, url: str | None) -> None:
    assert installed_command(tmp_path / "site", url) == "pip install 'torch>=2.6' 'onnx>=1.17'"


def test_a_missing_package_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        require_extra("openvino")
    assert str(caught.value) == (
        f"needs the package openvino, which is not installed; install it with: pip install {ORIGIN}[openvino]'"
    )


def test_the_peak_memory_does_not_count_the_parent_process() -> None:
    ballast = b"x" * 400_000_000
    code = "from crackseg.machine import peak_memory_bytes; print(peak_memory_bytes())"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    if sys.platform == "linux":
        assert int(ended.stdout) < 100_000_000
    assert len(ballast) == 400_000_000
