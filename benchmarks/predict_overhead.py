"""The whole command `crackseg predict` on one 1024x1024 image over bare imports plus the network alone.

    python benchmarks/predict_overhead.py [--model MODEL] [--rounds 5]

Both sides are whole processes, timed in turn in one run, the fastest of each compared: the machine may be shared.
The floor imports numpy, cv2 and onnxruntime, loads the model and runs it once on 1024x1024 pixels; it reads no image,
mirrors no border, measures nothing and writes nothing. Aim: at most 1.3.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import data_gen
from crackseg.images import write_png
from crackseg.models import find_model

FLOOR = """
import sys
import cv2, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
session.run(None, {"pixels": numpy.zeros((1, 1024, 1024, 3), numpy.uint8)})
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    from crackseg.machine import usable_cores

    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = find_model(options.model).path
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        write_png(image, data_gen.generate_sample(data_gen.Recipe(size=1024), seed=0, index=0).image)
        floor = [sys.executable, "-c", FLOOR, str(model), str(usable_cores())]
        whole = [sys.executable, "-m", "crackseg", "predict", str(image), "-o", folder, "--model", str(model)]
        times = [(seconds(floor), seconds(whole)) for _ in range(options.rounds + 1)][1:]
    floor_s, whole_s = min(pair[0] for pair in times), min(pair[1] for pair in times)
    print(f"imports and network alone {floor_s:.2f} s, whole command {whole_s:.2f} s")
    print(f"ratio {whole_s / floor_s:.2f} (aim 1.3)")


if __name__ == "__main__":
    main()
