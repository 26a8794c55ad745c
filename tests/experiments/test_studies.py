"""Every study runs through in a few seconds, in a small setting, and answers what it asks."""

import json
import re

import numpy as np
import pytest
from shell import write_table

import data_loaders
from kegnet_np import sampling, student
from kegnet_np.beyond import metadata as described
from kegnet_np.beyond import ranks
from kegnet_np.experiments import (
    foreign,
    form,
    grid,
    lean,
    metadata,
    official,
    quirks,
    samples,
    text,
)
from kegnet_np.experiments.engine import Engine
from kegnet_np.experiments.jobs import Job
from kegnet_np.experiments.protocols import PROTOCOLS
from kegnet_np.experiments.settings import Distill
from kegnet_np.interface import inputs
from kegnet_np.io import checkpoint
from kegnet_np.models import MLP
from kegnet_np.probes.samples import MEASURES, describe

TINY = {
    "hidden": 16, "depth": 2, "dropout": 0.1, "teacher_lr": 0.01, "teacher_batch": 16,
    "teacher_epochs": 30, "teacher_min_epochs": 1, "generators": 3,
    "generator_epochs": 2, "generator_steps": 3, "generator_batch": 32, "noise_epochs": 2,
    "student_epochs": 2, "noise_pool": 128, "pool_per_generator": 64, "held_out": 50,
    "students": 2, "student_lr": 0.01,
}
CELL = re.compile(r"\d+\.\d ± \d+\.\d|\d+\.\d")  # with a mean of 0.0 ± 0.0 too
SIGNED = re.compile(r"[+-]\d+\.\d( ± \d+\.\d)?")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The protocols with tiny networks and schedules; gives a small table."""
    for name, protocol in PROTOCOLS.items():
        monkeypatch.setitem(PROTOCOLS, name, protocol | TINY)
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.5, 32)))
    return str(write_table(tmp_path / "pets.csv", rows=200))


def asked(study, tmp_path, teachers=2):
    """A study's result and tables; it is the same when it goes on, or when two do it."""
    result = grid.ask(study, inputs.load, tmp_path / "out", teachers)
    again = grid.ask(study, inputs.load, tmp_path / "out", teachers, resume=True)
    assert again == result and result["question"] == study.__name__.split(".")[-1]
    tables = study.tables(result)
    for table in tables:
        assert len({len(row) for row in table}) == 1
        assert all(isinstance(cell, str) and "nan" not in cell for row in table for cell in row)
        assert text.to_text(table) and text.to_markdown(table)
    assert f"teachers: {teachers}, students of each: 2" in study.note(result)
    return result, tables


def test_the_form_of_a_student(small, monkeypatch, tmp_path):
    monkeypatch.setattr(form, "DATASET", small)
    monkeypatch.setattr(form, "COMPRESSION", 1.5)
    result, (table,) = asked(form, tmp_path)
    head, *rows = table
    assert head == form.COLUMNS and {row[0] for row in rows} == set(form.FORMS.values())
    means = [float(row[3].split()[0]) for row in rows]
    assert means == sorted(means, reverse=True)
    budget = grid.cells_of(result, does="teach")[0]["n_params"] / 1.5
    for (kind, layers), name in form.FORMS.items():
        cells = grid.cells_of(result, does="distill", form=kind, layers=layers)
        assert len(cells) == 2 and all(0 < c["n_params"] <= budget for c in cells)
        depth = layers or (3 if kind == "mlp" else 2)
        assert {len(c["widths"]) for c in cells} == {depth}
        (row,) = (row for row in rows if row[0] == name)
        assert CELL.fullmatch(row[3]) and len(row[4].split(", ")) == 2
        assert row[5] == "" if name == "MLP, 3 layers" else SIGNED.fullmatch(row[5])


