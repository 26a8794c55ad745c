"""The frontier: ranks once for each teacher and size, every sampler from the same start."""

import json
from dataclasses import replace

import numpy as np
import pytest
from shell import accepted, kegnet, refused, write_table

from kegnet_np.beyond import ranks
from kegnet_np.experiments import frontier, text
from kegnet_np.experiments.grid import cells_of
from kegnet_np.experiments.jobs import in_waves
from kegnet_np.experiments.statistics import interval
from kegnet_np.interface import grids
from kegnet_np.models import MLP

SETTINGS = {
    "hidden": 10, "depth": 2, "teacher_epochs": 3, "teacher_min_epochs": 1, "generators": 2,
    "generator_epochs": 2, "generator_steps": 4, "generator_batch": 32, "noise_epochs": 2,
    "student_epochs": 2, "noise_pool": 128, "pool_per_generator": 64, "held_out": 50,
    "students": 2,
}
RIVAL = {"does": "distill", "form": "mlp", "samples": "wide+noised"}  # the last of the samplers


@pytest.fixture(scope="module")
def done(tmp_path_factory, monkeypatch_module):
    monkeypatch_module.setattr(ranks, "ROUNDS", ((1.0, 16), (0.5, 32)))
    folder = tmp_path_factory.mktemp("frontier")
    text = "".join(f"{k} = {json.dumps(v)}\n" for k, v in SETTINGS.items())
    (folder / "tiny.toml").write_text(text)
    options = ["--datasets", write_table(folder / "pets.csv"), "--config", folder / "tiny.toml"]
    options += ["--teachers", 2, "--compressions", "1.1,1.5,5", "--samplers", "normal,wide+noised"]
    out = accepted("frontier", *options, "--out", folder / "f")
    return folder, options, out, json.loads((folder / "f" / "table.json").read_text())


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def uneven(folder, ants=320):
    """A table of which most rows are ants."""
    lines = write_table(folder / "even.csv", ("ant", "bee")).read_text().splitlines()
    kinds = [[line for line in lines[1:] if line.endswith(name)] for name in ("ant", "bee")]
    path = folder / "uneven.csv"
    path.write_text("\n".join([lines[0], *kinds[0] * 4, *kinds[1][: 800 - ants]]) + "\n")
    return path


def test_of_an_uneven_table_a_row_tells_what_the_largest_class_alone_scores(tmp_path, done):
    folder, *_ = done
    out = tmp_path / "f"
    options = ["--config", folder / "tiny.toml", "--compressions", 1.5, "--forms", "mlp"]
    code, _, err = kegnet("frontier", "--datasets", uneven(tmp_path), *options,
                          "--samplers", "normal", "--out", out)
    assert code == 0, err
    result = json.loads((out / "table.json").read_text())
    (largest,) = [c["majority"] for c in cells_of(result, does="teach")]
    assert largest == {"answer": "ant", "accuracy": pytest.approx(0.8), "balanced": 0.5}
    for key, share in (("accuracy", "80.0"), ("balanced", "50.0")):
        always, *cells = frontier.rows(result, str(tmp_path / "uneven.csv"), key)[2]
        assert (always, cells[:2]) == ("always answer ant", ["", share])
    heads = [table[0][0] for table in frontier.tables(result)]
    assert heads.count("paired differences of balanced accuracy") == 1
    assert "paired differences of balanced accuracy" not in [
        table[0][0] for table in frontier.tables(done[3])]
    assert not any("always" in row[0] for row in frontier.rows(done[3], str(folder / "pets.csv")))


def test_within_a_point_of_the_teacher_is_balanced_accuracy_too(done):
    *_, result = done
    name = cells_of(result, does="teach")[0]["dataset"]
    fields = {"dataset": name, "teacher": 2019}
    student = fields | {"does": "distill", "form": "mlp", "samples": "normal", "compression": 8.0,
                        "accuracy": [0.95], "balanced": [0.95]}
    worse = student | {"compression": 16.0, "balanced": [0.90]}
    worst = student | {"compression": 24.0, "accuracy": [0.90], "balanced": [0.90]}
    teacher = fields | {"does": "teach", "accuracy": [0.955], "balanced": [0.955]}
    for cells, far in (([worst], "none"), ([student, worse, worst], "8x"),
                       ([student, worse | {"balanced": [0.95]}, worst], "16x")):
        assert frontier.within({"cells": [teacher, *cells]})[1][1] == far


