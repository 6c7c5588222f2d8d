"""Declare ``crackseg generate``."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, PathInput, Positional, as_function, as_path, option
from crackseg.cli.options import SetOption, WorkersOption
from crackseg.errors import EXIT_DONE, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.generation import GenerationResult, LabelFormat


@dataclass(frozen=True)
class Generate(Command["GenerationResult"]):
    """Generate synthetic crack images with exact masks.

    Also writes annotations (Pascal VOC, COCO, YOLO-seg, RLE), a manifest of true lengths and widths, the recipe and a
    preview.

    Example:
        >>> import crackseg
        >>> crackseg.generate("walls", count=2, size=64)
        GenerationResult('walls', 2 samples, seed 0)
    """

    output: Annotated[PathInput, Positional("OUT", "Folder to write.")]
    _: KW_ONLY
    count: Annotated[int, option("--count", help="Number of samples.", group="Output")] = 100
    formats: Annotated[
        str,
        option("--formats", metavar="LIST", help="Annotations to write: some of voc,coco,yolo,rle.", group="Output"),
    ] = "voc"
    polygons: Annotated[
        bool, option("--polygons", help="Write COCO outlines as polygons, not as RLE.", group="Output")
    ] = False
    resume: Annotated[bool, option("--resume", help="Continue where an earlier call stopped.", group="Output")] = False
    seed: Annotated[int, option("--seed", help="Random seed.", group="Recipe", minimum=0)] = 0
    mode: Annotated[
        Literal["photo", "binary"] | None,
        option("--mode", help="Realistic images, or white cracks on black.", group="Recipe", default="photo"),
    ] = None
    size: Annotated[
        int | None, option("--size", metavar="PX", help="Side of an image, in pixels.", group="Recipe", default="1024")
    ] = None
    level: Annotated[
        int | None,
        option(
            "--level",
            metavar="0-254",
            help="Threshold of patterns, noise and binary images.",
            group="Recipe",
            default="50, or Otsu's in grey patterns",
        ),
    ] = None
    config: Annotated[
        PathInput | None,
        option(
            "--config",
            metavar="NAME|FILE",
            help="Recipe: a YAML file or the name of a shipped one (crackseg configs).",
            group="Recipe",
            default="mixed",
        ),
    ] = None
    set: SetOption = ()
    backgrounds: Annotated[
        PathInput | None, option("--backgrounds", metavar="DIR", help="Images without cracks.", group="Material")
    ] = None
    patterns: Annotated[
        PathInput | None, option("--patterns", metavar="DIR", help="Crack masks to cut cracks from.", group="Material")
    ] = None
    noise: Annotated[
        PathInput | None,
        option("--noise", metavar="DIR", help="Noise patches, in DIR/small and DIR/big.", group="Material"),
    ] = None
    workers: WorkersOption = None
    examples = ("crackseg generate synthetic --count 200 --seed 1 --size 512",)

    def run(self) -> "GenerationResult":
        """Write the samples."""
        from crackseg.config import find_config, load_config
        from crackseg.generation import AssetFolders, GenerationJob, generate
        from data_gen import Recipe

        shortcuts = {"mode": self.mode, "size": self.size, "level": self.level}
        settings = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
        recipe = load_config(Recipe, find_config("generate", self.config), overrides=[*settings, *self.set])
        folders = AssetFolders(as_path(self.backgrounds), as_path(self.patterns), as_path(self.noise))
        output, formats = Path(self.output), _formats(self.formats)
        job = GenerationJob(recipe, output, self.count, self.seed, folders, formats, self.polygons)
        return generate(job, workers=self.workers, resume=self.resume, progress=self.progress)

    def show(self, result: "GenerationResult", console: "Console") -> int:
        """Print the folder and the material that was skipped."""
        preview = display_text(result.preview)
        lines = [f"skipped: {reason}" for reason in result.skipped]
        noun = "sample" if result.count == 1 else "samples"
        lines.append(f"{result.count} {noun} in {display_text(result.output)}; {preview} shows the first")
        console.result(result.to_dict(), "\n".join(lines))
        return EXIT_DONE


def _formats(text: str) -> "tuple[LabelFormat, ...]":
    from crackseg.generation import FORMATS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise UsageError(f"expected some of {', '.join(FORMATS)}, got '{unknown[0]}'", where="--formats")
    return tuple(name for name in FORMATS if name in names)


generate = as_function(Generate)