def test_what_the_lean_form_frees(small, monkeypatch, tmp_path):
    monkeypatch.setattr(lean, "SIZES", {small: 1.5})
    result, (table,) = asked(lean, tmp_path)
    head, of_paper, of_lean = table
    assert head == lean.COLUMNS and of_paper[4] == "" and SIGNED.fullmatch(of_lean[4])
    taught = grid.cells_of(result, does="teach")[0]
    M = MLP(4, 3, tuple(taught["widths"]))
    for variant, is_lean in (("", True), ("paper", False)):
        starts = grid.cells_of(result, does="compress", variant=variant)
        assert len(starts) == 2
        for start in starts:  # the count is that of its form, within the budget
            assert start["n_params"] == ranks.n_params(M, start["ranks"], is_lean)
            assert start["n_params"] <= taught["n_params"] / 1.5


def test_what_metadata_is_worth(small, monkeypatch, tmp_path):
    monkeypatch.setattr(metadata, "DATASET", small)
    monkeypatch.setattr(metadata, "COMPRESSION", 1.5)
    result, (table,) = asked(metadata, tmp_path)
    head, *rows = table
    assert [row[0] for row in rows] == [
        "normal", "normal+noised", "ranges", "covariance", "classes", "real"]
    assert [row[3] == "" for row in rows] == [True, *[False] * 5]
    assert [row[4] for row in rows[:2]] == ["nothing"] * 2 and rows[-1][4] == "every row"
    assert [row[4] for row in rows[2:5]] == list(described.REVEALS.values())
    accuracies = [str(grid.values_of(result, does="distill", samples=row[0])) for row in rows]
    assert len(set(accuracies)) > 3


@pytest.mark.parametrize("name", described.REVEALS)
def test_students_on_metadata_see_its_samplers(small, monkeypatch, tmp_path, name):
    monkeypatch.setattr(metadata, "DATASET", small)
    monkeypatch.setattr(metadata, "COMPRESSION", 1.5)
    monkeypatch.setattr(metadata, "SAMPLES", ("normal", name))
    grid.ask(metadata, inputs.load, tmp_path / "out", 1)
    job = Job(small, 2019, "distill", "tucker", name, compression=1.5)
    data = data_loaders.load(small)
    engine = Engine(tmp_path / "out", None, None, None)
    (kept,), _ = engine.read(job)
    M, start = (engine.read(job.needs[does])[0][0].member(0) for does in ("teach", "compress"))
    known = described.samplers_of(described.describe(data), data.mean, data.scale)
    s = grid.settings_of({"protocol": "beyond"})(job)
    again, _ = student.distill(
        M, start, known[name], **s.distill.arguments(watch=False), seed=2019, purpose=name)
    assert np.array_equal(again.theta, kept.theta)
    other, _ = student.distill(
        M, start, sampling.normal(4), **s.distill.arguments(watch=False), seed=2019, purpose=name)
    assert not np.array_equal(other.theta, kept.theta)


def test_what_the_official_quirks_are_worth(small, monkeypatch, tmp_path):
    monkeypatch.setattr(quirks, "DATASET", small)
    monkeypatch.setattr(quirks, "RANK", 2)
    result, (table,) = asked(quirks, tmp_path)
    head, *rows = table
    assert len(head) == 7 and [row[0] for row in rows] == [c[0] for c in quirks.CHANGES.values()]
    for row, (_, _, students) in zip(rows, quirks.CHANGES.values(), strict=True):
        for name, cells in zip(quirks.BOTH, (row[1:4], row[4:7]), strict=True):
            assert (cells[0] != "") == (name in students)
            assert (SIGNED.fullmatch(cells[2]) is not None) == (name in students and row != rows[0])
    engine = Engine(tmp_path / "out", None, None, None)
    for variant in list(quirks.CHANGES)[1:]:
        for name in quirks.CHANGES[variant][2]:
            jobs = (Job(small, 2019, "distill", "tucker", name, rank=2, variant=v)
                    for v in ("", variant))
            base, own = (engine.read(job)[1]["history"] for job in jobs)
            assert base != own, (variant, name)  # other losses, or other scores


