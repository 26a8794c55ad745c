"""A job done: the four verbs with a job's settings, and scores on the test rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import data_loaders

from .. import backend, metrics
from ..beyond import metadata, samplers
from ..generator import extract, generated
from ..network import Network
from ..sampling import Sampler
from ..student import distill
from ..teacher import teach
from . import choices
from .devices import elsewhere, on
from .folder import Progress, told
from .jobs import REAL, Found, Job, Made
from .settings import Settings

IMBALANCED = 0.6  # the share of a largest class from which on balanced accuracy counts too


def work(job: Job, settings: Settings, data, found: Found, part: Path | None, *,
         watch: bool = False, own: Mapping[str, Sampler] | None = None) -> Made:
    """Do a job: its networks, and a header of JSON values. Runs in a worker.

    What is trained is so on the device in use; starts and trials are found on the CPU.
    data : None, for a job that sees none and is not to be scored.
    watch : score every epoch of students, also where no epoch is selected.
    own : samplers by name, of a study or in place of the settings' metadata.
    """
    with stage(job.what):
        validation = data and (data.x_val, data.y_val)
        common: dict[str, Any] = {"seed": settings.every.seed, "hook": Progress(job.what, part)}
        if job.does == "teach":
            largest = majority(data)
            common |= settings.teach.arguments()
            M, done = teach((data.x_train, data.y_train), validation, classes=data.classes,
                            balanced=is_own(settings) and uneven(largest), **common)
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
            with on("cpu"):
                return started(job, M, settings, found, sampler, data)

        def samples():
            return data.x_train if job.samples == REAL else sampler(job.samples)

        learnt = len(found["extract"].theta) if job.learnt else 0
        arguments = settings.distill.arguments(learnt, validation, watch)
        if job.samples == REAL and arguments["held_out"] is not None:
            arguments["held_out"] = data.x_val
        held_out = data.x_val if job.samples == REAL else None
        for_trials = cache(samples)  # on the CPU
        with on("cpu"):
            starts, found_recipe, sizes = choices.fitting(
                job, settings, found, for_trials, arguments, held_out)
        if starts[0].theta.ndim == 1:  # students that start as one must see different samples
            arguments["shared"] = False
        seen = samples() if elsewhere() else for_trials()

        def learn(**how) -> tuple[Network, Any]:
            students, done = distill(M, starts[0], seen, purpose=job.purpose, **how)
            return students.moved(backend.to_host), done

        if found_recipe:
            students, done, told = choices.by_recipe(learn, found_recipe, arguments | common, part)
        else:
            students, done, told = *learn(**arguments, **common), {}
        return [students], told_of(students, M, settings, data) | trained(done) | told | sizes


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Work on one thread, where an error of training says whose it is; see also `folder.told`."""
    try:
        # Small matrices: threads cost more than they bring.
        with told(name), threadpool_limits(1, user_api="blas"):
            yield
    except FloatingPointError as error:
        raise FloatingPointError(f"{name}: {error}") from error


def started(job: Job, M: Network, settings: Settings, found: Found, sampler: Callable, data
            ) -> Made:
    """Where students start: in Tucker form, or as plain MLPs, their depth chosen on samples where
    the recipe is."""
    header: dict[str, Any] = {"seconds": 0.0, "kept_epoch": [0], "ranks": None}
    if job.form == "mlp":
        arguments = settings.distill.arguments()
        starts, by_trials, sizes = choices.fitting(
            job, settings, found, lambda: sampler(job.start), arguments, None)
        start = starts[0].member(0)
        header |= sizes | (choices.of_recipe(by_trials) if by_trials else {})
    else:
        own_start = replace(settings.compress, sampler=job.start)
        start, chosen = choices.compressed(
            M, own_start, settings.every.seed, sampler, is_own(settings))
        header["ranks"] = start.model.ranks
        if chosen:
            header |= {"seconds": chosen.seconds, "trials": [asdict(t) for t in chosen.trials]}
    return [start], told_of(start, M, settings, data) | header


def is_own(settings: Settings) -> bool:
    """Whether the data are a person's own table."""
    return settings.data.dataset not in data_loaders.NAMES


def sampler_of(names: str, settings: Settings, data, found: Found,
               own: Mapping[str, Sampler] | None = None) -> Sampler:
    """The sampler of these names, with the generators found and the settings' metadata."""
    if own and names in own:
        return samplers.anywhere(own[names])
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
