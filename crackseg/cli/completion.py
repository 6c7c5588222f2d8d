"""Declare ``crackseg completion``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from crackseg.cli.command import Command, Positional
from crackseg.errors import EXIT_DONE

if TYPE_CHECKING:
    from crackseg.cli.console import Console


@dataclass(frozen=True)
class Completion(Command[str]):
    """Print a completion script for bash, zsh or fish.

    The script completes commands, options, choices and files. To load it in every new shell:

    bash: crackseg completion bash > ~/.local/share/bash-completion/completions/crackseg

    zsh: crackseg completion zsh > ~/.zfunc/_crackseg, with ~/.zfunc in fpath

    fish: crackseg completion fish > ~/.config/fish/completions/crackseg.fish
    """

    shell: Annotated[Literal["bash", "zsh", "fish"], Positional("SHELL", "The shell: bash, zsh or fish.")]
    examples = ('eval "$(crackseg completion bash)"',)
    presentation = ()

    def run(self) -> str:
        """Write the script."""
        from crackseg.cli.completion_scripts import completion_script

        return completion_script(self.shell)

    def show(self, result: str, console: "Console") -> int:
        """Print the script."""
        console.text(result)
        return EXIT_DONE
