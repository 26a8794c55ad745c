"""The engine: what is needed comes first, and how jobs are run changes nothing of the results."""

import os
import pickle
import time
import warnings

import numpy as np
import pytest
from shell import contents

import data_loaders
from kegnet_np import sampling
from kegnet_np.experiments import (
    form,
    frontier,
    metadata,
    official,
    pipeline,
    quirks,
    samples,
    table,
)
from kegnet_np.experiments.engine import Engine
from kegnet_np.experiments.folder import RunError
from kegnet_np.experiments.grid import settings_of
from kegnet_np.experiments.jobs import REAL, Job, in_waves
from kegnet_np.experiments.run import jobs_of as jobs_of_a_run
from kegnet_np.experiments.run import short
from kegnet_np.experiments.settings import make
from kegnet_np.generator import decoder, generator
from kegnet_np.interface import inputs
from kegnet_np.io import checkpoint
from kegnet_np.models import MLP
from kegnet_np.network import Network

MODEL, GENERATOR, DECODER = MLP(3, 2, (4,)), generator(2, 2, 3, 4), decoder(3, 2, 4)


EVERY = {
    "table": lambda: table.jobs_of(["shuttle", "pendigits", "letter"], 2, 2019),
    "frontier": lambda: frontier.jobs_of(
        {"a": MLP(16, 10), "b": MLP(9, 7)}, {"a": [2.0, 8.0, 300.0], "b": [2.5]},
        ["normal", "kegnet", "normal+noised"], 2, 2019),
    **{study.__name__.split(".")[-1]: lambda study=study: study.jobs_of(range(2019, 2021))
       for study in (form, metadata, official, quirks, samples)},
}


@pytest.mark.parametrize("grid", EVERY)
def test_waves_hold_every_job_once_and_what_it_needs_before_it(grid):
    asked, done = EVERY[grid](), set()
    waves = in_waves(asked)
    every = [job for wave in waves for job in wave]
    assert len(every) == len(set(every)) and set(asked) <= set(every)
    for wave in waves:
        for job in wave:
            assert set(job.needs.values()) <= done
        done |= set(wave)
    assert {job.does for job in waves[0]} == {"teach"}
    assert in_waves(asked + asked) == waves
    assert in_waves([]) == []


@pytest.mark.parametrize("grid", EVERY)
def test_the_file_names_of_a_grid_are_unique_also_without_capitals(grid):
    names = [job.name.lower() for wave in in_waves(EVERY[grid]()) for job in wave]
    assert len(set(names)) == len(names)
    assert not any(set(name) & set(' /\\:*?"<>|,') for name in names)


@pytest.mark.parametrize("changes", [
    {}, {"ranks": (), "sampler": "wide+noised"}, {"sampler": "kegnet", "ranks": ()},
    {"sampler": "normal"},
])
def test_the_file_names_of_a_run_are_unique(changes):
    every = [job for wave in in_waves(jobs_of_a_run(make(changes))) for job in wave]
    names = [short(job) for job in every]
    assert len(set(names)) == len(names) and {"teacher", "generators", "tucker"} < set(names)


def test_a_job_with_a_variant_needs_jobs_of_the_same_variant():
    job = Job("d", 1, "distill", "tucker", "kegnet", rank=3, variant="other")
    assert set(job.needs) == {"teach", "extract", "compress"}
    for wave in in_waves([job]):
        assert {need.variant for need in wave} == {"other"}
    assert not set(job.needs.values()) & set(Job("d", 1, "distill", "tucker", "kegnet").needs)


@pytest.mark.parametrize("given, needed", [
    ({"does": "teach"}, set()),
    ({"does": "extract"}, {"teach"}),
    ({"does": "compress", "form": "tucker"}, {"teach"}),
    ({"does": "compress", "form": "tucker", "start": "noised"}, {"teach", "extract"}),
    ({"does": "distill", "form": "tucker", "samples": "normal"}, {"teach", "compress"}),
    ({"does": "distill", "form": "tucker", "samples": REAL}, {"teach", "compress"}),
    ({"does": "distill", "form": "tucker", "samples": "normal+noised"},
     {"teach", "extract", "compress"}),
    ({"does": "distill", "form": "mlp", "samples": "normal", "compression": 4.0}, {"teach"}),
    ({"does": "distill", "form": "mlp", "samples": "normal"}, {"teach", "compress"}),  # its size
    ({"does": "distill", "form": "tucker", "samples": "normal", "compression": 4.0, "layers": 3},
     {"teach"}),
])
def test_a_job_needs_the_networks_that_it_takes_and_no_others(given, needed):
    assert set(Job("d", 1, **given).needs) == needed


