"""kegnet convert: from any program's file to any other's, with the units and the names."""

import json
import shutil
import sys

import numpy as np
import pytest
from networks import classifier, rows
from shell import accepted, contents, refused
from teacher_files import evil_pickle, save_pt, write_pt

from kegnet_np.io import checkpoint, convert
from kegnet_np.io.classifier import Classifier
from kegnet_np.models import MLP
from kegnet_np.tables.schema import Column, Schema


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine():
    """A classifier, its file teacher.pt, and its units in units.npz."""
    c = classifier(MLP(4, 3, (6, 5), "relu"), names=("ant", "bee", "cat"))
    arrays = {f"{2 * i}.{name}": a for i, (W, b, _) in enumerate(c.layers)
              for name, a in (("weight", W.T), ("bias", b))}
    save_pt("teacher.pt", arrays)
    np.savez("units.npz", mean=c.mean, scale=c.scale, class_names=c.class_names)
    return c


UNKNOWN = "it takes standardised inputs: no mean and scale are known"
FROM_PT = ["--activation", "relu", "--like", "units.npz"]


@pytest.mark.parametrize("ending", convert.WRITERS)
def test_a_teacher_becomes_a_file_of_every_ending(mine, folder, ending):
    if ending == ".onnx":
        pytest.importorskip("onnx")
    out = accepted("convert", "teacher.pt", f"out{ending}", *FROM_PT)
    assert out.startswith(f"out{ending}: an MLP, 4 -> 6 -> 5 -> 3, relu, 83 parameters\n")
    assert ("bytes of flash" in out) == (ending == ".h") and "standardised" not in out
    assert sorted(contents(folder)) == sorted(["teacher.pt", "units.npz", f"out{ending}"])
    if ending in convert.READERS:
        back, x = convert.read(f"out{ending}"), rows(mine, 50)
        assert np.abs(back.predict_proba(x) - mine.predict_proba(x)).max() < 1e-12
        assert back.class_names == mine.class_names


def test_the_flash_and_the_stack_of_a_c_header_are_told(mine):
    out = accepted("convert", "teacher.pt", "out.h", *FROM_PT)
    flash = 4 * (83 + 2 * 4) + len("ant bee cat") + 1
    assert f"{flash} bytes of flash for its numbers and names, 44 bytes of stack" in out
    out = accepted("convert", "teacher.pt", "plain.h", "--activation", "relu")
    assert "it takes standardised inputs: no mean and scale are known" in out


def test_a_teacher_from_elsewhere_is_compressed_and_its_student_taken_away(mine, folder):
    accepted("convert", "teacher.pt", "teacher.npz", *FROM_PT)
    accepted("compress", "--teacher", "teacher.npz", "--ranks", 6, "--out", "student.npz")
    out = accepted("convert", "student.npz", "student.py")
    assert out.startswith("student.py: Tucker form, ranks 6, 4 -> 6 -> 5 -> 3, relu, ")
    names, x = {}, rows(mine, 20)
    exec((folder / "student.py").read_text(encoding="utf-8"), names)
    found = [names["predict_proba"](row) for row in x.tolist()]
    assert np.abs(np.array(found) - mine.predict_proba(x)).max() < 1e-5  # at full rank
    assert names["CLASS_NAMES"] == ("ant", "bee", "cat")


def test_students_know_their_teachers_units_and_one_of_them_is_chosen(finished, folder):
    teacher, out = finished.stages["teacher"], folder / "students.npz"
    accepted("distill", "--config", finished.settings, "--teacher", teacher, "--student",
             finished.stages["tucker"], "--sampler", "normal", "--out", out)
    students, header = checkpoint.load_network(out)
    known = checkpoint.load_teacher(teacher)[1]["data"]
    assert header["data"] == known and len(students.theta) == 3
    told = accepted("convert", out, "third.safetensors", "--member", 2)
    assert told.endswith("parameters, network 2 of 3\n")
    found = convert.read("third.safetensors")
    assert (found.network.theta == students.theta[2]).all()
    assert found.mean.tolist() == known["mean"] and found.class_names == tuple(known["class_names"])
    words = refused(folder, "convert", out, "more.npz", "--member", 3)
    assert "--member is 3, expected 0 to 2 of" in words


def test_students_of_a_run_know_their_units_and_older_ones_take_them_from_its_teacher(
        finished, folder):
    student, teacher = finished.stages["kegnet"], finished.stages["teacher"]
    assert UNKNOWN not in accepted("convert", student, "a.h")
    checkpoint.save_network("old.npz", checkpoint.load_network(student)[0])
    assert UNKNOWN in accepted("convert", "old.npz", "b.h")
    assert UNKNOWN not in accepted("convert", "old.npz", "c.h", "--like", teacher)
    mean = checkpoint.load_teacher(teacher)[1]["data"]["mean"]
    found = [f"{np.float32(mean[0])!s}F" in (folder / f"{name}.h").read_text(encoding="utf-8")
             for name in "abc"]
    assert found == [True, False, True]


