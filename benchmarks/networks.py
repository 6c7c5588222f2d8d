"""Measure parameters, operations, context and time of each network, for docs/networks.md.

    python benchmarks/networks.py --rows networks.json [--only NAME] [--time-up-to 300]

Parameters are those that the network keeps. GFLOP are counted by torch at 1024x1024 px on the meta device, which
computes nothing; a multiplication with its addition counts as two. Then every network runs, the cheapest first, to
measure its context as `crackseg.networks.receptive_field` does, up to 768 px. Networks up to a number of GFLOP are
timed: processor seconds for one image of 512x512 px, one thread, float32, the lower of two.

Rows already in the file are not measured again, so a stopped run continues. The tables are printed at the end; a dash
stands for a value that was not measured.

    python benchmarks/networks.py --check

Builds `unet`, `unetplusplus` and the three variants of `fcn` on every encoder and runs each forward and backward at
an odd size.
"""

from __future__ import annotations

import argparse
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
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network, prune
from crackseg.networks.receptive_field import measure_context

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


CHECKED: dict[str, dict[str, Any]] = {
    "unet": {},
    "unetplusplus": {"arch": "unetplusplus"},
    "fcn 32s": {"arch": "fcn", "variant": "32s"},
    "fcn 16s": {"arch": "fcn", "variant": "16s"},
    "fcn 8s": {"arch": "fcn", "variant": "8s"},
}
"""Networks that `--check` builds on every encoder."""
ODD_PX = (65, 43)

FAR: frozenset[str] = frozenset(
    f"encoder/{name}" for name in ("tu-tf_efficientnet_lite4", "resnet152", "densenet121", "inceptionv4")
)
"""Networks without a layer that looks at the whole image, of whose context is known that it exceeds `LIMIT_PX`."""


def networks() -> dict[str, dict[str, Any]]:
    decoders = {f"decoder/{name}": changes for name, changes in DECODERS.items()}
    return decoders | {f"encoder/{name}": {"encoder": name} for name in ENCODERS}


def build(changes: Mapping[str, Any]) -> SegmentationNetwork:
    config = NetworkConfig.model_validate({key: value for key, value in changes.items() if key != "cut"})
    torch.manual_seed(0)
    network = build_network(config).eval()
    return prune(network, config, changes["cut"])[0].eval() if "cut" in changes else network


def count(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Count operations on torch's meta device."""
    try:
        with torch.device("meta"):
            network = build(changes)
    except CracksegError:
        network = build(changes).to("meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros((1, 3, SIDE_PX, SIDE_PX), device="meta"))
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "gflop": float(counter.get_total_flops()) / 1e9,
        "stride": network.stride,
    }


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


def measure(kind: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Measure one kind of thing about one network."""
    try:
        if kind == "gflop":
            return count(changes)
        network = build(changes)
        if kind == "context_px":
            return {kind: measure_context(network.network, stride=network.stride, limit_px=LIMIT_PX)}
        return {kind: cpu_seconds(network)}
    except CracksegError as error:
        return {"error": str(error)}


def check(changes: Mapping[str, Any]) -> str:
    """Run a network forward and backward; return the failure or nothing."""
    network = build(changes).train()
    answer = network(torch.randn((2, 3, *ODD_PX)), deep=True)
    outputs = answer if isinstance(answer, tuple) else (answer,)
    for logits in outputs:
        if logits.shape != (2, 1, *ODD_PX) or not torch.isfinite(logits).all():
            return f"answers {tuple(logits.shape)}, finite or not"
    torch.stack([logits.square().sum() for logits in outputs]).sum().backward()
    wrong = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not torch.isfinite(parameter.grad).all()
    ]
    return f"no finite gradient of {', '.join(wrong)}" if wrong else ""


def check_all(only: str) -> None:
    """Check every encoder under every network of `CHECKED`."""
    done = 0
    for encoder in (name for name in ENCODERS if only in name):
        failures = {name: check({**changes, "encoder": encoder}) for name, changes in CHECKED.items()}
        done += all(not wrong for wrong in failures.values())
        print(f"{encoder}: " + ", ".join(f"{name} {wrong or 'yes'}" for name, wrong in failures.items()), flush=True)
    print(f"{done} encoders of {len(ENCODERS)} run forward and backward at {ODD_PX[0]}x{ODD_PX[1]} px")


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
        reach = row.get("context_px", "-")
        beyond = f"> {LIMIT_PX} px" if key in FAR else "not finite"
        context = beyond if reach is None else f"{reach} px" if "context_px" in row else "-"
        seconds = f"{row['seconds']:.2f}" if "seconds" in row else "-"
        millions = row["parameters"] / 1e6
        lines.append(f"| {name} | {millions:.2f} M | {row['gflop']:.1f} | {seconds} | {row['stride']} | {context} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=Path, help="where measured rows are kept")
    parser.add_argument("--check", action="store_true", help="only build and run on every encoder")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    parser.add_argument("--time-up-to", type=float, default=300, metavar="GFLOP")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if options.check:
        check_all(options.only)
        return
    if options.rows is None:
        parser.error("--rows or --check is needed")
    rows: dict[str, dict[str, Any]] = json.loads(options.rows.read_text()) if options.rows.exists() else {}
    selected = {key: changes for key, changes in networks().items() if options.only in key}
    for kind in ("gflop", "context_px", "seconds"):
        for key in sorted(selected, key=lambda name: rows.get(name, {}).get("gflop", 0)):
            row = rows.setdefault(key, {})
            if kind in row or "error" in row or (kind == "seconds" and row["gflop"] > options.time_up_to):
                continue
            row |= measure(kind, selected[key])
            write_bytes(options.rows, json.dumps(rows, indent=1).encode())
            print(key, row, flush=True)
    ordered = {key: rows[key] for key in networks() if key in rows}
    print(f"\n{table(ordered, 'decoder', 'network')}\n\n{table(ordered, 'encoder', 'encoder')}")


if __name__ == "__main__":
    main()
