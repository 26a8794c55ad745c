"""A job done: the four verbs with a job's settings, and scores on the test rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import data_loaders

from .. import backend, metrics, sampling
from ..beyond import metadata, ranks, recipe, samplers
from ..beyond.lean import fold
from ..beyond.start import fit_layers
from ..beyond.trials import COMPRESSIONS, that_agrees
from ..generator import extract, generated
from ..models import MLP
from ..network import Network
from ..sampling import Sampler
from ..student import distill
from ..teacher import teach
from ..train import Training
from ..tucker import compress
from .folder import Progress, told
from .jobs import REAL, Found, Job, Made
from .settings import Compress, Settings

AGAIN = 2  # times that students who diverged learn again
IMBALANCED = 0.6  # the share of a largest class from which on balanced accuracy counts too


def work(job: Job, settings: Settings, data, found: Found, part: Path | None, *,
         watch: bool = False, own: Mapping[str, Sampler] | None = None) -> Made:
    """Do a job: its networks, and a header of JSON values. Runs in a worker.

    data : None, for a job that sees none and is not to be scored.
    watch : score every epoch of students, also where no epoch is selected.
    own : samplers by name, of a study or in place of the settings' metadata.
    """
    with stage(job.what):
        validation = data and (data.x_val, data.y_val)
        common: dict[str, Any] = {"seed": settings.every.seed, "hook": Progress(job.what, part)}
        own_table = settings.data.dataset not in data_loaders.NAMES
        if job.does == "teach":
            largest = majority(data)
            common |= settings.teach.arguments()
            M, done = teach((data.x_train, data.y_train), validation, classes=data.classes,
                            balanced=own_table and uneven(largest), **common)
            M = M.moved(backend.to_host)
            return [M], told_of(M, M, settings, data) | trained(done) | {"majority": largest}
        M = found["teach"].member(0)
        if job.does == "extract":
            arguments = settings.extract.arguments()
            if job.members:
                arguments["generators"] = range(*job.members)
            G, D, done = extract(M, **arguments, **common)
            G, D = G.moved(backend.to_host), D.moved(backend.to_host)
            return [G, D], {"n_params": G.size} | trained(done)
        sampler = partial(sampler_of, settings=settings, data=data, found=found, own=own)
        if job.does == "compress":
            if job.form == "mlp":
                return plain(job, M, settings, found, sampler(job.start), data)
            own_start = replace(settings.compress, sampler=job.start)
            start, chosen = compressed(M, own_start, settings.every.seed, sampler, own_table)
            header = {"seconds": 0.0, "kept_epoch": [0], "ranks": start.model.ranks}
            if chosen:
                header |= {"seconds": chosen.seconds, "trials": [asdict(t) for t in chosen.trials]}
            return [start], told_of(start, M, settings, data) | header
        samples = data.x_train if job.samples == REAL else sampler(job.samples)
        learnt = len(found["extract"].theta) if job.learnt else 0
        arguments = settings.distill.arguments(learnt, validation, watch)
        if job.samples == REAL and arguments["held_out"] is not None:
            arguments["held_out"] = data.x_val
        held_out = data.x_val if job.samples == REAL else None
        starts, found_recipe, sizes = fitting(job, settings, found, samples, arguments, held_out)
        if starts[0].theta.ndim == 1:  # students that start as one must see different samples
            arguments["shared"] = False
        learn = partial(distill, M, starts[0], samples, purpose=job.purpose)
        if found_recipe:
            students, done, told = by_recipe(learn, found_recipe, arguments | common, part)
        else:
            students, done, told = *learn(**arguments, **common), {}
        students = students.moved(backend.to_host)
        return [students], told_of(students, M, settings, data) | trained(done) | told | sizes


@contextmanager
def on(device: str) -> Iterator[None]:
    """Train on 'cpu' or 'cuda'; what is made comes back to the CPU."""
    backend.use(device)
    try:
        yield
    finally:
        backend.use("cpu")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Work on one thread, where an error of training says whose it is; see also `folder.told`."""
    try:
        # Small matrices: threads cost more than they bring.
        with told(name), threadpool_limits(1, user_api="blas"):
            yield
    except FloatingPointError as error:
        raise FloatingPointError(f"{name}: {error}") from error


def budget_of(settings: Compress, size: int) -> int:
    """The most parameters that students with ranks auto may have, for a teacher of so many."""
    return settings.params or int(size / (settings.compression or 8))


