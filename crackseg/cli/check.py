"""``crackseg check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crackseg.cli.options import JsonFlag, ProgressLine, QuietFlag, print_json
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, display_text


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Data folder.", show_default=False)],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with thumbnails.")] = None,
    fix: Annotated[Path | None, typer.Option(metavar="OUT", help="Also write a corrected copy there.")] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Say what is wrong with a folder of images and masks; exit code 1 if something is. Nothing in it is changed.

    Understood are DIR/{images,masks}, DIR/{train,val,test}/{images,masks} and what crackseg generate writes.

    Example: crackseg check walls --html walls.html --fix walls_fixed
    """
    from crackseg.datasets.check import check_dataset
    from crackseg.datasets.check_html import build_check_page
    from crackseg.datasets.check_text import summarise
    from crackseg.datasets.findings import Severity
    from crackseg.datasets.repair import check_output, write_corrected
    from crackseg.files import make_folder, write_bytes

    if fix is not None:
        check_output(folder, fix)
    silent = quiet or json
    with ProgressLine("check", 1, quiet=silent) as line:
        report = check_dataset(folder, progress=lambda progress: line.update(progress.fraction))
    told = report.to_dict()
    written = []
    if html is not None:
        make_folder(html.resolve().parent)
        write_bytes(html, build_check_page(report).encode("utf-8"))
        told |= {"page": display_text(html)}
        written.append(f"page: {display_text(html)}")
    if fix is not None:
        with ProgressLine("fix", 1, quiet=silent) as line:
            changes = write_corrected(report, fix, progress=lambda progress: line.update(progress.fraction))
        told |= {"fixed": display_text(fix), "changes": [change.to_dict() for change in changes]}
        out = sum(change.action == "left out" for change in changes)
        written.append(
            f"corrected copy: {display_text(fix)}, {len(changes) - out} files rewritten, {out} left out; "
            "changes.json says why"
        )
    if json:
        print_json(told)
    else:
        print("\n".join([*summarise(report), *written]))
    return EXIT_SOME_FAILED if report.count(Severity.ERROR) else EXIT_DONE
