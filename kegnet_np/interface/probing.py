"""``kegnet probe``: what passes from teachers to students, as a study, or of two files."""

import json
from pathlib import Path
from typing import Annotated

from ..experiments import crossed as new
from ..experiments import grid, pipeline, side_by_side, text, upbringing
from ..experiments import probes as papers
from ..experiments import settings as s
from ..experiments.measures import MEASURES
from ..io import checkpoint
from ..io.files import write_text
from . import inputs
from .commands import Given
from .grids import show

QUICK = {"students": 2, "teacher_epochs": 10, "generator_epochs": 2, "epochs": 4, "rows": 300,
         "triplets": 10}


def probe(given: Annotated[Given, s.Data, upbringing.Bringing, "but", "dataset"],
          dataset: str | None = None, probes: str | None = None, crossed: bool = False,
          teachers: int | None = None, teacher: Path | None = None, student: Path | None = None,
          seed: int = s.Every.seed, quick: bool = False, jobs: int = 0, dask: str | None = None,
          out: Path | None = None, resume: bool = False, device: str = "cpu") -> None:
    """what a student takes from its teacher beside accuracy

    dataset : NAME[,NAME...] of a study (default: pendigits), or of --teacher (default: its own)
    probes : NAMES of right, looks, fooled, consensus, boundary, representation, rotation, jitter, domain, cue, bias (default: all)
    crossed : instead, students that never saw data: start by samples, all endpoints
    teachers : so many teachers (default: 5; quick 2)
    teacher : of two networks of your own: the teacher's checkpoint
    student : the students' checkpoint
    seed : of all that is drawn at random (default: 2019)
    quick : short trainings, few examples: within two minutes
    out : its folder (default: probes/NAME)
    example: kegnet probe --teacher teacher.npz --student students.npz --out probes/mine
    """  # noqa: E501
    if teacher or student:
        if not (teacher and student):
            raise ValueError(f"--{'student' if teacher else 'teacher'} is missing: pass both files")
        study = {"probes": probes, "crossed": crossed, "teachers": teachers, "dask": dask,
                 "device": device != "cpu"}
        if wrong := [name for name, value in study.items() if value]:
            raise ValueError(f"--{wrong[0]} is of a study, but --teacher is given; drop one")
        own = given | ({"dataset": dataset} if dataset else {})
        return _pair(own, teacher, student, seed, quick, out or Path("probes", student.stem))
    given, options = (QUICK if quick else {}) | given, inputs.options(jobs, resume, dask, device)
    names, asked = (dataset or "pendigits").split(","), probes.split(",") if probes else MEASURES
    if crossed and probes:
        raise ValueError("--probes is given, but --crossed has endpoints of its own; drop one")
    seeds = range(s.Every(seed=seed).seed, seed + (teachers or (2 if quick else 5)))
    question = new if crossed else papers
    made = new.jobs_of(names, seeds) if crossed else papers.jobs_of(names, list(asked), seeds)
    load, settings = inputs.load_once(), upbringing.settings_of(given)
    for job in {job.dataset: job for job in made}.values():
        upbringing.check(settings(job), load(settings(job)))
    out = out or Path("probes", "crossed" if crossed else Path(names[0]).stem)
    result = grid.do(question.__name__.rpartition(".")[2], made, given, load, out,
                     settings=settings, work=question.work, **options)
    show(question, result, out, "probes.png")


def _pair(given: Given, teacher: Path, student: Path, seed: int, quick: bool, out: Path) -> None:
    """The probes of two files."""
    files = [out / name for name in ("probe.json", "probe.png")]
    for file in files:
        inputs.new_file(file)
    T, header = checkpoint.load_teacher(teacher)
    S, _ = checkpoint.load_network(student)
    inputs.same_job("--student", S, T)
    own, rest = upbringing.Bringing.of((QUICK if quick else {}) | given)
    settings = inputs.settings(rest, header, T.model)
    data = inputs.load_for(rest, settings, T, header)
    with pipeline.stage("probe"):
        bench, made = side_by_side.measured(T, S, data, own, seed)
    from ..experiments import plots  # takes a second to import

    out.mkdir(parents=True, exist_ok=True)
    write_text(files[0], json.dumps(side_by_side.as_json(made), indent=1) + "\n")
    plots.save(side_by_side.figure(bench, S, made), files[1])
    print(text.to_text(side_by_side.rows(made)))
    print(f"\nindependent: {len(S.theta)} of the student's form, from the labels alone, which the "
          f"student's own way may not have needed; W and fooled on {len(bench.few[0]):,} rows, the "
          f"others on all {len(data.x_test):,} test rows")
    print(f"the numbers are in {files[0]}, with {files[1].name} beside it")
