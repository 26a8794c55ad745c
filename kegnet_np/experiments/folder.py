"""The folder of a run: whose it is, who works in it, and what every job left there.

A job that is done has its checkpoint in the folder and is not done again; a training under way
keeps one too. So a run that was killed goes on where it was and ends with the same numbers.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process
from pathlib import Path

from ..io import checkpoint
from ..io.files import TEMPORARY, check_place, write_text
from ..train import Training

SAVE_EVERY = 15.0  # seconds between checkpoints of a training under way
TELL_EVERY = 60.0  # seconds between lines on stderr, where it is no terminal with a bar
LOCK, HOLDER = ".lock", ".running"  # files of a folder in which a process is at work


class RunError(ValueError):
    """A run folder that cannot be used; one line says why and what to do."""


def check_folder(out: Path, identity: dict, resume: bool) -> None:
    """See that the folder is new or empty, or with ``resume`` holds a run of the same identity:
    its settings by name, and "rows", checksums of its data."""
    file = out / "config.json"
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out} is a file, expected a folder; choose another")
    check_place(file)
    left = (TEMPORARY, LOCK, HOLDER)
    if not out.exists() or all(any(map(path.match, left)) for path in out.iterdir()):
        return
    if not file.is_file():
        raise RunError(f"--out {out} holds other files; choose an empty or a new folder")
    if not resume:
        raise RunError(f"--out {out} holds a run; go on with --resume, or choose another")
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{file} holds no settings ({error}); choose another folder") from error
    for key, now in json.loads(json.dumps(identity)).items():
        if found.get(key) != now and key == "rows":
            raise RunError(f"--out {out}: the data have changed since that run began; bring back "
                           "the rows that it had, or choose another folder")
        if found.get(key) != now:
            raise RunError(
                f"--out {out} holds a run with {key} {_short(found.get(key))}, not {_short(now)}; "
                "resume with the same options, or choose another folder")


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def opened(out: Path, identity: dict, resume: bool) -> Iterator[None]:
    """Make the folder, or go on in it, alone; nothing in it is overwritten."""
    from filelock import FileLock, Timeout

    check_folder(out, identity, resume)
    out.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(out / LOCK), out / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise RunError(
            f"--out {out}: {who} is at work in it; wait for it, or choose another folder") from None
    try:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        for left in out.rglob(TEMPORARY):  # half a file, from a process that was killed
            left.unlink()
        if not (out / "config.json").exists():
            write_text(out / "config.json", json.dumps(identity, indent=2) + "\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        with suppress(OSError):  # Windows unlinks no file that is open: it stays
            (out / LOCK).unlink()
        lock.release()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Where stderr is no terminal, a line on it every minute says that the stage goes on, and where
    its training is, if there is one under way."""
    if sys.stderr.isatty():
        yield
        return
    done, began, Progress.now = threading.Event(), time.monotonic(), ""

    def tell():
        while not done.wait(TELL_EVERY):
            print(f"kegnet: {name}: {time.monotonic() - began:.0f} s{Progress.now}",
                  file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Progress:
    """A hook for `train.fit`: a bar where stderr is a terminal, else what `told` tells; and a
    checkpoint.

    name : of the stage. path : of a checkpoint that is written now and then, and gone on from if it
    is there; or None. quiet : no bar.
    """

    now = ""  # where the training under way in this process is

    def __init__(self, name: str, path: Path | None = None, quiet: bool = False):
        self.name, self.path, self.quiet, self.bar = name, path, quiet, None

    def __call__(self, training: Training) -> None:
        Progress.now = f", epoch {training.epoch} of at most {training.schedule.epochs}"
        if self.bar is None:
            if self.path is not None and self.path.exists():
                checkpoint.restore_training(self.path, training, self.name)
            from tqdm import tqdm

            among_others = current_process().name != "MainProcess"  # bars would mix
            hidden = self.quiet or among_others
            self.bar = tqdm(total=training.schedule.epochs, initial=training.epoch, unit="epoch",
                            desc=self.name, disable=hidden or None)
            self.saved = time.monotonic()
            return
        self.bar.update()
        rows = [row for row in training.history[-len(training.kept_epoch):]
                if row["epoch"] == training.epoch]
        self.bar.set_postfix({key: f"{sum(row[key] for row in rows) / len(rows):.4f}"
                              for key in rows[0] if key.endswith("loss")})
        if self.path is not None and time.monotonic() - self.saved > SAVE_EVERY:
            checkpoint.save_training(self.path, training, self.name)
            self.saved = time.monotonic()
        if training.epoch == training.schedule.epochs or not len(training.members):
            self.bar.close()
