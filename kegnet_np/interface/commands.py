"""What each command does. `cli` makes its parser from the signatures: a parameter is an option, one
before the slash has no dashes, ``given`` are settings of these groups but those named after "but".
What the help says is in the docstrings or, of many commands, in `TEXTS`."""

import json
from pathlib import Path
from typing import Annotated

from .. import metrics, sampling
from ..beyond import metadata as meta
from ..experiments import folder, pipeline, text
from ..experiments import run as whole
from ..experiments import settings as s
from ..experiments.devices import on
from ..experiments.jobs import REAL, Job
from ..experiments.statistics import interval
from ..io import checkpoint
from ..io import convert as files
from ..io.files import write_text
from ..network import Network
from . import exchange, inputs
from .exchange import Given

TEXTS = {
    "out": "file to write",
    "teacher": "the teacher: a checkpoint, or .skops or .safetensors; see kegnet convert",
    "device": "where to train: cpu, or cuda for a GPU, with CuPy (default: cpu)",
    "jobs": "processes (default: as many as there are cores)",
    "generator_file": "from kegnet extract, for --sampler kegnet and noised",
    "by_position": "take a table's columns in their order, not by name",
    "resume": "go on with what is in the folder", "seeds": "same as --students",
    "datasets": "A,B,... (default: shuttle,pendigits,letter)",
    "teachers": "teachers a set (default: 1; of a study 3)",
    "dask": "ADDRESS: use this Dask scheduler, such as tcp://10.0.0.1:8786"}
NOISE = 10_000  # rows on which students are compared with their teacher
EVERYTHING = (s.Every, s.Data, s.Teach, s.Extract, s.Compress, s.Distill)


def run(given: Annotated[Given, *EVERYTHING],
        out: Path | None = None, jobs: int = 0, resume: bool = False, device: str = "cpu") -> None:
    """the whole job, from the data to the table

    out : run folder (default: runs/NAME)
    example: kegnet run --dataset pendigits --ranks 5 --out runs/pendigits
    """
    settings = s.make(given)
    out = out or Path("runs", Path(settings.data.dataset).stem)
    folder.check_folder(out, settings.flat(), resume)
    result = whole.run(settings, inputs.load, out, **inputs.options(jobs, resume, device=device))
    print(whole.table(result))
    print(f"results, metrics, checkpoints and figures are in {out}")


def teach(given: Annotated[Given, s.Every, s.Data, s.Teach], out: Path, device: str = "cpu"
          ) -> None:
    """train a teacher on labelled data

    example: kegnet teach --dataset digits --out teacher.npz
    """
    inputs.new_file(out)
    settings = s.make({"ranks": (1,)} | given)  # a teacher has none: the default may not suit it
    job = Job(settings.data.dataset, settings.every.seed, "teach")
    with on(device):
        (M,), header = pipeline.work(job, settings, inputs.load(settings), {}, None)
    checkpoint.save_network(out, M, stage="teacher", data=header["data"])
    right = 100 * header["accuracy"][0]
    print(f"{out}: teacher, {M.size:,} parameters, {right:.2f}% of test rows right")


def extract(given: Annotated[Given, s.Every, s.Extract], teacher: Path, out: Path,
            device: str = "cpu") -> None:
    """learn generators and decoders from the teacher alone

    example: kegnet extract --teacher teacher.npz --out generators.npz
    """
    (G, D), header, _, _ = _work("extract", given, teacher, out, device=device)
    checkpoint.save_generators(out, G, D, stage="generators")
    last = header["history"][-len(G.theta) :]
    cls, dec = (sum(row[k] for row in last) / len(last) for k in ("cls_loss", "dec_loss"))
    print(f"{out}: {len(last)} generators, classifier loss {cls:.4f}, decoder loss {dec:.4f} in "
          "the last epoch")


def compress(given: Annotated[Given, s.Every, s.Compress], teacher: Path, out: Path,
             generator_file: Path | None = None) -> None:
    """make the students' start: the teacher in Tucker form, or a plain, smaller MLP

    example: kegnet compress --teacher teacher.npz --ranks 5 --out tucker.npz
    """
    (start,), header, M, _ = _work("compress", given, teacher, out, generator_file)
    form = "tucker" if start.model.ranks else "mlp"
    checkpoint.save_network(out, start, stage=form, trials=header.get("trials", []),
                            data=header["data"])
    print(f"{out}: {start.size:,} parameters instead of {M.size:,}, {M.size / start.size:.2f}x "
          "smaller, not yet trained")
    if header["ranks"] is None:
        print(f"{len(start.model.widths)} hidden layers of {start.model.widths[0]}")
    elif "trials" in header:
        print(f"ranks, first layer to last: {','.join(map(str, header['ranks']))}")