def students(result, samples, **wanted):
    return cells_of(result, does="distill", form="tucker", samples=samples, **wanted)


def test_students_of_every_sampler_have_the_ranks_of_their_teacher_and_size(done):
    *_, result = done
    n_M = cells_of(result, does="teach")[0]["n_params"]
    for teacher in (2019, 2020):
        for c in (1.1, 1.5):
            (chosen,) = cells_of(result, does="compress", teacher=teacher, compression=c)
            assert chosen["n_params"] <= n_M / c and len(chosen["ranks"]) == 3
            for samples in ("normal", "wide+noised", "real"):
                (cell,) = students(result, samples, teacher=teacher, compression=c)
                assert cell["n_params"] == chosen["n_params"] and len(cell["accuracy"]) == 2
    rivals = cells_of(result, **RIVAL)
    assert rivals and all(c["n_params"] <= n_M / c["compression"] for c in rivals)


def test_beyond_rank_one_only_the_smaller_mlp_is_left(done):
    *_, result = done
    last = cells_of(result, compression=5)
    assert {(c["does"], c["form"], c["samples"]) for c in last} == {tuple(RIVAL.values())}
    rival = ranks.smaller_mlp(MLP(16, 10), 12_846)
    wider = replace(rival, widths=tuple(width + 1 for width in rival.widths))
    assert rival.layout.size <= 12_846 < wider.layout.size
    with pytest.raises(ValueError, match="budget is 3 parameters"):
        ranks.smaller_mlp(MLP(16, 10), 3)


def test_the_tables_say_what_the_cells_hold(done):
    folder, _, out, result = done
    first = f"{folder / 'pets.csv'}: test accuracy, %"
    (table,) = (t for t in frontier.tables(result) if t[0][0] == first)
    assert table[0][2:] == ["normal", "wide+noised", "real inputs (ceiling)",
                            "smaller MLP, wide+noised"]
    assert [row[0] for row in table[1:]] == ["teacher", "1.1x", "1.5x", "5x"]
    taught = [c["accuracy"] for c in cells_of(result, does="teach")]
    assert table[1][2] == text.cell(interval(taught)) and table[4][2:5] == [""] * 3
    values = [c["accuracy"] for c in students(result, "wide+noised", compression=1.5)]
    assert table[3][3] == text.cell(interval(values)) and table[3][3] in out
    both = cells_of(result, **RIVAL, compression=1.5), students(result, "real", compression=1.5)
    per_teacher = zip(*([c["accuracy"] for c in found] for found in both), strict=True)
    gains = interval([np.subtract(a, b) for a, b in per_teacher])
    head, *rows = frontier.differences(result)
    seen, real = "wide+noised", "real inputs (ceiling)"  # the smaller MLP sees the last sampler
    assert head[1:] == [f"{a} − {b}" for a, b in (
        (seen, "normal"), (real, seen), (f"smaller MLP, {seen}", seen),
        (f"smaller MLP, {seen}", real))]
    assert len(rows) == 2  # at 5x there are no Tucker students
    assert rows[1][4] == text.cell(gains, sign="+") and rows[1][4] in out
    figure = frontier.figure(result)
    assert figure.axes[0].get_xlabel() == "parameters"
    assert (folder / "f" / "frontier.png").stat().st_size > 10_000
    assert "teachers: 2, students of each: 2" in frontier.note(result)
    for found in frontier.tables(result):
        lines = [text.to_text(found), text.to_markdown(found)]
        assert all("1.5x" in line for line in lines) or "largest compression" in found[0][0]