def compressed(M: Network, settings: Compress, seed: int, sampler_of: Callable,
               own_table: bool = False) -> tuple[Network, ranks.Allocation | None]:
    """Where Tucker students start; with ranks auto, also where the rank goes.

    sampler_of : makes the sampler of ``settings.sampler``, if it is needed.
    """
    found, lean = None, settings.is_lean(own_table)
    form = fold if lean else (lambda student: student)
    if settings.ranks and settings.init == "weights":
        return form(compress(M, settings.ranks)), None
    sampler = sampler_of(settings.sampler or "normal")
    if not settings.ranks and settings.agreement is not None:
        found = ranks.smallest(M, settings.agreement, sampler, seed, lean)
    elif not settings.ranks:
        found = ranks.allocate(M, budget_of(settings, M.size), sampler, seed, lean)
    chosen = found.ranks if found else settings.ranks
    if settings.init == "weights":
        return form(compress(M, chosen)), found
    x = sampler(sampling.seeded(seed, "fit")[0], ranks.FITTED)
    return form(fit_layers(M, chosen, x)), found


def starts_of(job: Job, settings: Settings, found: Found) -> list[Network]:
    """Where the students of a job may start: one network, or stacks of random ones of a depth."""
    M, compressed = found["teach"], found.get("compress")
    if compressed and job.form == "tucker":
        return [compressed.member(0)]
    budget = compressed.size if compressed else budget_of(settings.compress, M.size)
    return random_starts(job, M, settings, budget)


def random_starts(job: Job, M: Network, settings: Settings, budget: int) -> list[Network]:
    """Stacks of random networks within a budget, of each form that the students may have."""
    if job.form == "mlp":
        models = plain_models(M.model, budget, settings, job.layers)
    else:  # a shallower Tucker form
        shallow = replace(M.model, widths=M.model.widths[:1] * job.layers)
        lean = settings.compress.is_lean()
        models = [replace(shallow, ranks=(ranks.largest_rank(shallow, budget, lean),), lean=lean)]
    draw = settings.every.seed, f"{job.purpose} init", settings.distill.students
    return [Network.random(model, sampling.seeded(*draw)) for model in models]


def fitting(job: Job, settings: Settings, found: Found, samples, arguments: Mapping[str, Any],
            held_out) -> tuple[list[Network], recipe.Recipe | None, dict[str, Any]]:
    """Where the students of a job start, and how they learn, as far as trials choose that; for an
    agreement also what a header keeps of the sizes tried."""
    M, seed, agreement = found["teach"].member(0), settings.every.seed, settings.compress.agreement
    if job.form == "mlp" and agreement is not None and "compress" not in found:
        tried = []

        def choose(budget):
            starts = random_starts(job, M, settings, budget)
            tried.append(best_of(M, starts, samples, arguments, held_out, seed))
            return tried[-1][1]

        best = that_agrees([int(M.size / c) for c in COMPRESSIONS], agreement, choose)
        sizes = sorted((found.best.start.size, found.agreement) for _, found in tried)
        return next(starts for starts, found in tried if found is best), best, {"sizes": sizes}
    starts = starts_of(job, settings, found)
    if settings.distill.recipe == "given":
        return starts, None, {}
    return *best_of(M, starts, samples, arguments, held_out, seed), {}


def plain_models(model: MLP, budget: int, settings: Settings, layers: int = 0) -> list[MLP]:
    """The plain MLPs that students may be: of the depth given, or one of each that trials try, the
    teacher's among them, as far as the budget has room for a layer."""
    given, tuned = layers or settings.compress.layers, settings.distill.recipe == "chosen"
    own = min(max(1, len(model.widths)), max(recipe.DEPTHS))
    depths = [given] if given else sorted({own, *recipe.DEPTHS}) if tuned else [3]
    least, *deeper = depths
    made = [ranks.smaller_mlp(model, budget, least)]
    for depth in deeper:
        with suppress(ValueError):
            made.append(ranks.smaller_mlp(model, budget, depth))
    return made


def plain(job: Job, M: Network, settings: Settings, found: Found, sampler: Sampler, data) -> Made:
    """The start of plain MLPs, its depth chosen on samples where the recipe is."""
    arguments = settings.distill.arguments()
    starts, chosen, header = fitting(job, settings, found, sampler, arguments, None)
    header |= {"seconds": 0.0, "kept_epoch": [0]} | (of_recipe(chosen) if chosen else {})
    start = starts[0].member(0)
    return [start], told_of(start, M, settings, data) | header | {"ranks": None}


