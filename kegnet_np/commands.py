"""What each command of the command line does; `cli` parses, this computes and prints."""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import data_loaders

from . import checkpoint, experiment, samplers, sampling, stages, train
from .cli import read_config, read_settings
from .run_folder import check_folder


def run(arguments: dict) -> None:
    """kegnet run."""
    config, resume = read_config(arguments), arguments.get("resume", False)
    out = Path(arguments.get("out", Path("runs", Path(config.dataset).stem)))
    check_folder(out, asdict(config), resume)
    result = experiment.run(config, _load(config), out, resume=resume)
    print(experiment.table(result))
    print(f"results, metrics, checkpoints and figures are in {out}")


def table(arguments: dict) -> None:
    """kegnet table."""
    from . import plots, report
    from . import table as grid  # joblib and matplotlib: only this command needs both

    settings = {"protocol": "paper"} | read_settings(arguments)
    ranks, seed = settings.pop("ranks", None), settings.pop("seed", 2019)
    datasets = arguments.get("datasets", ",".join(grid.RANKS)).split(",")
    counts = {key: arguments.get(key, 1) for key in ("teachers", "jobs")}
    for key, value in counts.items():
        if value < 1:
            raise ValueError(f"--{key} is {value}, expected at least 1")
    waves = grid.waves(datasets, counts["teachers"], seed, ranks)
    for job in waves[2]:
        grid.config_of(job, settings)  # a bad setting is found before hours of work
    out = Path(arguments.get("out", Path("tables", settings["protocol"])))
    result = grid.run(
        waves, settings, _load, out, jobs=counts["jobs"], dask=arguments.get("dask"),
        resume=arguments.get("resume", False), report=_progress,
    )  # fmt: skip
    tables = [report.rows(result, key) for key in report.KEYS] + [report.seconds(result)]
    print("\n\n".join(map(experiment.to_text, tables)))
    print(f"\n{report.note(result)}")
    checkpoint.write_text(out / "table.tex", report.to_latex(tables[0]) + "\n")
    plots.save(report.figure(result), out / "table.png")
    print(f"the numbers are in {out / 'table.json'}, with table.tex and table.png beside it")


def teach(arguments: dict) -> None:
    """kegnet teach."""
    out = _new_file(arguments)
    config = read_config(arguments, ranks=(1,))  # a teacher has none: the default may not suit it
    data = _load(config)
    with threadpool_limits(1, user_api="blas"):
        model, done = stages.teach(config, data)
        answers = train.predict(model, done.kept_theta, None, data.x_test)
    header = {"stage": "teacher", "data": experiment.data_header(config, data)}
    checkpoint.save_network(out, model, done.kept_theta, done.kept_state, **header)
    test = train.accuracy(answers, data.y_test)[0]
    print(f"{out}: teacher, {model.layout.size:,} parameters, {100 * test:.2f}% of test rows right")


def extract(arguments: dict) -> None:
    """kegnet extract."""
    out = _new_file(arguments)
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    config = read_config(arguments, **_source(arguments, header))
    with threadpool_limits(1, user_api="blas"):
        G, D, done = stages.extract(config, M, theta_M)
    checkpoint.save_generators(out, G, D, done.kept_theta, done.kept_state, stage="generators")
    last = done.history[-config.generators :]
    means = {key: np.mean([row[key] for row in last]) for key in ("cls_loss", "dec_loss")}
    print(
        f"{out}: {config.generators} generators, classifier loss {means['cls_loss']:.4f}, "
        f"decoder loss {means['dec_loss']:.4f} in the last epoch"
    )


def compress(arguments: dict) -> None:
    """kegnet compress."""
    out = _new_file(arguments)
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    shape = {"hidden": M.hidden, "depth": M.depth}  # what the ranks must suit
    config = read_config(arguments, **_source(arguments, header), **shape)
    generated, _ = _generated(arguments, config.sampler or "normal", M)
    with threadpool_limits(1, user_api="blas"):
        student, theta, found = stages.compress(config, M, theta_M, generated)
    trials = [asdict(trial) for trial in found.trials] if found else []
    checkpoint.save_network(
        out, student, theta[None], theta[None, :0], stage="tucker", trials=trials
    )
    n, was = student.layout.size, M.layout.size
    print(f"{out}: {n:,} parameters instead of {was:,}, {was / n:.2f}x smaller, not yet trained")
    if found:
        print(f"ranks, first layer to last: {','.join(map(str, found.ranks))}")


