"""Synthetic samples on disk: images, masks, annotations and a manifest, in as many processes as there are cores."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.config import dump_config
from crackseg.drawing import contact_sheet, draw_boxes
from crackseg.errors import ConfigError, CracksegError, OutputError, UsageError
from crackseg.files import PARTIAL_PREFIX, list_images, make_folder, write_bytes
from crackseg.images import image_size, mask_pixels, read_image, read_mask, write_png
from crackseg.labels.voc import VocAnnotation, encode_voc
from crackseg.machine import interrupts_held, usable_cores
from data_gen import Assets, Recipe, SyntheticCrack, SyntheticSample, generate_sample

_PREVIEW_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class AssetFolders:
    """Folders of the user's own material; None leaves it to `data_gen`.

    Attributes:
        backgrounds: Crack-free photographs.
        patterns: Crack masks to cut out.
        noise: Patches, in its folders ``small`` and ``big``.
    """

    backgrounds: Path | None = None
    patterns: Path | None = None
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """What to generate, and where to.

    Attributes:
        recipe: What the samples look like.
        output: The folder to write.
        count: How many samples.
        seed: Of everything random.
        folders: The user's own material.
    """

    recipe: Recipe
    output: Path
    count: int
    seed: int = 0
    folders: AssetFolders = AssetFolders()


class _Folder(Sequence[NDArray[np.uint8]]):
    """The images of a folder, read one by one when they are needed."""

    def __init__(self, paths: Sequence[Path], *, as_masks: bool = False) -> None:
        self._paths = tuple(paths)
        self._as_masks = as_masks

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        path = self._paths[index]
        return mask_pixels(read_mask(path)) if self._as_masks else read_image(path)


def generate(
    job: GenerationJob,
    *,
    workers: int | None = None,
    resume: bool = False,
    report: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Write samples: images, masks, VOC annotations, ``manifest.jsonl``, ``recipe.yaml`` and ``preview.png``.

    A sample is determined by the seed and its index alone: the bytes are the same for any number of workers, and a
    killed run that is resumed ends equal to an unbroken one.

    Args:
        job: What to generate.
        workers: Processes; one per core if None.
        resume: Go on where an earlier call with the same recipe stopped.
        report: Called with the number of samples done.

    Returns:
        Material that could not be read and was left aside, one line each.

    Raises:
        UsageError: If the folder holds samples and ``resume`` is off, or a folder of material is empty.
        ConfigError: If the folder was begun with another recipe.
        OutputError: If a file cannot be written.
    """
    if job.count < 1:
        raise UsageError(f"expected a count of 1 or more, got {job.count}", where="--count")
    skipped, assets = _assets(job.folders)
    records = _start(job, resume=resume)
    progress = job.output / "manifest.partial.jsonl"
    missing = [index for index in range(job.count) if index not in records]
    try:
        with progress.open("a", encoding="utf-8") as lines:
            for record in _run(job, assets, missing, workers or usable_cores()):
                records[record["index"]] = record
                lines.write(json.dumps(record) + "\n")
                lines.flush()
                report(len(records))
    except BrokenProcessPool as error:
        raise OutputError(
            "a worker process was killed", where=job.output, hint="run again with --resume, with fewer --workers"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", where=progress) from error
    manifest = "".join(json.dumps(records[index]) + "\n" for index in range(job.count))
    _write_preview(job, [records[index] for index in range(min(job.count, _PREVIEW_SAMPLES))])
    write_bytes(job.output / "manifest.jsonl", manifest.encode())
    progress.unlink()
    return skipped


def _start(job: GenerationJob, *, resume: bool) -> dict[int, dict[str, Any]]:
    """Prepare the folder and return the records of the samples that stand in it already."""
    recipe, text = job.output / "recipe.yaml", dump_config(job.recipe)
    manifests = [job.output / name for name in ("manifest.jsonl", "manifest.partial.jsonl")]
    if any(path.exists() for path in [recipe, *manifests]) and not resume:
        raise UsageError(
            "holds samples already", where=job.output, hint="add --resume to go on, or choose another folder"
        )
    if recipe.exists() and recipe.read_text(encoding="utf-8") != text:
        raise ConfigError("was begun with another recipe", where=recipe, hint="use the same one, or another folder")
    folders = [make_folder(job.output / name) for name in ("images", "masks", "annotations")]
    if not recipe.exists() and any(any(folder.iterdir()) for folder in folders):
        raise UsageError("holds other files already", where=job.output, hint="choose another folder")
    for folder in (job.output, *folders):
        for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
            leftover.unlink()
    write_bytes(recipe, text.encode())
    records: dict[int, dict[str, Any]] = {}
    for path in manifests:
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            record = _record(line)
            if record is not None and record["index"] < job.count and _is_whole(job, record):
                records[record["index"]] = record
    if any(record["seed"] != job.seed for record in records.values()):
        raise ConfigError("was begun with another seed", where=job.output, hint="use the same one, or another folder")
    write_bytes(manifests[1], "".join(json.dumps(record) + "\n" for record in records.values()).encode())
    return records


def _is_whole(job: GenerationJob, record: dict[str, Any]) -> bool:
    """Tell whether the files of a record still stand."""
    annotation = f"annotations/{record['index']:06d}.xml"
    return all((job.output / name).is_file() for name in (record["image"], record["mask"], annotation))


def _record(line: bytes) -> dict[str, Any] | None:
    """Return a line of the manifest; None for one that a kill cut short."""
    try:
        record = json.loads(line)
        return record if line.endswith(b"\n") and isinstance(record["index"], int) else None
    except (ValueError, KeyError, TypeError):
        return None


def _assets(folders: AssetFolders) -> tuple[list[str], Assets]:
    """Return which files of the folders cannot be read, and the rest as assets."""
    skipped: list[str] = []

    def usable(folder: Path | None) -> list[Path]:
        if folder is None:
            return []
        paths = list_images(folder)
        good = []
        for path in paths:
            try:
                image_size(path)
                read_image(path)
                good.append(path)
            except CracksegError as error:
                skipped.append(str(error))
        if not good:
            raise UsageError(
                "holds no readable image", where=folder, hint="put images there, as PNG or JPEG for example"
            )
        return good

    noise = folders.noise
    assets = Assets(
        backgrounds=_Folder(usable(folders.backgrounds)),
        patterns=_Folder(usable(folders.patterns), as_masks=True),
        noise_small=_Folder(usable(None if noise is None else noise / "small")),
        noise_big=_Folder(usable(None if noise is None else noise / "big")),
    )
    return skipped, assets


def _run(job: GenerationJob, assets: Assets, indices: Sequence[int], workers: int) -> Iterator[dict[str, Any]]:
    """Yield the record of each sample once its files stand, in the order of the indices."""
    if workers == 1 or len(indices) < 2:
        for index in indices:
            yield _write_sample(job, assets, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(indices)), mp_context=context, initializer=_start_worker) as pool:
        waiting: deque[Future[dict[str, Any]]] = deque()
        try:
            for index in indices:
                with interrupts_held():
                    waiting.append(pool.submit(_write_sample, job, assets, index))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _start_worker() -> None:
    cv2.setNumThreads(1)


