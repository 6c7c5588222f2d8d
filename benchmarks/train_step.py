"""Time a training step against the network's bare forward and backward pass.

    python benchmarks/train_step.py [--steps 40] [--rounds 3]

The bare side has the same network, batch and arithmetic. It prepares no patches, and averages, clips and optimises
nothing. The loop's time is that of whole epochs divided by their steps. The process that prepares patches starts
once, in the first round. The sides take turns and the fastest rounds are compared. Aim: at most 1.10 on two cores.

On a busy machine wall time says little, so processor time is compared too. One column holds the training process, in
the loop and bare. Another holds the second process, which prepares patches. On two free cores the second is hidden
behind the first as long as it is the smaller one.

Also printed:

- the parts of a step apart from the network, and the slower code that they replaced
- a patch, by parts
- the bare step with its strided depthwise convolutions in bfloat16 over the bare step as it runs
  (`crackseg.networks.precision.keep_strided_depthwise_float32`)

    python benchmarks/train_step.py --encoders mobilenet_v2 resnet34 tu-efficientnet_lite2 [--rounds 3]

Times only the bare step of a U-Net on each of these encoders, relative to the first.
"""

from __future__ import annotations

import argparse
import copy
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from crackseg.datasets.samples import Sample, find_samples
from crackseg.imaging.codec import mask_pixels, write_png
from crackseg.networks.factory import build_network, normalise
from crackseg.networks.precision import keep_strided_depthwise_float32, use_bfloat16
from crackseg.training.config import TrainConfig
from crackseg.training.distributed import Team
from crackseg.training.loop import Loop
from crackseg.training.loss_sum import total_loss
from crackseg.training.optimiser import clip_gradients
from crackseg.training.patches import PatchDataset
from data_gen import Recipe, generate_sample

BARE_STEPS = 10


def write_data(folder: Path, *, count: int = 24) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for index in range(count):
        sample = generate_sample(Recipe(size=384), seed=0, index=index)
        write_png(folder / "images" / f"{index}.png", sample.image)
        write_png(folder / "masks" / f"{index}.png", mask_pixels(sample.mask))


def bare_step_s(network: nn.Module, config: TrainConfig, *, bfloat16: bool) -> tuple[float, float]:
    """Return the mean wall time of a forward and backward pass."""
    side = config.data.patch_px
    pixels = torch.randint(0, 256, (config.data.batch_size, side, side, 3), dtype=torch.uint8)
    target = (torch.rand(config.data.batch_size, 1, side, side) > 0.95).float()
    start = clocks()
    for _ in range(BARE_STEPS):
        network.zero_grad(set_to_none=True)
        image = normalise(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = network(image)
        total_loss(logits, target, config.loss).backward()
    return since(start, BARE_STEPS)


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float], steps: int) -> tuple[float, float]:
    wall, processor = clocks()
    return (wall - start[0]) / steps, (processor - start[1]) / steps


def patch_ms(samples: Sequence[Sample], config: TrainConfig, *, count: int = 200) -> dict[str, float]:
    """Return the mean processor time of a patch, by parts, in ms."""
    undisturbed = config.model_copy(update={"augment": config.augment.model_copy(update={"confounders": 0.0})})
    whole, plain = PatchDataset(samples, config), PatchDataset(samples, undisturbed)
    takes: dict[str, Callable[[int], object]] = {
        "all": whole.__getitem__,
        "without confounders": plain.__getitem__,
        "cut": plain._draw,
    }
    times_ms: dict[str, float] = {}
    for name, take in takes.items():
        start = time.process_time()
        for index in range(count):
            take(index)
        times_ms[name] = 1000 * (time.process_time() - start) / count
    return {
        "a patch": times_ms["all"],
        "cutting and resizing": times_ms["cut"],
        "confounders": times_ms["all"] - times_ms["without confounders"],
        "other changes": times_ms["without confounders"] - times_ms["cut"],
    }


