"""The commands that compute a grid of jobs: the paper's table, and the frontier."""

import sys
from pathlib import Path

from . import checkpoint, experiment, inputs
from .cli import GRID, read_settings
from .models import Classifier


def table(arguments: dict) -> None:
    """kegnet table."""
    from . import plots, report
    from . import table as grid  # joblib and matplotlib: only this command needs both

    settings = {"protocol": "paper"} | read_settings(arguments)
    ranks, seed = settings.pop("ranks", None), settings.pop("seed", 2019)
    datasets = _split(arguments, "datasets", grid.RANKS)
    result, out = _compute(
        arguments, settings, grid.waves(datasets, _count(arguments, "teachers"), seed, ranks)
    )
    tables = [report.rows(result, key) for key in report.KEYS] + [report.seconds(result)]
    print("\n\n".join(map(experiment.to_text, tables)))
    print(f"\n{report.note(result)}")
    checkpoint.write_text(out / "table.tex", report.to_latex(tables[0]) + "\n")
    plots.save(report.figure(result), out / "table.png")
    print(f"the numbers are in {out / 'table.json'}, with table.tex and table.png beside it")


def frontier(arguments: dict) -> None:
    """kegnet frontier."""
    from . import frontier as front
    from . import plots, report
    from . import table as grid

    settings = {"protocol": "beyond"} | read_settings(arguments)
    for key in GRID["frontier"]:
        if key in settings:
            raise ValueError(f"--{key} is given, but kegnet frontier chooses it; drop it")
    seed = settings.pop("seed", 2019)
    datasets = _split(arguments, "datasets", grid.RANKS)
    sizes = _sizes(_split(arguments, "compressions", map(str, front.COMPRESSIONS)), datasets)
    samplers = _split(arguments, "samplers", front.SAMPLERS)

    def model(dataset):
        config = grid.config_of(grid.Job(dataset, seed, "teacher"), settings)
        data = inputs.load(config)
        return Classifier(data.features, data.classes, config.hidden, config.depth, config.dropout)

    models = {dataset: model(dataset) for dataset in datasets}
    waves = front.waves(models, sizes, samplers, _count(arguments, "teachers"), seed)
    result, out = _compute(arguments, settings, waves, "frontiers")
    print("\n\n".join(map(experiment.to_text, front.tables(result))))
    print(f"\n{report.note(result)}")
    plots.save(front.figure(result), out / "frontier.png")
    print(f"the numbers are in {out / 'table.json'}, with frontier.png beside it")


def _sizes(given: list[str], datasets: list[str]) -> dict[str, list[float]]:
    """The compressions of each data set, from entries "C" for all sets or "SET:C" for one."""
    sizes: dict[str, list[float]] = {dataset: [] for dataset in datasets}
    for text in given:
        dataset, _, number = text.rpartition(":")
        if not number.replace(".", "", 1).isdigit() or (dataset and dataset not in sizes):
            raise ValueError(
                f"--compressions has {text!r}, expected C or SET:C, such as 8,letter:4.1, and a "
                "set of --datasets"
            )
        for name in [dataset] if dataset else datasets:
            sizes[name].append(float(number))
    return sizes


def _compute(arguments: dict, settings: dict, waves, folder: str = "tables") -> tuple[dict, Path]:
    """Do a grid's jobs as the arguments say; what `table.run` returns, and the grid's folder."""
    from . import table as grid

    for job in waves[-1]:
        grid.config_of(job, settings)  # a bad setting is found before hours of work
    out = Path(arguments.get("out", Path(folder, settings["protocol"])))
    result = grid.run(
        waves, settings, inputs.load, out, jobs=_count(arguments, "jobs"),
        dask=arguments.get("dask"), resume=arguments.get("resume", False), report=_progress,
    )  # fmt: skip
    return result, out


def _count(arguments: dict, key: str) -> int:
    value = arguments.get(key, 1)
    if value < 1:
        raise ValueError(f"--{key} is {value}, expected at least 1")
    return value


def _split(arguments: dict, key: str, usual) -> list[str]:
    return arguments.get(key, ",".join(usual)).split(",")


def _progress(line: str) -> None:
    if sys.stderr.isatty():  # as tqdm does: quiet when not a terminal
        print(line, file=sys.stderr)
