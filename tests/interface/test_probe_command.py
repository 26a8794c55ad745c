"""``kegnet probe``: two files beside each other, a study of a table, and what is refused."""

import json

import pytest
from shell import accepted, refused, write_table

TINY = ["--teacher-epochs", 3, "--epochs", 3, "--rows", 40, "--triplets", 2, "--students", 2]


def test_two_files_give_a_table_a_figure_and_numbers(finished, tmp_path):
    teacher, student = finished.stages["teacher"], finished.stages["normal"]
    out = accepted("probe", "--teacher", teacher, "--student", student, "--epochs", 3, "--out",
                   tmp_path / "mine")
    made = json.loads((tmp_path / "mine/probe.json").read_text())
    assert (tmp_path / "mine/probe.png").stat().st_size > 10_000
    assert made["consensus"]["consensus"]["teacher"]["mean"] == 1
    assert set(made) == {"right", "consensus", "looks", "fooled", "boundary", "representation"}
    for text in ("looks: W", "fooled: by noise", "CKA, middle layers", "teacher", "independent"):
        assert text in out
    message = refused(tmp_path, "probe", "--teacher", teacher, "--student", student, "--out",
                      tmp_path / "mine")
    assert "exists and is not overwritten" in message


def test_a_study_of_a_table_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "pets.csv")
    arguments = ["probe", "--dataset", "pets.csv", "--probes", "right,looks", "--teachers", 2,
                 "--compression", 100, *TINY]
    out = accepted(*arguments)
    assert "looks (plain): W" in out and "KL − independent" in out and "teachers: 2" in out
    assert {p.name for p in (tmp_path / "probes/pets").iterdir()} >= {"table.json", "probes.png"}
    assert "--resume" in refused(tmp_path, *arguments)
    assert accepted(*arguments, "--resume") == out


@pytest.mark.parametrize("arguments, words", [
    (["--teacher", "t.npz"], "--student is missing: pass both files"),
    (["--student", "t.npz"], "--teacher is missing: pass both files"),
    (["--teacher", "t.npz", "--student", "s.npz", "--crossed"], "--crossed is of a study"),
    (["--teacher", "t.npz", "--student", "s.npz", "--probes", "looks"], "--probes is of a study"),
    (["--teacher", "t.npz", "--student", "s.npz", "--teachers", "3"], "--teachers is of a study"),
    (["--teacher", "t.npz", "--student", "s.npz"], "t.npz"),
    (["--probes", "luck"], "--probes has 'luck', expected some of right, looks"),
    (["--probes", "rotation,domain"], "are of pens: pass --dataset pendigits"),
    (["--crossed"], "--crossed turns pens: pass pendigits"),
    (["--crossed", "--probes", "looks"], "--probes is given, but --crossed has endpoints"),
    (["--compression", "100000"], "compression is 100000, but an MLP of three hidden layers"),
    (["--rank", "1000"], "ranks holds 1000, expected integers from 1 to the width, 100"),
    (["--students", "0"], "students is 0, expected an integer more than 0"),
    (["--teachers", "0"], "--teachers is 0, expected at least 1"),
    (["--dataset", "none.csv"], "none.csv"),
])
def test_bad_input_is_refused_before_any_training(
    tmp_path, monkeypatch, no_training, arguments, words
):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "pets.csv")
    given = arguments if {"--dataset", "--teacher", "--student"} & set(arguments) else [
        "--dataset", "pets.csv", *arguments]
    assert words in refused(tmp_path, "probe", *given, "--out", "out")
