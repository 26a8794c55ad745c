"""The folder of a run: whose it is, and what each stage left there.

A stage that is done has its checkpoint in the folder and is not done again; a stage under way
keeps one too. So a run that was killed goes on where it was and ends with the same numbers.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

from . import checkpoint
from .fit import Training


class RunError(ValueError):
    """A run folder that cannot be used; one line says why and what to do."""


def check_folder(out: Path, settings: dict, resume: bool) -> None:
    """See that the run folder is new or empty, or with ``resume`` holds the same run."""
    file = out / "config.json"
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out} is a file, expected a folder; choose another")
    checkpoint.check_place(file)
    if not out.exists() or all(p.match(checkpoint.TEMPORARY) for p in out.iterdir()):
        return
    if not file.is_file():
        raise RunError(f"--out {out} holds other files; choose an empty or a new folder")
    if not resume:
        raise RunError(f"--out {out} holds a run; go on with --resume, or choose another")
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{file} holds no settings ({error}); choose another folder") from error
    for key, now in json.loads(json.dumps(settings)).items():
        if found.get(key) != now:
            raise RunError(
                f"--out {out} holds a run with {key} {_short(found.get(key))}, not {_short(now)}; "
                "resume with the same options, or choose another folder"
            )


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def open_folder(out: Path, settings: dict, resume: bool) -> None:
    """Make the run folder, or go on in it; nothing in it is overwritten."""
    check_folder(out, settings, resume)
    for left in out.rglob(checkpoint.TEMPORARY):  # half a file, from a process that was killed
        left.unlink()
    if not (out / "config.json").exists():
        checkpoint.write_text(out / "config.json", json.dumps(settings, indent=2) + "\n")


class Folder:
    """Checkpoints of a run's stages."""

    def __init__(self, out: Path):
        self.out, self.headers = out, {}  # type: Path, dict[str, dict]

    def every(self, key: str, default) -> dict:
        """An entry of each stage's header, by stage."""
        return {name: header.get(key, default) for name, header in self.headers.items()}

    def stage(self, name: str, compute: Callable, save: Callable, load: Callable):
        """What ``load(path)`` reads from the stage's checkpoint, made first if it is not there.

        ``compute(part)`` does the work and keeps its progress at ``part``; ``save(path, done,
        header)`` writes what it returned.
        """
        path = self.out / "checkpoints" / f"{name}.npz"
        part = path.with_suffix(".part.npz")
        if not path.exists():
            start = time.monotonic()
            *model, done = compute(part)
            trained = isinstance(done, Training)
            header = {
                "stage": name,
                "seconds": done.seconds if trained else time.monotonic() - start,
                "history": done.history if trained else [],
                "kept_epoch": done.kept_epoch.tolist() if trained else [],
                "updates": done.adam.t if trained else 0,
            }
            save(path, *model, done, **header)
        part.unlink(missing_ok=True)
        *loaded, self.headers[name] = load(path)
        return loaded