def best_of(M: Network, starts: list[Network], samples, arguments: Mapping[str, Any], held_out,
            seed: int) -> tuple[list[Network], recipe.Recipe]:
    """The start that trials choose, and how to learn from there."""
    found = recipe.choose(
        M, [start.stack().member(0) for start in starts], samples,
        arguments["pool"] * arguments["schedule"].epochs, students=arguments["students"],
        held_out=held_out, seed=seed)
    return [start for start in starts if start.model == found.best.start.model], found


def by_recipe(learn: Callable, found: recipe.Recipe, arguments: dict[str, Any], part: Path | None
              ) -> tuple[Network, Training, dict[str, Any]]:
    """Students that learn by a recipe, and what to tell of it. Where one ends further from the
    teacher than the short trial did, it diverged: all learn again, at half the rate."""
    schedule, hook = arguments.pop("schedule"), arguments.pop("hook")
    for halved in range(AGAIN + 1):
        lr = found.best.lr / 2**halved
        if halved:
            place = part and part.with_stem(f"{halved}-{part.stem}")
            hook = Progress(hook.name, place, hook.quiet)
        own = replace(schedule, lr=lr, batch=found.best.batch)
        students, done = learn(schedule=own, hook=hook, **arguments)
        if not found.better_than(students):
            break
    return students, done, of_recipe(found) | {"recipe": {"lr": lr, "batch": found.best.batch}}


def of_recipe(found: recipe.Recipe) -> dict[str, Any]:
    """What a header keeps of a choice."""
    return {"recipe": {"lr": found.best.lr, "batch": found.best.batch}, "recipe_kl": found.kl,
            "recipe_seconds": found.seconds, "trials": [asdict(trial) for trial in found.trials]}


def sampler_of(names: str, settings: Settings, data, found: Found,
               own: Mapping[str, Sampler] | None = None) -> Sampler:
    """The sampler of these names, with the generators found and the settings' metadata."""
    if own and names in own:
        return own[names]
    M, G = found["teach"].member(0), found.get("extract")
    learnt = generated(G, G.model.inputs - M.model.classes) if G else None
    if own is None and data:
        own = described(settings.compress.metadata, data.schema)
    return samplers.make(names, M, learnt, own)


def described(file: str | None, schema) -> dict[str, Sampler]:
    """Samplers by name, of a metadata file and of a teacher's schema, either of which may be None.
    """
    made: dict[str, Sampler] = {}
    if file:
        units = map(np.float32, (schema.mean, schema.scale)) if schema else (None, None)
        made |= metadata.load(file, *units)
    return made | ({"frequencies": samplers.frequencies(schema)} if schema else {})


def scores(network: Network, M: Network, data) -> dict[str, Any]:
    """n_params, and by member accuracy, balanced accuracy, agreement with M, on the test rows."""
    logits = network.stack().predict(data.x_test)
    return {
        "n_params": network.size, "widths": network.model.widths,
        "accuracy": metrics.accuracy(logits, data.y_test).tolist(),
        "balanced": metrics.balanced_accuracy(logits, data.y_test).tolist(),
        "agreement": metrics.agreement(logits, M.predict(data.x_test)).tolist()}


def majority(data) -> dict[str, Any]:
    """What who always answers the largest class of training rows scores on the test rows."""
    k = np.bincount(data.y_train).argmax()
    return {"answer": data.class_names[k], "accuracy": float(np.mean(data.y_test == k)),
            "balanced": 1 / len(np.unique(data.y_test))}


def uneven(largest: dict | None) -> bool:
    """Whether the `majority` is so large that accuracy alone says little."""
    return largest is not None and largest["accuracy"] > IMBALANCED


def trained(done) -> dict[str, Any]:
    """What a header keeps of a training."""
    return {"seconds": done.seconds, "kept_epoch": done.kept_epoch.tolist(), "epochs": done.epoch,
            "updates": done.adam.t, "history": done.history}


def told_of(network: Network, M: Network, settings: Settings, data) -> dict[str, Any]:
    """What a header keeps of a network and its data, if there are any: scores, `behind`."""
    return scores(network, M, data) | behind(settings, data) if data else {}


def behind(settings, data) -> dict[str, Any]:
    """What a header keeps of data: where they are, and the schema of a network's inputs."""
    known = {"name": data.name, "source": asdict(settings.data), **data.schema.to_json()}
    return {"data": known}
