"""Measure the time and memory of `crackseg inspect`, its restart and its recovery from kills.

    python benchmarks/inspect_cost.py ratio [--images DIR] [--count 200] [--rounds 2]
    python benchmarks/inspect_cost.py workers [--images DIR] [--count 200] [--rounds 2]
    python benchmarks/inspect_cost.py memory [--count 20000]
    python benchmarks/inspect_cost.py resume [--count 10000] [--jobs N]
    python benchmarks/inspect_cost.py kills [--count 200]

``ratio`` runs `crackseg inspect` and `crackseg predict` in turn on the same images and compares the fastest of each.
``workers`` compares one and two worker processes of one thread each in the same way. Aims:

- inspect over predict at most 1.10
- one worker over two at least 1.7 on two cores
- memory at most 1 MB per 1,000 files
- a finished run of 10,000 files again in at most 10 s
- every killed and resumed run equal to an unbroken one
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import data_gen
from crackseg.files import list_images
from crackseg.imaging.codec import write_png
from crackseg.inspection.request import InspectionRequest
from crackseg.inspection.rules import load_rules
from crackseg.inspection.run import inspect
from crackseg.inspection.settings import Settings
from crackseg.inspection.source import Source
from crackseg.inspection.worker_limits import WorkerLimits

COUNTS = {"ratio": 200, "workers": 200, "memory": 20000, "resume": 10000, "kills": 200}
"""Names of the measurements, with their default number of images or runs."""


def timed(*arguments: str | Path) -> tuple[float, float]:
    """Run crackseg; return its wall and processor seconds, children included."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "crackseg", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done
    wall, after = time.perf_counter() - start, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, spent


def make_images(folder: Path, count: int, size: int) -> Path:
    """Write generated walls; beyond ten they are turned and shifted copies."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = data_gen.Recipe(size=size)
    scenes = [data_gen.generate_sample(recipe, seed=3, index=index).image for index in range(min(count, 10))]
    for number in range(count):
        image = np.rot90(scenes[number % len(scenes)], number // len(scenes) % 4)
        write_png(
            folder / f"{number:05d}.png", np.ascontiguousarray(np.roll(image, number // 40, axis=0)), compression=1
        )
    return folder


def plain_images(folder: Path, count: int) -> Path:
    """Write small rough walls, one in ten with a crack."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    for number in range(count):
        image = rng.integers(150, 210, (48, 48, 1), dtype=np.uint8).repeat(3, axis=2)
        if number % 10 == 0:
            image[20:23, 4:44] = 30
        write_png(folder / f"{number:05d}.png", image, compression=1)
    return folder