def test_what_samples_lack(small, monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "STUDENTS", small)
    monkeypatch.setattr(samples, "DATASETS", (small,))
    monkeypatch.setattr(samples, "RANK", 2)
    monkeypatch.setattr(samples, "N", 300)
    result, (measures, students) = asked(samples, tmp_path)
    assert measures[0] == [f"{small}; mean ± sd over the teachers", *samples.KINDS]
    assert [row[0] for row in measures[1:]] == list(MEASURES.values())
    assert [row[0] for row in students[1:]] == list(samples.CHANGED)
    assert all(CELL.fullmatch(row[1]) for row in students[1:])
    data = data_loaders.load(small)
    M, _ = checkpoint.load_network(tmp_path / "out/checkpoints/pets-2019-teacher.npz")
    x = sampling.normal(4)(sampling.seeded(2019, "measure normal")[0], 300)
    (cell,) = grid.cells_of(result, does="measure", teacher=2019, samples="normal")
    expected = describe(x, M.member(0), data.x_test)
    assert {key: cell[key] for key in MEASURES} == expected


def test_changed_samples_have_the_real_property_and_no_other(rng):
    real = (rng.standard_normal((3000, 3)) @ rng.standard_normal((3, 3))).astype(np.float32)

    class Sure:
        def predict(self, x):
            return np.stack([99 * (x[:, 0] > 0), np.zeros(len(x))], axis=1)

    made = samples.changed(Sure(), real, sampling.uniform(3))
    drawn = {name: sampler(rng, 20_000) for name, sampler in made.items()}
    assert list(made) == list(samples.CHANGED)
    assert all(x.shape == (20_000, 3) and x.dtype == np.float32 for x in drawn.values())
    noise, learnt, apart, sure = drawn.values()
    for x in (noise, learnt):
        np.testing.assert_allclose(np.cov(x.T), np.cov(real.T), atol=0.1)
    assert abs(np.corrcoef(apart.T) - np.eye(3)).max() < 0.05
    assert {*apart[:, 1]} <= {*real[:, 1]}
    assert {row.tobytes() for row in sure} <= {row.tobytes() for row in real if row[0] > 0}


