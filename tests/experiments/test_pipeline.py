"""What chooses a student's epoch, and what it trains on."""

import json

import numpy as np
import pytest

import data_loaders
from kegnet_np import student
from kegnet_np.experiments import pipeline
from kegnet_np.experiments import run as whole
from kegnet_np.experiments.jobs import Job
from kegnet_np.experiments.settings import make
from kegnet_np.interface import inputs
from kegnet_np.interface.cli import read_settings
from kegnet_np.io import checkpoint


def settings_of(finished, **changes):
    return make({**read_settings(finished.settings), "dataset": str(finished.table), **changes})


def variant(finished, folder, **changes):
    """A run with other settings, without figures: its checkpoints' headers by name, the kegnet
    students, and its data."""
    settings = settings_of(finished, **changes)
    whole.run(settings, inputs.load, folder, figures=False)
    assert not (folder / "figures").exists()
    paths = (folder / "checkpoints").iterdir()
    headers = {path.stem: checkpoint.load(path)[1] for path in paths}
    students, _ = checkpoint.load_network(folder / "checkpoints/kegnet.npz")
    return headers, students, data_loaders.load(finished.table)


def done(finished, job, **changes):
    """A job of `finished`, done with other settings."""
    options = {"watch": changes.pop("watch", False)}
    files = {"teach": "teacher", "extract": "generators", "compress": "tucker"}
    found = {}
    for does in job.needs:
        load = checkpoint.load_generators if does == "extract" else checkpoint.load_network
        found[does], *_ = load(finished.stages[files[does]])
    data = data_loaders.load(finished.table)
    return pipeline.work(job, settings_of(finished, **changes), data, found, None, **options)


def test_selection_last_trains_to_the_end_and_keeps_it(finished, tmp_path):
    headers, _, _ = variant(finished, tmp_path, selection="last")
    for name, epochs in {"uniform": 8, "normal": 8, "kegnet": 5, "real": 8}.items():
        assert headers[name]["kept_epoch"] == [epochs] * 3
        assert len(headers[name]["history"]) == 3 * epochs


def test_selection_by_real_validation_scores_the_validation_rows(finished, tmp_path):
    headers, students, data = variant(finished, tmp_path, selection="real-validation")
    for member, kept in enumerate(headers["kegnet"]["kept_epoch"]):
        logits = students.member(member).predict(data.x_val)
        right = np.mean(logits.argmax(1) == data.y_val)
        rows = [row for row in headers["kegnet"]["history"] if row["member"] == member]
        assert rows[kept - 1]["score"] == max(row["score"] for row in rows) == right


@pytest.mark.parametrize("sampling", ["pool", "fresh"])
def test_an_epoch_has_as_many_steps_on_fresh_samples_as_on_a_pool(finished, sampling):
    job = Job(str(finished.table), 2019, "distill", "tucker", "uniform")
    changes = {"sampling": sampling, "noise_pool": 70, "student_batch": 20, "selection": "last"}
    header = done(finished, job, **changes)[1]
    assert (header["epochs"], header["updates"]) == (8, 8 * 4)  # of 20, 20, 20 and 10 or 20


def test_an_unwatched_student_is_the_same_and_has_no_scores(finished):
    job = Job(str(finished.table), 2019, "distill", "tucker", "uniform")
    ((watched,), with_scores), ((alone,), without) = (
        done(finished, job, selection="last", watch=watch) for watch in (True, False)
    )
    assert (watched.theta == alone.theta).all()
    assert all("score" in row for row in with_scores["history"])
    assert not any("score" in row for row in without["history"])


def test_fresh_samples_train_other_students(finished, tmp_path):
    _, students, _ = variant(finished, tmp_path, sampling="fresh")
    pool, theta = checkpoint.load_network(finished.stages["kegnet"])[0].theta, students.theta
    assert theta.shape == pool.shape and (theta != pool).any(axis=1).all()
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result["sampling"] == "fresh"


@pytest.mark.parametrize("name", ["teacher", "tucker", "uniform", "kegnet", "real"])
def test_a_job_done_alone_makes_the_bits_of_the_run(finished, name):
    does = {"teacher": "teach", "tucker": "compress"}.get(name, "distill")
    form, samples = ("" if does == "teach" else "tucker"), (name if does == "distill" else "")
    job = Job(str(finished.table), 2019, does, form, samples)
    (network,), header = done(finished, job, watch=True)
    kept, expected = checkpoint.load_network(finished.stages[name])
    assert np.array_equal(network.stack().theta, kept.theta)
    assert header["accuracy"] == expected["accuracy"]
    assert header.get("history") == expected.get("history")


def test_a_job_that_fails_says_whose_loss_it_was(finished):
    job = Job(str(finished.table), 2019, "distill", "tucker", "normal")
    with (
        np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="^normal: loss is ")
    ):
        done(finished, job, student_lr=1e30)


def test_students_that_end_worse_than_the_trial_learn_again_at_half_the_rate(finished, monkeypatch):
    """One student in a hundred diverges at the rate that short trials choose."""
    settings = make({"params": 100, "dataset": str(finished.table), "noise_epochs": 2,
                     "noise_pool": 8192, "students": 2, "seed": 3})
    M, _ = checkpoint.load_network(finished.stages["teacher"])
    job, rates = Job(str(finished.table), 3, "distill", "mlp", "normal", ""), []

    def distilled(*arguments, **options):
        students, done = student.distill(*arguments, **options)
        rates.append(options["schedule"].lr)
        if len(rates) < 3:
            students.theta[-1] = 5  # the last one diverged
        return students, done

    monkeypatch.setattr(pipeline, "distill", distilled)
    _, header = pipeline.work(job, settings, None, {"teach": M}, None)
    assert rates == [rates[0], rates[0] / 2, rates[0] / 4]
    assert header["recipe"]["lr"] == rates[-1] and header["recipe_kl"] < 99
    assert max(t["lr"] for t in header["trials"]) >= rates[0]
