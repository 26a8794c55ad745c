"""A run that is killed at any moment goes on to the same numbers, bit for bit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from shell import DONE, ENVIRONMENT, READ, accepted, contents, refused, write_table

import data_loaders
from kegnet_np import generator, sampling, student, teacher, tucker
from kegnet_np.experiments import folder
from kegnet_np.experiments.settings import make
from kegnet_np.interface.cli import read_settings
from kegnet_np.io import checkpoint

# The command line, with a checkpoint after every epoch; it kills itself at a write to the disk:
# moment 2 n - 1 is before the n-th file is put in its place, 2 n is after; a negative one, never.
DRIVER = """
import os, signal, sys
from kegnet_np.experiments import folder
from kegnet_np.interface import cli
folder.SAVE_EVERY = -1.0
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


def said(process):
    """What a process printed, but for lines that say what it read and how far it is."""
    out, err = process.communicate()
    return out, "".join(line for line in err.splitlines()
                        if not (line.startswith(READ) or DONE.match(line)))


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
        assert said(process) == ("", "") and not (run / "result.json").exists()
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
    assert said(process)[1] == "" and process.returncode == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


# --- two runs in one folder -----------------------------------------------------------------------

HOLDER = """
import json, sys
from pathlib import Path
from kegnet_np.experiments.folder import opened
out = Path(sys.argv[1])
with opened(out, json.loads((out / "config.json").read_text()), resume=True):
    print("at work", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(finished, tmp_path):
    """A folder with half of `finished`, and the process that is at work in it."""
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    for name in ("result.json", "checkpoints/normal.npz", "checkpoints/kegnet.npz"):
        (run / name).unlink()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as process:
        assert process.stdout.readline() == "at work\n"
        yield run, process
        process.kill()


def test_a_second_run_in_a_folder_is_refused_and_leaves_the_first_ones_files(finished, held):
    run, process = held
    (run / "checkpoints" / f".kegnet.npz.{process.pid}.tmp").write_text("half a file")
    options = ["run", *finished.options, "--out", run]
    line = refused(run, *options, "--resume")
    assert f"--out {run}: process {process.pid} is at work in it; wait for it, or choose" in line
    assert "holds a run; go on with --resume" in refused(run, *options)
    process.communicate("")  # it ends by itself
    assert not {".lock", ".running"} & set(contents(run))
    accepted(*options, "--resume")
    assert_same_run(run, finished.run)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_after_the_first_run_was_killed_another_goes_on(finished, held):
    run, process = held
    (run / "checkpoints" / f".kegnet.npz.{process.pid}.tmp").write_text("half a file")
    process.kill()
    process.wait()
    assert {".lock", ".running"} < set(contents(run))
    accepted("run", *finished.options, "--out", run, "--resume")
    assert_same_run(run, finished.run)  # with no lock and no half file left


def test_a_run_that_fails_leaves_no_lock(tmp_path):
    with pytest.raises(KeyError), folder.opened(tmp_path / "run", {}, resume=False):
        raise KeyError
    assert set(contents(tmp_path / "run")) == {"config.json"}


def test_a_resume_on_other_rows_says_that_the_data_have_changed(finished, tmp_path):
    table, run = tmp_path / "pets.csv", tmp_path / "run"
    shutil.copy(finished.table, table)
    options = ["run", "--config", finished.settings, "--dataset", table, "--out", run]
    accepted(*options)
    write_table(table, seed=1)
    line = refused(run, *options, "--resume")
    assert f"--out {run}: the data have changed since that run began; bring back the rows" in line
    shutil.copy(finished.table, table)
    accepted(*options, "--resume")


# --- the same in this process, stage by stage -----------------------------------------------------


@pytest.fixture
def job(finished):
    """The verbs with the settings and networks of `finished`: each gives its training."""
    usual = {**read_settings(finished.settings), "dataset": str(finished.table), "students": 4,
             "generators": 3}
    M, _ = checkpoint.load_teacher(finished.stages["teacher"])
    G, *_ = checkpoint.load_generators(finished.stages["generators"])
    data = data_loaders.load(finished.table)
    source = generator.generated(G, usual["latent"])

    def distill(part=None, **changes):
        s = make(usual | changes)
        return student.distill(
            M, tucker.compress(M, s.compress.ranks), source,
            **s.distill.arguments(s.extract.generators), seed=s.every.seed, purpose="kegnet",
            hook=folder.Progress("kegnet", part))[-1]

    def extract(part=None, **changes):
        s, hook = make(usual | changes), folder.Progress("generators", part)
        return generator.extract(M, **s.extract.arguments(), seed=s.every.seed, hook=hook)[-1]

    def teach(part=None, **changes):
        s, hook = make(usual | changes), folder.Progress("teacher", part)
        rows = (data.x_train, data.y_train), (data.x_val, data.y_val)
        return teacher.teach(*rows, **s.teach.arguments(), seed=s.every.seed, hook=hook)[-1]

    return {"teach": teach, "extract": extract, "distill": distill}


def state_of(training):
    """Everything of a training that decides its numbers."""
    arrays = {key: getattr(training, key) for key in checkpoint.ARRAYS} | training.adam.arrays()
    rngs = [rng.bit_generator.state for rng in training.rngs]
    return arrays, (training.epoch, training.history, rngs)


CASES = {
    "teach": {}, "extract": {"teacher_dropout": True, "beta": 0.1},
    "distill": {}, "distill fresh": {"sampling": "fresh"},
    "distill last": {"selection": "last", "cosine": True, "shuffle": False},
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_saved_in_the_middle_goes_on_bit_for_bit(job, tmp_path, monkeypatch, case):
    run, part = job[case.split()[0]], tmp_path / "part.npz"
    whole = run(**CASES[case])
    monkeypatch.setattr(folder, "SAVE_EVERY", -1.0)
    save, retired = checkpoint.save_training, 0
    for stop in range(1, whole.epoch):

        def save_and_stop(path, training, name, stop=stop):
            save(path, training, name)
            if training.epoch == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(checkpoint, "save_training", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(part, **CASES[case])
        arrays, header = checkpoint.load(part, "training")
        assert header["epoch"] == stop
        retired += len(arrays["members"]) < len(arrays["kept_theta"])
        monkeypatch.setattr(checkpoint, "save_training", save)
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
    checkpoint.save_training(tmp_path / "part.npz", training, "uniform")
    words = re.escape("belongs to another stage or version; delete it")
    with pytest.raises(checkpoint.CheckpointError, match=words):
        job["distill"](tmp_path / "part.npz")
    checkpoint.save_training(tmp_path / "part.npz", training, "kegnet")
    with pytest.raises(checkpoint.CheckpointError, match=words):
        job["distill"](tmp_path / "part.npz", students=3)
    training.adam.arrays = lambda: {"adam_m": np.zeros(1), "adam_v": np.zeros(1)}  # once its names
    checkpoint.save_training(tmp_path / "part.npz", training, "kegnet")
    with pytest.raises(checkpoint.CheckpointError, match=words):
        job["distill"](tmp_path / "part.npz")
    assert os.listdir(tmp_path) == ["part.npz"]
