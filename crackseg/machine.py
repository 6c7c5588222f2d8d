"""Describe the machine and the installed packages, and check for optional ones."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from crackseg.errors import MissingExtraError


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes() -> int | None:
    """Return the peak memory of this process in bytes; None if unknown."""
    if sys.platform == "win32":
        return _peak_on_windows()
    # On Linux, the figure of getrusage includes the parent process at the time of the fork.
    if line := _proc_line("/proc/self/status", "VmHWM"):
        return int(line.split()[0]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_memory_text() -> str:
    """Return the peak memory of this process in words."""
    peak = peak_memory_bytes()
    return "peak memory unknown" if peak is None else f"peak memory {peak / 1e9:.2f} GB"


if sys.platform == "win32":

    def _peak_on_windows() -> int | None:
        import ctypes
        from ctypes import wintypes

        class Counters(ctypes.Structure):
            _fields_ = (
                ("cb", wintypes.DWORD),
                ("faults", wintypes.DWORD),
                *((name, ctypes.c_size_t) for name in ("peak_bytes", "now_bytes", "a", "b", "c", "d", "e", "f")),
            )

        counters = Counters(cb=ctypes.sizeof(Counters))
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        ask = kernel.K32GetProcessMemoryInfo
        ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
        done = ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
        return int(counters.peak_bytes) if done else None


def describe_machine() -> dict[str, str | int]:
    """Return processor, cores, system and versions, which numerical results depend on."""
    from importlib.metadata import version

    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "crackseg": version("crackseg"),
    }


def _processor() -> str:
    return _proc_line("/proc/cpuinfo", "model name") or platform.processor() or "unknown"


def _proc_line(path: str, key: str) -> str:
    """Return a value in a file of Linux, or an empty text."""
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
    except OSError:
        return ""


_EXTRAS = {
    "train": ("torch", "segmentation_models_pytorch", "albumentations", "safetensors", "onnx", "matplotlib"),
    "openvino": ("openvino",),
    "parquet": ("pyarrow",),
    "tensorboard": ("tensorboard",),
    "watch": ("watchdog",),
}


def require_extra(extra: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        extra: Name of the extra, such as ``train``.

    Raises:
        MissingExtraError: If a package is missing.
    """
    for package in _EXTRAS[extra]:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"needs the package {package}, which is not installed",
                hint=f"install it with: {install_command(extra)}",
            )


def install_command(extra: str) -> str:
    """Return a command that installs an extra of this installation of crackseg.

    The project may be on no package index, so the command names the checkout or the wheel that crackseg came from. If
    neither exists any more, the command names the packages of the extra.

    Args:
        extra: Name of the extra, such as ``train``.
    """
    quote = '"' if sys.platform == "win32" else "'"
    origin, editable = _origin()
    if origin is not None:
        return f"pip install {'-e ' if editable else ''}{quote}{origin}[{extra}]{quote}"
    import re
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("crackseg") or []
    except PackageNotFoundError:
        lines = []
    marker = re.compile(rf";\s*extra\s*==\s*['\"]{extra}['\"]")
    packages = [f"{quote}{marker.sub('', line).strip()}{quote}" for line in lines if marker.search(line)]
    return f"pip install {' '.join(packages or _EXTRAS[extra])}"


def _origin() -> tuple[Path | None, bool]:
    """Return the checkout or wheel of crackseg, and True if editable."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        return checkout, True
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        record = json.loads(distribution("crackseg").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None, False
    path = Path(url2pathname(urlsplit(str(record.get("url", ""))).path))
    return (path, False) if str(record.get("url", "")).startswith("file:") and path.exists() else (None, False)


def require_train_extra() -> None:
    """Check that the packages for training are installed.

    Raises:
        MissingExtraError: If a package is missing.
    """
    require_extra("train")


@contextlib.contextmanager
def isolate_workers() -> Iterator[None]:
    """Keep Ctrl-C and the caller's script out of new processes.

    They inherit that SIGINT is blocked, so Ctrl-C reaches only the process that started them. A new process also runs
    the main module of its parent. Without this, a script that has no ``if __name__ == "__main__"`` would start itself
    again and again, and a script on stdin could not be found.
    """
    main = sys.modules["__main__"]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_CORE = (
    *("numpy", "opencv-python-headless", "Pillow", "isal", "lxml"),
    *("onnxruntime", "rich", "pydantic", "PyYAML"),
)
_TRAIN = ("torch", "segmentation-models-pytorch", "albumentations", "safetensors", "onnx", "matplotlib")


def installed_versions() -> dict[str, str | None]:
    """Return the version of each package that crackseg uses; None if missing."""
    return {name: _version(name) for name in (*_CORE, *_TRAIN)}


def find_problems() -> list[str]:
    """Return the known problems of the installed packages, one line each."""
    problems = [f"{name} is missing; install crackseg again" for name in _CORE if _version(name) is None]
    opencv = [name for name in _OPENCV if _version(name) is not None]
    if len(opencv) > 1:
        problems.append(
            f"{' and '.join(opencv)} share the folder cv2; uninstall all of them, "
            "then install only opencv-python-headless"
        )
    return problems


_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


def _version(name: str) -> str | None:
    from importlib import metadata  # slow to import, and `predict` needs none of it

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
