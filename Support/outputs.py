"""Where a tool will write, checked before it works for minutes."""

import os
from pathlib import Path
import sys


def problem(file: Path) -> str | None:
    """Why `file` cannot be written or replaced; None if it can."""
    folder = file.parent
    if not folder.exists():
        return f"{file}: the folder {folder} does not exist"
    if not folder.is_dir():
        return f"{file}: {folder} is no folder"
    # Files are written beside their place and renamed.
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{file}: no file can be made in {folder}"
    if file.exists() and not file.is_file():
        return f"{file} is no file"
    if file.exists() and not os.access(file, os.W_OK):
        return f"{file} cannot be written"
    return None


def check(*files: Path) -> None:
    """Ends the process with status 1 and a sentence if one of the files cannot be written."""
    for file in files:
        if found := problem(file):
            sys.exit(f"error: {found}")


def check_program(file: Path) -> None:
    """Ends the process with status 1 and a sentence if there is no such program."""
    if not (file.is_file() and os.access(file, os.X_OK)):
        sys.exit(f"error: {file} is no program; build it with `swift build -c release`")


def number_from(least: float, kind: type):
    """A parser of arguments: a finite number of `kind`, from `least` on."""
    def parsed(text: str):
        value = kind(text)
        if not least <= value < float("inf"):
            raise ValueError(text)
        return value
    # What argparse calls the kind of value that it wanted.
    parsed.__name__ = f"{kind.__name__} from {least} on"
    return parsed
