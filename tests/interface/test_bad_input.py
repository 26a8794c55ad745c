"""Every bad input is refused before any training: exit code 2, one line that says why and what to
do, and nothing written. `shell.refused` holds a command to the first and the last of these."""

import os
import zipfile

import pytest
from shell import contents, kegnet, refused, write_table

from kegnet_np.interface import inputs


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, no_training):
    """An empty working folder, and no training: a bad input must be found before it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = [f"{i},{i * i % 7},{'abc'[i % 3]}" for i in range(40)]


def table(rows, header="u,v,kind"):
    return "\n".join([header, *rows]).encode()


@pytest.mark.parametrize("content, words", [
    (b"", "the file is empty"),
    (table([*ROWS, "1,2"]), "line 42 has 2 fields where the first has 3"),
    (table([*ROWS, "1,red,a"]), "1 of 41 cells is text, 'red' in line 42; expected numbers"),
    (table([*ROWS, "NaN,1,a"]), "missing, 'NaN' in line 42; fill them in, or pass --missing"),
    (table([*ROWS, "1,-inf,a"]), "is no finite number, '-inf' in line 42"),
    (table([row[:-1] + "a" for row in ROWS]), "only the class 'a', expected two or more"),
    (table([*ROWS, "1,2,d"]), "too few rows to split 7:1:2, 1 of 3, of class 'd'"),
    (table(ROWS[:9]), "9 row(s) of data, a 7:1:2 split needs at least 10"),
    (b"\xff\xfe\x00", "line 1 is no UTF-16 text; pass"),
    (None, "No such file"),
])
@pytest.mark.parametrize("command, out", [("run", "out"), ("teach", "out.npz")])
def test_a_bad_table_is_refused(folder, content, words, command, out):
    if content is not None:
        (folder / "my.csv").write_bytes(content)
    line = refused(folder, command, "--dataset", "my.csv", "--out", out)
    assert "my.csv" in line and words in line


def test_a_folder_for_a_file_and_an_altered_download_are_refused(folder, monkeypatch):
    (folder / "my.csv").mkdir()
    assert "my.csv: cannot be read" in refused(folder, "run", "--dataset", "my.csv")
    (folder / "letter-recognition.data").write_text("A,1,2\n")
    monkeypatch.setenv("KEGNET_DATA", str(folder))
    line = refused(folder, "run", "--dataset", "letter")
    assert "altered or damaged" in line and "KEGNET_DATA" in line


@pytest.mark.parametrize("options, words", [
    (["--dataset", "mnist"], "no data set and no file 'mnist'; choose digits, pendigits"),
    (["--dataset", "digits", "--label", "0"], "leave label out"),
    (["--ranks", "0"], "ranks is (0,), expected positive integers"),
    (["--ranks", "-5"], "ranks is (-5,), expected positive integers"),
    (["--ranks", "101"], "ranks holds 101, expected integers from 1 to the width, 100"),
    (["--ranks", "9", "--hidden", "8"], "the width, 8"),
    (["--ranks", "5,x"], "'5,x', expected R, R1,R2,... such as 16,10,5, or auto"),
    (["--ranks", "1,2,3,4", "--depth", "2"], "ranks has 4 entries, expected 1 to 3"),
    (["--teacher-lr", "-0.1"], "teacher_lr is -0.1, expected a number more than 0"),
    (["--generator-lr", "0"], "generator_lr is 0.0, expected a number more than 0"),
    (["--student-lr", "nan"], "student_lr is nan, expected a number"),
    (["--student-lr", "fast"], "argument --student-lr: invalid float value: 'fast'"),
    (["--students", "0"], "students is 0, expected an integer more than 0"),
    (["--seed", "-1"], "seed is -1, expected an integer of at least 0"),
    (["--split-seed", str(2**32)], "seed: 4294967296 given, expected a whole number from 0"),
    (["--dropout", "1"], "dropout is 1.0, expected a share below 1"),
    (["--generator-batch", "1"], "batch-norm needs at least 2"),
    (["--protocol", "long"], "invalid choice: 'long' (choose from"),
    (["--selection", "best"], "invalid choice: 'best' (choose from"),
    (["--epochs", "3"], "unrecognized arguments: --epochs 3 (see kegnet"),
])
def test_a_bad_option_is_refused(folder, options, words):
    code, out, err = kegnet("run", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("kegnet") and ": error: " in err and words in err
    assert contents(folder) == {}


@pytest.mark.parametrize("toml, words", [
    ('seed = "x"', "seed is 'x', expected an integer of at least 0"),
    ("students = 2.5", "students is 2.5, expected an integer more than 0"),
    ("generators = true", "generators is True, expected an integer"),
    ("alpha = inf", "alpha is inf, expected a number"),
    ("teacher_lr = true", "teacher_lr is True, expected a number"),
    ('teacher_dropout = "no"', "teacher_dropout is 'no', expected true or false"),
    ("dataset = 3", "dataset is 3, expected text"),
    ('drop = ["a"]', "drop is ['a'], expected text"),
    ('header = "yes"', "header is 'yes', expected true or false"),
    ('missing = "zero"', "missing is 'zero', expected one of refuse, mean, drop"),
    ('sep = ";"', "sep: ';' given, but digits has a known form; leave sep out"),
    ("header = true", "header: True given, but digits has a known form"),
    ("ranks = []", "ranks is (), expected positive integers"),
    ("ranks = [5, 2.5]", "ranks is (5, 2.5), expected positive integers"),
    ('protocol = "long"', "protocol is 'long', expected one of paper, "),
    ('sampling = "some"', "sampling is 'some', expected one of pool, fresh"),
    ("student = 3", "unknown setting 'student'; known are activation, agreement, alpha"),
    ("[run]\nseed = 3", "unknown setting 'run'"),
    ("seed 3", "--config my.toml is not TOML"),
    ("seed = '\udcff'", "--config my.toml is not TOML"),
    (None, "'my.toml'; check the path, its permissions"),
])
def test_bad_settings_in_a_file_are_refused(folder, toml, words):
    if toml is not None:
        (folder / "my.toml").write_bytes(toml.encode("utf-8", "surrogateescape"))
    assert words in refused(folder, "run", "--config", "my.toml")


@pytest.mark.parametrize("command", ["table", "frontier"])
def test_bad_settings_of_a_grid_are_refused(folder, command):
    (folder / "my.toml").write_text('seed = "x"')
    line = refused(folder, command, "--config", "my.toml", "--out", "out")
    assert "seed is 'x', expected an integer of at least 0" in line
    line = refused(folder, command, "--datasets", "digits", "--seeds", 0, "--out", "out")
    assert "--seeds is 0, expected at least 1" in line
    line = refused(folder, command, "--datasets", "digits", "--jobs", 0, "--out", "out")
    assert "--jobs is 0, expected at least 1" in line


def put(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("file, text, resume, words", [
    ("out", "mine", False, "--out out is a file, expected a folder"),
    ("out/notes.txt", "mine", True, "--out out holds other files; choose an empty or a new"),
    ("out/config.json", "{}", False, "--out out holds a run; go on with --resume, or choose"),
    ("out/config.json", '{"dataset": "letter"}', True, "a run with dataset letter, not digits"),
    ("out/config.json", "{", True, "config.json holds no settings"),
    ("out/config.json", "3", True, "config.json holds no settings"),
])
def test_a_run_folder_in_use_is_refused(folder, monkeypatch, file, text, resume, words):
    monkeypatch.setattr(inputs, "load", None)  # before the data are read
    put(folder / file, text)
    assert words in refused(folder, "run", "--out", "out", *["--resume"] * resume)


def test_another_seed_or_other_rows_do_not_resume_a_run(folder, finished):
    run = [*finished.options, "--out", finished.run, "--resume"]
    line = refused(finished.run, "run", *run, "--seed", "7")
    assert "holds a run with seed 2019, not 7; resume with the same options" in line
    kept = finished.table.read_bytes()
    try:
        for other in ("ant bee cow", "bee ant cat"):  # another name; the same, permuted
            write_table(finished.table, names=other.split())
            assert "the data have changed since" in refused(finished.run, "run", *run)
    finally:
        finished.table.write_bytes(kept)


COMMANDS = {
    "teach": "--dataset digits",
    "extract": "--teacher {teacher}",
    "compress": "--teacher {teacher}",
    "distill": "--teacher {teacher} --student {tucker} --sampler uniform",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_there_is_not_overwritten(folder, finished, command):
    (folder / "mine").write_text("kept")
    options = [word.format(**finished.stages) for word in COMMANDS[command].split()]
    line = refused(folder, command, *options, "--out", "mine")
    assert "--out mine exists and is not overwritten; choose another name" in line
    line = refused(folder, command, *options, "--out", "mine/new")  # mine is a file
    assert "cannot be made" in line and "choose another place" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_folder_without_permission_is_refused(folder, finished):
    (folder / "locked").mkdir(mode=0o500)
    for out in (["run", "--out", "locked/run"], ["teach", "--out", "locked/teacher.npz"]):
        assert "is no folder to write in; choose another place" in refused(folder, *out)


def test_a_checkpoint_without_permission_or_of_no_file_is_refused(folder, finished, monkeypatch):
    assert "no.npz: no such file, or a folder; check the path" in refused(folder, "info", "no.npz")

    def read(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", read)
    line = refused(folder, "info", finished.stages["teacher"])
    assert "Permission denied; check the path, its permissions" in line


def test_what_memory_or_a_person_stops_is_one_line_too(folder, monkeypatch):
    def stop(error):
        def load(settings):
            raise error

        monkeypatch.setattr(inputs, "load", load)
        return kegnet("run", "--out", "out")

    code, _, err = stop(MemoryError("4 TiB"))
    assert code == 2 and err.endswith(
        "error: 4 TiB; take smaller batches, pools or numbers of networks\n"
    )
    assert stop(KeyboardInterrupt()) == (130, "", "kegnet run: interrupted; go on with --resume\n")


def test_an_error_with_a_long_text_stays_one_line(folder):
    line = refused(folder, "run", "--dataset", "no\nsuch.csv")
    assert "error: no such.csv: cannot be read" in line