def test_a_job_goes_to_another_process_and_stays_the_same():
    job = Job("d", 1, "distill", "tucker", "kegnet", rank=3)
    needs = dict(job.needs)  # it is kept in the job
    again = pickle.loads(pickle.dumps(job))
    assert again == job and hash(again) == hash(job) and again.needs == needs


# --- jobs done ------------------------------------------------------------------------------------


def work(job, settings, data, found, part):
    """A job that adds its own random numbers to the numbers of what it needs."""
    assert list(found) == list(job.needs)
    own = Network.random(MODEL, sampling.seeded(settings.every.seed, job.name))
    theta = own.theta + sum(network.theta[:1] for network in found.values())
    networks = [Network(MODEL, theta)]
    if job.does == "extract":
        networks = [Network.random(m, sampling.seeded(1, "")) for m in (GENERATOR, DECODER)]
    numbers = {"sum": float(theta.sum(dtype=float)), "row": float(data.x_test[0].sum())}
    return networks, {"seconds": 0.0, **numbers}


def jobs():
    kinds = [("tucker", "normal"), ("tucker", REAL), ("mlp", "normal")]
    return [Job("digits", seed, "distill", form, seen, rank=2, variant=variant)
            for seed in (1, 2) for form, seen in kinds for variant in ("", "other")]


def engine(out, **options):
    settings = settings_of({"hidden": 8}, {"other": {"split_seed": 3}})
    return Engine(out, settings, inputs.load, work, **options)


def sums(headers):
    return {job.name: header["sum"] for job, header in headers.items()}


def test_results_do_not_depend_on_processes_order_or_interruptions(tmp_path):
    lines = []
    first = engine(tmp_path / "a", report=lines.append).run(jobs(), {})
    assert len(set(sums(first).values())) == len(first) == 2 * 2 * (1 + 1 + 3)
    assert lines[-1].startswith("20/20 ") and len(lines) == 20
    two = engine(tmp_path / "b", processes=2).run(jobs(), {})
    assert sums(two) == sums(first)
    assert sums(engine(tmp_path / "c").run(jobs()[::-1], {})) == sums(first)
    for path in sorted((tmp_path / "b/checkpoints").iterdir())[::3]:
        path.unlink()
    again = engine(tmp_path / "b", processes=2, resume=True).run(jobs(), {})
    assert sums(again) == sums(first) and list(again) == list(first)
    names = {f"checkpoints/{job.name}.npz" for job in first}
    assert set(contents(tmp_path / "b")) == {"config.json", "checkpoints", *names}


def test_a_job_finds_the_networks_of_its_needs_and_its_own_rows(tmp_path):
    made = engine(tmp_path).run(jobs(), {})
    for job, header in made.items():
        networks, again = engine(tmp_path).read(job)
        assert again["sum"] == header["sum"] and networks[0].theta.shape == (1, MODEL.layout.size)
        own = Network.random(MODEL, sampling.seeded(job.teacher, job.name)).theta
        needs = [engine(tmp_path).read(need)[0][0].theta for need in job.needs.values()]
        assert np.array_equal(networks[0].theta, own + sum(needs))
        seed = 3 if job.variant else 2019
        assert again["row"] == float(data_loaders.load("digits", seed=seed).x_test[0].sum())


def test_generators_are_kept_with_their_decoders(tmp_path):
    job = Job("digits", 1, "extract")
    engine(tmp_path).run([job], {})
    (G, D), _ = engine(tmp_path).read(job)
    assert (G.model, D.model, len(G.theta), len(D.theta)) == (GENERATOR, DECODER, 1, 1)


def test_what_is_asked_of_a_folder_and_its_rows_must_stay_the_same(tmp_path):
    engine(tmp_path).run(jobs(), {"settings": {"a": 1}})
    with pytest.raises(RunError, match="holds a run; go on with --resume"):
        engine(tmp_path).run(jobs(), {"settings": {"a": 1}})
    with pytest.raises(RunError, match="holds a run with settings {'a': 1}, not {'a': 2}"):
        engine(tmp_path, resume=True).run(jobs(), {"settings": {"a": 2}})
    other = engine(tmp_path, resume=True)
    other.load = lambda settings: data_loaders.load("digits", seed=settings.data.split_seed + 1)
    with pytest.raises(RunError, match="the data have changed since that run began"):
        other.run(jobs(), {"settings": {"a": 1}})