def distill(given: Annotated[Given, s.Every, s.Data, s.Compress, s.Distill, "but", "sampler"],
            teacher: Path, out: Path, sampler: str = "normal", student: Path | None = None,
            generator_file: Path | None = None, device: str = "cpu") -> None:
    """train students on the teacher's answers to samples

    out : file to write: .npz, a checkpoint of all students; or of one .onnx, .h (C99), .py, .safetensors
    student : where students start, from kegnet compress (default: compressed here, see --ranks)
    sampler : NAME or NAME+NAME..., what the student sees (default: normal): uniform, normal, wide, narrow, frequencies, kegnet, noised, energy, or a mixture; or real, the ceiling, which takes the inputs of --dataset
    example: kegnet distill --teacher teacher.npz --student tucker.npz --sampler kegnet --generator-file generators.npz --out students.npz
    """  # noqa: E501
    own: Given = {} if student else {"sampler": sampler if sampler != REAL else "normal"}
    inputs.new_file(out)
    if one := files.check_target(out) != ".npz":
        own["students"] = 1
        if given.get("students", 1) != 1:
            raise ValueError(f"--students is {given['students']}, but {out} holds one network; "
                             "write .npz, and kegnet convert a --member of it")
    (students,), header, M, settings = _work(
        "distill", given | own, teacher, out, generator_file, sampler, student, device)
    if one:
        made = files.Classifier(students.member(0), files.schema_of(header))
        files.write(out, made)
        exchange.tell_units(made, out)
    else:
        checkpoint.save_network(out, students, stage=sampler, data=header["data"])
    for n_params, share in header.get("sizes", ()):
        print(f"{n_params:,} parameters, {M.size / n_params:.1f}x smaller: agrees with the teacher "
              f"on {100 * share:.1f}% of samples after a short trial")
    kept, selection, score = header["kept_epoch"], settings.distill.selection, ""
    if selection != "last":
        best = [row for row in header["history"] if row["epoch"] == kept[row["member"]]]
        score = f", score {sum(row['score'] for row in best) / len(best):.4f} ({selection})"
    S = len(students.theta)
    print(f"{out}: {S} student{'s' * (S > 1)}{score}")
    noise = sampling.normal(M.model.features)(
        sampling.seeded(settings.every.seed, "agreement")[0], NOISE)
    share = 100 * metrics.agreement(students.predict(noise), M.predict(noise))
    print(f"{students.size:,} parameters instead of {M.size:,}; agrees with the teacher on "
          f"{share.mean():.2f}% of {NOISE:,} rows of normal noise")


def _work(does: str, given: Given, teacher: Path, out: Path, generator_file: Path | None = None,
          samples: str = "", student: Path | None = None, device: str = "cpu"
          ) -> tuple[list[Network], dict, Network, s.Settings]:
    """`pipeline.work` on what files hold: networks, and a header with the teacher's data; also the
    teacher and settings."""
    inputs.new_file(out)
    with on(device):  # see that there is such a device, before all else
        M, known = inputs.teacher(teacher)
    shape = None if student or does == "extract" else M.model
    settings, data, own = inputs.settings(given, known, shape), None, None
    if does != "extract":
        own = pipeline.described(settings.compress.metadata, files.schema_of(known))
    at_random = does == "distill" and settings.compress.form == "mlp"
    job = Job(settings.data.dataset, settings.every.seed, does, settings.compress.form, samples,
              "" if at_random else settings.compress.sampler or "normal")
    found = inputs.found_for(job, M, generator_file, student)
    if samples == REAL or samples and settings.distill.selection == "real-validation":
        data = inputs.load_for(given, settings, M, known)
    if job.needs.keys() > found.keys():  # compress first
        (start,), _ = pipeline.work(job.needs["compress"], settings, data, found, None, own=own)
        found["compress"] = start.stack()
    with on(device):
        networks, header = pipeline.work(job, settings, data, found, None, own=own)
    return networks, header | {"data": known["data"]}, M, settings


def evaluate(given: Annotated[Given, s.Data], model: Path, teacher: Path,
             by_position: bool = False) -> None:
    """accuracy on a test set, or on all rows of another table, and agreement with the teacher

    model : what to evaluate
    example: kegnet evaluate --model students.npz --teacher teacher.npz
    """
    M, header = inputs.teacher(teacher)
    network, _ = checkpoint.load_network(model)
    inputs.same_job("--model", network, M)
    settings = inputs.settings(given, header)
    data = inputs.load_for(given, settings, M, header, by_position, whole=True)
    with pipeline.stage("evaluate"):
        scores = pipeline.scores(network, M, data)
    rows = f"{len(data.y_test):,} {'test ' if len(data.y_train) else ''}rows of {data.name}"
    for key in whole.SCORES:
        entry = text.cell(interval([scores[key]]), 2, spread="sd")
        print(f"{key:10} {entry} %  ({len(network.theta)} networks, {rows})")


def metadata(given: Annotated[Given, s.Data, "but", "own_statistics"], out: Path) -> None:
    """a data set's ranges, covariance, class means and variances, for --metadata

    example: kegnet metadata --dataset pendigits --out metadata.json
    """
    inputs.new_file(out)
    data = inputs.load(s.make(given))
    write_text(out, json.dumps(meta.describe(data), indent=1) + "\n")
    print(f"{out}: of {len(data.x_train):,} training rows of {data.name}. It reveals:")
    for name, revealed in meta.REVEALS.items():
        print(f"  {name}: {revealed}")


def info(file: Path, /) -> None:
    """print what a checkpoint holds

    file : a checkpoint
    example: kegnet info teacher.npz
    """
    arrays, header = checkpoint.load(file)
    print(f"{file}: {header.pop('kind')}, format version {header.pop('version')}")
    for key, value in header.items():
        print(f"  {key}: {str(value)[:300]}{' ...' * (len(str(value)) > 300)}")
    for key, array in arrays.items():
        print(f"  {key}: {array.dtype} {array.shape}")
