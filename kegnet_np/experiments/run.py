"""The whole job for one teacher, in a folder: a table, figures, `result.json`."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .. import sampling
from ..beyond.ranks import largest_rank
from ..generator import generated
from ..io.files import write_text
from ..models import MLP
from . import choices, pipeline
from .engine import Engine
from .grid import versions
from .jobs import REAL, Job
from .settings import Settings, changes
from .statistics import interval
from .text import cell, to_text

APPROACHES = ("uniform", "normal", "kegnet", REAL)
LABELS = {
    "teacher": "teacher M (real data, labels)",
    "tucker": "Tucker only",
    "uniform": "Tucker + uniform noise",
    "normal": "Tucker + normal noise",
    "kegnet": "Tucker + KegNet",
    REAL: "Tucker + real inputs (ceiling)"}
STARTS = {"weights": "from weights", "activations": "fitted to samples"}  # of "Tucker only"
FORMS = {"tucker": "Tucker", "mlp": "MLP"}  # of students, as `LABELS` has them
RIVAL = "smaller MLP, same samples"  # of Tucker students
SCORES = {"accuracy": "test accuracy", "balanced": "balanced accuracy", "agreement": "agreement"}
METRICS = ("stage", "epoch", "member", "loss", "cls_loss", "dec_loss", "div_loss", "score")


def short(job: Job) -> str:
    """A job's name in a run; the plain rival of Tucker students, which has their start, is mlp."""
    if job.form == "mlp":
        return "mlp" if job.start else job.samples
    return job.what


def jobs_of(settings: Settings) -> list[Job]:
    """Teacher, generators, Tucker form; students on the paper's samples, the sampler, real inputs.

    Where a Tucker student's size is given rather than its ranks, also "mlp", its plain rival.
    """
    teacher, own = (settings.data.dataset, settings.every.seed), settings.compress.sampler
    form, start = settings.compress.form, own or "normal"
    made, tucker = [Job(*teacher, "teach"), Job(*teacher, "extract")], form == "tucker"
    if tucker:
        made.append(Job(*teacher, "compress", form, start=start))
    made += [Job(*teacher, "distill", form, samples, start if tucker else "")
             for samples in dict.fromkeys((*APPROACHES[:-1], start, REAL))]
    if own and tucker and not settings.compress.ranks:
        made.insert(-1, Job(*teacher, "distill", "mlp", own, own))
    return made


