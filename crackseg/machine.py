"""What this process runs on."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import signal
import sys
from collections.abc import Iterator

from crackseg.errors import MissingExtraError


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held so far, in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return _peak_on_windows()
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_memory_text() -> str:
    """Return `peak_memory_bytes` in words, for the user to read."""
    peak = peak_memory_bytes()
    return "peak memory not known" if peak is None else f"peak memory {peak / 1e9:.2f} GB"


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
    """Return processor, cores, system and the versions that decide what a number computed here is."""
    from importlib.metadata import version

    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "crackseg": version("crackseg"),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


_EXTRAS = {
    "train": ("torch", "segmentation_models_pytorch", "albumentations", "safetensors", "onnx", "matplotlib"),
    "openvino": ("openvino",),
    "parquet": ("pyarrow",),
    "tensorboard": ("tensorboard",),
}


def require_extra(extra: str) -> None:
    """Check that the packages of an extra are there, without importing them.

    Raises:
        MissingExtraError: If one is missing.
    """
    for package in _EXTRAS[extra]:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"this needs the package {package}, which is not installed",
                hint=f"install it with: pip install 'crackseg[{extra}]'",
            )


def require_train_extra() -> None:
    """Do as `require_extra` for training."""
    require_extra("train")


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold SIGINT back while processes are started: they inherit that and leave Ctrl-C to the one that started them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_CORE = (
    *("numpy", "opencv-python-headless", "Pillow", "isal", "lxml"),
    *("onnxruntime", "rich", "pydantic", "PyYAML"),
)
_TRAIN = ("torch", "segmentation-models-pytorch", "albumentations", "safetensors", "onnx", "matplotlib")


def installed_versions() -> dict[str, str | None]:
    """Return the version of every package crackseg uses; None for one that is not installed."""
    return {name: _version(name) for name in (*_CORE, *_TRAIN)}


def find_problems() -> list[str]:
    """Return what is known to go wrong with the packages that are installed, one line each."""
    problems = [f"{name} is missing; install crackseg again" for name in _CORE if _version(name) is None]
    opencv = [name for name in _OPENCV if _version(name) is not None]
    if len(opencv) > 1:
        problems.append(
            f"{' and '.join(opencv)} write into the same folder cv2; uninstall them all, "
            "then install opencv-python-headless alone"
        )
    return problems


_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


def _version(name: str) -> str | None:
    from importlib import metadata  # slow to import, and `predict` needs none of it

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