def parts_ms(loop: Loop) -> dict[str, float]:
    """Return processor times of a step apart from the network, in ms."""
    networks = (loop.network, loop.average)
    parts: dict[str, Callable[[], object]] = {
        "clipping": lambda: clip_gradients(loop._parameters, 1.0),
        "clipping always": lambda: nn.utils.clip_grad_norm_(loop.network.parameters(), 1e9),
        "AdamW": loop._optimiser.step,
        "AdamW by operations": torch.optim.AdamW(loop.network.parameters(), lr=1e-9, foreach=True).step,
        "average": loop._update_average,
        "walking through the modules": lambda: [[*each.parameters(), *each.buffers()] for each in networks],
    }
    times_ms: dict[str, float] = {}
    for name, part in parts.items():
        for _ in range(5):
            start = time.process_time()
            part()
            times_ms[name] = min(times_ms.get(name, math.inf), 1000 * (time.process_time() - start))
    return times_ms


def compare_encoders(encoders: Sequence[str], *, rounds: int) -> None:
    """Print the shortest bare step on each encoder."""
    bfloat16 = use_bfloat16("auto", torch.device("cpu"))
    best = dict.fromkeys(encoders, math.inf)
    for _ in range(rounds):
        for encoder in encoders:
            config = TrainConfig.model_validate({"network": {"encoder": encoder}})
            network = build_network(config.network).to(memory_format=torch.channels_last).train()
            if bfloat16:
                keep_strided_depthwise_float32(network)
            best[encoder] = min(best[encoder], bare_step_s(network, config, bfloat16=bfloat16)[0])
    print(f"bfloat16 {bfloat16}, {torch.get_num_threads()} threads, batch {config.data.batch_size}")
    for encoder, step_s in best.items():
        print(f"{encoder}: {step_s:.3f} s a step, {step_s / best[encoders[0]]:.2f} of {encoders[0]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoders", nargs="+", help="compare the bare step of a U-Net on these, and nothing else")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.encoders:
        compare_encoders(options.encoders, rounds=options.rounds)
        return
    config = TrainConfig()
    bfloat16 = use_bfloat16("auto", torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        samples = find_samples(Path(folder), "train")
        patches = PatchDataset(samples, config)
        loop = Loop(
            build_network(config.network),
            patches,
            config,
            epoch_steps=options.steps,
            team=Team(torch.device("cpu")),
            bfloat16=bfloat16,
        )
        plain = copy.deepcopy(loop.average).train().requires_grad_()
        times: dict[str, list[tuple[float, float]]] = {"loop": [], "bare": [], "plain": []}
        for _ in range(options.rounds):
            start = clocks()
            loop.run_epoch(stopped=lambda: False, progress=lambda _: None)
            times["loop"].append(since(start, options.steps))
            times["bare"].append(bare_step_s(loop.network, config, bfloat16=bfloat16))
            times["plain"].append(bare_step_s(plain, config, bfloat16=bfloat16))
        other_parts = parts_ms(loop)
        loop.close()
        prepared = patch_ms(samples, config)
    wall = {side: min(value[0] for value in values) for side, values in times.items()}
    processor = {side: min(value[1] for value in values) for side, values in times.items()}
    print(f"bfloat16 {bfloat16}, {torch.get_num_threads()} threads, batch {config.data.batch_size}")
    print(f"by the clock: loop {wall['loop']:.3f} s, bare {wall['bare']:.3f} s a step")
    print(f"loop over bare {wall['loop'] / wall['bare']:.2f} (aim 1.10)")
    print(f"of the processor: loop {processor['loop']:.3f} s, bare {processor['bare']:.3f} s a step")
    patches_s = prepared["a patch"] * config.data.batch_size / 1000
    print(f"loop over bare {processor['loop'] / processor['bare']:.2f}; patches {patches_s:.3f} s a step")
    print("apart from the network: " + ", ".join(f"{name} {value:.1f} ms" for name, value in other_parts.items()))
    print(", ".join(f"{name} {value:.1f} ms" for name, value in prepared.items()))
    print(f"bare, all in bfloat16, over bare {processor['plain'] / processor['bare']:.2f}")


if __name__ == "__main__":
    main()
