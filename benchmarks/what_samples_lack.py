"""Why do KegNet's samples teach less than noise? What each kind of samples looks like, and a test.

    kegnet table --protocol fair --teachers 3 --out tables/fair
    python benchmarks/what_samples_lack.py tables/fair    # without the folder: only the pages again

For every teacher of the table's folder: the measures of `kegnet_np.diagnose` of uniform, normal,
generated and real inputs; then students on samples in which one property is set to the real one
(they know of the data what their name says, and are no method). Pendigits at rank 5, where noise
loses most, under the table's own settings. Writes results/samples.json, and from it
results/samples.md and the block of README.md.
"""

import json

import numpy as np

import data_loaders
from kegnet_np import checkpoint, diagnose, losses, report, sampling, stages, table, train, tucker
from kegnet_np.models import Classifier, generator

N = 6400  # samples to measure
STUDENTS = ("pendigits", 5)


def root(x):
    """A matrix A with A Aᵀ the covariance of x, by its eigenvectors."""
    values, vectors = np.linalg.eigh(np.cov(x.T.astype(np.float64)))
    return vectors * np.sqrt(np.maximum(values, 0))


def coloured(sampler, real, draws=20_000):
    """The sampler with its own covariance exchanged for the real one."""
    own = sampler(np.random.default_rng(0), draws)
    change = np.linalg.pinv(root(own)).T @ root(real).T
    return lambda rng, n: ((sampler(rng, n) - own.mean(0)) @ change).astype(np.float32)


def changed(M, theta_M, real, kegnet):
    """Samplers with one property taken from the real inputs (N, D)."""
    sure = losses.softmax(train.predict(M, theta_M, None, real)).max(-1) >= 0.99
    return {
        "normal noise, real covariance": coloured(sampling.normal(M.features), real),
        "KegNet, real covariance": coloured(kegnet, real),
        "real inputs, features shuffled apart": lambda rng, n: np.stack(
            [real[rng.integers(len(real), size=n), i] for i in range(M.features)], axis=1
        ),
        "real inputs, none the teacher is unsure of": sampling.rows_of(real[sure]),
    }


def compute(folder):
    """Measures of each kind of samples, and students on samples with one property changed."""
    described = json.loads((folder / "config.json").read_text())
    jobs = [name.rsplit("-", 2) for name in described["grid"] if name.endswith("-teacher")]
    measures, students = [], []
    for dataset, seed in [(job[0], int(job[1])) for job in jobs]:
        job = table.Job(dataset, seed, "kegnet", 5)
        config = table.config_of(job, described["settings"])
        data = data_loaders.load(dataset)
        theta_M, learnt = (
            checkpoint.load(folder / "cells" / f"{need.name}.npz", "table")[0]
            for need in job.needs()
        )
        theta_M = theta_M["theta"]
        M = Classifier(data.features, data.classes)
        G = generator(config.latent, data.classes, data.features)
        kegnet = sampling.generated(G, learnt["theta"], learnt["state"], config.latent)
        samplers = {
            "uniform": sampling.uniform(M.features), "normal": sampling.normal(M.features),
            "kegnet": kegnet, "real": sampling.rows_of(data.x_train),
        }  # fmt: skip
        rng = np.random.default_rng(seed)
        for name, sampler in samplers.items():
            values = diagnose.describe(sampler(rng, N), M, theta_M, data.x_test)
            measures.append({"dataset": dataset, "teacher": seed, "samples": name, **values})
        if dataset != STUDENTS[0]:
            continue
        student, theta_0 = tucker.compress(M, theta_M, STUDENTS[1])
        for name, sampler in changed(M, theta_M, data.x_train, kegnet).items():
            done = stages.distill(config, name, M, theta_M, student, theta_0, sampler)
            logits = train.predict(student, done.kept_theta, None, data.x_test)
            scores = train.accuracy(logits, data.y_test).tolist()
            students.append({"teacher": seed, "samples": name, "accuracy": scores})
            print(dataset, seed, name, np.round(scores, 3), flush=True)
    return {"settings": described["settings"], "measures": measures, "students": students}


def measures(result):
    """A Markdown table of the measures for every data set, by its name."""
    parts = {}
    for dataset in dict.fromkeys(m["dataset"] for m in result["measures"]):
        rows = [m for m in result["measures"] if m["dataset"] == dataset]
        names = list(dict.fromkeys(m["samples"] for m in rows))
        out = [[f"{dataset}; mean ± sd over the teachers", *names]]
        for key, label in diagnose.MEASURES.items():
            values = [[m[key] for m in rows if m["samples"] == name] for name in names]
            out.append([label] + [f"{np.mean(v):.2f} ± {np.std(v, ddof=1):.2f}" for v in values])
        parts[dataset] = report.to_markdown(out)
    return parts


def students(result):
    """A Markdown table of the students on samples with one property of the real inputs."""
    head = f"students on {STUDENTS[0]} at rank {STUDENTS[1]}"
    out = [[head, "test accuracy, % ± half a 95% t interval"]]
    for name in dict.fromkeys(s["samples"] for s in result["students"]):
        values = [s["accuracy"] for s in result["students"] if s["samples"] == name]
        out.append([name, report.cell(report.interval(values))])
    return report.to_markdown(out)


def pages(result, name, readme):
    """What is generated from the result called name: file name -> text."""
    tables, last = measures(result), students(result)
    page = "\n\n".join(["# What the samples lack", *tables.values(), last]) + "\n"
    block = f"\n{tables[STUDENTS[0]]}\n\n{last}\n"
    return {
        f"results/{name}.md": page, "README.md": report.with_block(readme, f"results/{name}", block)
    }  # fmt: skip


if __name__ == "__main__":
    report.benchmark("samples", compute, pages)
