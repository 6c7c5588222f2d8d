"""A run: samples made in any number of processes, written whole or not at all, resumable after any kill."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import cv2

from crackseg.config import dump_config
from crackseg.errors import ConfigError, OutputError, UsageError
from crackseg.files import PARTIAL_PREFIX, make_folder, write_bytes
from crackseg.generation.annotations import (
    files_of,
    folders_of,
    formats_in,
    write_documents,
    write_sample_files,
)
from crackseg.generation.assets import load_assets
from crackseg.generation.job import FORMATS, GenerationJob
from crackseg.generation.journal import Journal, Record
from crackseg.generation.record import encode_record
from crackseg.imaging.codec import mask_pixels, read_file, read_image, read_mask, write_png
from crackseg.imaging.drawing import contact_sheet, draw_boxes
from crackseg.machine import interrupts_held, usable_cores
from data_gen import Assets, generate_sample

_PREVIEW_SAMPLES, _PREVIEW_PX = 12, 640


def generate(
    job: GenerationJob,
    *,
    workers: int | None = None,
    resume: bool = False,
    report: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Write samples: images, masks, annotations, ``manifest.jsonl``, ``recipe.yaml`` and ``preview.png``.

    A sample is determined by the seed and its index alone: the bytes are the same for any number of workers, and a
    killed run that is resumed ends equal to an unbroken one. Memory does not grow with the count, but for eight bytes
    a sample.

    Args:
        job: What to generate.
        workers: Processes; one per core if None.
        resume: Go on where an earlier call with the same recipe stopped. Formats that the folder holds are kept
            complete, too.
        report: Called with the number of samples done.

    Returns:
        Material that could not be used and was left aside, one line each.

    Raises:
        UsageError: If the folder holds samples and ``resume`` is off, or a folder of material has nothing to use.
        ConfigError: If the folder was begun with another recipe or seed.
        OutputError: If a file cannot be written.
    """
    if job.count < 1:
        raise UsageError(f"expected a count of 1 or more, got {job.count}", where="--count")
    skipped, assets = load_assets(job.folders)
    standing = formats_in(job.output) if resume else ()
    job = dataclasses.replace(job, formats=tuple(name for name in FORMATS if name in (*job.formats, *standing)))
    _prepare(job, resume=resume)
    with Journal(job.output, job.count, lambda record: _still_stands(job, record)) as journal:
        try:
            for index, line in _run(job, assets, journal, workers or usable_cores()):
                journal.add(index, line)
                report(journal.done)
        except BrokenProcessPool as error:
            raise OutputError(
                "a worker process was killed", where=job.output, hint="run again with --resume, with fewer --workers"
            ) from error
        write_documents(job, journal)
        _write_preview(job, list(islice(journal.records(), _PREVIEW_SAMPLES)))
        journal.finish()
    return skipped


def _prepare(job: GenerationJob, *, resume: bool) -> None:
    """Make the folders, and refuse those that hold something else."""
    recipe, text = job.output / "recipe.yaml", dump_config(job.recipe).encode()
    manifests = [job.output / name for name in ("manifest.jsonl", "manifest.partial.jsonl")]
    if any(path.exists() for path in [recipe, *manifests]) and not resume:
        raise UsageError(
            "holds samples already", where=job.output, hint="add --resume to go on, or choose another folder"
        )
    if recipe.exists() and read_file(recipe) != text:
        raise ConfigError("was begun with another recipe", where=recipe, hint="use the same one, or another folder")
    names = dict.fromkeys(["images", "masks", *folders_of(job.formats), *_exact(job)])
    folders = [make_folder(job.output / name) for name in names]
    if not recipe.exists() and any(any(folder.iterdir()) for folder in folders):
        raise UsageError("holds other files already", where=job.output, hint="choose another folder")
    for folder in (job.output, *folders):
        for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
            try:
                leftover.unlink()
            except OSError as error:
                raise OutputError(f"cannot be removed ({error.strerror})", where=leftover) from error
    write_bytes(recipe, text)


def _exact(job: GenerationJob) -> tuple[str, ...]:
    """Return the folder of the exact masks, where those in ``masks`` are as a tired annotator draws them."""
    return ("exact",) if job.recipe.annotator.enabled else ()


def _still_stands(job: GenerationJob, record: Record) -> bool:
    """Tell whether all files of a record are there.

    Raises:
        ConfigError: If it is of another seed.
    """
    if record.get("seed") != job.seed:
        raise ConfigError("was begun with another seed", where=job.output, hint="use the same one, or another folder")
    name = f"{record['index']:06d}.png"
    pictures = [f"{folder}/{name}" for folder in ("images", "masks", *_exact(job))]
    whole = all((job.output / path).is_file() for path in (*pictures, *files_of(record["index"], job.formats)))
    return whole and all("rle" in crack for crack in record.get("cracks", ({},)))


def _run(job: GenerationJob, assets: Assets, journal: Journal, workers: int) -> Iterator[tuple[int, bytes]]:
    """Yield index and record of each missing sample once its files stand, in the order of the indices."""
    if workers == 1 or journal.missing < 2:
        for index in journal.indices():
            yield index, _write_sample(job, assets, index)
        return
    context = multiprocessing.get_context("spawn")
    processes = min(workers, journal.missing)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as pool:
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        try:
            for index in journal.indices():
                with interrupts_held():
                    waiting.append((index, pool.submit(_write_sample, job, assets, index)))
                if len(waiting) >= 4 * workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _start_worker() -> None:
    cv2.setNumThreads(1)


def _write_sample(job: GenerationJob, assets: Assets, index: int) -> bytes:
    """Make a sample, write its files, and return its record as a line of JSON."""
    try:
        sample = generate_sample(job.recipe, seed=job.seed, index=index, assets=assets)
    except ValueError as error:
        raise UsageError(str(error), where="recipe") from error
    name = f"{index:06d}.png"
    write_png(job.output / "images" / name, sample.image)
    if sample.noisy_mask is None:
        write_png(job.output / "masks" / name, mask_pixels(sample.mask))
    else:
        write_png(job.output / "masks" / name, mask_pixels(sample.noisy_mask))
        write_png(job.output / "exact" / name, mask_pixels(sample.mask))
    write_sample_files(job, sample, name)
    return encode_record(sample, name)


def _write_preview(job: GenerationJob, records: Sequence[Record]) -> None:
    """Write a contact sheet of the first samples, their boxes and outlines drawn in."""
    drawn = []
    for record in records:
        image, mask = read_image(job.output / record["image"]), read_mask(job.output / record["mask"])
        whole = draw_boxes(image, mask, [tuple(crack["box"]) for crack in record["cracks"]])
        drawn.append(contact_sheet([whole], side=_PREVIEW_PX))  # one large image in memory at a time
    write_png(job.output / "preview.png", contact_sheet(drawn))