def test_the_largest_compression_within_points_needs_all_smaller_ones_within():
    def cell(samples, accuracy, compression=0.0):
        return {"dataset": "d", "teacher": 1, "does": "distill", "form": "tucker",
                "samples": samples, "compression": compression, "accuracy": [accuracy],
                "balanced": [1.0], "n_params": 5}

    teacher = {"dataset": "d", "teacher": 1, "does": "teach", "accuracy": [0.95],
               "balanced": [1.0], "n_params": 5}
    made = [teacher, cell("a", 0.945, 2.0), cell("a", 0.93, 4.0), cell("a", 0.95, 8.0),
            cell("b", 0.9, 2.0), cell("b", 0.95, 4.0), cell("b", 0.95, 8.0)]
    head, one, three = frontier.within({"cells": made})
    assert head[1:] == ["a", "b"]
    assert one[1:] == ["2x", "none"] and three[1:] == ["8x", "none"]


def test_a_compression_may_be_for_one_set_alone():
    assert grids._sizes(["8", "b:4.1"], ["a", "b"]) == {"a": [8.0], "b": [8.0, 4.1]}


def test_a_frontier_goes_on_and_refuses_what_it_cannot_do(done):
    folder, options, out, _ = done
    (folder / "ranks.toml").write_text("ranks = 3")
    assert accepted("frontier", *options, "--out", folder / "f", "--resume") == out
    for more, words in [
        (["--config", folder / "ranks.toml"], "--ranks is given, but kegnet frontier chooses it"),
        (["--compressions", "8,x"], "--compressions has 'x', expected C or SET:C"),
        (["--compressions", "8,letter:4"], "--compressions has 'letter:4', expected C or SET:C"),
        (["--compressions", "0.5"], "compressions is [0.5], expected different numbers"),
        (["--samplers", "normal,other"], "sampler is 'other', expected NAME"),
        (["--teachers", "0"], "--teachers is 0"),
    ]:
        assert words in refused(folder, "frontier", *options, *more, "--out", folder / "g")
    assert np.isfinite([c["accuracy"] for c in students(done[3], "real")]).all()


def test_sizes_beyond_rank_one_alone_have_no_pairs(done):
    *_, result = done
    alone = [c for c in result["cells"] if c.get("compression") in (None, 5)]
    assert frontier.differences(result | {"cells": alone}) == [["paired differences of accuracy"]]


def test_what_no_student_can_reach_is_refused_before_a_teacher_is_taught():
    M = MLP(16, 10)
    least = ranks.n_params(M, (1,))
    barely, beyond = ({"d": [M.layout.size / n]} for n in (least, least - 1))
    assert frontier.jobs_of({"d": M}, barely, ["normal"], 1, 1, ["tucker"])
    words = f"expected at least {least:,}: rank 1 in every layer"
    with pytest.raises(ValueError, match=words):
        frontier.jobs_of({"d": M}, beyond, ["normal"], 1, 1, ["tucker"])
    with pytest.raises(ValueError, match=f"expected at least {least + 356:,}: rank 1 in every"):
        frontier.jobs_of({"d": M}, barely, ["normal"], 1, 1, ["tucker"], lean=False)
    for forms in (["mlp"], ["mlp", "tucker"], []):  # the plain students go on, to their own end
        made = frontier.jobs_of({"d": M}, beyond, ["normal"], 1, 1, forms)
        assert {job.form for job in made} == {"mlp"}
        with pytest.raises(ValueError, match="width 1 in 3 hidden layers, .* times smaller"):
            frontier.jobs_of({"d": M}, {"d": [5000.0]}, ["normal"], 1, 1, forms)


@pytest.mark.parametrize("samplers, learn", [(["normal"], 0), (["normal", "kegnet"], 2)])
def test_generators_are_trained_only_for_samplers_that_need_them(samplers, learn):
    made = frontier.jobs_of({"d": MLP(16, 10)}, {"d": [8.0]}, samplers, teachers=2, seed=1)
    every = [job for wave in in_waves(made) for job in wave]
    assert [job.does for job in every].count("extract") == learn
    assert {job.what for job in every if job.does == "distill"} == {
        *samplers, "real", f"mlp-{samplers[-1]}"}
    assert [job.does for job in every].count("compress") == 2  # one for each teacher
