"""Many jobs under one set of settings, the result that they make together, and its cells."""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import __version__
from ..io.files import write_text
from . import pipeline
from .engine import Engine, Work
from .jobs import Job
from .settings import Settings, make
from .statistics import interval, paired
from .text import by_teacher, cell

Variants = Mapping[str, Mapping[str, Any]]  # settings of its own, by a variant's name
LEFT_OUT = ("version", "kind", "job", "history", "data", "model", "generator", "decoder")
USUAL = asdict(Job("", -1, ""))


def settings_of(given: Mapping[str, Any], variants: Variants | None = None) -> Callable:
    """The settings of a job: those given, its variant's, its own data set, seed and size."""

    def of(job: Job) -> Settings:
        size: dict[str, Any] = {"ranks": (job.rank,)} if job.rank else {}
        if job.compression:
            size = {"ranks": (), "compression": job.compression}
        own = {"dataset": job.dataset, "seed": job.teacher}
        return make({**given, **(variants or {}).get(job.variant, {}), **size, **own})

    return of


def do(question: str, jobs: list[Job], given: Mapping[str, Any], load: Callable, out, *,
       variants: Variants | None = None, settings: Callable | None = None,
       work: Work = pipeline.work, **options) -> dict:
    """Do what of the jobs is not done yet; what ``table.json`` then holds. See `engine.Engine`.

    question : the module of this folder that asks and renders. given : settings of all jobs.
    settings : of a job, if they are not those of the four verbs.
    """
    engine = Engine(Path(out), settings or settings_of(given, variants), load, work, **options)
    headers = engine.run(jobs, {"settings": given, "grid": [job.name for job in jobs]})
    cells = [{key: value for key, value in (asdict(job) | header).items()
              if key not in LEFT_OUT and value != USUAL.get(key)}
             for job, header in headers.items()]
    made = {"question": question, "settings": given, "versions": versions(), "cells": cells}
    write_text(engine.out / "table.json", json.dumps(made, indent=1) + "\n")
    return made


def ask(study: ModuleType, load: Callable, out, teachers: int = 3, **options) -> dict:
    """`do` the jobs of a study, a module of this folder, for so many seeds from 2019 on."""
    own = {name.lower(): vars(study)[name] for name in ("VARIANTS", "work") if name in vars(study)}
    jobs, given = study.jobs_of(range(2019, 2019 + teachers)), {"protocol": study.PROTOCOL}
    return do(study.__name__.rpartition(".")[2], jobs, given, load, out, **own, **options)


def cells_of(result: dict, **wanted) -> list[dict]:
    """The cells of a result whose jobs have these fields."""
    return [
        c for c in result["cells"] if all(c.get(k, USUAL.get(k)) == v for k, v in wanted.items())]


def values_of(result: dict, key: str = "accuracy", **wanted) -> list:
    """For each teacher the values of its networks, of the jobs with these fields."""
    return [c[key] for c in cells_of(result, **wanted)]


def entry(result: dict, job: Mapping, base: Mapping | None = None, *, key="accuracy") -> dict:
    """The `interval` of the jobs with these fields, or of what they are better than a base by,
    paired; empty if the grid has none."""
    ours, less = (values_of(result, key, **fields) for fields in (job, base or job))
    if not (ours and less):
        return {}
    return paired(ours, less) if base else interval(ours)


def shown(result: dict, job: Mapping, base: Mapping | None = None, *, key="accuracy") -> str:
    """An `entry` in percent, with a sign if it is a difference."""
    return cell(entry(result, job, base, key=key), sign="+" if base else "")


def compared(result: dict, job: Mapping, base: Mapping) -> list[str]:
    """Of a kind of students: accuracy, by teacher, and less the base, paired (if it is another)."""
    less = shown(result, job, base) if job != base else ""
    return [shown(result, job), by_teacher(values_of(result, **job)), less]


def note(result: dict, about: str = "") -> str:
    """What the numbers of a result are: what they are about, protocol, seeds, interval."""
    trained = cells_of(result, does="distill")
    teachers, students = len({c["teacher"] for c in trained}), len(trained[0]["accuracy"])
    unit = "the teachers' means" if teachers > 1 else "one teacher's students"
    return (f"{about}{said(result)}; teachers: {teachers}, students of each: {students}; "
            f"± is half a 95% t interval over {unit}")


def said(result: dict) -> str:
    """The settings of a result in words."""
    return ", ".join(f"{k} {v}" for k, v in result["settings"].items())


def versions() -> dict[str, str]:
    """Of this program, Python, the machine and the packages that decide the numbers."""
    packages = {name: version(name) for name in ("numpy", "scipy", "autograd", "tensorly")}
    return {"kegnet_np": __version__, "python": platform.python_version(),
            "platform": platform.platform(), **packages}
