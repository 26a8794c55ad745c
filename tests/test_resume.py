"""A run that is killed at any moment goes on to the same numbers, bit for bit."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from shell import ENVIRONMENT, contents

import data_loaders
from kegnet_np import checkpoint, cli, fit, sampling, stages, tucker

# The command line, with a checkpoint after every epoch; it kills itself at a write to the disk:
# moment 2 n - 1 is before the n-th file is put in its place, 2 n is after; a negative one, never.
DRIVER = """
import os, signal, sys
from kegnet_np import cli, fit
fit.SAVE_EVERY = -1.0
left, replace = int(sys.argv[1]), os.replace
def die_if_it_is_time():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
def replace_or_die(source, target):
    die_if_it_is_time()
    replace(source, target)
    die_if_it_is_time()
os.replace = replace_or_die
sys.exit(cli.main(sys.argv[2:]))
"""


def start(moment, *arguments):
    command = [sys.executable, "-c", DRIVER, str(moment), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True)


def assert_same_run(run, other):
    """Whether two run folders hold the same files, and the same numbers to the bit."""
    assert contents(run).keys() == contents(other).keys()
    assert (run / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    found, expected = (json.loads((r / "result.json").read_text()) for r in (run, other))
    for key in ("accuracy", "agreement"):
        assert found[key] == expected[key]
    for path in (run / "checkpoints").iterdir():
        arrays = [checkpoint.load(p)[0] for p in (path, other / "checkpoints" / path.name)]
        assert arrays[0].keys() == arrays[1].keys()
        assert all(np.array_equal(arrays[0][k], arrays[1][k]) for k in arrays[0])


def test_a_run_killed_at_writes_to_the_disk_goes_on_to_the_same_numbers(finished, tmp_path):
    run, rng = tmp_path / "run", np.random.default_rng(2019)
    options = ["run", *finished.options, "--out", run, "--resume"]
    moments = iter([1, *rng.integers(2, 24, size=40)])  # at 1, config.json is not in place yet
    kills = under_way = 0
    while (process := start(next(moments), *options)).wait() != 0:
        assert process.communicate() == ("", "") and not (run / "result.json").exists()
        kills += 1
        under_way += any(".part.npz" in name for name in contents(run))
    assert kills >= 5 and under_way >= 3
    assert_same_run(run, finished.run)


def test_a_run_killed_at_random_times_goes_on_to_the_same_numbers(finished, tmp_path):
    longer = ["--generator-epochs", 30, "--noise-epochs", 30, "--student-patience", 30]
    options = ["run", *finished.options, *longer, "--resume", "--out"]
    before = time.monotonic()
    assert start(-1, *options, tmp_path / "whole").wait() == 0
    duration = time.monotonic() - before
    for fraction in np.random.default_rng(7).uniform(0.2, 0.9, size=5):
        process = start(-1, *options, tmp_path / "run")
        time.sleep(fraction * duration)
        process.kill()
        process.wait()
    process = start(-1, *options, tmp_path / "run")
    assert process.communicate()[1] == "" and process.returncode == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


# --- the same in this process, stage by stage -----------------------------------------------------


@pytest.fixture
def job(finished):
    """What the stages of `finished` take: its settings, teacher, start of a student and samples."""
    M, theta_M, _ = checkpoint.load_teacher(finished.stages["teacher"])
    G, theta, state, _ = checkpoint.load_generators(finished.stages["generators"])
    config = cli.read_config({"config": finished.settings, "dataset": str(finished.table)})
    config, data = replace(config, students=4, generators=3), data_loaders.load(finished.table)
    student, theta_0 = tucker.compress(M, theta_M, config.ranks)
    source = sampling.generated(G, theta, state, config.latent)

    def distill(path=None, **settings):
        settings = replace(config, **settings)
        return stages.distill(
            settings, "kegnet", M, theta_M, student, theta_0, source, generated=True, path=path
        )  # fmt: skip

    def extract(path=None, **settings):
        return stages.extract(replace(config, **settings), M, theta_M, path)[-1]

    def teach(path=None, **settings):
        return stages.teach(replace(config, **settings), data, path)[-1]

    return {"teach": teach, "extract": extract, "distill": distill}


def state_of(training):
    """Everything of a training that decides its numbers."""
    arrays = {key: getattr(training, key) for key in training.ARRAYS} | training.adam.arrays()
    rngs = [rng.bit_generator.state for rng in training.rngs]
    return arrays, (training.epoch, training.history, rngs)


CASES = {
    "teach": {}, "extract": {"teacher_dropout": True, "beta": 0.1},
    "distill": {}, "distill fresh": {"sampling": "fresh"},
    "distill last": {"selection": "last", "cosine": True, "shuffle": False},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_training_saved_in_the_middle_goes_on_bit_for_bit(job, tmp_path, monkeypatch, case):
    run, part = job[case.split()[0]], tmp_path / "part.npz"
    whole = run(**CASES[case])
    monkeypatch.setattr(fit, "SAVE_EVERY", -1.0)
    save, retired = fit.Training.save, 0
    for stop in range(1, whole.epoch):

        def save_and_stop(training, path, name, stop=stop):
            save(training, path, name)
            if training.epoch == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(fit.Training, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(part, **CASES[case])
        arrays, header = checkpoint.load(part, "training")
        assert header["epoch"] == stop
        retired += len(arrays["members"]) < len(arrays["kept_theta"])
        monkeypatch.setattr(fit.Training, "save", save)
        (found, rest), (expected, others) = state_of(run(part, **CASES[case])), state_of(whole)
        assert rest == others and found.keys() == expected.keys()
        assert all(np.array_equal(found[k], expected[k], equal_nan=True) for k in found)
        part.unlink()
    if case in ("distill", "distill fresh"):
        assert retired  # some were saved when a member had left


@pytest.mark.parametrize("case", ["distill", "distill fresh", "distill last", "extract"])
def test_a_member_of_a_stack_ends_as_if_it_had_trained_alone(job, monkeypatch, case):
    run, purpose = job[case.split()[0]], "generators" if case == "extract" else "kegnet"
    size = {"students": 4} if purpose == "kegnet" else {"generators": 3}
    stack, seeded = run(**size, **CASES[case]), sampling.seeded
    for member in range(*size.values()):

        def only(seed, what, members=1, member=member):
            return seeded(seed, what, member + 1)[-1:] if what == purpose else seeded(seed, what)

        monkeypatch.setattr(sampling, "seeded", only)
        pool = {"pool_per_generator": 192, "generators": 1} if purpose == "kegnet" else {}
        alone = run(**(dict.fromkeys(size, 1) | CASES[case] | pool))
        assert alone.kept_epoch[0] == stack.kept_epoch[member]
        assert np.array_equal(alone.kept_theta[0], stack.kept_theta[member])
        assert np.array_equal(alone.kept_state[0], stack.kept_state[member])
        rows = [row | {"member": 0} for row in stack.history if row["member"] == member]
        assert rows == alone.history


def test_a_checkpoint_of_another_stage_is_not_gone_on_from(job, tmp_path):
    training = job["distill"]()
    training.save(tmp_path / "part.npz", "uniform")
    words = re.escape("belongs to another stage; delete it")
    with pytest.raises(checkpoint.CheckpointError, match=words):
        job["distill"](tmp_path / "part.npz")
    training.save(tmp_path / "part.npz", "kegnet")
    with pytest.raises(checkpoint.CheckpointError, match=words):
        job["distill"](tmp_path / "part.npz", students=3)
    assert os.listdir(tmp_path) == ["part.npz"]