def with_categories():
    """A classifier of a table with a category, and the raw rows of that as (table, numbers)."""
    columns = (Column("width"), Column("colour", "category", ("*/ blue", "red'")),
               Column("ill", "flag"))
    schema = Schema(columns, ("ant", "bee", "cat"), "kind", mean=np.array([7.0, 0.5, 0.5, 0.2]),
                    scale=np.array([2.0, 0.5, 0.5, 0.4]))
    c = classifier(MLP(4, 3, (6,)))
    table = {"ill": ["1", "0", "0"], "colour": ["red'", "*/ blue", "red'"],
             "width": [4, 5.5, 9.0]}
    x = np.array([[4, 0, 1, 1], [5.5, 1, 0, 0], [9.0, 0, 1, 0]])
    return Classifier(c.network, schema), table, x


@pytest.mark.parametrize("ending", convert.WRITERS)
def test_a_schema_with_categories_travels_as_far_as_a_format_can_hold_it(folder, ending):
    if ending == ".onnx":
        onnx = pytest.importorskip("onnx")
    c, table, x = with_categories()
    convert.write("students.npz", c)
    out = accepted("convert", "students.npz", f"out{ending}")
    whole = ending in (".npz", ".safetensors")
    told = "it takes 4 numbers, a category as a 0 or 1 for each of its values"
    assert (told in out) == (not whole)
    expected = c.predict_proba(x)
    np.testing.assert_allclose(c.probabilities(table), expected, atol=1e-6)
    names = ("width", "colour=*/ blue", "colour=red'", "ill")
    assert c.feature_names == names
    if whole:
        back = convert.read(f"out{ending}")
        assert back.schema.to_json() == c.schema.to_json()
        np.testing.assert_array_equal(back.probabilities(table), c.probabilities(table))
    elif ending == ".onnx":
        known = {p.key: p.value for p in onnx.load("out.onnx").metadata_props}
        assert tuple(json.loads(known["feature_names"])) == names
    elif ending == ".h":
        assert '"colour\\075\\052\\057 blue"' in (folder / "out.h").read_text(encoding="utf-8")
    else:
        made = {}
        exec((folder / "out.py").read_text(encoding="utf-8"), made)
        assert made["FEATURE_NAMES"] == names
        np.testing.assert_allclose([made["predict_proba"](r) for r in x], expected, atol=1e-12)


def test_a_students_file_of_another_program_answers_raw_rows(folder):
    c, table, _ = with_categories()
    convert.write("students.safetensors", c)
    (folder / "new.csv").write_text("ill,width,colour\n1,4,*/ blue\n0,9,*/ blue\n")
    expected = c.predict({"ill": ["1", "0"], "colour": ["*/ blue"] * 2, "width": [4, 9]})
    out = accepted("predict", "--model", "students.safetensors", "--input", "new.csv")
    assert out.split() == ["class", *expected]


@pytest.mark.parametrize("words, said", [
    ("teacher.pt out.h", "activation is None, expected one of identity, elu, relu, tanh, logistic"),
    ("teacher.pt out.h --activation gelu", "activation is 'gelu', expected one of identity"),
    ("teacher.pt out.txt --activation relu", "out.txt ends in '.txt', expected .npz, .safetensors"),
    ("teacher.pt teacher.pt --activation relu", "teacher.pt ends in '.pt', expected .npz"),
    ("teacher.pt units.npz --activation relu", "units.npz exists and is not overwritten; choose"),
    ("teacher.pt units.npz/a.h --activation relu", "cannot be made"),
    ("teacher.onnx out.h", "teacher.onnx ends in '.onnx', expected .npz, .safetensors, .pt"),
    ("none.pt out.h", "none.pt: no such file, or a folder; check the path"),
    ("units.npz out.h", "units.npz: it holds no weights, expected W0"),
    ("model.joblib out.h", "model.joblib is a pickle, and reading it runs what is in it"),
    ("evil.pt out.h", "which is not run; save model.state_dict()"),
    ("teacher.pt out.h --activation relu --like teacher.pt", "teacher.pt ends in '.pt', expected"),
    ("teacher.pt out.h --activation relu --like none.npz", "none.npz: no such file"),
    ("teacher.pt out.h --activation relu --like weights.npz", "it knows no mean, scale or class"),
    ("teacher.pt out.h --activation relu --like other.npz", "mean has shape (2,), expected (4,)"),
])
def test_what_cannot_be_converted_is_one_line_and_no_file(mine, folder, words, said):
    write_pt("evil.pt", evil_pickle(folder / "mark"))
    shutil.copy("teacher.pt", "model.joblib")
    shutil.copy("teacher.pt", "teacher.onnx")
    np.savez("weights.npz", W0=np.eye(2))
    np.savez("other.npz", mean=np.ones(2))
    assert said in refused(folder, "convert", *words.split())
    assert not (folder / "mark").exists()


def test_a_network_that_a_format_cannot_hold_leaves_no_file(folder, monkeypatch):
    convert.write("student.npz", classifier(MLP(4, 3, (5,))))
    monkeypatch.setitem(sys.modules, "onnx", None)
    words = refused(folder, "convert", "student.npz", "student.onnx")
    assert "writing ONNX needs onnx, which is not installed" in words
    assert "pip install onnx, or 'kegnet_np[formats]'" in words
