"""Measure the start of `crackseg --help` against the start of a bare interpreter.

    python benchmarks/startup.py [--rounds 21]

Both are whole processes, run in turn; the fastest of each are compared, because the machine may be shared. Processor
time is printed in addition: other work on the machine changes it less. Aim: at most 6.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

from predict_overhead import seconds

BARE = [sys.executable, "-c", "pass"]
COMMANDS = (["--help"], ["--version"], ["predict", "--help"], ["train", "--help"])
AIM = 6


def compare(arguments: list[str], rounds: int, cache: str) -> None:
    command = [sys.executable, "-m", "crackseg", *arguments]
    times = [(seconds(BARE, cache), seconds(command, cache)) for _ in range(rounds + 1)][1:]
    for number, clock in enumerate(("wall", "processor")):
        bare_s, command_s = (min(pair[side][number] for pair in times) for side in (0, 1))
        print(
            f"crackseg {' '.join(arguments):15} {clock:9}: bare interpreter {1000 * bare_s:.0f} ms, "
            f"command {1000 * command_s:.0f} ms, ratio {command_s / bare_s:.1f} (aim {AIM} for --help)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        for arguments in COMMANDS:
            compare(arguments, options.rounds, cache)


if __name__ == "__main__":
    main()
