"""kegnet distill: teachers from other programs, students for other programs, the smallest one."""

import re

import numpy as np
import pytest
from networks import classifier, rows
from shell import accepted, contents, refused
from teacher_files import save_pt

from kegnet_np.io import convert
from kegnet_np.models import MLP

SHORT = ["--noise-epochs", 4, "--noise-pool", 1024, "--layers", 1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine():
    """A teacher, its file of another program, and its weights as a file that does not say all."""
    c = classifier(MLP(4, 3, (20, 20), "relu", 0.0), names=("ant", "bee", "cat"))
    convert.write("mine.safetensors", c)
    save_pt("mine.pt", {f"{2 * i}.{name}": a for i, (W, b, _) in enumerate(c.layers)
                        for name, a in (("weight", W.T), ("bias", b))})
    return c


@pytest.mark.parametrize("ending", convert.WRITERS)
def test_a_teacher_of_another_program_becomes_a_student_of_any(mine, folder, ending):
    if ending == ".onnx":
        pytest.importorskip("onnx")
    out = accepted("distill", "--teacher", "mine.safetensors", "--compression", 4, *SHORT, "--out",
                   f"student{ending}", *(["--students", 1] if ending == ".npz" else []))
    n_params, share = re.fullmatch(
        rf"student{ending}: 1 student\n([0-9]+) parameters instead of {mine.network.size}; agrees "
        r"with the teacher on ([0-9.]+)% of 10,000 rows of normal noise\n", out).groups()
    assert int(n_params) <= mine.network.size / 4 and float(share) > 75
    if ending in convert.READERS:
        student, x = convert.read(f"student{ending}"), rows(mine, 4000)
        assert student.network.size == int(n_params) and student.network.model.activation == "relu"
        assert student.class_names == mine.class_names and (student.mean == mine.mean).all()
        same = student.predict_proba(x).argmax(1) == mine.predict_proba(x).argmax(1)
        assert same.mean() > 0.7  # on wider noise, in raw units


def test_the_smallest_student_that_agrees_is_found_and_what_was_tried_is_told(mine):
    distill = ["distill", "--teacher", "mine.safetensors", *SHORT, "--noise-epochs", 40]
    out = accepted(*distill, "--agreement", 0.8, "--out", "a.h")
    tried = [(int(n), float(share)) for n, share in re.findall(
        r"^([0-9]+) parameters, [0-9.]+x smaller: agrees with the teacher on ([0-9.]+)% of samples "
        r"after a short trial$", out, re.M)]
    assert 3 <= len(tried) <= 4 and tried == sorted(tried)  # a bisection of ten
    n_params = int(re.search(r"([0-9]+) parameters instead of", out)[1])
    assert n_params == min(n for n, share in tried if share >= 80)
    assert all(share < 80 for n, share in tried if n < n_params)
    less = accepted(*distill, "--agreement", 0.6, "--out", "b.h")
    assert int(re.search(r"([0-9]+) parameters instead of", less)[1]) < n_params


@pytest.mark.parametrize("words, said", [
    ("--out a.txt", "a.txt ends in '.txt', expected .npz, .safetensors, .onnx, .h, .py"),
    ("--out a.pt", "a.pt ends in '.pt', expected .npz"),
    ("--out mine.pt", "--out mine.pt exists and is not overwritten"),
    ("--out a.h --students 5", "--students is 5, but a.h holds one network; write .npz, and"),
    ("--out a.h --teacher mine.pt", "--teacher mine.pt: activation is None, expected one of"),
    ("--out a.h --teacher mine.pt", "make a checkpoint of it with kegnet convert, whose --activ"),
    ("--out a.h --teacher none.skops", "none.skops: no such file"),
    ("--out a.h --sampler real", "--teacher does not say what data it was taught; pass --dataset"),
    ("--out a.h --agreement 0.999", "agreement is 0.999, but no student of half the teacher's"),
    ("--out a.h --agreement 2", "agreement is 2.0, expected a number between 0 and 1"),
])
def test_what_cannot_be_had_is_one_line_before_anything_is_trained(mine, folder, words, said):
    given = [*SHORT, *words.split()]
    if "--teacher" not in given:
        given += ["--teacher", "mine.safetensors"]
    if "--agreement" not in given:
        given += ["--compression", 4]
    assert said in refused(folder, "distill", *given)


def test_a_run_compares_students_of_one_size(finished, folder):
    words = "agreement is given, but a run compares students of one size on several samples"
    assert words in refused(folder, "run", "--dataset", finished.table, "--agreement", 0.9,
                            "--out", "r")


def test_a_teacher_of_another_program_is_compressed_and_scored(mine, finished, folder):
    accepted("compress", "--teacher", "mine.safetensors", "--ranks", 2, "--out", "tucker.npz")
    accepted("distill", "--teacher", "mine.safetensors", "--student", "tucker.npz", "--protocol",
             "quick", "--out", "s.npz")
    out = accepted("evaluate", "--teacher", "mine.safetensors", "--model", "s.npz", "--dataset",
                   finished.table, "--by-position")
    assert "5 networks, 400 rows of pets" in out
    x = np.loadtxt(finished.table, delimiter=",", skiprows=1, usecols=range(4))
    same = [(convert.read("s.npz", member=i).predict_proba(x).argmax(1)
             == mine.predict_proba(x).argmax(1)).mean() for i in range(5)]
    assert f"agreement  {100 * np.mean(same):.2f} ±" in out
    assert len(contents(folder)) == 4
