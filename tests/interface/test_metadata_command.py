"""kegnet metadata, and commands that read what it writes."""

import json

import numpy as np
import pytest
from shell import accepted, refused

import data_loaders
from kegnet_np.beyond import metadata


def test_what_the_command_writes_describes_the_training_rows(finished, tmp_path, rng):
    out = accepted("metadata", "--dataset", finished.table, "--out", tmp_path / "m.json")
    assert "It reveals:" in out and "the extremes of every feature" in out
    given, data = json.loads((tmp_path / "m.json").read_text()), data_loaders.load(finished.table)
    x = data.x_train * data.scale + data.mean
    assert np.array(given["ranges"])[:, 1] == pytest.approx(x.max(0), rel=1e-5)
    assert set(given["classes"]) == set(map(str, data.class_names))
    described = metadata.load(tmp_path / "m.json", data.mean, data.scale)
    standardised = described["covariance"](rng, 40_000)
    assert np.cov(standardised.T) == pytest.approx(np.cov(data.x_train.T), abs=0.05)
    teacher = ["--teacher", finished.stages["teacher"], "--config", finished.settings]
    auto = [*teacher, "--student", finished.stages["tucker"], "--sampler", "classes+covariance"]
    accepted("distill", *auto, "--metadata", tmp_path / "m.json", "--out", tmp_path / "s.npz")
    words = "sampler is 'classes+covariance', expected --metadata with classes"
    assert words in refused(tmp_path, "distill", *auto, "--out", tmp_path / "t.npz")
    out = accepted("run", *finished.options, "--sampler", "covariance", "--metadata",
                   tmp_path / "m.json", "--out", tmp_path / "run")
    assert "Tucker + covariance" in out
