"""Commands on a person's own table: columns by name, every row, and a schema that travels."""

import csv
import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shell import DONE, TINY, accepted, kegnet, refused

from kegnet_np.io import checkpoint, convert

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


def test_the_schema_of_the_teacher_is_what_frequencies_are_drawn_by(taught, finished, tmp_path):
    options = ["--sampler", "normal+frequencies", "--compression", 3, "--protocol", "fair", *SHORT]
    accepted("distill", "--teacher", taught.teacher, *options, "--out", "f.npz")
    header = checkpoint.load("f.npz")[1]
    assert header["stage"] == "normal+frequencies"
    students = {}
    for name in ("normal", "frequencies"):  # the same random numbers, other samples
        accepted("distill", "--teacher", taught.teacher, "--sampler", name, *options[2:], "--out",
                 f"{name}.npz")
        students[name] = checkpoint.load(f"{name}.npz")[0]["theta"]
    assert students["normal"].shape == students["frequencies"].shape
    assert np.abs(students["normal"] - students["frequencies"]).max() > 1e-3
    M, known = checkpoint.load_teacher(taught.teacher)
    checkpoint.save_network(tmp_path / "bare.npz", M, stage="teacher", data={"source": {}})
    words = "the teacher does not say what its columns are; teach it anew, or take normal"
    assert words in refused(
        tmp_path, "distill", "--teacher", "bare.npz", *options, "--out", "b.npz")
    out = accepted("run", *finished.options, "--sampler", "frequencies", "--out", "run")
    assert "Tucker + frequencies" in out


def test_predict_says_on_stderr_what_it_read(taught):
    new = write("new.csv", unlabelled(taught))
    code, out, err = kegnet("predict", "--model", taught.students, "--input", new, read=True)
    read = "kegnet: read new.csv: 240 rows, separated by commas, with a header\n"
    assert (code, err) == (0, read) and "read" not in out


def test_columns_whose_numbers_are_names_are_told_to_the_teacher_alone(taught, tmp_path):
    columns = {"code": [str(i % 4) for i in range(N)], **taught.columns}
    table = write("coded.csv", columns)
    line = ["--dataset", table, "--config", taught.settings, "--out", "coded.npz"]
    accepted("teach", "--categories", "code", *line)
    known = checkpoint.load("coded.npz")[1]["data"]["columns"]
    assert (known[0]["kind"], known[0]["values"]) == ("category", ["0", "1", "2", "3"])
    judge = ["--model", "coded.npz", "--teacher", "coded.npz"]
    assert "48 test rows of coded" in accepted("evaluate", *judge)
    other = write("other.csv", columns, slice(0, 50))
    assert "50 rows of other" in accepted("evaluate", *judge, "--dataset", other)
    assert "--categories is given, but --teacher says what its columns are" in refused(
        tmp_path, "evaluate", *judge, "--categories", "code")
    assert "--categories is given" in refused(
        tmp_path, "distill", "--teacher", "coded.npz", "--sampler", "normal", "--compression", 3,
        "--categories", "code", "--out", "d.npz")


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


def test_one_line_on_stderr_says_what_was_read(taught):
    said = ("240 rows, separated by commas, with a header; features: 2 numbers, 1 flag, 1 category "
            "of 3 values; classes: ant 80, bee 80, cat 80\n")
    for command in (["run", "--quick", "--generator-epochs", 1, "--teacher-epochs", 10],
                    ["teach"], ["metadata"]):
        more = [] if command == ["metadata"] else ["--config", taught.settings]
        out = Path(command[0] + ".out")
        code, _, err = kegnet(*command, "--dataset", taught.table, *more, "--out", out, read=True)
        done = [line for line in err.splitlines(True) if DONE.match(line)]
        assert len(done) == (7 if command[0] == "run" else 0)
        read = "".join(line for line in err.splitlines(True) if line not in done)
        assert (code, read) == (0, f"kegnet: read {taught.table}: {said}")
    files = ["--model", taught.students, "--teacher", taught.teacher]
    assert kegnet("evaluate", *files, read=True)[2] == f"kegnet: read {taught.table}: {said}"
    few = write("few.csv", taught.columns, slice(0, 5))
    err = kegnet("evaluate", *files, "--dataset", few, read=True)[2]
    assert err.startswith("kegnet: read few.csv: 5 rows, ") and "ant 2, bee 2, cat 1" in err


def test_a_command_that_needs_data_twice_reads_them_once(taught):
    command = ["kdgan", "--dataset", taught.table, "--quick", "--labels", "30", "--seeds", 1,
               "--epochs", 1, "--pretraining", 1, "--out", "k"]
    code, _, err = kegnet(*command, read=True)
    assert code == 0 and err.count("kegnet: read ") == 1


# --- predict --------------------------------------------------------------------------------------


def unlabelled(taught, names=("width", "colour", "ill", "mass")):
    return {name: taught.columns[name] for name in names}


