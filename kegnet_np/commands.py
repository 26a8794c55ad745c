"""What each command of the command line does; `cli` parses, this computes and prints."""

from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import data_loaders

from . import checkpoint, experiment, sampling, stages, train, tucker
from .cli import read_config


def run(arguments: dict) -> None:
    """kegnet run."""
    config = read_config(arguments)
    data = _load(config)
    out = Path(arguments.get("out", Path("runs", data.name)))
    result = experiment.run(config, data, out, resume=arguments.get("resume", False))
    print(experiment.table(result))
    print(f"results, metrics, checkpoints and figures are in {out}")


def teach(arguments: dict) -> None:
    """kegnet teach."""
    out, config = _new_file(arguments), read_config(arguments)
    data = _load(config)
    with threadpool_limits(1, user_api="blas"):
        model, done = stages.teach(config, data)
        answers = train.predict(model, done.kept_theta, None, data.x_test)
    header = {"stage": "teacher", "data": experiment.data_header(data)}
    checkpoint.save_network(out, model, done.kept_theta, done.kept_state, **header)
    test = train.accuracy(answers, data.y_test)[0]
    print(f"{out}: teacher, {model.layout.size:,} parameters, {100 * test:.2f}% of test rows right")


def extract(arguments: dict) -> None:
    """kegnet extract."""
    out = _new_file(arguments)
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    config = read_config(arguments, _dataset_of(header))
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
    config = read_config(arguments, _dataset_of(header))
    student, theta = tucker.compress(M, theta_M, config.ranks)
    checkpoint.save_network(out, student, theta[None], theta[None, :0], stage="tucker")
    n, was = student.layout.size, M.layout.size
    print(f"{out}: {n:,} parameters instead of {was:,}, {was / n:.2f}x smaller, not yet trained")


def distill(arguments: dict) -> None:
    """kegnet distill."""
    out, name = _new_file(arguments), arguments["sampler"]
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    student, theta_0, _, _ = checkpoint.load_network(arguments["student"])
    _same_job("--student", student, M)
    config = read_config(arguments, _dataset_of(header))
    source: stages.Source
    validation = None
    if name == "kegnet":
        if "generator_file" not in arguments:
            raise ValueError("--sampler kegnet needs --generators FILE, from kegnet extract")
        G, theta, state, _ = checkpoint.load_generators(arguments["generator_file"])
        if G.outputs != M.features or G.inputs <= M.classes:
            raise ValueError(
                f"--generators has {G.outputs} features from {G.inputs} inputs, the teacher "
                f"{M.features} features and {M.classes} classes; extract from this teacher"
            )
        source = sampling.generated(G, theta, state, G.inputs - M.classes)
        config = read_config({**arguments, "generators": len(theta)}, _dataset_of(header))
    elif name != "real":
        source = stages.NOISE[name](M.features)
    if name == "real" or config.selection == "real-validation":
        data = _load(config, M)
        source = (data.x_train, data.x_val) if name == "real" else source
        validation = (data.x_val, data.y_val)
    with threadpool_limits(1, user_api="blas"):
        done = stages.distill(
            config, name, M, theta_M, student, theta_0[0], source, validation=validation
        )  # fmt: skip
    checkpoint.save_network(out, student, done.kept_theta, done.kept_state, stage=name)
    scores = f", score {done.kept_score.mean():.4f} ({config.selection})"
    print(f"{out}: {config.students} students{scores if config.selection != 'last' else ''}")


def evaluate(arguments: dict) -> None:
    """kegnet evaluate."""
    M, theta_M, header = checkpoint.load_teacher(arguments["teacher"])
    model, theta, state, _ = checkpoint.load_network(arguments["model"])
    _same_job("--model", model, M)
    data = _load(read_config(arguments, _dataset_of(header)), M)
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


def _new_file(arguments: dict) -> Path:
    out = Path(arguments["out"])
    if out.exists():
        raise ValueError(f"--out {out} exists and is not overwritten; choose another name")
    return out


def _dataset_of(header: dict) -> str | None:
    return header.get("data", {}).get("name")


def _load(config, M=None):
    data = data_loaders.load(config.dataset, label=config.label, seed=config.split_seed)
    if M is not None and (data.features, data.classes) != (M.features, M.classes):
        raise ValueError(
            f"--dataset {config.dataset} has {data.features} features and {data.classes} classes, "
            f"the teacher's checkpoint {M.features} and {M.classes}; pass the teacher's own data"
        )
    return data


def _same_job(option: str, model, M) -> None:
    ours = [getattr(model, key, None) for key in ("features", "classes")]
    if ours != [M.features, M.classes]:
        raise ValueError(
            f"{option} is for another job than --teacher, which has {M.features} features and "
            f"{M.classes} classes; make it from this teacher"
        )
