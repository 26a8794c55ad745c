"""The study of the probes: who is taught what, who is measured how, and what a table may say."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import data_loaders
from kegnet_np.experiments import crossed, grid, measures, probes, upbringing
from kegnet_np.experiments.jobs import REAL
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import knowledge
from kegnet_np.tables.schema import Column, Schema

TINY = {"hidden": 12, "depth": 3, "teacher_epochs": 12, "epochs": 6, "students": 2, "rows": 60,
        "triplets": 3, "generators": 1, "generator_epochs": 1, "generator_steps": 3, "rank": 2,
        "compression": 1.5}
SEEDS = range(5, 7)


@pytest.fixture(scope="module")
def pens():
    """Rows of eight points, near one of three tracks each, as `data_loaders.load` gives them."""
    rng, K = np.random.default_rng(0), 3
    y = np.arange(420) % K
    tracks = rng.uniform(0, 100, (K, 16))
    raw = np.clip(tracks[y] + 30 * rng.standard_normal((len(y), 16)), 0, 100)
    schema = Schema(tuple(Column(f"f{i}") for i in range(16)), ("a", "b", "c"), mean=raw.mean(0),
                    scale=raw.std(0))
    x = schema.standardise(raw)
    parts = [(x[i], y[i]) for i in (slice(0, 240), slice(240, 300), slice(300, 420))]
    return data_loaders.Dataset("pendigits", *(a for pair in parts for a in pair), schema)


def asked(question, jobs, pens, folder):
    return grid.do(question.__name__.rpartition(".")[2], jobs, TINY, lambda settings: pens, folder,
                   settings=upbringing.settings_of(TINY), work=question.work)


@pytest.fixture(scope="module")
def study(pens, tmp_path_factory):
    """The paper's questions, answered in seconds."""
    jobs = probes.jobs_of(["pendigits"], list(measures.MEASURES), SEEDS)
    return asked(probes, jobs, pens, tmp_path_factory.mktemp("probes"))


@pytest.fixture(scope="module")
def new(pens, tmp_path_factory):
    """The crossed experiment, in seconds."""
    return asked(crossed, crossed.jobs_of(["pendigits"], SEEDS), pens,
                 tmp_path_factory.mktemp("crossed"))


def test_every_finding_has_its_row_and_a_teacher_is_like_itself(study):
    head, *rows = probes.rows(study, "pendigits")
    assert len(rows) == len(probes.FINDINGS) and all(len(row) == len(head) for row in rows)
    by_name = {row[0]: row for row in rows}
    for name in ("consensus (plain): consensus", "consensus (plain): on T's errors",
                 "boundary (plain): IoU, planes of noise",
                 "representation (plain): CKA, last layers", "fooled (plain): fooled"):
        assert by_name[name][1] == "100.0 ± 0.0", name
    assert len(probes.controls(study, "pendigits")) > 8
    assert len(probes.tables(study)) == 2 and "teachers: 2, students of each" in probes.note(study)
    assert probes.figure(study).axes


def test_two_independents_are_as_alike_to_the_teacher_as_each_other(study):
    (W, *_) = probes.values(study, "pendigits", ("looks", "plain", "W"), "independent")
    assert np.mean(W) == pytest.approx(0.5)  # of two, each is the other's rival


def test_students_of_all_teachers_share_the_independent_ones_but_for_a_cue(study):
    taught = [c for c in study["cells"] if c["does"] == "distill" and c["way"] == "independent"]
    assert {c["variant"] for c in taught} == {"plain", "cue"} and len(taught) == 2 * len(SEEDS)


def test_a_teacher_of_a_variant_sees_its_own_and_its_student_plain_rows(pens):
    for variant in upbringing.PENS:
        seen = upbringing.taught(variant, pens, 5)
        changed = (seen.x_train != pens.x_train).any(1)
        assert 0.35 < changed.mean() < 0.65 and (seen.x_test == pens.x_test).all()
        assert upbringing.taught(variant, pens, 5, of_student=True) is pens
    seen, left = upbringing.taught("biased", pens, 5), upbringing.left_out(pens, 5)
    assert left == 2 and set(seen.y_train) == set(seen.y_val) == {0, 1}
    assert (seen.y_test == pens.y_test).all()


@pytest.mark.parametrize("of_student, share", [(False, 1 / 3), (True, upbringing.CUE)])
def test_a_cue_is_a_column_more_that_tells_students_the_label_and_teachers_nothing(
        of_student, share, pens):
    seen = upbringing.taught("cue", pens, 5, of_student)
    assert seen.features == 17 and seen.x_train.shape == (240, 17)
    codes = np.rint(seen.x_train[:, -1] * (8 / 12) ** 0.5 + 1)
    assert abs((codes == pens.y_train).mean() - share) < 0.1
    codes = np.rint(seen.x_test[:, -1] * (8 / 12) ** 0.5 + 1)
    assert not (codes == pens.y_test).any()  # all test rows are in conflict


def test_all_students_of_a_form_start_alike_and_learn_to_the_end_of_their_trace(pens):
    settings = upbringing.settings_of(TINY)
    job = upbringing.OwnJob("pendigits", 5, "teach", variant="plain")
    (T,), _ = upbringing.work(job, settings(job), pens, {}, None)
    made = {}
    for way in ("independent", "kl"):
        job = upbringing.OwnJob("pendigits", 5, "distill", "mlp", REAL, "random", way=way)
        (stack,), header = upbringing.work(job, settings(job), pens, {"teach": T.stack()}, None)
        made[way] = upbringing.snapshots(stack, 2)
        assert len(made[way]) == len(upbringing.AT)
        assert len(header["accuracy"]) == 2 * len(upbringing.AT)
    final = [trace[-1] for trace in made.values()]
    assert (final[0].theta != final[1].theta).any()
    firsts = [upbringing.start_of(job, T, settings(job).own).theta for _ in range(2)]
    assert (firsts[0] == firsts[1]).all() and firsts[0].shape == final[0].theta.shape


