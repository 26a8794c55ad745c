"""The whole job in a run folder: every stage once, then the table, the figures, `result.json`."""

import csv
import io
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_limits

import data_loaders

from . import __version__, checkpoint, metadata, samplers, sampling, stages, train
from .config import Config
from .protocols import changes
from .run_folder import Folder, open_folder

APPROACHES = ("uniform", "normal", "kegnet", "real")
LABELS = {
    "teacher": "teacher M (real data, labels)",
    "tucker": "Tucker only",
    "uniform": "Tucker + uniform noise",
    "normal": "Tucker + normal noise",
    "kegnet": "Tucker + KegNet",
    "real": "Tucker + real inputs (ceiling)",
}
SOURCE = ("dataset", "label", "split_seed", "own_statistics")  # the settings of the data
METRICS = ("stage", "epoch", "member", "loss", "cls_loss", "dec_loss", "div_loss", "score")


def approaches(config: Config) -> list[str]:
    """What students are distilled on: the paper's approaches, the sampler, the ceiling.

    Where the student's size is given rather than its ranks, also "mlp", its plain rival.
    """
    more = [config.sampler] if config.sampler and config.sampler not in APPROACHES else []
    rival = [] if config.ranks else ["mlp"]
    return [*APPROACHES[:-1], *more, *rival, APPROACHES[-1]]


def label(name: str) -> str:
    """A stage's name in a table."""
    if name == "mlp":
        return "smaller MLP, same samples"
    return LABELS.get(name, f"Tucker + {name}")


def _save_stack(path, model, done, **header):
    checkpoint.save_network(path, model, done.kept_theta, done.kept_state, **header)


def save_tucker(path, model, theta, allocation, **header) -> None:
    """Write what `stages.compress` returned: the student's start, and the trials of its ranks."""
    trials = [asdict(trial) for trial in allocation.trials] if allocation else []
    checkpoint.save_network(path, model, theta[None], theta[None, :0], trials=trials, **header)


def _save_generators(path, G, D, done, **header):
    checkpoint.save_generators(path, G, D, done.kept_theta, done.kept_state, **header)


def data_header(config: Config, data) -> dict:
    """What a teacher's checkpoint says of its data: where it is, and how to standardise inputs."""
    return {
        "name": data.name,
        "source": {k: getattr(config, k) for k in SOURCE},
        "feature_names": list(data.feature_names), "class_names": list(data.class_names),
        "mean": data.mean.tolist(), "scale": data.scale.tolist(),
    }  # fmt: skip


