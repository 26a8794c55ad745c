"""Files: written whole or not at all; and packages that only some formats need."""

import gc
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

TEMPORARY = ".*.[0-9]*.tmp"  # the names of files under way, see `write_atomically`


class FormatError(ValueError):
    """A file or a model that cannot be read or written as asked; one line says why."""


def check_new(path) -> None:
    """Raise FormatError if there is a file already, and ValueError if none can be made."""
    if os.path.lexists(path):
        raise FormatError(f"{path} exists and is not overwritten; choose another name")
    check_place(path)


def check_place(path) -> None:
    """Raise ValueError if no file can be made at path; makes none itself."""
    folder = next((p for p in Path(path).absolute().parents if p.exists()), None)
    if folder is None or not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise ValueError(
            f"{path}: cannot be made, {folder} is no folder to write in; choose another place")


def write_atomically(path, write) -> None:
    """Let ``write(temporary path)`` make the file, then put it in place in one step: a process
    killed at any moment leaves the old file or the new one, never half of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda p: p.write_text(text, encoding="utf-8", newline="\n"))


def optional(module: str, what: str) -> Any:
    """A module of a package that is an extra, imported now; ``what`` needs it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("sklearn", "scikit-learn")
        raise FormatError(f"{what} needs {package}, which is not installed ({error}): pip install "
                          f"{package}, or 'kegnet_np[formats]' for every format") from error


def parse(text: str, **options) -> Any:
    """`json.loads` with the garbage collector at rest: of a million small lists it would look
    through all objects of the program again and again."""
    at_work = gc.isenabled()
    gc.disable()
    try:
        return json.loads(text, **options)
    finally:
        if at_work:
            gc.enable()
