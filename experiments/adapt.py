"""Measure what an adaptation to few images of a site gains there, and what it forgets.

    python experiments/adapt.py --site data/uav_wall --seen data/deepcrack256 --out runs/adapt

Only train halves are used. The images of each half are sorted by a hash of their names. The first ones adapt, and each
count holds the images of the smaller counts. The last ones measure and never adapt. A cell is the F1 of the pooled
crack pixels at the model's own threshold / F1 within 2 px.

Rows are the original model, ``crackseg adapt`` without masks, the same with masks, and ``crackseg train --config
fine-tune`` with as many steps of as many patches. Each run keeps its scores in result.json, so a stopped script
continues. The table is printed after every row and kept in OUT/TABLE.md. ``--only`` limits the rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import crackseg
from crackseg.datasets.samples import Sample, find_samples
from crackseg.evaluation import count_samples
from crackseg.files import make_folder, write_bytes
from crackseg.prediction.loading import load_model

HEAD = (
    "| way | images | {site}, F1 / 2 px | {other}, F1 / 2 px | threshold | statistics of the site | steps | minutes |"
)


@dataclass(frozen=True)
class Row:
    """A row of the table: a way to adapt, on a number of images."""

    way: str
    count: int
    adapt: Callable[[Path, Path], object] | None

    @property
    def name(self) -> str:
        return f"{self.way.replace(' ', '-')}-{self.count}"


def sort_by_hash(folder: Path) -> list[Sample]:
    """Return the samples of a train half, sorted by a hash."""
    samples = find_samples(folder, "train")
    return sorted(samples, key=lambda sample: hashlib.sha256(sample.image.stem.encode()).digest())


def copy_samples(samples: Sequence[Sample], folder: Path) -> Path:
    """Copy samples into a data folder."""
    for part in ("images", "masks"):
        make_folder(folder / part)
    for sample in samples:
        shutil.copyfile(sample.image, folder / "images" / sample.image.name)
        shutil.copyfile(sample.mask, folder / "masks" / sample.mask.name)
    return folder


def fine_tune(data: Path, run: Path, *, model: str, steps: int) -> object:
    """Train all weights for a number of steps."""
    settings = ("data.batch_size=4", f"schedule.steps_per_epoch={steps // 4}", "schedule.epochs=4")
    return crackseg.train(data=data, output=run, config="fine-tune", init=model, set=settings)


def list_rows(options: argparse.Namespace) -> list[Row]:
    model, steps = options.model, options.steps
    unlabelled = [
        Row("statistics only", count, lambda data, run: crackseg.adapt(data / "images", model=model, output=run))
        for count in options.unlabelled
    ]
    labelled = [
        Row("adapt", count, lambda data, run: crackseg.adapt(data, model=model, output=run, steps=steps))
        for count in options.counts
    ]
    full = [Row("fine-tune", count, partial(fine_tune, model=model, steps=steps)) for count in options.full]
    rows = [Row("original", 0, None), *unlabelled, *labelled, *full]
    return [row for row in rows if options.only is None or row.name in options.only]


def run_row(row: Row, pool: Sequence[Sample], measured: Sequence[Sample], options: argparse.Namespace) -> None:
    """Adapt and score one row unless its result exists."""
    run = options.out / row.name
    if (run / "result.json").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    started_s = monotonic()
    if row.adapt is not None:
        data = copy_samples(pool[: row.count], options.out / f"photos-{row.count}" / "site")
        row.adapt(data, run)
    minutes = (monotonic() - started_s) / 60
    model = load_model(options.model if row.adapt is None else run)
    training = {} if row.adapt is None else json.loads((run / "card.json").read_text())["training"]
    scores = {name: part.scores() for name, part in count_samples(model, measured).items()}
    result = {
        "way": row.way,
        "images": row.count,
        "scores": {name: [part["f1"], part["f1_2px"]] for name, part in scores.items()},
        "threshold": model.threshold(),
        "share": training.get("share"),
        "steps": training.get("steps"),
        "minutes": minutes,
    }
    write_bytes(make_folder(run) / "result.json", json.dumps(result, indent=1).encode())


def table(out: Path, order: Sequence[str], site: str, other: str) -> str:
    """Return the table of all results so far."""
    lines = [HEAD.format(site=site, other=other), "|" + "---|" * 8]
    for name in order:
        path = out / name / "result.json"
        if path.exists():
            result = json.loads(path.read_text())
            cells = [result["way"], str(result["images"])]
            cells += [" / ".join(f"{value:.3f}" for value in result["scores"][name]) for name in (site, other)]
            cells.append(f"{result['threshold']:g}")
            cells += ["-" if result[key] is None else f"{result[key]:g}" for key in ("share", "steps")]
            cells.append(f"{result['minutes']:.1f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True, help="set that the model never saw")
    parser.add_argument("--seen", type=Path, required=True, help="set that the model was trained on")
    parser.add_argument("--model", default="crackseg-mobile")
    parser.add_argument("--counts", type=int, nargs="*", default=[5, 10, 20, 50], help="images with masks")
    parser.add_argument("--unlabelled", type=int, nargs="*", default=[5, 20, 50], help="images without masks")
    parser.add_argument("--full", type=int, nargs="*", default=[5, 20], help="images of full fine-tuning")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--measure", type=int, default=40, help="images of each set to measure on")
    parser.add_argument("--only", nargs="+", help="do only these rows, such as adapt-20")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pool = sort_by_hash(options.site)
    if max(*options.counts, *options.unlabelled, *options.full) + options.measure > len(pool):
        parser.error("too few images: lower --counts or --measure")
    measured = [*pool[-options.measure :], *sort_by_hash(options.seen)[-options.measure :]]
    rows = list_rows(options)
    for row in rows:
        run_row(row, pool, measured, options)
        names = [row.name for row in list_rows(argparse.Namespace(**{**vars(options), "only": None}))]
        text = table(options.out, names, options.site.resolve().name, options.seen.resolve().name)
        write_bytes(options.out / "TABLE.md", text.encode())
        print(text, flush=True)


if __name__ == "__main__":
    main()
