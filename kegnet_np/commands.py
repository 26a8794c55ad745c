"""What each command of the command line does; `cli` parses, this computes and prints."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import checkpoint, experiment, inputs, samplers, sampling, stages, train
from . import metadata as meta
from .cli import read_config
from .grids import frontier, table
from .run_folder import check_folder

__all__ = [
    "compress", "distill", "evaluate", "extract", "frontier", "info", "metadata", "run", "table",
    "teach",
]  # fmt: skip


def run(arguments: dict) -> None:
    """kegnet run."""
    config, resume = read_config(arguments), arguments.get("resume", False)
    out = Path(arguments.get("out", Path("runs", Path(config.dataset).stem)))
    check_folder(out, asdict(config), resume)
    result = experiment.run(config, inputs.load(config), out, resume=resume)
    print(experiment.table(result))
    print(f"results, metrics, checkpoints and figures are in {out}")


def teach(arguments: dict) -> None:
    """kegnet teach."""
    out = _new_file(arguments)
    config = read_config(arguments, ranks=(1,))  # a teacher has none: the default may not suit it
    data = inputs.load(config)
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
    config = read_config(arguments, **inputs.source(arguments, header))
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
    config = read_config(arguments, **inputs.source(arguments, header), **shape)
    generated, _ = inputs.generated(arguments, config.sampler or "normal", M)
    with threadpool_limits(1, user_api="blas"):
        student, theta, found = stages.compress(
            config, M, theta_M, generated, inputs.described(arguments, header)
        )
    experiment.save_tucker(out, student, theta, found, stage="tucker")
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
    inputs.same_job("--student", student, M)
    if student.ranks is None or (student.hidden, student.depth) != (M.hidden, M.depth):
        raise ValueError(
            "--student is not --teacher in Tucker form; make it from this teacher with "
            "kegnet compress"
        )
    settings = inputs.source(arguments, header)
    config = read_config(arguments, **settings)
    source: stages.Source
    validation = None
    generated, n = inputs.generated(arguments, name, M)
    if n:
        config = read_config({**arguments, "generators": n}, **settings)
    if name != "real":
        described = inputs.described(arguments, header)
        source = samplers.make(name, M, theta_M, generated, described)
    if name == "real" or config.selection == "real-validation":
        data = inputs.load(config, M, header)
        source = (data.x_train, data.x_val) if name == "real" else source
        validation = (data.x_val, data.y_val)
    with threadpool_limits(1, user_api="blas"):
        done = stages.distill(
            config, name, M, theta_M, student, theta_0[0], source, generated=bool(n),
            validation=validation,
        )  # fmt: skip
    checkpoint.save_network(out, student, done.kept_theta, done.kept_state, stage=name)
    scores = f", score {done.kept_score.mean():.4f} ({config.selection})"
    print(f"{out}: {config.students} students{scores if config.selection != 'last' else ''}")


def evaluate(arguments: dict) -> None:
    """kegnet evaluate."""
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    model, theta, state, _ = checkpoint.load_network(arguments["model"])
    inputs.same_job("--model", model, M)
    if not (header["data"]["source"] or "dataset" in arguments):
        raise ValueError("--teacher does not say what data it was taught; pass --dataset")
    data = inputs.load(read_config(arguments, **inputs.source(arguments, header)), M, header)
    with threadpool_limits(1, user_api="blas"):
        answers = train.predict(M, theta_M, None, data.x_test).argmax(-1)
        scores = stages.evaluate(model, theta, data.x_test, data.y_test, answers)
    for key, entry in scores.items():
        print(f"{key:10} {experiment.percent(entry)} %  ({len(theta)} networks, {data.name})")


def metadata(arguments: dict) -> None:
    """kegnet metadata."""
    out = _new_file(arguments)
    data = inputs.load(read_config(arguments))
    meta.save(out, data)
    print(f"{out}: of {len(data.x_train):,} training rows of {data.name}. It reveals:")
    for name, text in meta.REVEALS.items():
        print(f"  {name}: {text}")


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


def _new_file(arguments: dict) -> Path:
    out = Path(arguments["out"])
    if out.exists():
        raise ValueError(f"--out {out} exists and is not overwritten; choose another name")
    checkpoint.check_place(out)
    return out
