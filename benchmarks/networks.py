"""What each network costs and how far it sees: the tables of docs/networks.md.

    python benchmarks/networks.py --rows networks.json [--only NAME] [--no-time]

Every network is really built. Parameters are those that the network keeps; GFLOP are counted by torch at 1024x1024 px,
a multiplication with its addition being two; the context is measured as `crackseg.nn.receptive_field` does, up to 768
px; the time is what the processor spends on one image of 512x512 px in one thread and float32, the lower of two, so
that other work on the machine counts little. Rows that the file holds are not measured again: a run that was stopped
goes on. The tables are printed at the end.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from crackseg.errors import CracksegError
from crackseg.files import write_bytes
from crackseg.nn.factory import SegmentationNetwork, build_network, prune
from crackseg.nn.receptive_field import measure_context
from crackseg.nn.train_config import NetworkConfig

SIDE_PX, TIMED_PX, LIMIT_PX = 1024, 512, 768

DECODERS: dict[str, dict[str, Any]] = {
    "unet": {},
    "unet, decoder 64-48-32-16-16": {"decoder_channels": (64, 48, 32, 16, 16)},
    "unet, decoder 256-128-64-32-16": {"decoder_channels": (256, 128, 64, 32, 16)},
    "unet, stride 16": {"decoder_channels": (64, 32, 16, 16)},
    "fcn 32s": {"arch": "fcn", "variant": "32s"},
    "fcn 16s": {"arch": "fcn", "variant": "16s"},
    "fcn 8s": {"arch": "fcn", "variant": "8s"},
    "unetplusplus": {"arch": "unetplusplus"},
    "unetplusplus cut to 3": {"arch": "unetplusplus", "cut": 3},
    "unetplusplus cut to 2": {"arch": "unetplusplus", "cut": 2},
    "unetplusplus cut to 1": {"arch": "unetplusplus", "cut": 1},
    "unet-classic, width 1/4": {"arch": "unet-classic", "width": 0.25},
    "unet-classic, width 1/2": {"arch": "unet-classic", "width": 0.5},
    "unet-classic": {"arch": "unet-classic"},
    "linknet": {"arch": "linknet"},
    "fpn": {"arch": "fpn"},
    "pspnet": {"arch": "pspnet"},
    "deeplabv3": {"arch": "deeplabv3"},
    "deeplabv3plus": {"arch": "deeplabv3plus"},
    "pan": {"arch": "pan"},
    "manet": {"arch": "manet"},
    "upernet": {"arch": "upernet"},
    "segformer": {"arch": "segformer"},
    "dpt, tu-vit_small_patch16_224": {"arch": "dpt", "encoder": "tu-vit_small_patch16_224.augreg_in21k"},
}
"""Decoders on MobileNetV2, unless another encoder is named."""

ENCODERS: tuple[str, ...] = (
    "mobilenet_v2",
    "tu-mobilenetv1_100",
    "tu-mobilenetv3_small_100",
    "tu-mobilenetv3_large_100",
    "tu-tf_efficientnet_lite0",
    "tu-tf_efficientnet_lite4",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x2_0",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "se_resnet50",
    "densenet121",
    "vgg11_bn",
    "vgg16_bn",
    "inceptionv4",
)
"""Encoders under the default U-Net."""


def networks() -> dict[str, dict[str, Any]]:
    decoders = {f"decoder/{name}": changes for name, changes in DECODERS.items()}
    return decoders | {f"encoder/{name}": {"encoder": name} for name in ENCODERS}


def build(changes: Mapping[str, Any]) -> SegmentationNetwork:
    config = NetworkConfig.model_validate({key: value for key, value in changes.items() if key != "cut"})
    torch.manual_seed(0)
    network = build_network(config).eval()
    return prune(network, config, changes["cut"])[0].eval() if "cut" in changes else network


def count_gflop(network: SegmentationNetwork) -> float:
    """Count without computing, on torch's meta device."""
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        copy.deepcopy(network).to("meta")(torch.zeros((1, 3, SIDE_PX, SIDE_PX), device="meta"))
    return float(counter.get_total_flops()) / 1e9


def cpu_seconds(network: SegmentationNetwork) -> float:
    image = torch.zeros((1, 3, TIMED_PX, TIMED_PX)).contiguous(memory_format=torch.channels_last)
    network = network.to(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(2):
            start = time.process_time()
            network(image)
            times.append(time.process_time() - start)
    return min(times)


def measure(changes: Mapping[str, Any], *, timed: bool) -> dict[str, float | int | str | None]:
    try:
        network = build(changes)
    except CracksegError as error:
        return {"error": str(error)}
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "gflop": count_gflop(network),
        "stride": network.stride,
        "context_px": measure_context(network.network, stride=network.stride, limit_px=LIMIT_PX),
        "seconds": cpu_seconds(network) if timed else None,
    }


def table(rows: Mapping[str, Mapping[str, Any]], kind: str, title: str) -> str:
    lines = [
        f"| {title} | parameters | GFLOP, 1024x1024 | seconds, 512x512 | stride | context |",
        "|---|---|---|---|---|---|",
    ]
    for key, row in rows.items():
        if not key.startswith(f"{kind}/"):
            continue
        name = key.partition("/")[2]
        if "error" in row:
            lines.append(f"| {name} | {row['error']} | | | | |")
            continue
        context = "not finite" if row["context_px"] is None else f"{row['context_px']} px"
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.2f}"
        millions = row["parameters"] / 1e6
        lines.append(f"| {name} | {millions:.2f} M | {row['gflop']:.1f} | {seconds} | {row['stride']} | {context} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=Path, required=True, help="where measured rows are kept")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    parser.add_argument("--no-time", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = json.loads(options.rows.read_text()) if options.rows.exists() else {}
    for key, changes in networks().items():
        if key not in rows and options.only in key:
            rows[key] = measure(changes, timed=not options.no_time)
            write_bytes(options.rows, json.dumps(rows, indent=1).encode())
            print(key, rows[key], flush=True)
    ordered = {key: rows[key] for key in networks() if key in rows}
    print(f"\n{table(ordered, 'decoder', 'network')}\n\n{table(ordered, 'encoder', 'encoder')}")


if __name__ == "__main__":
    main()
