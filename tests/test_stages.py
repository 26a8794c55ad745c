"""What chooses a student's epoch, and what it trains on."""

import json
import re

import numpy as np
import pytest

import data_loaders
from kegnet_np import checkpoint, cli, experiment, stages
from kegnet_np.sampling import uniform


def variant(finished, folder, **settings):
    """A run with other settings, without figures: its checkpoints' headers by name, its theta of
    the kegnet students, and its data."""
    options = {"config": finished.settings, "dataset": str(finished.table), **settings}
    config, data = cli.read_config(options), data_loaders.load(finished.table)
    experiment.run(config, data, folder, figures=False)
    assert not (folder / "figures").exists()
    paths = (folder / "checkpoints").iterdir()
    headers = {path.stem: checkpoint.load(path)[1] for path in paths}
    return headers, checkpoint.load_network(folder / "checkpoints/kegnet.npz")[:2], data


def test_selection_last_trains_to_the_end_and_keeps_it(finished, tmp_path):
    headers, _, _ = variant(finished, tmp_path, selection="last")
    for name, epochs in {"uniform": 8, "normal": 8, "kegnet": 5, "real": 8}.items():
        assert headers[name]["kept_epoch"] == [epochs] * 3
        assert len(headers[name]["history"]) == 3 * epochs


def test_selection_by_real_validation_scores_the_validation_rows(finished, tmp_path):
    headers, (model, theta), data = variant(finished, tmp_path, selection="real-validation")
    for member, kept in enumerate(headers["kegnet"]["kept_epoch"]):
        logits, _ = model.apply(model.layout.views(theta[member]), None, data.x_val)
        right = np.mean(logits.argmax(1) == data.y_val)
        rows = [row for row in headers["kegnet"]["history"] if row["member"] == member]
        assert rows[kept - 1]["score"] == max(row["score"] for row in rows) == right


@pytest.mark.parametrize("sampling", ["pool", "fresh"])
def test_an_epoch_has_as_many_steps_on_fresh_samples_as_on_a_pool(finished, sampling):
    M, theta_M, _ = checkpoint.load_teacher(finished.stages["teacher"])
    settings = {"sampling": sampling, "noise_pool": 70, "student_batch": 20, "selection": "last"}
    config = cli.read_config({"config": finished.settings, **settings})
    done = stages.distill(config, "uniform", M, theta_M, M, theta_M, uniform(4))
    assert (done.epoch, done.adam.t) == (8, 8 * 4)  # of 20, 20, 20 and 10 or 20 samples


def test_an_unwatched_student_is_the_same_and_has_no_scores(finished):
    M, theta_M, _ = checkpoint.load_teacher(finished.stages["teacher"])
    config = cli.read_config({"config": finished.settings, "selection": "last"})
    watched, alone = (
        stages.distill(config, "uniform", M, theta_M, M, theta_M, uniform(4), watch=watch)
        for watch in (True, False)
    )
    assert (watched.kept_theta == alone.kept_theta).all()
    assert all("score" in row for row in watched.history)
    assert not any("score" in row for row in alone.history)


def test_fresh_samples_train_other_students(finished, tmp_path):
    _, (_, theta), _ = variant(finished, tmp_path, sampling="fresh")
    pool = checkpoint.load_network(finished.stages["kegnet"])[1]
    assert theta.shape == pool.shape and (theta != pool).any(axis=1).all()
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result["sampling"] == "fresh"


def test_real_validation_without_validation_rows_is_an_error(finished):
    M, theta_M, _ = checkpoint.load_teacher(finished.stages["teacher"])
    config = cli.read_config({"config": finished.settings, "selection": "real-validation"})
    with pytest.raises(ValueError, match=re.escape("needs (x, labels)")):
        stages.distill(config, "uniform", M, theta_M, M, theta_M, uniform(4))
