"""Students of scikit-learn's classifiers, with no data: a network, a random forest, boosted trees.

Each teacher stands behind a StandardScaler. Its students see normal noise, or real inputs without
labels, the ceiling; they are plain MLPs, a twelfth of an MLP's size, and of trees a twelfth of 11
layers of 100 units. breast-cancer and wine are scikit-learn's; magic and spambase are the files
magic.csv and spambase.csv of the UCI archive, without header, label last, in the folder that
KEGNET_TABLES names.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import data_loaders

from .. import metrics, sampling
from ..io.files import optional, write_text
from . import grid
from .jobs import REAL
from .text import span

DATASETS = ("breast-cancer", "wine", "digits", "letter", "magic", "spambase")
SAMPLES = {"MLP": 2_000_000, "forest": 200_000, "boosting": 200_000}  # asking trees takes long
COMPRESSION, NOISE = 12.0, "normal"
SCORES = {"accuracy": "accuracy", "balanced": "balanced accuracy"}
Distiller = Callable[..., Any]  # `interface.estimator.DataFreeDistiller`


def ask(distiller: Distiller, out, teachers: int = 3, resume: bool = False) -> dict:
    """What ``table.json`` in the folder out then holds; what is in it already stays."""
    place, cells = Path(out) / "table.json", []
    if place.exists():
        if not resume:
            raise ValueError(f"--out {out} exists and is not overwritten; choose another name, or "
                             "go on with --resume")
        cells = json.loads(place.read_text(encoding="utf-8"))["cells"]
    done = {(c["dataset"], c["model"], c["teacher"]) for c in cells}
    made = {"question": "foreign", "settings": {f"samples of {model}": n
                                                  for model, n in SAMPLES.items()},
            "versions": grid.versions() | {"scikit-learn": version("scikit-learn")}}
    for seed in range(2019, 2019 + teachers):
        for name in DATASETS:
            data = None
            for model in SAMPLES:
                if (name, model, seed) in done:
                    continue
                data = data or load(name, seed)
                key = {"dataset": name, "model": model, "teacher": seed}
                cells += [key | cell for cell in work(distiller, model, data, seed)]
                write_text(place, json.dumps(made | {"cells": cells}, indent=1) + "\n")
    return made | {"cells": cells}


def load(name: str, seed: int) -> data_loaders.Dataset:
    """A data set with a split of its own for every seed, but for letter's, which is given."""
    sets = optional("sklearn.datasets", "this study")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that stand twice
        if own := {"breast-cancer": sets.load_breast_cancer, "wine": sets.load_wine}.get(name):
            return data_loaders.load(own(as_frame=True).frame, label="target", seed=seed)
        if name in data_loaders.NAMES:
            return data_loaders.load(name, seed=seed)
        if not (folder := os.environ.get("KEGNET_TABLES")):
            raise ValueError(f"KEGNET_TABLES is not set, expected the folder of {name}.csv")
        return data_loaders.load(Path(folder) / f"{name}.csv", seed=seed, header=False)


def teacher(model: str, seed: int) -> Any:
    """An unfitted classifier behind a scaler."""
    module, kind = {"MLP": ("neural_network", "MLPClassifier"),
                    "forest": ("ensemble", "RandomForestClassifier"),
                    "boosting": ("ensemble", "HistGradientBoostingClassifier")}[model]
    own = getattr(optional(f"sklearn.{module}", "this study"), kind)(random_state=seed)
    scaler = optional("sklearn.preprocessing", "this study").StandardScaler()
    return optional("sklearn.pipeline", "this study").make_pipeline(scaler, own)


def work(distiller: Distiller, model: str, data, seed: int) -> Iterator[dict]:
    """The cells of one teacher: its own, and of its students on noise and on real inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an MLP that ends before it has converged
        fitted = teacher(model, seed).fit(data.x_train, data.y_train)
    said = fitted.predict_proba(data.x_test)
    yield {"does": "teach", **scored(said, data.y_test)}
    for name, samples in ((NOISE, NOISE), (REAL, sampling.rows_of(data.x_train))):
        began = time.monotonic()
        made = distiller(fitted, COMPRESSION, samples, n_samples=SAMPLES[model],
                         random_state=seed).fit()
        p = made.predict_proba(data.x_test)
        yield {"does": "distill", "samples": name, "n_params": made.n_params_,
               "widths": list(made.student_.network.model.widths),
               "agreement": [float(metrics.agreement(p, said))],
               "on_samples": [made.agreement_], "seconds": time.monotonic() - began,
               **scored(p, data.y_test)}


def scored(p, y) -> dict[str, list[float]]:
    """Accuracy and balanced accuracy on the test rows."""
    return {"accuracy": [float(metrics.accuracy(p, y))],
            "balanced": [float(metrics.balanced_accuracy(p, y))]}


def tables(result: dict) -> list[list[list[str]]]:
    """Accuracy, and balanced accuracy: a row for each data set and kind of teacher; then sizes and
    how often students agree with their teacher."""
    found = {(c["dataset"], c["model"]): None for c in result["cells"]}
    out = []
    for key, name in SCORES.items():
        rows = [[f"test {name}, %", "teacher", "student, normal noise", "student, real inputs",
                 "noise − teacher, paired", "noise − real, paired"]]
        for dataset, model in found:
            base: dict[str, Any] = {"dataset": dataset, "model": model, "does": "distill"}
            jobs = [base | {"does": "teach"}, *(base | {"samples": s} for s in (NOISE, REAL))]
            shown = partial(grid.shown, result, key=key)
            rows.append([f"{dataset}: {model}", *map(shown, jobs), shown(jobs[1], jobs[0]),
                         shown(jobs[1], jobs[2])])
        out.append(rows)
    rows = [["agreement with the teacher, %", "parameters", "on noise", "on test rows",
             "of real inputs' students, on test rows"]]
    for dataset, model in found:
        noise, real = ({"dataset": dataset, "model": model, "does": "distill", "samples": s}
                       for s in (NOISE, REAL))
        sizes = [cell["n_params"] for cell in grid.cells_of(result, **noise)]
        rows.append([
            f"{dataset}: {model}", span(sizes),
            grid.shown(result, noise, key="on_samples"), grid.shown(result, noise, key="agreement"),
            grid.shown(result, real, key="agreement")])
    return [*out, rows]


def note(result: dict) -> str:
    """What the numbers are."""
    return grid.note(result, f"scikit-learn's teachers at {COMPRESSION:g} times; ")
