"""Fixtures that every test file shares."""

from types import SimpleNamespace

import numpy as np
import pytest
from shell import TINY, accepted, write_table

from kegnet_np.train import Training


@pytest.fixture
def rng():
    """A seeded random generator."""
    return np.random.default_rng(2019)


@pytest.fixture
def no_training(monkeypatch):
    """No training begins: a bad input must be found before it."""

    def begin(*arguments, **options):
        raise AssertionError("training began")

    monkeypatch.setattr(Training, "__init__", begin)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run of a second, and what made it: ``table`` and ``settings`` (files), ``options``,
    ``run`` (its folder), ``stages`` (its checkpoints by name) and ``out`` (what it printed)."""
    folder = tmp_path_factory.mktemp("finished")
    table, settings, run = write_table(folder / "pets.csv"), folder / "tiny.toml", folder / "run"
    settings.write_text(TINY, encoding="utf-8")
    options = ["--config", settings, "--dataset", table]
    out = accepted("run", *options, "--out", run)
    stages = {path.stem: path for path in (run / "checkpoints").iterdir()}
    return SimpleNamespace(
        table=table, settings=settings, options=options, run=run, stages=stages, out=out
    )