def predict(taught, *more, model=None):
    code, out, err = kegnet("predict", "--model", model or taught.students, *more)
    assert code == 0, err
    return out, err


def test_a_students_file_is_enough_to_answer_raw_rows(taught, folder):
    alone = folder / "alone.npz"
    alone.write_bytes(taught.students.read_bytes())
    new = write("new.csv", unlabelled(taught))
    out, err = predict(taught, "--input", new, model=alone)
    named = out.splitlines()
    assert named[0] == "class" and len(named) == N + 1 and not err
    assert set(named[1:]) <= {"ant", "bee", "cat"}
    scored, _ = evaluate(taught, "--dataset", write("pets2.csv", taught.columns))
    right = np.mean(np.array(named[1:]) == np.array(taught.columns["kind"]))
    network, header = checkpoint.load_network(alone)
    checkpoint.save_network("first.npz", network.member(0), data=header["data"])
    scored = accepted("evaluate", "--teacher", taught.teacher, "--model", "first.npz",
                      "--dataset", "pets2.csv")
    assert scored.startswith(f"accuracy   {100 * right:.2f} %")


def test_rows_and_columns_in_another_order_get_the_same_answers(taught):
    new = write("new.csv", unlabelled(taught))
    answers_, _ = predict(taught, "--input", new, "--proba")
    order = RNG.permutation(N)
    names = ["mass", "kind", "ill", "colour", "width"]  # with the labels: they are left alone
    mixed = write("mixed.csv", {n: [taught.columns[n][i] for i in order] for n in names})
    lines, found = answers_.splitlines()[1:], predict(taught, "--input", mixed)[0].splitlines()[1:]
    assert found == [lines[i].split(",")[0] for i in order]


def test_answers_go_to_a_new_file_with_a_probability_for_each_class(taught, folder):
    new = write("new.csv", unlabelled(taught), slice(0, 25))
    out, _ = predict(taught, "--input", new, "--proba", "--out", "answers.csv")
    table = list(csv.reader(io.StringIO((folder / "answers.csv").read_text("utf-8"))))
    assert table[0] == ["class", "ant", "bee", "cat"] and len(table) == 26
    for name, *p in table[1:]:
        p = np.array(p, float)
        assert p.sum() == pytest.approx(1, abs=1e-5) and name == table[0][1 + p.argmax()]
    named = [row[0] for row in table[1:]]
    counts = ", ".join(f"{n} {named.count(n)}" for n in sorted(set(named)))
    assert out == f"answers.csv: 25 answers: {counts}\n"
    line = refused(folder, "predict", "--model", taught.students, "--input", new,
                   "--out", "answers.csv")
    assert "--out answers.csv exists and is not overwritten" in line


@pytest.mark.parametrize("cells, how, words", [
    ({"width": ""}, [], "column 'width': 1 of 25 cells is missing, blank in line 2; fill them in, "
     "or pass --missing mean"),
    ({"width": "wide"}, [], "column 'width': 1 of 25 cells is text, 'wide' in line 2"),
    ({"width": "inf"}, [], "no finite number"),
    ({"width": "1e39"}, [], "beyond float32"),
    ({}, ["--missing", "drop"], "missing: 'drop' given, expected refuse or mean"),
    ({}, ["--sep", "::"], "sep: '::' given"),
    ({}, ["--encoding", "utf-16"], "is no UTF-16 text"),
    ({}, ["--no-header"], "has no header, so its columns cannot be matched by name"),
])
def test_rows_that_cannot_be_answered_get_a_sentence(taught, folder, cells, how, words):
    columns = unlabelled(taught)
    for name, cell in cells.items():
        columns[name] = [cell, *columns[name][1:]]
    new = write("new.csv", columns, slice(0, 25))
    assert words in refused(folder, "predict", "--model", taught.students, "--input", new, *how)


def test_missing_numbers_and_unseen_words_are_answered_when_that_is_asked(taught):
    columns = unlabelled(taught)
    columns |= {"width": ["NA", *columns["width"][1:]], "colour": ["pink", *columns["colour"][1:]]}
    new = write("new.csv", columns, slice(0, 3))
    out, err = predict(taught, "--input", new, "--missing", "mean")
    assert len(out.splitlines()) == 4
    assert err == ("kegnet: warning: new.csv: column 'colour': 1 of 3 cells is of no known value, "
                   "'pink' in line 2; all its features are 0 there\n")


@pytest.mark.parametrize("file, words", [
    ("nothing.npz", "no such file"), ("bare.npz", "does not say what its inputs are"),
    ("odd.npz", "has 4 inputs and 3 classes, but describes 6 and 3"),
    ("new.csv", "new.csv ends in '.csv', expected .npz"),
])
def test_a_model_that_does_not_know_its_inputs_is_refused(taught, folder, rng, file, words):
    from kegnet_np.models import MLP
    from kegnet_np.network import Network

    new = write("new.csv", unlabelled(taught))
    network = Network.random(MLP(4, 3, (5,)), rng)
    checkpoint.save_network("bare.npz", network)
    known = checkpoint.load(taught.teacher)[1]["data"]
    checkpoint.save_network("odd.npz", network, data=known)
    assert words in refused(folder, "predict", "--model", file, "--input", new)