def test_jobs_of_one_name_are_refused_before_anything_is_written(tmp_path):
    same = [Job(f"{folder}/x.csv", 1, "teach") for folder in "ab"]
    with pytest.raises(ValueError, match="jobs have the same name x-1-teacher: give data sets"):
        engine(tmp_path / "run").run(same, {})
    assert not (tmp_path / "run").exists()


def test_a_training_under_way_is_swept_away_when_its_job_is_done(tmp_path):
    job = Job("digits", 1, "teach")
    engine(tmp_path).run([job], {})
    part = engine(tmp_path).part(job)
    checkpoint.save(part, "training", {})
    engine(tmp_path, resume=True).run([job], {})
    assert not part.exists() and engine(tmp_path).path(job).exists()


# --- generators, which processes share ------------------------------------------------------------


TINY = {"hidden": 8, "teacher_epochs": 1, "teacher_min_epochs": 1, "generators": 5,
        "generator_epochs": 2, "generator_steps": 3, "generator_batch": 8}


def test_generators_of_several_processes_are_those_of_one_to_the_bit(tmp_path):
    job, made = Job("digits", 1, "extract"), {}
    for n in (1, 3):  # pieces of two, two and one
        engine = Engine(tmp_path / str(n), settings_of(TINY), inputs.load, pipeline.work,
                        processes=n)
        header = engine.run([job], {})[job]
        made[n] = [*engine.read(job)[0], header]
        assert set(contents(tmp_path / str(n))) == {
            "config.json", "checkpoints", *(f"checkpoints/{j.name}.npz" for j in (
                job, *job.needs.values()))}
    for one, three in zip(made[1][:2], made[3][:2], strict=True):
        assert np.array_equal(one.theta, three.theta) and np.array_equal(one.state, three.state)
    alone, shared = (made[n][2] | {"seconds": 0} for n in (1, 3))
    assert shared == alone and len(alone["history"]) == 2 * 5


def test_every_piece_has_a_place_of_its_own_for_its_training(tmp_path):
    job = Job("digits", 1, "extract")
    engine = Engine(tmp_path, settings_of(TINY), inputs.load, pipeline.work, processes=2)
    pieces = engine._pieces(job)
    assert [piece.members for piece in pieces] == [(0, 3), (3, 5)]
    assert len({engine.part(piece) for piece in (*pieces, job)}) == 3
    assert all(piece.needs == job.needs for piece in pieces)


def test_a_job_begins_as_soon_as_what_it_needs_is_there(tmp_path):
    began = []

    def recorded(job, settings, data, found, part):
        began.append(job.what)
        models = (GENERATOR, DECODER) if job.does == "extract" else (MODEL,)
        return [Network.random(m, sampling.seeded(1, "")) for m in models], {"seconds": 0.0}

    students = [Job("digits", 1, "distill", "tucker", seen, rank=2)
                for seen in ("normal", "kegnet", REAL)]
    Engine(tmp_path, settings_of({"hidden": 8}), inputs.load, recorded).run(students, {})
    assert began[:2] == ["teacher", "generators"]
    assert began.index("kegnet") < began.index("normal")  # the longest that can begin is first


def test_zero_processes_are_as_many_as_there_are_cores(tmp_path, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert Engine(tmp_path, None, None, None, processes=0).processes == 1


def killed(job, *rest):
    os._exit(1)


def test_a_process_that_is_killed_is_one_line_and_says_how_to_go_on(tmp_path):
    with pytest.raises(RunError, match="a process was killed, .* go on with --resume and fewer"):
        Engine(tmp_path, settings_of({}), inputs.load, killed, processes=2).run(jobs()[:1], {})
    assert set(contents(tmp_path)) <= {"config.json", "checkpoints"}


HELD = []


def hold(mebibytes):
    HELD.append(np.ones(mebibytes << 17))
    time.sleep(1.1)  # how often loky looks at what a process holds
    return os.getpid()


def test_a_process_that_holds_much_memory_is_replaced_without_a_word(tmp_path, monkeypatch):
    pytest.importorskip("psutil")  # without it loky does not look
    said = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: said.append(str(message)))
    engine = Engine(tmp_path, None, None, None, processes=2)
    with engine._pool() as (pool, _):
        first = pool.submit(hold, 1).result()
        later = [pool.submit(hold, 400) for _ in range(4)]
        assert len({first} | {future.result() for future in later}) > 2
    assert said == []
