"""Time prediction from file to mask against MONAI's sliding-window inference.

    pip install monai; python benchmarks/prediction_speed.py [--side 2048] [--rounds 3] [--calibrate DIR]

Every contestant has the same weights and the same image. Models are loaded before the clock starts. Rounds of all
contestants follow one another and the fastest of each counts, so ratios hold on a shared machine. MONAI runs as
usual: 512 px, a quarter shared between neighbours, a Gaussian blend, PyTorch in float32.

Columns: seconds from file to mask, the factor over MONAI, seconds of the network on the same tiles, and the ratio of
the two. The last column is the share of the machine's matrix-multiplication rate that the network reaches.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch.utils.flop_counter import FlopCounterMode

import data_gen
from crackseg.datasets.samples import find_all_samples, read_sample
from crackseg.exporting.pipeline import convert
from crackseg.imaging.codec import ArrayImage, mask_pixels, read_image, write_png
from crackseg.machine import usable_cores
from crackseg.networks.factory import normalise
from crackseg.prediction.loading import find_model
from crackseg.prediction.tiled import TileLimits, predict_probability
from crackseg.prediction.tiling import read_mirrored
from crackseg.runtimes.onnx import OnnxPredictor
from crackseg.runtimes.openvino import OpenVinoPredictor, from_onnx
from crackseg.runtimes.predictor import Predictor
from crackseg.runtimes.torch import load_torch_predictor


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def product_rate(kind: torch.dtype) -> float:
    """GFLOP/s of a product of two matrices of 2048x2048."""
    one, other = (torch.rand(2048, 2048).to(kind) for _ in range(2))
    return 2 * 2048**3 / min(seconds(lambda: one @ other) for _ in range(6)) / 1e9


def wall(side: int) -> np.ndarray:
    patch = data_gen.generate_sample(data_gen.Recipe(size=min(side, 2048)), seed=0, index=0).image
    line = np.concatenate([patch, patch[:, ::-1]], axis=1)
    both = np.concatenate([line, line[::-1]])
    count = -(-side // both.shape[0])
    return np.ascontiguousarray(np.tile(both, (count, count, 1))[:side, :side])


def contestants(calibrate: Path | None) -> dict[str, tuple[Predictor, str]]:
    model = find_model()
    data = model.read()
    onnx = OnnxPredictor(data, name="onnx")
    if calibrate is None:
        walls = [data_gen.generate_sample(data_gen.Recipe(size=256), seed=0, index=index) for index in range(16)]
        samples = [(sample.image, sample.mask) for sample in walls]
    else:
        paths = find_all_samples([calibrate], "train")
        samples = [read_sample(sample) for sample in paths[:: max(1, len(paths) // 32)]]
    int8 = convert(data, onnx.card, file_format="openvino", precision="int8", samples=samples)
    return {
        "onnxruntime fp32": (onnx, "fp32"),
        "OpenVINO fp32": (OpenVinoPredictor(from_onnx(data), onnx.card, precision="fp32"), "fp32"),
        "torch fp32": (load_torch_predictor(model.path, device="cpu"), "fp32"),
        "OpenVINO bf16": (OpenVinoPredictor(from_onnx(data), onnx.card, precision="bf16"), "bf16"),
        "torch bf16": (load_torch_predictor(model.path, device="cpu", bfloat16=True), "bf16"),
        "OpenVINO int8": (int8.predictor, "int8"),
    }


def monai_mask(network: torch.nn.Module, path: Path, out: Path, threshold: float) -> None:
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    with torch.inference_mode():
        image = normalise(torch.from_numpy(pixels)[None]).contiguous()
        logits = sliding_window_inference(image, (512, 512), 4, network, overlap=0.25, mode="gaussian")
        mask = torch.sigmoid(logits)[0, 0].numpy() >= threshold
    cv2.imwrite(str(out), mask.astype(np.uint8) * 255)


def our_mask(predictor: Predictor, path: Path, out: Path, threshold: float) -> None:
    probability = predict_probability(ArrayImage(read_image(path)), predictor)
    write_png(out, mask_pixels(probability >= threshold), compression=1)


def network_only(predictor: Predictor, tiles: list[np.ndarray]) -> None:
    for tile in tiles:
        predictor(tile)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calibrate", type=Path)
    parser.add_argument("--only", help="part of the contestants' names")
    parser.add_argument("--no-monai", action="store_true")
    options = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", usable_cores()))
    torch.set_num_threads(threads)
    runners = {k: v for k, v in contestants(options.calibrate).items() if (options.only or "") in k}
    predictor = load_torch_predictor(find_model().path, device="cpu")
    network = predictor._network.to(memory_format=torch.contiguous_format)
    threshold = predictor.card.threshold
    pixels = wall(options.side)
    plan = TileLimits().plan((options.side, options.side), predictor)
    tiles = [read_mirrored(ArrayImage(pixels), tile.read)[None] for tile in plan]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 256, 256))
    gflop = counter.get_total_flops() / 256**2 * plan.read_px / 1e9
    rates = {"fp32": product_rate(torch.float32), "bf16": product_rate(torch.bfloat16)}
    print(f"{plan.describe()}; {gflop:.0f} GFLOP; {usable_cores()} cores")
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "wall.png", Path(folder) / "mask.png"
        write_png(path, pixels)
        for number in range(options.rounds + 1):
            taken = {} if options.no_monai else {"MONAI": seconds(lambda: monai_mask(network, path, out, threshold))}
            for name, (predictor, _) in runners.items():
                taken[name] = seconds(lambda: our_mask(predictor, path, out, threshold))  # noqa: B023
                taken[f"{name} network"] = seconds(lambda: network_only(predictor, tiles))  # noqa: B023
            for kind, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                rates[kind] = max(rates[kind], product_rate(dtype))
            if number:
                for name, value in taken.items():
                    times.setdefault(name, []).append(value)
    best = {name: min(values) for name, values in times.items()}
    print(f"matrix product: {rates['fp32']:.0f} GFLOP/s float32, {rates['bf16']:.0f} GFLOP/s bfloat16")
    if "MONAI" in best:
        print(f"MONAI sliding window, torch fp32: {best['MONAI']:.2f} s from file to mask")
    for name, (_, kind) in runners.items():
        faster = f"{best['MONAI'] / best[name]:.2f} times as fast as MONAI, " if "MONAI" in best else ""
        share = f", {100 * gflop / best[f'{name} network'] / rates[kind]:.0f} % of the limit" if kind in rates else ""
        print(
            f"{name}: {best[name]:.2f} s, {faster}network {best[f'{name} network']:.2f} s, "
            f"ratio {best[name] / best[f'{name} network']:.2f}{share}",
            flush=True,
        )


if __name__ == "__main__":
    main()
