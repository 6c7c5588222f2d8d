"""Measure transfer: unseen data sets, a few images of a new place, shares of real images.

    python experiments/transfer.py leave-one-out --data data/deepcrack256 --data data/cfd --generated synth \\
        --init mobilenet_v2.pth --all crackseg-mobile --minutes 10 --out runs/leave-one-out
    python experiments/transfer.py few-images --set data/rissbilder_concrete \\
        --base runs/leave-one-out/without-rissbilder_concrete --init mobilenet_v2.pth --minutes 4 --out runs/few-images
    python experiments/transfer.py real-share --data data/deepcrack256 --data data/cfd --generated synth \\
        --init mobilenet_v2.pth --minutes 10 --out runs/real-share

Every training is `crackseg train` in a separate process, as a user runs it. Its threshold is the one chosen on the
images it held out. It is scored once, on the ``test`` part of each set: F1 of the pooled crack pixels of a set / F1
within 2 px. A set without cracks is scored by the share of its pixels marked as crack.

Each run's folder keeps its command and scores in result.json: a stopped run continues and finished scores are kept.
Several processes may fill one OUT with ``--only``. The table is printed after every run and kept in OUT/TABLE.md.

Compare equal minutes only on one machine under the same load: the table lists the steps that each run reached. On a
shared machine, compare equal steps: no ``--minutes``, but ``--change schedule.epochs=1 --change
schedule.steps_per_epoch=130``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tables import Result, choose, even_halves, few_table, share_table, without_table

from crackseg.config import load_config
from crackseg.datasets.samples import Sample, find_all_samples
from crackseg.evaluation import count_samples
from crackseg.files import make_folder, write_bytes
from crackseg.prediction.loading import find_model, load_model
from crackseg.training.config import TrainConfig


def kept(run: Path) -> Result | None:
    """Return what a run came to, if it is done."""
    path = run / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def run_once(
    run: Path, arguments: Sequence[str], folders: Sequence[Path], options: argparse.Namespace, images: int | None = None
) -> Result:
    """Train and score one run unless its result exists."""
    changed = [f"--set={change}" for change in options.change]
    command = ["train", *arguments, *changed, f"--seed={options.seed}", f"--device={options.device}"]
    command = [*command, "--output", str(run), "--resume"]
    # A run folder has its card when the training is over, not before.
    if not (run / "card.json").exists():
        print("crackseg", *command, flush=True)
        code = subprocess.run([sys.executable, "-m", "crackseg", *command], check=False).returncode
        if code:
            raise SystemExit(code)
    card = json.loads((run / "card.json").read_text())["training"]
    facts = {"command": command, "steps": card["steps"], "minutes": round(card["seconds"] / 60, 2)}
    return score_once(run, run, folders, options, {**facts, "images": images})


def score_once(
    run: Path, model: str | Path, folders: Sequence[Path], options: argparse.Namespace, facts: Mapping[str, Any]
) -> Result:
    """Score a model on the test parts not scored yet."""
    result = kept(run) or {**facts, "test": {}}
    todo = [folder for folder in folders if folder.resolve().name not in result["test"]]
    if todo:
        print(f"scoring {model} on {', '.join(folder.name for folder in todo)}", flush=True)
        loaded = load_model(model, device=options.device)
        scores = count_samples(loaded, find_all_samples(todo, "test"))
        result["threshold"] = loaded.threshold(None)
        result["test"] |= {name: one.to_dict() for name, one in scores.items()}
        write_bytes(make_folder(run) / "result.json", json.dumps(result, indent=1).encode())
    return result


def score_model(name: str, folders: Sequence[Path], options: argparse.Namespace) -> Result:
    """Score a finished model in a folder named by its hash."""
    digest = hashlib.sha256(find_model(name).read()).hexdigest()[:12]
    return score_once(options.out / f"model-{digest}", name, folders, options, {"model": name})


def data_options(folders: Sequence[Path], mix: Mapping[str, float] | str) -> list[str]:
    shares = mix if isinstance(mix, str) else json.dumps(mix)
    return [*(f"--data={folder}" for folder in folders), f"--set=data.mix={shares}"]


def start_options(options: argparse.Namespace) -> list[str]:
    config = [] if options.config is None else [f"--config={options.config}"]
    init = [] if options.init is None else [f"--init={options.init}"]
    minutes = [] if options.minutes is None else [f"--minutes={options.minutes}"]
    return [*config, *init, *minutes]


def mix_without(options: argparse.Namespace, present: Sequence[str]) -> Mapping[str, float] | str:
    """Return the configuration's shares, without those of folders that are left out."""
    mix = load_config(TrainConfig, options.config, overrides=options.change).data.mix
    if options.config is None and mix == "size":
        return "even"
    return mix if isinstance(mix, str) else {name: share for name, share in mix.items() if name in present}


def write_table(options: argparse.Namespace, table: str) -> None:
    write_bytes(make_folder(options.out) / "TABLE.md", (table + "\n").encode())
    print(table, flush=True)


def leave_one_out(options: argparse.Namespace) -> None:
    sets = {folder.resolve().name: folder for folder in options.data}
    chosen = options.only or list(sets)
    trained = None if options.all is None else score_model(options.all, options.data, options)
    for name in chosen:
        rest = [folder for other, folder in sets.items() if other != name] + options.generated
        mix = mix_without(options, [folder.resolve().name for folder in rest])
        run = options.out / f"without-{name}"
        run_once(run, [*data_options(rest, mix), *start_options(options)], [sets[name]], options)
        done = {each: kept(options.out / f"without-{each}") for each in sets}
        unseen = {each: result for each, result in done.items() if result is not None}
        write_table(options, without_table(list(sets), unseen, trained, options.all or "-"))