def small_model(folder: Path) -> Path:
    """Write a tiny model, so that the pipeline dominates."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.inspection.scenes import write_model

    return write_model(folder / "dark.onnx")


def given_images(options: argparse.Namespace, scratch: Path) -> Path:
    """Return a folder of the images to inspect."""
    images = scratch / "images"
    if options.images is None:
        return make_images(images, options.count, options.size)
    images.mkdir()
    for path in list_images(options.images)[: options.count]:
        shutil.copy(path, images / path.name)
    return images


def ratio(options: argparse.Namespace, scratch: Path) -> None:
    """Compare inspect with predict, and two workers with one."""
    images = given_images(options, scratch)
    walls: dict[str, list[float]] = {"predict": [], "inspect": [], "one worker": []}
    for number in range(options.rounds):
        out = scratch / f"out{number}"
        for name, command in {
            "predict": ("predict", images, "-o", out / "predict", "--quiet"),
            "inspect": ("inspect", images, "-o", out / "two", "--quiet"),
            "one worker": ("inspect", images, "-o", out / "one", "--workers", "1", "--quiet"),
        }.items():
            wall, spent = timed(*command)
            walls[name].append(wall)
            print(f"{name:<12} {wall:7.2f} s  ({spent:.2f} s of processor seen)", flush=True)
    best = {name: min(values) for name, values in walls.items()}
    print(f"inspect over predict {best['inspect'] / best['predict']:.2f} (aim 1.10)")
    print(f"one worker over the default {best['one worker'] / best['inspect']:.2f} (its threads count too)")


def workers(options: argparse.Namespace, scratch: Path) -> None:
    """Compare two workers with one, each of which computes in one thread."""
    images = given_images(options, scratch)
    walls: dict[int, list[float]] = {1: [], 2: []}
    for number in range(options.rounds):
        for count, seconds in walls.items():
            request = InspectionRequest(
                source=Source(images, scratch / f"out{number}-{count}"),
                settings=Settings(area=load_rules()),
                workers=count,
                limits=WorkerLimits(threads=1),
            )
            start = time.perf_counter()
            inspect(request)
            seconds.append(time.perf_counter() - start)
            print(f"{count} workers of one thread {seconds[-1]:7.2f} s", flush=True)
    print(f"one worker over two {min(walls[1]) / min(walls[2]):.2f} (aim 1.7 on two cores)")


def memory(options: argparse.Namespace, scratch: Path) -> None:
    """Follow the memory of all processes over many small images."""
    images, model = make_images(scratch / "images", options.count, 64), small_model(scratch)
    command = [sys.executable, "-m", "crackseg", "inspect", images, "-o", scratch / "out", "--model", model]
    process = subprocess.Popen([*map(str, command), "--workers", "1", "--json"], stdout=subprocess.PIPE)
    readings: list[tuple[int, float, float]] = []
    masks = scratch / "out" / "masks"

    def follow() -> None:
        while process.poll() is None:
            sizes = [private_mb(pid) for pid in family(process.pid)]
            if masks.exists() and len(sizes) > 1:
                readings.append((len(list(masks.iterdir())), sizes[0], sum(sizes[1:])))
            time.sleep(1.0)

    watcher = threading.Thread(target=follow)
    watcher.start()
    summary = json.loads(process.communicate()[0])
    watcher.join()
    settled = np.array([reading for reading in readings if options.count * 0.1 < reading[0] < options.count], float)
    for name, column in (("parent", 1), ("workers", 2)):
        slope = np.polyfit(settled[:, 0], settled[:, column], 1)[0] * 1000
        first, last = settled[0, column], settled[-1, column]
        print(f"{name}: {first:.0f} MB to {last:.0f} MB, {slope:+.3f} MB per 1,000 files (aim 1)")
    print(f"{summary['files']} files, {summary['status']}")


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def private_mb(pid: int) -> float:
    """Return the memory that a process has for itself, in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def resume(options: argparse.Namespace, scratch: Path) -> None:
    """Run a finished inspection again."""
    images, model = plain_images(scratch / "images", options.count), small_model(scratch)
    command = ("inspect", images, "-o", scratch / "out", "--model", model, "--workers", str(options.jobs), "--quiet")
    first, _ = timed(*command)
    print(f"{options.count} files: first {first:.1f} s", flush=True)
    time.sleep(3.0)  # what was written just before it was read must be hashed again
    again = [timed(*command) for _ in range(3)]
    wall, spent = min(again)
    size = (scratch / "out" / "report.html").stat().st_size / 1e6
    print(f"again {wall:.2f} s, {spent:.2f} s of processor (aim 10)")
    print(f"report.html {size:.1f} MB")


def kills(options: argparse.Namespace, scratch: Path) -> None:
    """Kill and resume, many times."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "tests.faults.lab", "kills", str(scratch), "--count", str(options.count)]
    subprocess.run(command, cwd=root, check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=tuple(COUNTS))
    parser.add_argument("--count", type=int)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes of `resume`")
    options = parser.parse_args()
    options.count = options.count or COUNTS[options.what]
    with tempfile.TemporaryDirectory() as folder:
        task = {"ratio": ratio, "workers": workers, "memory": memory, "resume": resume, "kills": kills}[options.what]
        task(options, Path(folder))


if __name__ == "__main__":
    main()