def test_python_answers_a_dataframe_rows_one_row_and_a_file_alike(taught):
    pandas = pytest.importorskip("pandas")
    classifier = convert.read(taught.students)
    new = write("new.csv", unlabelled(taught))
    expected = classifier.predict(new)
    frame = pandas.read_csv(new)
    rows = [list(row) for row in frame.itertuples(index=False)]
    assert expected.shape == (N,) and set(expected) <= {"ant", "bee", "cat"}
    for given in (str(new), frame, frame[["mass", "ill", "width", "colour"]], rows,
                  np.array(rows, dtype=object), frame.to_dict("list")):
        assert (classifier.predict(given) == expected).all()
    assert classifier.predict(rows[3]).tolist() == [expected[3]]
    one = dict(zip(frame.columns, rows[3], strict=True))
    assert classifier.predict(one).tolist() == classifier.predict(frame.iloc[3]).tolist()
    assert classifier.predict(one).tolist() == [expected[3]]
    assert classifier.probabilities(frame).shape == (N, 3)
    with pytest.raises(ValueError, match="column 'width': 1 of 1 cells is missing"):
        classifier.predict(one | {"width": float("nan")})
    assert len(classifier.predict(one | {"width": None}, missing="mean")) == 1
    with pytest.raises(ValueError, match="3 columns"):
        classifier.predict(rows[3][:3])
    with pytest.raises(ValueError, match="member is 2, expected 0 to 1"):
        convert.read(taught.students, member=2)


def test_a_teacher_of_an_older_release_answers_by_the_names_of_its_features(folder):
    from shell import write_table

    old = Path(__file__).parents[1] / "io/version1/teacher.npz"
    table = write_table("pets.csv")
    scored = accepted("evaluate", "--model", old, "--teacher", old, "--dataset", table.name)
    named = convert.read(old).predict(table)
    kinds = [line.rsplit(",", 1)[1] for line in table.read_text().splitlines()[1:]]
    assert np.mean(named == np.array(kinds)) > 0.9 and "80 test rows" in scored


def test_a_known_set_is_answered_too(folder):
    import data_loaders

    accepted("teach", "--quick", "--teacher-epochs", 3, "--teacher-min-epochs", 1,
             "--out", "digits.npz")
    data, classifier = data_loaders.load("digits"), convert.read("digits.npz")
    raw = np.rint(data.x_test * data.scale + data.mean)
    logits = checkpoint.load_teacher("digits.npz")[0].predict(data.x_test)
    assert classifier.predict(raw).tolist() == [str(k) for k in logits.argmax(1)]


def test_a_table_with_words_gaps_and_text_labels_goes_all_the_way_round(folder):
    """Teach, distil, answer the raw rows shuffled in rows and columns: the answers that the
    students gave to the inputs of the teacher's own table."""
    import data_loaders

    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    columns = rows()
    for name, at, cell in (("width", 5, "?"), ("width", 17, ""), ("mass", 40, "NA"),
                           ("colour", 3, ""), ("colour", 90, "red, dark"), ("ill", 8, "null")):
        columns[name][at] = f'"{cell}"'
    columns["colour"][91] = columns["colour"][90]
    write("pets.csv", columns)
    common = ["--config", "tiny.toml"]
    code, _, err = kegnet("teach", "--dataset", "pets.csv", *common, "--out", "t.npz")
    assert code == 2 and "column 'width': 2 of 240 cells are missing, '?' in line 7" in err
    assert all(f"column '{name}': 1 of 240 cells is missing" in err for name in ("mass", "ill"))
    kegnet("teach", "--dataset", "pets.csv", "--missing", "mean", *common, "--out", "t.npz")
    kegnet("distill", "--teacher", "t.npz", "--sampler", "normal", "--ranks", 2, *common,
           "--out", "s.npz")
    students, header = checkpoint.load_network("s.npz")
    data = data_loaders.load_like(convert.read("s.npz").schema, "pets.csv")
    expected = [header["data"]["class_names"][k] for k in
                students.member(0).predict(data.x_test).argmax(1)]
    assert len(expected) == N and len(set(expected)) > 1

    order, names = RNG.permutation(N), ["mass", "colour", "width", "ill"]
    write("mixed.csv", {name: [columns[name][i] for i in order] for name in names})
    code, out, err = kegnet("predict", "--model", "s.npz", "--input", "mixed.csv")
    assert (code, err) == (0, "") and out.splitlines()[1:] == [expected[i] for i in order]
    (folder / "t.npz").unlink()  # nothing but the student's file
    assert kegnet("predict", "--model", "s.npz", "--input", "mixed.csv")[1] == out