def run(settings: Settings, load: Callable, out, *, figures: bool = True, **options) -> dict:
    """Do the whole job and return what `result.json` holds.

    load, out, options : see `engine.Engine`; after the teacher, data are used only for the ceiling
        "real", for the scores and for selection "real-validation".
    figures : draw them too.
    """
    if settings.compress.form == "mlp" and settings.compress.agreement is not None:
        raise ValueError("agreement is given, but a run compares students of one size on several "
                         "samples; take kegnet distill, or --ranks auto")
    jobs, data, size = jobs_of(settings), load(settings), settings.compress
    if not size.ranks and size.agreement is None:  # what cannot be had is refused at once
        model = MLP(data.features, data.classes, settings.teach.arguments()["widths"])
        budget = choices.budget_of(size, model.layout.size)
        if size.form == "tucker":
            largest_rank(model, budget, size.is_lean())
        else:
            choices.plain_models(model, budget, settings)
    engine = Engine(
        Path(out), lambda job: settings, lambda settings: data, partial(pipeline.work, watch=True),
        file_of=short, **options)
    headers = engine.run(jobs, settings.flat())
    named = {short(job): headers[job] for job in jobs}
    result = result_of(settings, named)
    metrics = io.StringIO()  # a loss that a stage does not have is left empty
    writer = csv.DictWriter(metrics, METRICS, lineterminator="\n")
    writer.writeheader()
    for name, header in named.items():
        writer.writerows({"stage": name, **row} for row in header.get("history", []))
    write_text(engine.out / "metrics.csv", metrics.getvalue())
    if figures:
        networks = {short(job): engine.read(job)[0][0] for job in jobs}
        draw(engine.out / "figures", settings, data, networks, named)
    write_text(engine.out / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def result_of(settings: Settings, named: dict[str, dict]) -> dict:
    """What `result.json` holds, from the headers of the jobs by name."""
    tucker, known = named.get("tucker", {}), named["teacher"]["data"]
    largest = named["teacher"].get("majority")  # a folder of an earlier version has none
    scored = {name: header for name, header in named.items() if "accuracy" in header}
    n_params = {name: header["n_params"] for name, header in scored.items()}
    n_params["student"] = n_params["tucker" if tucker else "normal"]
    return {
        "dataset": known["name"], "classes": known["class_names"], "seed": settings.every.seed,
        "form": settings.compress.form, "ranks": tucker.get("ranks"),
        "init": settings.compress.init, "protocol": settings.every.protocol,
        "selection": settings.distill.selection, "changed": changes(settings),
        "sampling": settings.distill.sampling, "n_params": n_params,
        "compression": n_params["teacher"] / n_params["student"],
        "trials": tucker.get("trials", []),
        "recipes": _recipes(named), "majority": largest,
        **{key: {name: {"values": header[key], **interval([header[key]])}
                 for name, header in scored.items()} for key in SCORES},
        "seconds": {name: header["seconds"] + header.get("recipe_seconds", 0)
                    for name, header in named.items()},
        "updates": {name: header.get("updates", 0) for name, header in named.items()},
        "versions": versions()}


def _recipes(headers: dict) -> dict:
    """What trials chose, by the name of a job."""
    return {name: {key: header[key] for key in ("recipe", "recipe_kl", "widths", "trials")}
            for name, header in headers.items() if "recipe" in header}


def draw(folder: Path, settings: Settings, data, networks: dict, headers: dict) -> None:
    """The figures of a run, from the networks and headers of its jobs by name."""
    from . import plots  # takes a second to import

    G, *others = (networks[name] for name in ("generators", "teacher", "kegnet"))
    said, ours = (network.member(0).predict(data.x_test).argmax(-1) for network in others)
    rng, latent = sampling.seeded(settings.every.seed, "figures")[0], settings.extract.latent
    x_hat = generated(G, latent)(rng, 2000)
    histories = {name: header.get("history", []) for name, header in headers.items()}
    made = {"losses": plots.loss_curves(histories),
            "confusion": plots.confusion(said, ours, data.class_names),
            "features": plots.feature_distributions(data.x_train, x_hat, data.feature_names)}
    tucker = headers.get("tucker", {})
    if "trials" in tucker:
        made["ranks"] = plots.ranks(tucker["ranks"], tucker["trials"])
    if found := _recipes(headers):
        made["recipes"] = plots.recipes(found)
    if settings.data.dataset == "digits":
        made |= plots.digit_figures(G.member(0), latent, data.mean, data.scale)
    for name, figure in made.items():
        plots.save(figure, folder / f"{name}.png")


def table(result: dict) -> str:
    """The result as text: approach, parameters, compression, scores, seconds. Where one class has
    most of the rows, balanced accuracy too, and who always answers that class."""
    largest, scores = result["majority"], {"accuracy": "accuracy %", "agreement": "agreement %"}
    if pipeline.uneven(largest):
        scores = {"accuracy": "accuracy %", "balanced": "balanced %", "agreement": "agreement %"}
    rows = [["approach", "parameters", "compression", *scores.values(), "seconds"]]
    for name in result["accuracy"]:
        n = result["n_params"][name]
        label = LABELS.get(name, RIVAL if name == "mlp" else f"Tucker + {name}")
        label += f", {STARTS[result['init']]}" if name == "tucker" else ""
        cells = [label.replace("Tucker", FORMS[result["form"]]), f"{n:,}",
                 f"{result['n_params']['teacher'] / n:.2f}x"]
        cells += [cell(result[key][name], 2, spread="sd") for key in scores]
        rows.append([*cells, f"{result['seconds'][name]:.1f}"])
    if "balanced" in scores:
        shares = (f"{100 * largest[key]:.2f}" for key in ("accuracy", "balanced"))
        rows.insert(2, [f"always answer {largest['answer']}", "", "", *shares, "", ""])
    note = (
        f"test rows of {result['dataset']}; mean ± sd over one teacher's students; their epoch "
        f"selected by: {result['selection']};\nprotocol {result['protocol']}"
        + (f", {len(result['changed'])} settings changed" if result["changed"] else "")
        + f"; learning the generators took {result['seconds']['generators']:.1f} s more")
    for name, found in result["recipes"].items():
        recipe, widths = found["recipe"], found["widths"]
        note += (f"\n{name}: {len(widths)} hidden layers of {widths[0]}, learning rate "
                 f"{recipe['lr']:g}, batch {recipe['batch']}, chosen by trials")
    return f"{to_text(rows)}\n{note}"
