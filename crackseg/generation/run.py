"""Generate samples in several processes and write them so that a killed run can be resumed."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import cv2

from crackseg.config import dump_config, load_config
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
from crackseg.generation.result import GenerationResult
from crackseg.imaging.codec import mask_pixels, read_file, read_image, read_mask, write_png
from crackseg.imaging.drawing import contact_sheet, draw_boxes
from crackseg.machine import isolate_workers, usable_cores
from crackseg.parallel import Progress, ProgressCallback
from data_gen import Assets, Recipe, generate_sample

_PREVIEW_SAMPLES, _PREVIEW_PX = 12, 640


def generate(
    job: GenerationJob,
    *,
    workers: int | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
) -> GenerationResult:
    """Write samples: images, masks, annotations, ``manifest.jsonl``, ``recipe.yaml`` and ``preview.png``.

    The recipe, the seed and its index determine a sample. The bytes are the same for any number of workers, and a
    killed run that is resumed ends equal to an unbroken one. Memory grows with the count by only eight bytes a sample.

    Args:
        job: Samples to generate and folder to write.
        workers: Number of processes; one per core if None.
        resume: Continue an earlier call with the same recipe and seed. Annotation formats that the folder already
            holds are kept complete.
        progress: Called after each sample with the number of samples done.

    Returns:
        Folder and number of samples, with one line for each asset that was skipped.

    Raises:
        UsageError: If the folder holds samples and ``resume`` is off, or a folder of assets holds nothing usable.
        ConfigError: If the folder was started with another recipe or seed.
        OutputError: If a file cannot be written.
    """
    if job.count < 1:
        raise UsageError(f"expected 1 or more, got {job.count}", where="--count", hint="ask for at least one sample")
    skipped, assets = load_assets(job.folders, job.recipe)
    present = formats_in(job.output) if resume else ()
    job = dataclasses.replace(job, formats=tuple(name for name in FORMATS if name in (*job.formats, *present)))
    _prepare(job, resume=resume)
    with Journal(job.output, job.count, lambda record: _is_complete(job, record)) as journal:
        try:
            for index, line in _run(job, assets, journal, workers or usable_cores()):
                journal.add(index, line)
                if progress is not None:
                    progress(Progress(journal.done, job.count))
        except BrokenProcessPool as error:
            raise OutputError(
                "a worker process was killed", where=job.output, hint="run again with --resume and fewer --workers"
            ) from error
        write_documents(job, journal)
        _write_preview(job, list(islice(journal.records(), _PREVIEW_SAMPLES)))
        journal.finish()
    return GenerationResult(job.output, job.count, job.seed, tuple(skipped))


def _prepare(job: GenerationJob, *, resume: bool) -> None:
    """Make the folders and refuse those that hold other files."""
    recipe, text = job.output / "recipe.yaml", dump_config(job.recipe).encode()
    manifests = [job.output / name for name in ("manifest.jsonl", "manifest.partial.jsonl")]
    if any(path.exists() for path in [recipe, *manifests]) and not resume:
        raise UsageError(
            "the folder already holds samples", where=job.output, hint="add --resume or choose another folder"
        )
    if recipe.exists() and read_file(recipe) != text and load_config(Recipe, recipe) != job.recipe:
        raise ConfigError(
            "the folder was started with another recipe", where=recipe, hint="use that recipe or choose another folder"
        )
    names = dict.fromkeys(["images", "masks", *folders_of(job.formats), *_exact(job)])
    folders = [make_folder(job.output / name) for name in names]
    if not recipe.exists() and any(any(folder.iterdir()) for folder in folders):
        raise UsageError("the folder already holds other files", where=job.output, hint="choose another folder")
    for folder in (job.output, *folders):
        for leftover in folder.glob(f"{PARTIAL_PREFIX}*"):
            try:
                leftover.unlink()
            except OSError as error:
                raise OutputError(
                    f"cannot remove the file ({error.strerror})", where=leftover, hint="check its permissions"
                ) from error
    write_bytes(recipe, text)


def _exact(job: GenerationJob) -> tuple[str, ...]:
    """Return the folder of exact masks if an annotator is simulated."""
    return ("exact",) if job.recipe.annotator.enabled else ()


def _is_complete(job: GenerationJob, record: Record) -> bool:
    """Return whether all files of a record are present.

    Raises:
        ConfigError: If the record has another seed.
    """
    if record.get("seed") != job.seed:
        raise ConfigError(
            f"the folder was started with another seed, {record.get('seed')} instead of {job.seed}",
            where=job.output,
            hint="use that seed or choose another folder",
        )
    name = f"{record['index']:06d}.png"
    images = [f"{folder}/{name}" for folder in ("images", "masks", *_exact(job))]
    complete = all((job.output / path).is_file() for path in (*images, *files_of(record["index"], job.formats)))
    return complete and all("rle" in crack for crack in record.get("cracks", ({},)))


def _run(job: GenerationJob, assets: Assets, journal: Journal, workers: int) -> Iterator[tuple[int, bytes]]:
    """Write each missing sample and yield its index and record."""
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
                with isolate_workers():
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
    """Generate a sample, write its files and return its record."""
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
    """Write a contact sheet of the first samples with boxes and outlines."""
    thumbnails = []
    for record in records:
        image, mask = read_image(job.output / record["image"]), read_mask(job.output / record["mask"])
        overlay = draw_boxes(image, mask, [tuple(crack["box"]) for crack in record["cracks"]])
        thumbnails.append(contact_sheet([overlay], side=_PREVIEW_PX))  # one large image in memory at a time
    write_png(job.output / "preview.png", contact_sheet(thumbnails))
