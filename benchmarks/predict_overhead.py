"""Time a cold `crackseg predict` of one image against bare imports plus the network.

    python benchmarks/predict_overhead.py [--model MODEL] [--rounds 7] [--sizes 512 1024]

Both sides are whole processes, run in turn, and the fastest of each counts: the machine may be shared. Processor time
(user and system) stands next to wall time, because other work changes it less. The floor imports numpy, cv2 and
onnxruntime, loads the model and runs it once on as many pixels. It reads no image, mirrors no border, and measures
and writes nothing. Aim: at most 1.25.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import data_gen
from crackseg.imaging.codec import write_png
from crackseg.machine import usable_cores
from crackseg.prediction.loading import find_model

FLOOR = """
import sys
import cv2, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
side = int(sys.argv[3])
session.run(None, {"pixels": numpy.zeros((1, side, side, 3), numpy.uint8)})
"""


def seconds(command: list[str], cache: str) -> tuple[float, float]:
    """Run a process and return its wall time and its processor time.

    Bytecode is kept in the folder ``cache``, as it is for an installed package.
    """
    variables = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=variables)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return wall_s, usage.ru_utime + usage.ru_stime


def compare(model: Path, side: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        write_png(image, data_gen.generate_sample(data_gen.Recipe(size=side), seed=0, index=0).image)
        floor = [sys.executable, "-c", FLOOR, str(model), str(usable_cores()), str(side)]
        whole = [sys.executable, "-m", "crackseg", "predict", str(image), "-o", folder, "--model", str(model)]
        cache = str(Path(folder) / "bytecode")
        times = [(seconds(floor, cache), seconds(whole, cache)) for _ in range(rounds + 1)][1:]
    for number, clock in enumerate(("wall", "processor")):
        floor_s, whole_s = (min(pair[side][number] for pair in times) for side in (0, 1))
        print(
            f"{side}x{side}, {clock:9}: imports and network {floor_s:.2f} s, whole command {whole_s:.2f} s, "
            f"ratio {whole_s / floor_s:.2f} (aim 1.25)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    options = parser.parse_args()
    model = find_model(options.model).path
    for side in options.sizes:
        compare(model, side, options.rounds)


if __name__ == "__main__":
    main()
