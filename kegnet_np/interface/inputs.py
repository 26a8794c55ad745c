"""What commands read: the data, a teacher's own settings, generators, other checkpoints."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_loaders

from ..experiments.devices import on
from ..experiments.jobs import Found, Job
from ..experiments.settings import Settings, make
from ..io import checkpoint, convert
from ..io.files import FormatError, check_place
from ..models import MLP
from ..network import Network
from ..tables.schema import Schema

ELSEWHERE = "elsewhere"  # the data set of a teacher that does not say what it was taught


def teacher(path: Path) -> tuple[Network, dict]:
    """A plain classifier and its header, of a checkpoint or a file of another program."""
    if path.suffix.lower() == ".npz" or path.suffix.lower() not in convert.READERS:
        return checkpoint.load_teacher(path)
    try:
        found = convert.read(path)
    except FormatError as error:
        raise ValueError(f"--teacher {error}; or make a checkpoint of it with kegnet convert, "
                         "whose --activation and --like say what the file does not") from error
    schema = found.schema.to_json() if found.schema else {}
    return found.network, {"data": {"source": {}, **schema}}


def load(settings: Settings) -> data_loaders.Dataset:
    """The settings' data set; of a person's own table a line says what was read."""
    own = settings.data
    data = data_loaders.load(own.dataset, seed=own.split_seed, **own.reading())
    _tell(data)
    return data_loaders.standardise_each_split(data) if own.own_statistics else data


def load_once() -> Callable[[Settings], data_loaders.Dataset]:
    """`load`, for a command that needs data more than once."""
    known: dict[Any, data_loaders.Dataset] = {}

    def load_known(settings: Settings) -> data_loaders.Dataset:
        if settings.data not in known:
            known[settings.data] = load(settings)
        return known[settings.data]

    return load_known


def _tell(data: data_loaders.Dataset) -> None:
    if data.told:
        print(f"kegnet: read {data.told}", file=sys.stderr)


def load_for(given: dict, settings: Settings, M: Network, header: dict, by_position: bool = False,
             whole: bool = False) -> data_loaders.Dataset:
    """The settings' data set in the units of a teacher and its checkpoint's header. ``whole`` : all
    rows of a table that is not the teacher's own are test rows."""
    known, own = header["data"], settings.data
    if not (known["source"] or "dataset" in given):
        raise ValueError("--teacher does not say what data it was taught; pass --dataset")
    schema = Schema.from_json(known)
    if schema is None or own.dataset in data_loaders.NAMES:
        return _load_known(settings, M, known)
    if len(schema.feature_names) != M.model.features:
        raise ValueError(f"--teacher has {M.model.features} inputs, but describes "
                         f"{len(schema.feature_names)}; make it anew")
    seed = None if whole and not _is_own(given, known["source"]) else own.split_seed
    how = {key: value for key, value in own.reading().items() if key != "categories"}
    data = data_loaders.load_like(schema, own.dataset, seed=seed, by_position=by_position, **how)
    _tell(data)
    return data_loaders.standardise_each_split(data) if own.own_statistics else data


def _load_known(settings: Settings, M: Network, known: dict) -> data_loaders.Dataset:
    """A known set, or any table for a teacher who does not say what its inputs are."""
    data, own = load(settings), settings.data
    if (data.features, data.classes) != (M.model.features, M.model.classes):
        raise ValueError(f"--dataset {own.dataset} has {data.features} features and {data.classes} "
                         f"classes, the teacher's checkpoint {M.model.features} and "
                         f"{M.model.classes}; pass the teacher's own data")
    if {"mean", "scale"} <= known.keys() and not own.own_statistics:
        data = data_loaders.standardise_like(data, known["mean"], known["scale"])
    if (taught := known.get("class_names")) and taught != list(data.class_names):
        raise ValueError(f"--dataset {own.dataset} has the classes {_few(data.class_names)}, the "
                         f"teacher {_few(taught)}; pass the teacher's own data")
    return data


def _is_own(given: dict, source: dict) -> bool:
    """Whether the data set given, if any, is the teacher's own."""
    own, dataset = source.get("dataset"), given.get("dataset")
    return dataset in (None, own) or Path(str(dataset)).resolve() == Path(str(own)).resolve()


def _few(names) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


def settings(given: dict[str, Any], header: dict, shape: MLP | None = None) -> Settings:
    """The settings given, on those of the teacher's data unless another is named; for a shape."""
    source = header["data"]["source"]
    if given.get("categories") and "columns" in header["data"]:
        raise ValueError("--categories is given, but --teacher says what its columns are; drop it")
    if _is_own(given, source):
        given = (source or {"dataset": ELSEWHERE}) | given
    if shape:
        given = given | {"hidden": max(shape.widths, default=1), "depth": len(shape.widths)}
    return make(given)


def found_for(job: Job, M: Network, generator_file: Path | None, student: Path | None) -> Found:
    """What a job needs, as far as files have it: the teacher, the students' start, generators."""
    found = {"teach": M.stack()}
    if student:
        start, _ = checkpoint.load_network(student)
        same_job("--student", start, M)
        if start.model.ranks is None and start.size >= M.size:
            raise ValueError(f"--student has {start.size:,} parameters, no fewer than --teacher; "
                             "make a smaller start with kegnet compress")
        if start.model.ranks is not None and start.model.widths != M.model.widths:
            raise ValueError("--student is not --teacher in Tucker form; make it from this teacher "
                             "with kegnet compress")
        found["compress"] = start
    names, needed = job.samples or job.start, "extract" in job.needs
    if needed and not generator_file:
        raise ValueError(f"--sampler {names} needs --generator-file FILE, from kegnet extract")
    if generator_file and not needed:
        raise ValueError(f"--generator-file: --sampler {names} has no use for it; drop it")
    if needed:
        G, D, _ = checkpoint.load_generators(generator_file)
        width, K = G.model.outputs, G.model.inputs - D.model.outputs
        if (width, K) != (M.model.features, M.model.classes):
            raise ValueError(f"--generator-file: {width} features, {K} classes, the teacher has "
                             f"{M.model.features} and {M.model.classes}; extract from this teacher")
        found["extract"] = G
    return found


def same_job(name: str, network: Network, M: Network) -> None:
    """See that a checkpoint is for the teacher's features and classes."""
    if (network.model.features, network.model.classes) != (M.model.features, M.model.classes):
        raise ValueError(f"{name} is for another job than --teacher, which has {M.model.features} "
                         f"features and {M.model.classes} classes; make it from this teacher")


def new_file(out: Path) -> None:
    """See that a file is not there yet, and that it can be made."""
    if out.exists():
        raise ValueError(f"--out {out} exists and is not overwritten; choose another name")
    check_place(out)


def options(jobs: int, resume: bool, dask: str | None = None, device: str = "cpu"
            ) -> dict[str, Any]:
    """Of `engine.Engine`; a line on stderr after every job says how far it is."""
    from tqdm import tqdm

    with on(device):  # see that there is such a device, before all else
        pass

    def report(line: str) -> None:
        tqdm.write(f"kegnet: {line}", file=sys.stderr)  # above the bar, if there is one
        sys.stderr.flush()

    return {"processes": jobs, "resume": resume, "dask": dask, "device": device,
            "report": report}
