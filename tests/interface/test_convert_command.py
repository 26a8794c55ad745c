"""kegnet convert: from any program's file to any other's, with the units and the names."""

import shutil
import sys

import numpy as np
import pytest
from networks import classifier, rows
from shell import accepted, contents, refused
from teacher_files import evil_pickle, save_pt, write_pt

from kegnet_np.io import checkpoint, convert
from kegnet_np.models import MLP


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
    assert "it takes standardised inputs: no mean and scale are known; see --like" in out


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


def test_students_of_a_run_take_their_units_from_its_teacher(finished, folder):
    student = finished.stages["kegnet"]
    assert "see --like" in accepted("convert", student, "a.h")
    out = accepted("convert", student, "b.h", "--like", finished.stages["teacher"])
    assert "see --like" not in out
    mean = checkpoint.load_teacher(finished.stages["teacher"])[1]["data"]["mean"]
    assert f"{np.float32(mean[0])!s}F" in (folder / "b.h").read_text(encoding="utf-8")


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
