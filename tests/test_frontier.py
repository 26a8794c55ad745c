"""The frontier: ranks once for each teacher and size, every sampler from the same start."""

import json

import numpy as np
import pytest
from shell import accepted, refused, write_table

from kegnet_np import frontier, grids, ranks, report
from kegnet_np.models import Classifier

SETTINGS = {
    "hidden": 10, "depth": 2, "teacher_epochs": 3, "teacher_min_epochs": 1, "generators": 2,
    "generator_epochs": 2, "generator_steps": 4, "generator_batch": 32, "noise_epochs": 2,
    "student_epochs": 2, "noise_pool": 128, "pool_per_generator": 64, "held_out": 50,
    "students": 2,
}  # fmt: skip
RIVAL = "mlp-wide+noised"  # it sees the last of the samplers


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


def cells(result, **wanted):
    return [c for c in result["cells"] if all(c.get(k) == v for k, v in wanted.items())]


def test_students_of_every_sampler_have_the_ranks_of_their_teacher_and_size(done):
    *_, result = done
    n_M = cells(result, stage="teacher")[0]["n_params"]
    for teacher in (2019, 2020):
        for c in (1.1, 1.5):
            (chosen,) = cells(result, stage="ranks", teacher=teacher, compression=c)
            assert chosen["n_params"] <= n_M / c and len(chosen["ranks"]) == 3
            for stage in ("normal", "wide+noised", "real"):
                (cell,) = cells(result, stage=stage, teacher=teacher, compression=c)
                assert cell["n_params"] == chosen["n_params"] and len(cell["accuracy"]) == 2
    assert all(c["n_params"] <= n_M / c["compression"] for c in cells(result, stage=RIVAL))


def test_beyond_rank_one_only_the_smaller_mlp_is_left(done):
    *_, result = done
    assert {c["stage"] for c in result["cells"] if c.get("compression") == 5} == {RIVAL}
    M = Classifier(16, 10)
    rival = ranks.smaller_mlp(M, 12_846)
    wider = Classifier(16, 10, rival.hidden + 1, rival.depth)
    assert rival.layout.size <= 12_846 < wider.layout.size
    with pytest.raises(ValueError, match="budget is 3 parameters"):
        ranks.smaller_mlp(M, 3)


def test_the_tables_say_what_the_cells_hold(done):
    folder, _, out, result = done
    first = f"{folder / 'pets.csv'}: test accuracy, %"
    (table,) = (t for t in frontier.tables(result) if t[0][0] == first)
    assert table[0][2:] == ["normal", "wide+noised", "real inputs (ceiling)",
                            "smaller MLP, wide+noised"]  # fmt: skip
    assert [row[0] for row in table[1:]] == ["1.1x", "1.5x", "5x"]
    assert table[3][2:5] == [""] * 3
    values = [c["accuracy"] for c in cells(result, stage="wide+noised", compression=1.5)]
    assert table[2][3] == report.cell(report.interval(values)) and table[2][3] in out
    per_teacher = zip(*(
        [c["accuracy"] for c in cells(result, stage=stage, compression=1.5)]
        for stage in (RIVAL, "real")
    ), strict=True)  # fmt: skip
    gains = report.interval([np.subtract(a, b) for a, b in per_teacher])
    head, *rows = frontier.paired(result)
    seen = "wide+noised"  # the last sampler: what the smaller MLP sees
    assert head[1:] == [f"{a} − {b}" for a, b in (
        (seen, "normal"), ("real", seen), ("mlp", seen), ("mlp", "real"))]  # fmt: skip
    assert len(rows) == 2  # at 5x there are no Tucker students
    assert rows[1][4] == report.cell(gains, sign="+") and rows[1][4] in out
    figure = frontier.figure(result)
    assert figure.axes[0].get_xlabel() == "parameters"
    assert (folder / "f" / "frontier.png").stat().st_size > 10_000
    assert "1.5x" in frontier.pages(result, "x", "<!-- results/x --><!-- end results/x -->")[
        "results/x.md"]  # fmt: skip


def test_the_largest_compression_within_points_needs_all_smaller_ones_within():
    def cell(stage, accuracy, compression=None):
        more = {"compression": compression} if compression else {}
        return {"dataset": "d", "teacher": 1, "rank": 0, "stage": stage, "accuracy": [accuracy],
                "n_params": 5} | more  # fmt: skip

    made = [cell("teacher", 0.95), cell("a", 0.945, 2.0), cell("a", 0.93, 4.0),
            cell("a", 0.95, 8.0), cell("b", 0.9, 2.0), cell("b", 0.95, 4.0),
            cell("b", 0.95, 8.0)]  # fmt: skip
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
    assert np.isfinite([c["accuracy"] for c in done[3]["cells"] if c["stage"] == "real"]).all()


def test_sizes_beyond_rank_one_alone_have_no_pairs(done):
    *_, result = done
    alone = [c for c in result["cells"] if c.get("compression") in (None, 5)]
    assert frontier.paired(result | {"cells": alone}) == [["paired differences of accuracy"]]


@pytest.mark.parametrize("samplers, learn", [(["normal"], 0), (["normal", "kegnet"], 2)])
def test_generators_are_trained_only_for_samplers_that_need_them(samplers, learn):
    _, generators, _, students = frontier.waves(
        {"d": Classifier(16, 10)}, {"d": [8.0]}, samplers, teachers=2, seed=1
    )
    assert [job.stage for job in generators] == ["generators"] * learn
    assert {job.stage for job in students} == {*samplers, "real", f"mlp-{samplers[-1]}"}
