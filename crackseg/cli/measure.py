"""``crackseg measure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_error, print_json
from crackseg.cli.scale_options import MarkerOption, ScaleFileOption, ScaleOption, known_scale
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, CracksegError, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.measurement.report import MeasuredMask


def measure(
    masks: Annotated[
        list[Path], typer.Argument(metavar="MASK|DIR", help="Masks, or folders of masks.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for MASK.json and measurements.csv.")
    ] = None,
    scale: ScaleOption = None,
    scale_file: ScaleFileOption = None,
    marker: MarkerOption = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The photographs, to measure narrow cracks in.")
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Measure the cracks of masks that already exist: length, width, pattern, each width with its uncertainty.

    In a folder that predict has written, the files *_mask.png are taken.

    Example: crackseg measure masks -o measured --scale 0.4
    """
    import json as json_format

    from crackseg.files import make_folder, write_bytes
    from crackseg.measurement.mask_files import collect_masks, measure_file
    from crackseg.measurement.report import to_csv

    paths = collect_masks(masks)
    known = known_scale(scale, scale_file, marker)
    if marker is not None and images is None:
        raise UsageError("--marker needs the photographs", hint="give their folder with --images")
    done: list[MeasuredMask] = []
    results: list[dict[str, Any]] = []
    with ProgressLine("measure", len(paths), quiet=quiet or json) as line:
        for number, path in enumerate(paths, start=1):
            try:
                found = measure_file(path, images, known)
            except CracksegError as error:
                print_error(str(error))
                results.append({"image": display_text(path.name), "error": str(error)})
            else:
                done.append(found)
                results.append(found.to_dict())
                if output is not None:
                    text = json_format.dumps(results[-1], indent=2) + "\n"
                    write_bytes(make_folder(output) / f"{path.stem}.json", text.encode())
                if not json:
                    print(f"{display_text(path.name)}: {found.summary()}")
            line.update(number)
    if output is not None:
        write_bytes(make_folder(output) / "measurements.csv", to_csv(done).encode())
    failed = len(paths) - len(done)
    if json:
        print_json({"output": None if output is None else display_text(output), "failed": failed, "images": results})
    return EXIT_SOME_FAILED if failed else EXIT_DONE