def distill(arguments: dict) -> None:
    """kegnet distill."""
    out, name = _new_file(arguments), arguments["approach"]
    if name != "real":
        sampling.parts(name)
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    student, theta_0, _, _ = checkpoint.load_network(arguments["student"])
    _same_job("--student", student, M)
    if student.ranks is None or (student.hidden, student.depth) != (M.hidden, M.depth):
        raise ValueError(
            "--student is not --teacher in Tucker form; make it from this teacher with "
            "kegnet compress"
        )
    settings = _source(arguments, header)
    config = read_config(arguments, **settings)
    source: stages.Source
    validation = None
    generated, n = _generated(arguments, name, M)
    if n:
        config = read_config({**arguments, "generators": n}, **settings)
    if name != "real":
        source = samplers.make(name, M, theta_M, generated)
    if name == "real" or config.selection == "real-validation":
        data = _load(config, M, header)
        source = (data.x_train, data.x_val) if name == "real" else source
        validation = (data.x_val, data.y_val)
    with threadpool_limits(1, user_api="blas"):
        done = stages.distill(
            config, name, M, theta_M, student, theta_0[0], source, validation=validation
        )  # fmt: skip
    checkpoint.save_network(out, student, done.kept_theta, done.kept_state, stage=name)
    scores = f", score {done.kept_score.mean():.4f} ({config.selection})"
    print(f"{out}: {config.students} students{scores if config.selection != 'last' else ''}")


def _generated(arguments: dict, names: str, M) -> tuple[sampling.Sampler | None, int]:
    """The sampler of --generator-file and the number of generators, if ``names`` needs them."""
    needed, file = names != "real" and sampling.needs_generators(names), "generator_file"
    if needed != (file in arguments):
        lacks = f"--sampler {names} needs --generator-file FILE, from kegnet extract"
        raise ValueError(
            lacks if needed else f"--generator-file: --sampler {names} has no use for it; drop it"
        )
    if not needed:
        return None, 0
    G, theta, state, described = checkpoint.load_generators(arguments[file])
    latent = described["decoder"]["outputs"]
    if (G.outputs, G.inputs - latent) != (M.features, M.classes):
        raise ValueError(
            f"--generator-file: {G.outputs} features, {G.inputs - latent} classes, the "
            f"teacher has {M.features} and {M.classes}; extract from this teacher"
        )
    return sampling.generated(G, theta, state, latent), len(theta)


def evaluate(arguments: dict) -> None:
    """kegnet evaluate."""
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    model, theta, state, _ = checkpoint.load_network(arguments["model"])
    _same_job("--model", model, M)
    if not (header["data"]["source"] or "dataset" in arguments):
        raise ValueError("--teacher does not say what data it was taught; pass --dataset")
    data = _load(read_config(arguments, **_source(arguments, header)), M, header)
    with threadpool_limits(1, user_api="blas"):
        answers = train.predict(M, theta_M, None, data.x_test).argmax(-1)
        scores = stages.evaluate(model, theta, data.x_test, data.y_test, answers)
    for key, entry in scores.items():
        print(f"{key:10} {experiment.percent(entry)} %  ({len(theta)} networks, {data.name})")


def info(arguments: dict) -> None:
    """kegnet info."""
    arrays, header = checkpoint.load(arguments["file"])
    print(f"{arguments['file']}: {header['kind']}, format version {header['version']}")
    for key, value in header.items():
        if key in ("kind", "version"):
            continue
        text = str(value)
        print(f"  {key}: {text if len(text) <= 300 else text[:300] + ' ...'}")
    for key, array in arrays.items():
        print(f"  {key}: {array.dtype} {array.shape}")


def _progress(line: str) -> None:
    if sys.stderr.isatty():  # as tqdm does: quiet when not a terminal
        print(line, file=sys.stderr)


def _new_file(arguments: dict) -> Path:
    out = Path(arguments["out"])
    if out.exists():
        raise ValueError(f"--out {out} exists and is not overwritten; choose another name")
    checkpoint.check_place(out)
    return out


def _source(arguments: dict, header: dict) -> dict:
    """The settings of the teacher's own data, unless the command line names another table."""
    source = header["data"]["source"]
    other = arguments.get("dataset", source.get("dataset")) != source.get("dataset")
    return {} if other else source or {"protocol": "paper"}  # a teacher from elsewhere has none


def _load(config, M=None, header=None):
    data = data_loaders.load(config.dataset, label=config.label, seed=config.split_seed)
    if config.own_statistics:
        data = data_loaders.standardise_each_split(data)
    if M is not None and (data.features, data.classes) != (M.features, M.classes):
        raise ValueError(
            f"--dataset {config.dataset} has {data.features} features and {data.classes} classes, "
            f"the teacher's checkpoint {M.features} and {M.classes}; pass the teacher's own data"
        )
    known = header["data"] if header else {}
    if {"mean", "scale"} <= known.keys() and not config.own_statistics:
        data = data_loaders.standardise_like(data, known["mean"], known["scale"])
    taught = known.get("class_names")
    if taught and taught != list(data.class_names):
        raise ValueError(
            f"--dataset {config.dataset} has the classes {_few(data.class_names)}, the teacher "
            f"{_few(taught)}; pass the teacher's own data"
        )
    return data


def _few(names) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


def _same_job(option: str, model, M) -> None:
    ours = [getattr(model, key, None) for key in ("features", "classes")]
    if ours != [M.features, M.classes]:
        raise ValueError(
            f"{option} is for another job than --teacher, which has {M.features} features and "
            f"{M.classes} classes; make it from this teacher"
        )