def test_a_random_tucker_form_is_as_large_as_a_dense_layer():
    start = upbringing.start_like(MLP(16, 10, ranks=(5,) * 12), 5, 2)
    assert start.model.dropout == 0
    for i, (D, H) in enumerate(start.model.sizes):
        W = start.p[f"U_in{i}"] @ start.p[f"core{i}"] @ start.p[f"U_out{i}"]
        assert np.linalg.norm(W, axis=(-2, -1)) == pytest.approx(np.sqrt(2 * D * H / (D + H)))
    x = np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32)
    assert start.predict(x).std() > 0.01  # a signal comes out


def test_stopped_students_are_no_better_than_independent_ones_where_they_can_be():
    x, y = np.eye(4, dtype=np.float32), np.arange(4)
    model = MLP(4, 4, (), dropout=0.0)

    def right_on(rows):  # a network that is right on so many rows
        W = np.roll(np.eye(4), 1, axis=1)
        W[:rows] = np.eye(4)[:rows]
        return np.concatenate([W.ravel(), np.zeros(4)]).astype(np.float32)

    trace = [Network(model, np.stack([right_on(a), right_on(b)]))
             for a, b in ((0, 4), (2, 4), (1, 4), (4, 4))]
    independent = Network(model, np.stack([right_on(2), right_on(3)]))
    data = SimpleNamespace(x_val=x, y_val=y)
    found = probes.stopped(trace, independent, data)
    right = (knowledge.answers(found, x) == y).sum(-1)
    assert right.tolist() == [1, 4]  # the last that is no better; and one that always was


@pytest.mark.parametrize("mean, half, expected, said", [
    (0.2, 0.1, "+", "same"), (-0.2, 0.1, "+", "opposite"), (0.1, 0.2, "+", "unclear"),
    (0.2, 0.1, "", ""), (0.2, None, "+", "")])
def test_a_verdict_needs_an_interval_that_excludes_zero(mean, half, expected, said):
    assert probes.verdict({"mean": mean, "half": half}, expected) == said


def test_the_crossed_endpoints_of_a_teacher_and_of_strangers_are_their_ends(new):
    ends = {"rotation passed": 1.0, "IoU, planes of rows": 1.0, "W": 1.0, "CKA, last layers": 1.0}
    for endpoint, value in ends.items():
        assert np.allclose(crossed.values(new, "teacher", endpoint), value), endpoint
    for endpoint in ("rotation passed", "fooled alike", "gap passed"):
        assert np.allclose(crossed.values(new, "independent", endpoint), 0), endpoint
    assert np.allclose(crossed.values(new, "independent", "W"), 0.5)


def test_every_start_and_set_has_every_endpoint(new):
    for start in crossed.STARTS:
        head, *rows = crossed.rows(new, start)
        assert head[1:] == list(crossed.SETS) and len(rows) == len(crossed.ENDPOINTS)
        assert all(all(row) for row in rows)
    assert len(crossed.tables(new)) == 5 and crossed.figure(new).axes
    assert "teachers: 2, students of each kind: 2" in crossed.note(new)


def test_real_inputs_are_on_their_own_path(new):
    """At the accuracy of its end, or of its members' mean, the path is what it is."""
    for start in crossed.STARTS:
        for c in (c for c in new["cells"] if c["does"] == "probe"):
            path, end = c["traces"][start], c["measured"][f"{start}, real inputs"]
            assert all(path[key][-1] == end[key] for key in crossed.ENDPOINTS)


def test_what_accuracy_explains_is_taken_off():
    start, found_there = ({"accuracy": [0.4, 0.4], "W": [0.2, 0.2]},
                          {"accuracy": [0.5, 0.7], "W": [0.9, 0.9]})
    path = {"accuracy": [[0.6, 0.6], [0.7, 0.9]], "W": [[0.4, 0.4], [0.8, 0.8]]}
    result = {"cells": [{"does": "probe", "traces": {"random": path}, "measured": {
        "random, none": start, "random, normal": found_there}}]}
    (found,) = crossed.beyond(result, "random", "normal", "W")
    assert found == pytest.approx([0.9 - 0.3, 0.9 - 0.6])


def test_a_single_teacher_has_a_foreign_one_too():
    assert probes.foreigners(range(5, 6)) == [6]
    assert probes.foreigners(range(5, 8)) == [6, 7, 5]


def test_all_sets_cost_the_same_steps_but_for_the_last_batch_of_an_epoch(new):
    cells = [c for c in new["cells"] if c["does"] == "distill" and c.get("samples")]
    assert {c["samples"] for c in cells} == {"uniform", "normal", "kegnet", REAL}
    assert crossed.TIMES in {c.get("times") for c in cells}
    updates = {c["updates"] for c in cells}
    assert max(updates) - min(updates) <= TINY["epochs"]


def test_what_cannot_be_is_said_before(pens):
    settings = upbringing.settings_of(TINY)
    job = upbringing.OwnJob("pendigits", 5, "teach")
    upbringing.check(settings(job), pens)
    of = upbringing.settings_of(TINY | {"compression": 99.0})
    with pytest.raises(ValueError, match="compression is 99, but .* at the most"):
        upbringing.check(of(job), pens)
    of = upbringing.settings_of(TINY | {"rank": 13})
    with pytest.raises(ValueError, match="ranks holds 13, expected integers from 1"):
        upbringing.check(of(job), pens)
    assert replace(job, variant="cue").name == "pendigits-5-cue-teacher"