def few_images(options: argparse.Namespace) -> None:
    name = options.folder.resolve().name
    base = score_model(options.base, [options.folder], options)
    samples = find_all_samples([options.folder], "train")
    starts = {"fine-tuned": options.base} | ({"from ImageNet": options.init} if options.init else {})
    for choice in options.choices:
        for count in options.counts:
            photos = copy_samples(choose(samples, count, choice), options.out / f"photos-{count}-{choice}" / name)
            for title, start in starts.items():
                config = [f"--config={options.config}"] if options.config and start == options.base else []
                run = options.out / f"{title.replace(' ', '-')}-{count}-{choice}"
                minutes = [] if options.minutes is None else [f"--minutes={options.minutes}"]
                arguments = [f"--data={photos}", *config, f"--init={start}", *minutes]
                run_once(run, arguments, [options.folder], options, count)
                write_table(options, few_table(name, base, few_rows(options, starts)))


def few_rows(options: argparse.Namespace, titles: Mapping[str, str]) -> dict[str, list[Result]]:
    """Return the finished results by row."""
    rows = {}
    for count in options.counts:
        for title in titles:
            results = [kept(options.out / f"{title.replace(' ', '-')}-{count}-{choice}") for choice in options.choices]
            rows[f"{title}, {count}"] = [result for result in results if result is not None]
    return rows


def real_share(options: argparse.Namespace) -> None:
    generated = [folder.resolve().name for folder in options.generated]
    sets = [folder.resolve().name for folder in (*options.data, *options.test)]
    titles = {f"generated + {share:g} %": share for share in options.shares} | {"100 %, none generated": None}
    for share in titles.values():
        run = options.out / share_name(share)
        if options.only and run.name not in options.only:
            continue
        real, images = options.data, 0
        if share is not None:
            real = [part for folder in options.data if (part := share_of(folder, share, options)) is not None]
        if real:
            images = len(find_all_samples(real, "train"))
        folders = [*real, *(options.generated if share is not None else ())]
        mix = even_halves([folder.resolve().name for folder in real], generated if share is not None else ())
        arguments = [*data_options(folders, mix), *start_options(options)]
        run_once(run, arguments, [*options.data, *options.test], options, images)
        results = {text: kept(options.out / share_name(each)) for text, each in titles.items()}
        done = {text: result for text, result in results.items() if result is not None}
        write_table(options, share_table(sets, done))


def share_name(share: float | None) -> str:
    return "real-alone" if share is None else f"generated-and-{share:g}"


def share_of(folder: Path, percent: float, options: argparse.Namespace) -> Path | None:
    """Return a folder with a share of a folder's train images."""
    if percent >= 100:
        return folder
    samples = find_all_samples([folder], "train")
    count = max(2, round(percent / 100 * len(samples))) if percent else 0
    if not count:
        return None
    return copy_samples(choose(samples, count, options.seed), options.out / f"real-{percent:g}" / folder.resolve().name)


def copy_samples(samples: Sequence[Sample], folder: Path) -> Path:
    """Copy samples into a data folder of their own."""
    for sample in samples:
        for path, part in ((sample.image, "images"), (sample.mask, "masks")):
            target = make_folder(folder / part) / path.name
            if not target.exists():
                shutil.copyfile(path, target)
    return folder


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", type=Path, required=True)
    common.add_argument("--minutes", type=float, help="of each training; else the schedule's epochs and steps hold")
    common.add_argument("--init", help="an encoder's ImageNet weights, or other weights to start from")
    common.add_argument("--config", type=Path, help="of the trainings")
    common.add_argument("--change", action="append", default=[], metavar="a.b=v", help="--set of crackseg train")
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--device", default="auto")
    mixed = argparse.ArgumentParser(add_help=False)
    mixed.add_argument("--data", type=Path, action="append", required=True)
    mixed.add_argument("--generated", type=Path, action="append", default=[])
    mixed.add_argument("--only", nargs="+", help="do only these rows; sets, or names of run folders")
    parser = argparse.ArgumentParser()
    tables = parser.add_subparsers(dest="table", required=True)
    one = tables.add_parser("leave-one-out", parents=[common, mixed])
    one.add_argument("--all", help="a model that saw all sets, to list next to them")
    few = tables.add_parser("few-images", parents=[common])
    few.add_argument("--set", type=Path, dest="folder", required=True, metavar="DIR")
    few.add_argument("--base", required=True, help="a run or model that was not trained on the set")
    few.add_argument("--counts", type=int, nargs="+", default=[5, 10, 20, 50])
    few.add_argument("--choices", type=int, nargs="+", default=[0], help="seeds of the choice of images")
    share = tables.add_parser("real-share", parents=[common, mixed])
    share.add_argument("--shares", type=float, nargs="+", default=[0, 5, 10, 25, 100])
    share.add_argument("--test", type=Path, action="append", default=[], help="sets to score on and not to train on")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    {"leave-one-out": leave_one_out, "few-images": few_images, "real-share": real_share}[options.table](options)


if __name__ == "__main__":
    main()
