"""The commands that compute a grid of jobs: the paper's table, the frontier, the studies."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

from ..experiments import frontier as front
from ..experiments import games, grid, play, run, text
from ..experiments import kdgan as asked
from ..experiments import settings as s
from ..experiments import table as paper
from ..experiments.jobs import Job
from ..io.files import write_text
from ..models import MLP
from . import inputs
from .commands import EVERYTHING, Given

BY_JOBS = ("dataset", *s.READING, "metadata", "compression", "params", "agreement", "ranks")
BY_FORM = ("form", "layers")
CHOSEN = (*BY_JOBS, *BY_FORM, "init", "sampler")  # by a frontier
STUDIES = ("foreign", "form", "lean", "metadata", "official", "quirks", "samples")


def table(given: Annotated[Given, *EVERYTHING, "but", *BY_JOBS, *BY_FORM],
          datasets: str = "shuttle,pendigits,letter", ranks: tuple[int, ...] | None = None,
          teachers: int = 1, seeds: int | None = None, jobs: int = 0,
          dask: str | None = None, out: Path | None = None, resume: bool = False,
          device: str = "cpu") -> None:
    """the paper's table: data sets, approaches, teachers and students as a grid

    ranks : a column for each of R1,R2,..., the same rank in every layer (default: the paper's: 5, Letter 10, Pendigits both)
    out : its folder (default: tables/PROTOCOL)
    example: kegnet table --protocol fair --teachers 3 --jobs 2 --out tables/fair
    """  # noqa: E501
    given, seed = _of_grid(given, "paper", seeds)
    usual = given.pop("ranks", None)
    made = paper.jobs_of(datasets.split(","), teachers, seed, usual if ranks is None else ranks)
    out = out or Path("tables", given["protocol"])
    options = inputs.options(jobs, resume, dask, device)
    result = grid.do("table", made, given, inputs.load, out, **options)
    accuracy = paper.rows(result, "accuracy")
    write_text(out / "table.tex", text.to_latex(accuracy, len(run.LABELS)) + "\n")
    show(paper, result, out, "table.tex", "table.png")


def frontier(given: Annotated[Given, *EVERYTHING, "but", *CHOSEN],
             datasets: str = "shuttle,pendigits,letter", compressions: str = "2,4,8,12,16,24,40",
             samplers: str = "normal,kegnet,normal+noised", also: str = "", forms: str = "",
             teachers: int = 1, seeds: int | None = None, jobs: int = 0, dask: str | None = None,
             out: Path | None = None, resume: bool = False,
             device: str = "cpu") -> None:
    """accuracy against parameters, by form and sampler, with ranks chosen without data

    compressions : C1,C2,...: how many times smaller; SET:C for one data set (default: 2,4,8,12,16,24,40)
    samplers : NAMES; the smaller MLP sees the last one's samples (default: normal,kegnet,normal+noised)
    also : NAMES of samplers for the least compression alone
    forms : mlp, tucker or mlp,tucker: students of these forms, each on all samplers (default: Tucker students, and one smaller MLP beside them)
    out : its folder (default: frontiers/PROTOCOL)
    example: kegnet frontier --teachers 3 --compressions 8,12 --jobs 2 --out frontiers/all
    """  # noqa: E501
    given, seed = _of_grid(given, "beyond", seeds)
    if wrong := [key for key in CHOSEN if key in given]:
        raise ValueError(f"--{wrong[0]} is given, but kegnet frontier chooses it; drop it")
    if "lean" in given and forms == "mlp":
        raise ValueError("--lean or --no-lean is given, but --forms mlp has no ranks; drop it")
    options = inputs.options(jobs, resume, dask, device)
    names, models, load = datasets.split(","), {}, inputs.load_once()
    sizes = _sizes(compressions.split(","), names)
    for name in names:
        settings = grid.settings_of(given)(Job(name, seed, "teach"))
        data = load(settings)
        models[name] = MLP(data.features, data.classes, settings.teach.arguments()["widths"])
    seen, kinds, more = (names.split(",") if names else [] for names in (samplers, forms, also))
    made = front.jobs_of(models, sizes, seen, teachers, seed, kinds, more,
                         given.get("lean", True))
    out = out or Path("frontiers", given["protocol"])
    result = grid.do("frontier", made, given, load, out, **options)
    show(front, result, out, "frontier.png")


def _sizes(given: list[str], datasets: list[str]) -> dict[str, list[float]]:
    """The compressions of each data set, from entries "C" for all sets or "SET:C" for one."""
    sizes: dict[str, list[float]] = {dataset: [] for dataset in datasets}
    for entry in given:
        dataset, _, number = entry.rpartition(":")
        if not number.replace(".", "", 1).isdigit() or (dataset and dataset not in sizes):
            raise ValueError(f"--compressions has {entry!r}, expected C or SET:C, such as "
                             "8,letter:4.1, and a set of --datasets")
        for name in [dataset] if dataset else datasets:
            sizes[name].append(float(number))
    return sizes


def kdgan(given: Annotated[Given, s.Data, play.Play, "but", "dataset"],
          dataset: str = "digits", labels: str = "50,100,1000,all", seeds: int = 5,
          seed: int = s.Every.seed, ablations: bool = False, quick: bool = False, jobs: int = 0,
          dask: str | None = None, out: Path | None = None, resume: bool = False,
          device: str = "cpu") -> None:
    """the other way to distil, with labels and an adversary, beside its baselines

    dataset : NAME[,NAME...]: digits, pendigits, letter, shuttle, or paths of tables (default: digits)
    labels : N1,N2,...: how many labelled rows there are, or all (default: 50,100,1000,all)
    seeds : games of each kind, each with rows and players of its own (default: 5)
    seed : of all that is drawn at random (default: 2019)
    ablations : also KDGAN with γ = 0, fixed τ, α = 0, 0.5 and 1, and other estimators
    quick : 50 and 100 labels, short games: within a minute
    out : its folder (default: kdgan/NAME)
    example: kegnet kdgan --dataset pendigits --labels 50,100 --out kdgan/pendigits
    """  # noqa: E501
    given, options = (QUICK if quick else {}) | given, inputs.options(jobs, resume, dask, device)
    counts = [_count(text) for text in ("50,100" if quick else labels).split(",")]
    names, load = dataset.split(","), inputs.load_once()
    made = asked.jobs_of(names, counts, s.Every(seed=seed).seed, ablations)
    settings = play.settings_of(given, seeds)
    for name in names:
        own = settings(Job(name, seed, "teach"))
        data = load(own)
        play.classifier(own.play, data)
        for n in counts:
            games.rows_of(data, n, seed, 1)
    out = out or Path("kdgan", Path(names[0]).stem)
    result = grid.do("kdgan", made, given | {"seeds": seeds}, load, out, settings=settings,
                     work=games.work, **options)
    show(asked, result, out, "kdgan.png")


QUICK = {"epochs": 10, "pretraining": 40}


def _count(text: str) -> int:
    """A number of labels, 0 for all."""
    if text != "all" and not (text.isdigit() and int(text)):
        raise ValueError(f"--labels has {text!r}, expected numbers such as 50,100, or all")
    return 0 if text == "all" else int(text)


def study(question: str, /, teachers: int = 3, jobs: int = 0, dask: str | None = None,
          out: Path | None = None, resume: bool = False,
          device: str = "cpu") -> None:
    """a question put to the method: foreign, form, lean, metadata, official, quirks or samples

    question : how scikit-learn's classifiers do as teachers, what form is worth, what the lean form frees, what metadata is worth, how it compares with the official program, what its quirks are worth, what samples lack
    out : its folder (default: studies/QUESTION)
    example: kegnet study form --jobs 2 --out studies/form
    """  # noqa: E501
    if question not in STUDIES:
        raise ValueError(f"QUESTION is {question!r}, expected one of {', '.join(STUDIES)}")
    module = import_module(f"kegnet_np.experiments.{question}")
    out = out or Path("studies", question)
    if question == "foreign":  # one process, and scikit-learn
        from .estimator import DataFreeDistiller

        if device != "cpu":
            raise ValueError(f"--device is {device}, but this study asks its teachers on the CPU; "
                             "drop it")
        show(module, module.ask(DataFreeDistiller, out, teachers, resume), out)
        return
    options = inputs.options(jobs, resume, dask, device)
    show(module, grid.ask(module, inputs.load, out, teachers, **options), out)


def _of_grid(given: Given, protocol: str, seeds: int | None) -> tuple[Given, int]:
    """The settings of a grid, and the seed of its first teacher."""
    given = {"protocol": protocol} | given | ({"students": seeds} if seeds is not None else {})
    return given, s.Every(seed=given.pop("seed", s.Every.seed)).seed


def show(question, result: dict, out: Path, *beside: str) -> None:
    """Print a result's tables and where it is; make its figure, the last of the files beside it."""
    print("\n\n".join(map(text.to_text, question.tables(result))))
    print(f"\n{question.note(result)}")
    if beside:
        from ..experiments import plots  # takes a second to import

        plots.save(question.figure(result), out / beside[-1])
    more = f", with {' and '.join(beside)} beside it" if beside else ""
    print(f"the numbers are in {out / 'table.json'}{more}")
