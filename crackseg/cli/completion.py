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

    The script completes commands, options, choices and files. The first example loads it in this bash only. The others
    install it for every new shell; for zsh, add ~/.zfunc to fpath.
    """

    shell: Annotated[Literal["bash", "zsh", "fish"], Positional("SHELL", "The shell: bash, zsh or fish.")]
    examples = (
        'eval "$(crackseg completion bash)"',
        "crackseg completion bash > ~/.local/share/bash-completion/completions/crackseg",
        "crackseg completion zsh > ~/.zfunc/_crackseg",
        "crackseg completion fish > ~/.config/fish/completions/crackseg.fish",
    )
    presentation = ()

    def run(self) -> str:
        """Write the script."""
        from crackseg.cli.completion_scripts import completion_script

        return completion_script(self.shell)

    def show(self, result: str, console: "Console") -> int:
        """Print the script."""
        console.text(result)
        return EXIT_DONE
