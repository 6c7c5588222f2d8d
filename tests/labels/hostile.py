"""Read hostile or truncated files and print the cost; run as a separate program.

    python -m tests.labels.hostile cut FOLDER EVERY
    python -m tests.labels.hostile read FORMAT=PATH ...

The program prints a JSON list with the cost of each reading: seconds of process time, growth of the process in bytes,
and the numbers of images that were read and that failed. Any exception other than a typed error ends it.
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
    """Reset the peak memory of this process, if the system supports it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Return the peak memory of this process, in bytes."""
    for line in STATUS.read_text(encoding="ascii").splitlines() if STATUS.exists() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def read_all(source: Path, kind: Format) -> tuple[int, list[str]]:
    """Read and draw all images; return how many succeeded and the errors."""
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
    """Read some annotations and return the cost."""
    forget_peak()
    before, start = peak_bytes(), time.process_time()
    read, errors = read_all(source, kind)
    seconds = time.process_time() - start
    return {"seconds": seconds, "grown_bytes": peak_bytes() - before, "read": read, "errors": len(errors)}


def cut(folder: Path, every: int) -> list[dict[str, float]]:
    """Read the samples of each format, truncated at every ``every`` bytes."""
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
    """Read files named as ``FORMAT=PATH``."""
    pairs = [item.partition("=") for item in named]
    return [cost(Path(path), kind) for name, _, path in pairs for kind in FORMATS if kind == name]


def main(arguments: list[str]) -> None:
    costs = cut(Path(arguments[1]), int(arguments[2])) if arguments[0] == "cut" else read_each(arguments[1:])
    sys.stdout.write(json.dumps(costs))


if __name__ == "__main__":
    main(sys.argv[1:])