def test_ours_beside_the_official_program(small, monkeypatch, tmp_path):
    shares = {"teacher": 0.9, "tucker": 0.3, "uniform": 0.5, "normal": 0.6, "kegnet": 0.7}
    times = {name: {"seconds": 10, "epochs": 5} for name in ("teacher", "generators", "normal")}
    known = {"rank": 2, "official": shares, "second": {"normal": 0.5}, "paper": shares,
             "seconds": times}
    monkeypatch.setattr(official, "figures", lambda: {small: known})
    monkeypatch.setattr(official, "OF_SET", {small: "2-generators"})
    result, (accuracy, seconds) = asked(official, tmp_path)
    assert len(accuracy) == 1 + 5 + 1 and accuracy[-1][0].endswith("KegNet, 2 generators")
    assert [row[4] for row in accuracy[1:]] == ["90.0", "30.0", "50.0", "60.0", "70.0", "70.0"]
    assert [row[7] for row in accuracy[1:]] == ["", "", "", "50.0", "", ""]
    assert [row[0] for row in seconds[1:]] == [f"{small}: {name}" for name in times]
    assert all(row[2] == "2.000" for row in seconds[1:])
    files = tmp_path / "out/checkpoints"
    for variant, generators in (("", 3), ("-2-generators", 2)):
        G, _, _ = checkpoint.load_generators(files / f"pets-2019{variant}-generators.npz")
        assert len(G.theta) == generators
        kept, header = checkpoint.load_network(files / f"pets-2019{variant}-rank2-kegnet.npz")
        assert header["updates"] == 2 * -(-64 * generators // 64) and len(kept.theta) == 2


def test_the_official_figures_have_what_is_asked_of_them():
    assert set(official.figures()) == set(official.OF_SET)
    for known in official.figures().values():
        assert {"rank", "official", "second", "paper"} <= set(known)
        assert list(known["official"]) == ["teacher", "tucker", "uniform", "normal", "kegnet"]


def test_luck_is_that_of_one_student_of_one_more_teacher(rng):
    teachers = 0.1 * rng.standard_normal((400, 1)) + 0.5
    values = teachers + 0.2 * rng.standard_normal((400, 3))
    one = (0.1**2 + 0.2**2) ** 0.5
    assert official.luck(values.tolist()) == pytest.approx(1.966 * one, rel=0.1)
    assert official.luck([[0.5], [0.7], [0.6]]) == pytest.approx(4.303 * 0.1 * (1 + 1 / 3) ** 0.5,
                                                                 rel=1e-3)


def test_epochs_of_a_network_are_counted_to_its_end():
    cell = {"does": "distill", "epochs": 200, "kept_epoch": [30, 120, 199]}
    assert Distill.student_patience == 50 and Distill.student_min_epochs == 100
    assert official.network_epochs(cell) == 100 + 170 + 200
    assert official.network_epochs({"does": "extract", "epochs": 7, "kept_epoch": [7, 7]}) == 14


@pytest.mark.parametrize("study", [form, metadata, quirks, samples, official])
def test_one_teacher_is_enough_for_a_study(small, monkeypatch, tmp_path, study):
    known = {"rank": 2, "official": {"teacher": 0.9, "kegnet": 0.7}, "second": {}, "paper": {}}
    for module, name, value in [
        (form, "DATASET", small), (metadata, "DATASET", small), (quirks, "DATASET", small),
        (samples, "STUDENTS", small), (samples, "DATASETS", (small,)), (samples, "RANK", 2),
        (quirks, "RANK", 2), (form, "COMPRESSION", 1.5), (metadata, "COMPRESSION", 1.5),
        (official, "figures", lambda: {small: known}), (samples, "N", 100),
        (official, "OF_SET", {small: "2-generators"}),
    ]:
        monkeypatch.setattr(module, name, value)
    asked(study, tmp_path, teachers=1)


def test_scikit_learns_classifiers_as_teachers(monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    from kegnet_np import DataFreeDistiller

    monkeypatch.setattr(foreign, "DATASETS", ("wine", "breast-cancer"))
    monkeypatch.setattr(foreign, "SAMPLES", {"MLP": 60_000, "forest": 10_000})
    result = foreign.ask(DataFreeDistiller, tmp_path / "out", 2)
    assert len(result["cells"]) == 2 * 2 * 2 * 3
    place = tmp_path / "out" / "table.json"
    place.write_text(json.dumps(result | {"cells": result["cells"][:-3]}), encoding="utf-8")
    again = foreign.ask(DataFreeDistiller, tmp_path / "out", 2, resume=True)

    def less_seconds(cells):
        return [{k: v for k, v in cell.items() if k != "seconds"} for cell in cells]

    assert less_seconds(again["cells"]) == less_seconds(result["cells"])
    with pytest.raises(ValueError, match="exists and is not overwritten"):
        foreign.ask(DataFreeDistiller, tmp_path / "out", 2)
    accuracy, balanced, agreement = foreign.tables(result)
    assert [row[0] for row in accuracy[1:]] == [
        "wine: MLP", "wine: forest", "breast-cancer: MLP", "breast-cancer: forest"]
    for row in [*accuracy[1:], *balanced[1:]]:
        assert all(CELL.fullmatch(cell) for cell in row[1:4])
        assert all(SIGNED.fullmatch(cell) for cell in row[4:])
        assert float(row[1].split()[0]) > 85 and float(row[2].split()[0]) > 60
    assert all(CELL.fullmatch(cell) for row in agreement[1:] for cell in row[2:])
    assert "teachers: 2, students of each: 1" in foreign.note(result)


def test_a_file_of_a_study_that_is_not_there_is_named(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.delenv("KEGNET_TABLES", raising=False)
    with pytest.raises(ValueError, match="KEGNET_TABLES is not set, expected the folder of magic"):
        foreign.load("magic", 0)
