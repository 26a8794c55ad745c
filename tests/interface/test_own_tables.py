"""Commands on a person's own table: columns by name, every row, and a schema that travels."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shell import TINY, accepted, kegnet, refused

from kegnet_np.io import checkpoint

RNG = np.random.default_rng(1)
N = 240
SHORT = ["--students", 2, "--pool-per-generator", 64, "--student-epochs", 1, "--noise-epochs", 2,
         "--held-out", 10]


def rows():
    """Columns by name: a number, a colour, a flag, a number of another size, and the class."""
    k = np.arange(N) % 3
    return {"width": [f"{v:.3f}" for v in RNG.normal(k, 0.5)],
            "colour": [("red", "green", "blue")[i] for i in (k + (RNG.random(N) < 0.2)) % 3],
            "ill": [str(bool(v)) for v in RNG.random(N) < 0.3],
            "mass": [f"{v:.2f}" for v in RNG.normal(500 - 100 * k, 60)],
            "kind": [("ant", "bee", "cat")[i] for i in k]}


def write(path, columns, take=slice(None)):
    lines = [",".join(columns)] + [",".join(row) for row in
                                   list(zip(*columns.values(), strict=True))[take]]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A table, its teacher and students, in a folder."""
    folder = tmp_path_factory.mktemp("taught")
    columns = rows()
    table, settings = write(folder / "pets.csv", columns), folder / "tiny.toml"
    settings.write_text(TINY, encoding="utf-8")
    teacher, students = folder / "t.npz", folder / "s.npz"
    accepted("teach", "--dataset", table, "--config", settings, "--out", teacher)
    accepted("distill", "--teacher", teacher, "--sampler", "normal", "--ranks", 2, *SHORT,
             "--out", students)
    return SimpleNamespace(folder=folder, columns=columns, table=table, teacher=teacher,
                           students=students, settings=settings)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(taught, *more):
    code, out, err = kegnet("evaluate", "--model", taught.students, "--teacher", taught.teacher,
                            *more)
    assert code == 0, err
    return out, err


def test_students_have_the_schema_of_their_teacher(taught):
    known = checkpoint.load(taught.teacher)[1]["data"]
    assert [c["name"] for c in known["columns"]] == ["width", "colour", "ill", "mass"]
    assert known["columns"][1]["values"] == ["blue", "green", "red"]
    assert checkpoint.load(taught.students)[1]["data"] == known
    accepted("compress", "--teacher", taught.teacher, "--ranks", 1, "--out", "c.npz")
    assert checkpoint.load("c.npz")[1]["data"] == known


def test_every_network_of_a_run_has_the_schema(finished):
    known = checkpoint.load(finished.stages["teacher"])[1]["data"]
    for name in ("tucker", "uniform", "kegnet", "real"):
        assert checkpoint.load(finished.stages[name])[1]["data"] == known


def test_evaluate_scores_all_rows_of_another_table_and_the_test_rows_of_the_teachers_own(taught):
    out, err = evaluate(taught)
    assert len(re.findall(r"\(2 networks, 48 test rows of pets\)", out)) == 3 and not err
    for own in (taught.table, taught.table.parent / "." / taught.table.name):
        assert evaluate(taught, "--dataset", own) == (out, err)
    few = write("few.csv", taught.columns, slice(0, 5))
    assert "(2 networks, 5 rows of few)" in evaluate(taught, "--dataset", few)[0]


def test_columns_and_rows_in_another_order_score_the_same(taught):
    whole, _ = evaluate(taught, "--dataset", write("pets2.csv", taught.columns))
    names = ["mass", "kind", "colour", "width", "ill"]
    mixed = write("pets3.csv", {n: taught.columns[n][::-1] for n in names})
    out, err = evaluate(taught, "--dataset", mixed)
    assert out.replace("pets3", "pets2") == whole and not err and "240 rows" in out


def test_a_column_more_is_a_warning_and_one_less_an_error(taught, folder):
    more = write("more.csv", taught.columns | {"note": ["x"] * N})
    out, err = evaluate(taught, "--dataset", more)
    assert err == ("kegnet: warning: more.csv: column 'note' is not used: the model was taught "
                   "without it\n")
    less = write("less.csv", {("w" if n == "width" else n): c for n, c in taught.columns.items()})
    files = ["--model", taught.students, "--teacher", taught.teacher]
    line = refused(folder, "evaluate", *files, "--dataset", less)
    assert "less.csv has no column 'width'; its columns are 'w', 'colour', 'ill'" in line
    assert "--by-position" in line
    assert evaluate(taught, "--dataset", less, "--by-position")[0].count("240 rows") == 3


def test_a_student_learns_from_real_inputs_in_the_teachers_units(taught):
    common = ["distill", "--teacher", taught.teacher, "--sampler", "real", "--ranks", 2, *SHORT]
    accepted(*common, "--out", "a.npz")
    other = {name: taught.columns[name] for name in ["kind", "mass", "ill", "colour", "width"]}
    accepted(*common, "--dataset", write("other.csv", other), "--out", "b.npz")
    a, b = (checkpoint.load(name)[0]["theta"] for name in ("a.npz", "b.npz"))
    assert np.array_equal(a, b)
