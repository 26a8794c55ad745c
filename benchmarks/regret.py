"""What choosing a recipe without data costs: accuracy lost against the best candidate by test.

    KEGNET_DATA=... python benchmarks/regret.py FOLDER [--teachers 3] [--seed 2031]

For every set and teacher all candidates of `beyond.recipe` are trained in full on normal noise, one
student each, depth by depth, as stacks, and beside them stands the one that the trials chose. The
regret is the best candidate's test accuracy less the chosen one's; part of it is the luck of single
students, since the best is picked after the fact: the regret of a candidate as good as the best is
above zero too. Spearman's correlation is that of KL divergence on held-out noise at the end with
test error, over the candidates. FOLDER keeps teachers and results; what is there is not done again.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import data_loaders
from kegnet_np import losses, metrics, sampling, teacher, train
from kegnet_np.beyond import ranks, recipe
from kegnet_np.experiments.statistics import interval
from kegnet_np.experiments.text import cell, to_text
from kegnet_np.io import checkpoint
from kegnet_np.io.files import write_text
from kegnet_np.network import Network

SETS = {"letter": 4.14, "pendigits": 12.0, "shuttle": 8.0}  # and how many times smaller
STEPS, BATCH, EPOCHS = 3000, 256, 50  # of a training, in rows; a batch twice as large has half


def taught(folder: Path, dataset: str, seed: int, data) -> Network:
    """The teacher of a seed, from the folder if it is there."""
    file = folder / f"{dataset}-{seed}-teacher.npz"
    if not file.exists():
        M, _ = teacher.teach((data.x_train, data.y_train), (data.x_val, data.y_val),
                             classes=data.classes, seed=seed)
        checkpoint.save_network(file, M.stack(), stage="teacher")
    return checkpoint.load_network(file)[0].member(0)


def trained(M: Network, start: Network, batch: int, lrs, seed: int) -> Network:
    """A stack: students of all rates, from one start, on the same fresh noise."""
    schedule = train.Schedule(1.0, batch, EPOCHS, cosine=True)
    stack = start.stack(len(lrs))
    rngs = sampling.seeded(seed, "regret", len(lrs))
    sampler, rates = sampling.normal(M.model.features), np.array(lrs)[:, None]
    steps = STEPS * BATCH // batch // EPOCHS
    batches = train.fresh_batches(
        sampler, lambda x: losses.softmax(M.predict(x)), batch, steps, shared=True)
    run_epoch = train.classifier_epoch(replace(start.model, dropout=0.0), losses.kl, batches)
    training = train.Training(stack.theta, stack.state, rngs, schedule)
    with np.errstate(all="ignore"):  # the highest rates may diverge
        for epoch in range(EPOCHS):
            training.adam.lr = rates * schedule.rate(epoch)
            run_epoch(training)
    return Network(start.model, training.theta, training.state)


def measured(folder: Path, dataset: str, seed: int) -> dict:
    """The candidates of a teacher with KL and accuracy, and which one the trials chose."""
    data = data_loaders.load(dataset)
    M, draw = taught(folder, dataset, seed, data), sampling.normal(data.features)
    models = [ranks.smaller_mlp(M.model, int(M.size / SETS[dataset]), d) for d in recipe.DEPTHS]
    starts = [Network.random(model, sampling.seeded(seed, "regret init")[0]) for model in models]
    best = recipe.choose(M, starts, draw, STEPS * BATCH, seed=seed).best
    found: list[dict] = []
    x = draw(sampling.seeded(seed, "regret held out")[0], 20_000)
    p = losses.softmax(M.predict(x))
    for start in starts:
        for batch in recipe.BATCHES:
            lrs = [lr * batch / recipe.BATCH for lr in recipe.LRS]
            students = trained(M, start, batch, lrs, seed)
            kls = np.nan_to_num(losses.kl(students.predict(x), p), nan=99)
            right = metrics.accuracy(students.predict(data.x_test), data.y_test)
            found += [{"layers": len(start.model.widths), "lr": lr, "batch": batch,
                       "kl": float(kl), "accuracy": float(accuracy)}
                      for lr, kl, accuracy in zip(lrs, kls, right, strict=True)]
    chosen = {"layers": len(best.start.model.widths), "lr": best.lr, "batch": best.batch}
    of_teacher = float(metrics.accuracy(M.predict(data.x_test), data.y_test))
    return {"dataset": dataset, "seed": seed, "teacher": of_teacher, "candidates": found,
            "chosen": chosen}


def row(of: dict) -> tuple[list[str], float]:
    """A line of the table, and the regret."""
    made = of["candidates"]
    chosen = next(c for c in made if all(c[k] == v for k, v in of["chosen"].items()))
    best, nearest = max(c["accuracy"] for c in made), min(made, key=lambda c: c["kl"])
    regret = best - chosen["accuracy"]
    rho = spearmanr([c["kl"] for c in made], [-c["accuracy"] for c in made]).statistic
    names = "{layers} layers, {lr:g}, {batch}".format(**of["chosen"])
    return [of["dataset"], str(of["seed"]), f"{100 * of['teacher']:.1f}", names,
            f"{100 * chosen['accuracy']:.1f}", f"{100 * best:.1f}", f"{100 * regret:.2f}",
            f"{100 * (best - nearest['accuracy']):.2f}", f"{rho:.2f}"], regret


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teachers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2031)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    lines = [["data set", "teacher", "its accuracy", "chosen: layers, rate, batch", "accuracy",
              "best candidate", "regret", "of the least KL at the end", "Spearman"]]
    regrets: dict[str, list[list[float]]] = {name: [] for name in SETS}
    for seed in range(given.seed, given.seed + given.teachers):
        for name in SETS:
            file = given.folder / f"{name}-{seed}.json"
            if not file.exists():
                write_text(file, json.dumps(measured(given.folder, name, seed), indent=1) + "\n")
            line, regret = row(json.loads(file.read_text(encoding="utf-8")))
            lines.append(line)
            regrets[name].append([regret])
    print(to_text(lines))
    for name, values in regrets.items():
        print(f"{name}: mean regret {cell(interval(values), 2)} points")