def run(config: Config, data, out, *, resume: bool = False, figures: bool = True) -> dict:
    """Do the whole job and return what `result.json` holds.

    Parameters
    ----------
    config : the settings. data : a `data_loaders.Dataset`; after the teacher it is used only for
        the ceiling "real", for the final evaluation and for selection "real-validation".
    out : the run folder, new or empty; with ``resume`` one that holds the same run.
    figures : draw them too.
    """
    out = Path(out)
    rows = {"rows (checksum)": data_loaders.checksum(data)}
    open_folder(out, asdict(config) | rows, resume)
    folder = Folder(out)
    with threadpool_limits(1, user_api="blas"):  # small matrices: threads cost more than they bring

        def save_teacher(path, model, done, **header):
            _save_stack(path, model, done, data=data_header(config, data), **header)

        M, theta, _ = folder.stage(
            "teacher", lambda part: stages.teach(config, data, part),
            save_teacher, checkpoint.load_network,
        )  # fmt: skip
        theta_M = theta[0]
        G, theta_G, state_G = folder.stage(
            "generators", lambda part: stages.extract(config, M, theta_M, part),
            _save_generators, checkpoint.load_generators,
        )  # fmt: skip
        kegnet = sampling.generated(G, theta_G, state_G, config.latent)
        described = metadata.load(config.metadata, data.mean, data.scale) if config.metadata else {}
        student, theta_0, _ = folder.stage(
            "tucker", lambda part: stages.compress(config, M, theta_M, kegnet, described),
            save_tucker, checkpoint.load_network,
        )  # fmt: skip
        models, students = {"tucker": student}, {"tucker": theta_0}
        for name in approaches(config):

            def distil(part, name=name):
                model, start, seen = student, theta_0[0], name
                if name == "mlp":
                    model, start = stages.smaller_mlp(config, M, student.layout.size)
                    seen = config.sampler
                source = (data.x_train, data.x_val) if name == "real" else samplers.make(
                    seen, M, theta_M, kegnet, described
                )  # fmt: skip
                return model, stages.distill(
                    config, name, M, theta_M, model, start, source,
                    generated=seen != "real" and sampling.needs_generators(seen),
                    validation=(data.x_val, data.y_val), path=part,
                )  # fmt: skip

            models[name], students[name], _ = folder.stage(
                name, distil, _save_stack, checkpoint.load_network
            )
        answers = train.predict(M, theta_M, None, data.x_test).argmax(-1)
        scores = {"teacher": stages.evaluate(M, theta, data.x_test, data.y_test, answers)}
        for name, stack in students.items():
            scores[name] = stages.evaluate(models[name], stack, data.x_test, data.y_test, answers)
    n_params = {"teacher": M.layout.size, "student": student.layout.size}
    n_params |= {"mlp": models["mlp"].layout.size} if "mlp" in models else {}
    result = {
        "dataset": data.name, "classes": list(data.class_names), "seed": config.seed,
        "ranks": list(student.ranks), "protocol": config.protocol, "selection": config.selection,
        "changed": changes(config), "sampling": config.sampling, "n_params": n_params,
        "compression": n_params["teacher"] / n_params["student"],
        "trials": folder.headers["tucker"]["trials"],
        **{key: {name: s[key] for name, s in scores.items()} for key in scores["teacher"]},
        "seconds": folder.every("seconds", 0.0), "updates": folder.every("updates", 0),
        "versions": versions(),
    }  # fmt: skip
    histories = folder.every("history", [])
    checkpoint.write_text(out / "metrics.csv", metrics_csv(histories))
    if figures:
        from . import plots  # takes a second to import

        ours = train.predict(student, students["kegnet"][0], None, data.x_test).argmax(-1)
        x_hat = kegnet(sampling.seeded(config.seed, "figures")[0], 2000)
        if result["trials"]:
            plots.save(plots.ranks(student.ranks, result["trials"]), out / "figures" / "ranks.png")
        plots.run_figures(out / "figures", histories, data, answers, ours, x_hat)
        if config.dataset == "digits":
            plots.digit_figures(
                out / "figures", G, theta_G[0], state_G[0], config.latent, data.mean, data.scale
            )  # fmt: skip
    checkpoint.write_text(out / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def versions() -> dict[str, str]:
    """Of this program, Python, the machine and the packages that decide the numbers."""
    packages = ("numpy", "scipy", "autograd", "tensorly")
    return {
        "kegnet_np": __version__, "python": platform.python_version(),
        "platform": platform.platform(), **{name: version(name) for name in packages},
    }  # fmt: skip


def metrics_csv(histories: dict[str, list[dict]]) -> str:
    """One row per stage, epoch and member; a loss that a stage does not have is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    for stage, history in histories.items():
        writer.writerows({"stage": stage, **row} for row in history)
    return text.getvalue()


def table(result: dict) -> str:
    """The result as text: approach, parameters, compression, accuracy and agreement, seconds."""
    head = ["approach", "parameters", "compression", "accuracy %", "agreement %", "seconds"]
    rows: list[list[str]] = [head]
    for name in result["accuracy"]:
        n = result["n_params"].get(name, result["n_params"]["student"])
        cells = [label(name), f"{n:,}", f"{result['n_params']['teacher'] / n:.2f}x"]
        cells += [percent(result[key][name]) for key in ("accuracy", "agreement")]
        rows.append([*cells, f"{result['seconds'][name]:.1f}"])
    learnt = result["seconds"]["generators"]
    note = (
        f"test rows of {result['dataset']}; mean ± sd over one teacher's students; their epoch "
        f"selected by: {result['selection']};\nprotocol {result['protocol']}"
        + (f", {len(result['changed'])} settings changed" if result["changed"] else "")
        + f"; learning the generators took {learnt:.1f} s more"
    )
    return f"{to_text(rows)}\n{note}"


def to_text(table: list[list[str]]) -> str:
    """Columns aligned with spaces."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for first, *others in table:
        cells = [c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def percent(entry: dict) -> str:
    spread = "" if entry["sd"] is None else f" ± {100 * entry['sd']:.2f}"
    return f"{100 * entry['mean']:.2f}{spread}"