def _write_sample(job: GenerationJob, assets: Assets, index: int) -> dict[str, Any]:
    try:
        sample = generate_sample(job.recipe, seed=job.seed, index=index, assets=assets)
    except ValueError as error:
        raise UsageError(str(error), where="recipe") from error
    name = f"{index:06d}.png"
    write_png(job.output / "images" / name, sample.image)
    write_png(job.output / "masks" / name, mask_pixels(sample.mask if sample.noisy_mask is None else sample.noisy_mask))
    annotation = VocAnnotation("images", name, sample.mask.shape, [crack.box for crack in sample.cracks])
    write_bytes(job.output / "annotations" / f"{index:06d}.xml", encode_voc(annotation))
    return _describe(sample, name)


def _describe(sample: SyntheticSample, name: str) -> dict[str, Any]:
    return {
        "index": sample.index,
        "seed": sample.seed,
        "image": f"images/{name}",
        "mask": f"masks/{name}",
        "cracks": [_describe_crack(crack) for crack in sample.cracks],
        "confounders": [dataclasses.asdict(item) for item in sample.confounders],
    }


def _describe_crack(crack: SyntheticCrack) -> dict[str, Any]:
    return {
        "box": list(crack.box),
        "kind": crack.kind,
        "length_px": round(crack.length_px, 3),
        "width_mean_px": round(crack.width_mean_px, 3),
        "width_max_px": round(crack.width_max_px, 3),
        "area_px": round(crack.area_px, 3),
        "centrelines": [np.round(line, 2).tolist() for line in crack.centrelines],
        "widths_px": [np.round(widths, 2).tolist() for widths in crack.widths_px],
    }


def _write_preview(job: GenerationJob, records: Sequence[dict[str, Any]]) -> None:
    """Write a contact sheet of the first samples, their boxes and outlines drawn in."""
    drawn = []
    for record in records:
        image, mask = read_image(job.output / record["image"]), read_mask(job.output / record["mask"])
        drawn.append(draw_boxes(image, mask, [tuple(crack["box"]) for crack in record["cracks"]]))
    write_png(job.output / "preview.png", contact_sheet(drawn))
