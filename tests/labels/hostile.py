"""Read files that mean harm, or were cut short, and say what it cost: run as a program of its own.

    python -m tests.labels.hostile cut FOLDER EVERY
    python -m tests.labels.hostile read FORMAT=PATH ...

Prints a JSON list: for each reading the seconds it took of computing, so that other work on the machine does not count,
the bytes by which the memory of the process grew, and how many images could be read and how many could not. Anything
but a typed error or an answer ends it with a traceback.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import get_args

from crackseg.errors import CracksegError
from crackseg.labels.annotation import draw_objects
from crackseg.labels.reading import Format, ImageSizes, read_entries

FORMATS: tuple[Format, ...] = get_args(Format)


STATUS = Path("/proc/self/status")


def forget_peak() -> None:
    """Let the peak of this process's memory start from what it holds now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """The most memory this process held."""
    for line in STATUS.read_text(encoding="ascii").splitlines() if STATUS.exists() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def read_all(source: Path, kind: Format) -> tuple[int, list[str]]:
    """Read and draw every image of some annotations; return how many could be read, and the typed errors."""
    read, errors = 0, []
    try:
        entries, _ = read_entries(source, kind, ImageSizes((64, 80)))
    except CracksegError as error:
        return 0, [str(error)]
    for entry in entries:
        try:
            image = entry.load()
            draw_objects(image.objects, image.shape, name=image.name)
            read += 1
        except CracksegError as error:
            errors.append(str(error))
    return read, errors


def cost(source: Path, kind: Format) -> dict[str, float]:
    """Read some annotations and return what that took."""
    forget_peak()
    before, start = peak_bytes(), time.process_time()
    read, errors = read_all(source, kind)
    seconds = time.process_time() - start
    return {"seconds": seconds, "grown_bytes": peak_bytes() - before, "read": read, "errors": len(errors)}


def cut(folder: Path, every: int) -> list[dict[str, float]]:
    """Read what `tests.labels.test_hostile` wrote for each format, each of its files cut at every so many bytes."""
    costs = []
    scratch = folder / "scratch"
    for kind in FORMATS:
        source = folder / kind
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            data = path.read_bytes()
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(source, scratch)
            for length in range(0, len(data), max(1, min(every, len(data) // 20))):
                (scratch / path.relative_to(source)).write_bytes(data[:length])
                costs.append(cost(scratch, kind))
    return costs


def read_each(named: list[str]) -> list[dict[str, float]]:
    """Read files, each given as ``FORMAT=PATH``."""
    pairs = [item.partition("=") for item in named]
    return [cost(Path(path), kind) for given, _, path in pairs for kind in FORMATS if kind == given]


def main(arguments: list[str]) -> None:
    costs = cut(Path(arguments[1]), int(arguments[2])) if arguments[0] == "cut" else read_each(arguments[1:])
    sys.stdout.write(json.dumps(costs))


if __name__ == "__main__":
    main(sys.argv[1:])
