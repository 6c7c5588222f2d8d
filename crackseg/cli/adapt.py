"""Declare ``crackseg adapt``."""

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from crackseg.cli.command import Command, PathInput, Positional, as_function, option
from crackseg.cli.options import DeviceOption, ModelOption
from crackseg.errors import EXIT_DONE, UsageError, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.training.adapt_config import AdaptConfig
    from crackseg.training.adaptation import AdaptationResult


@dataclass(frozen=True)
class Adapt(Command["AdaptationResult"]):
    """Adapt a model to the images of one site, with or without masks.

    Without masks only the statistics of batch normalisation change. With DIR/{images,masks} its scale and shift are
    trained as well. All other weights stay. Without masks F1 may fall, and nothing measures it. Needs the extra train.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=2, size=96)
        >>> crackseg.adapt("walls/images", model="crackseg-synthetic", output="site")
        AdaptationResult('site', 2 images)
    """

    folder: Annotated[PathInput, Positional("DIR", "Images of the site, or a folder with images and masks.")]
    _: KW_ONLY
    model: ModelOption = None
    output: Annotated[
        PathInput, option("--output", "-o", metavar="RUN", help="Run folder to write.", group="Output")
    ] = "adapted"
    share: Annotated[
        float | None,
        option(
            "--share",
            metavar="X",
            help="Share of the site in the statistics, 0 to 1.",
            group="Adaptation",
            default="measured on the masks; 0.1 without masks",
        ),
    ] = None
    steps: Annotated[
        int,
        option(
            "--steps", help="Steps on labelled images; 0 changes the statistics only.", group="Adaptation", minimum=0
        ),
    ] = 40
    seed: Annotated[int, option("--seed", help="Random seed.", group="Adaptation", minimum=0)] = 0
    device: DeviceOption = "auto"
    examples = ("crackseg adapt site -o runs/site", "crackseg adapt site/images --model runs/first -o runs/site")

    def run(self) -> "AdaptationResult":
        """Adapt the model."""
        from crackseg.machine import require_train_extra

        config = self._config()
        require_train_extra()
        from crackseg.training.adaptation import adapt

        return adapt(config, Path(self.folder), Path(self.output), device=self.device, progress=self.progress)

    def show(self, result: "AdaptationResult", console: "Console") -> int:
        """Print the scores and the folder."""
        images = "1 image" if result.images == 1 else f"{result.images} images"
        text = f"adapted to {images}"
        if result.history:
            text += f", F1 {result.history[0]['f1']:.3f} -> {result.f1:.3f} at threshold {result.card.threshold:g}"
        else:
            text += ", unmeasured since there are no masks"
        console.result(result.to_dict(), f"{text}; the model and its card are in {display_text(result.output)}")
        return EXIT_DONE

    def _config(self) -> "AdaptConfig":
        from crackseg.config import load_config
        from crackseg.prediction.loading import default_model
        from crackseg.training.adapt_config import AdaptConfig

        if self.share is not None and not 0 <= self.share <= 1:
            raise UsageError(f"expected a share from 0 to 1, got {self.share:g}", where="--share")
        values = {"share": self.share, "steps": self.steps, "seed": self.seed}
        overrides = [f"{key}={value}" for key, value in values.items() if value is not None]
        model = default_model() if self.model is None else os.fspath(self.model)
        return load_config(AdaptConfig, overrides=overrides).model_copy(update={"model": model})


adapt = as_function(Adapt)
