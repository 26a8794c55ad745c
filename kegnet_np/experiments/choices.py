"""Where students start, and how they learn, as far as trials choose it: found on the CPU."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import sampling
from ..beyond import ranks, recipe
from ..beyond.lean import fold
from ..beyond.start import fit_layers
from ..beyond.trials import COMPRESSIONS, that_agrees
from ..models import MLP
from ..network import Network
from ..train import Training
from ..tucker import compress
from .folder import Progress
from .jobs import Found, Job
from .settings import Compress, Settings

AGAIN = 2  # times that students who diverged learn again


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


def fitting(job: Job, settings: Settings, found: Found, samples: Callable,
            arguments: Mapping[str, Any], held_out
            ) -> tuple[list[Network], recipe.Recipe | None, dict[str, Any]]:
    """Where the students of a job start, and how they learn, as far as trials choose that; for an
    agreement also what a header keeps of the sizes tried. samples() : a sampler, or rows."""
    M, seed, agreement = found["teach"].member(0), settings.every.seed, settings.compress.agreement
    if job.form == "mlp" and agreement is not None and "compress" not in found:
        tried = []

        def choose(budget):
            starts = random_starts(job, M, settings, budget)
            tried.append(best_of(M, starts, samples(), arguments, held_out, seed))
            return tried[-1][1]

        best = that_agrees([int(M.size / c) for c in COMPRESSIONS], agreement, choose)
        sizes = sorted((found.best.start.size, found.agreement) for _, found in tried)
        return next(starts for starts, found in tried if found is best), best, {"sizes": sizes}
    starts = starts_of(job, settings, found)
    if settings.distill.recipe == "given":
        return starts, None, {}
    return *best_of(M, starts, samples(), arguments, held_out, seed), {}


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
    teacher than the short trial did, it diverged: all learn again, at half the rate.

    learn : learn(**arguments of `student.distill`) -> the students, on the CPU, and their training.
    """
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
