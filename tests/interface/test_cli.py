"""The commands one by one: each does what `kegnet run` does at that stage, to the bit."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from shell import ENVIRONMENT, READ, accepted, contents, kegnet, refused, write_table

from kegnet_np import models
from kegnet_np.beyond import ranks
from kegnet_np.generator import decoder, generator
from kegnet_np.interface.cli import main
from kegnet_np.io import checkpoint
from kegnet_np.network import Network

AGREES = (r"59 parameters instead of 139; agrees with the teacher on \d\d\.\d\d% of 10,000 rows of "
          "normal noise\n")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same_numbers(path, other):
    """Whether two checkpoints hold the same arrays, to the bit."""
    found, expected = checkpoint.load(path)[0], checkpoint.load(other)[0]
    assert found.keys() == expected.keys() == {"theta", "state"} and found["theta"].size
    return all(np.array_equal(found[key], expected[key]) for key in found)


def test_the_stages_one_by_one_make_the_numbers_of_a_run(finished, folder):
    out = accepted("teach", *finished.options, "--out", "t.npz")
    right = json.loads((finished.run / "result.json").read_text())["accuracy"]["teacher"]["mean"]
    assert out == f"t.npz: teacher, 139 parameters, {100 * right:.2f}% of test rows right\n"
    assert same_numbers("t.npz", finished.stages["teacher"])
    teacher, settings = ["--teacher", "t.npz"], ["--config", finished.settings]
    out = accepted("extract", *teacher, *settings, "--out", "g.npz")
    assert out.startswith("g.npz: 2 generators, classifier loss ")
    assert same_numbers("g.npz", finished.stages["generators"])
    out = accepted("compress", *teacher, *settings, "--out", "c.npz")
    assert out == "c.npz: 59 parameters instead of 139, 2.36x smaller, not yet trained\n"
    assert same_numbers("c.npz", finished.stages["tucker"])
    for sampler in ("uniform", "normal", "kegnet", "real"):
        files = [*teacher, "--student", "c.npz", "--out", f"{sampler}.npz"]
        more = ["--generator-file", "g.npz"] if sampler == "kegnet" else []
        out = accepted("distill", *files, *settings, "--sampler", sampler, *more)
        words = rf"{sampler}.npz: 3 students, score 0\.\d{{4}} \(synthetic\)\n{AGREES}"
        assert re.fullmatch(words, out)
        assert same_numbers(f"{sampler}.npz", finished.stages[sampler])


@pytest.mark.parametrize("form, sampler, more", [
    ("--ranks 2", "kegnet", ""),
    ("--ranks 2", "real", ""),
    ("--ranks auto --params 120", "normal+noised", "--protocol beyond"),
    ("--ranks 1 --init activations", "uniform", "--seed 7"),
])
def test_distill_without_a_student_compresses_and_distils_in_one_go(
    finished, monkeypatch, form, sampler, more
):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    common = ["--teacher", finished.stages["teacher"], "--config", finished.settings, *more.split()]
    seen = ["--sampler", sampler]
    if sampler in ("kegnet", "normal+noised"):
        seen += ["--generator-file", finished.stages["generators"]]
    one = accepted("distill", *common, *form.split(), *seen, "--out", "one.npz")
    fitted = [] if sampler == "real" else seen  # no form is fitted to real inputs
    accepted("compress", *common, *form.split(), *fitted, "--out", "start.npz")
    two = accepted("distill", *common, "--student", "start.npz", *seen, "--out", "two.npz")
    assert one.removeprefix("one") == two.removeprefix("two")
    assert same_numbers("one.npz", "two.npz")


@pytest.mark.parametrize("options", [
    ["--ranks", "1"], ["--ranks", "auto", "--params", "120"], ["--compression", "2"],
    ["--init", "activations"],
])
def test_a_student_has_its_form_so_another_one_is_refused(finished, folder, options):
    files = ["--teacher", finished.stages["teacher"], "--student", finished.stages["tucker"]]
    line = refused(folder, "distill", *files, "--sampler", "normal", *options, "--out", "s.npz")
    assert f"{options[0]} is given with --student, which has its form; drop one" in line


def test_a_run_of_two_processes_gives_the_numbers_of_one_to_the_bit(finished, folder):
    out = accepted("run", *finished.options, "--jobs", 2, "--out", "run")
    untimed = re.compile(r" +\d+\.\d$| took .* more$|are in .*$", re.MULTILINE)
    assert untimed.sub("", out) == untimed.sub("", finished.out)
    assert len(finished.stages) == 7
    for name, path in finished.stages.items():
        assert same_numbers(folder / "run" / "checkpoints" / f"{name}.npz", path)
    read = [(path / "metrics.csv").read_bytes() for path in (folder / "run", finished.run)]
    assert read[0] == read[1]
    ours, theirs = (json.loads((path / "result.json").read_text()) | {"seconds": None}
                    for path in (folder / "run", finished.run))
    assert ours == theirs


@pytest.mark.parametrize("terminal", [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
])
def test_a_terminal_without_plus_minus_gets_its_table_all_the_same(finished, folder, terminal):
    shutil.copytree(finished.run, "run")
    words = ["run", *finished.options, "--resume", "--out", "run"]
    command = [sys.executable, "-m", "kegnet_np", *map(str, words)]
    environment = {k: v for k, v in ENVIRONMENT.items() if k not in ("PYTHONIOENCODING", "LC_ALL")}
    done = subprocess.run(command, capture_output=True, env=environment | terminal)
    said = done.stderr.decode("ascii")
    assert done.returncode == 0 and said.startswith(READ) and said.count("\n") == 1
    table, expected = done.stdout.decode("ascii"), finished.out.replace("±", "+/-")
    assert "+/-" in table and "?" not in table
    assert table.split()[:-1] == expected.split()[:-1]  # the last word is the folder


def test_a_reader_who_has_seen_enough_is_no_error(finished):
    command = [sys.executable, "-m", "kegnet_np", "info", str(finished.stages["teacher"])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=ENVIRONMENT)
    process.stdout.close()  # as head does it, here before the first line
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 141


def test_without_a_stdout_a_command_does_its_work(finished, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)  # a daemon's
    assert main(["info", str(finished.stages["teacher"])]) == 0


def test_a_study_of_nothing_is_refused(folder):
    words = "QUESTION is 'nothing', expected one of foreign, form, lean, metadata, official, "
    assert words in refused(folder, "study", "nothing")


@pytest.mark.parametrize("name", ["teacher", "tucker", "kegnet"])
def test_evaluate_prints_what_the_run_reported(finished, name):
    stages, result = finished.stages, json.loads((finished.run / "result.json").read_text())
    out = accepted("evaluate", "--model", stages[name], "--teacher", stages["teacher"])
    lines, n = out.splitlines(), len(result["accuracy"][name]["values"])
    for line, key in zip(lines, ("accuracy", "balanced", "agreement"), strict=True):
        entry = result[key][name]
        spread = f" ± {100 * entry['sd']:.2f}" if n > 1 else ""
        what = f"{n} networks, 78 test rows of pets"
        assert line == f"{key:10} {100 * entry['mean']:.2f}{spread} %  ({what})"


def test_evaluate_takes_the_data_as_teach_took_them_unless_told_otherwise(finished, folder):
    told = [*finished.options, "--label", "kind", "--split-seed", 7, "--own-statistics"]
    right = accepted("teach", *told, "--out", "t.npz").split()[4]
    files = ["--teacher", "t.npz", "--model", "t.npz"]
    assert accepted("evaluate", *files).split()[1] + "%" == right
    other = accepted("evaluate", *files, "--dataset", finished.table, "--split-seed", 8)
    assert other.split()[1] + "%" != right
    line = refused(folder, "evaluate", *files, "--dataset", "digits")  # which takes no --label
    assert "--dataset digits has 64 features" in line


@pytest.mark.parametrize("options, words", [
    (["--selection", "last"], "3 students"),
    (["--selection", "real-validation"], r"3 students, score 0\.\d{4} \(real-validation\)"),
    (["--sampling", "fresh"], r"3 students, score 0\.\d{4} \(synthetic\)"),
])
def test_distill_says_how_many_students_it_made_and_what_chose_their_epoch(
    finished, options, words
):
    files = ["--teacher", finished.stages["teacher"], "--student", finished.stages["tucker"]]
    files += ["--generator-file", finished.stages["generators"], "--sampler", "kegnet"]
    files += ["--config", finished.settings, "--out", "s.npz"]
    out = accepted("distill", *files, *options)
    assert re.fullmatch(f"s.npz: {words}\n{AGREES}", out)


def test_info_shows_what_a_checkpoint_holds(finished):
    lines = accepted("info", finished.stages["generators"]).splitlines()
    assert lines[0] == f"{finished.stages['generators']}: generators, format version 2"
    assert any(line.startswith("  generator: {'class': 'NormalisedMLP', ") for line in lines)
    G, D = generator(3, 3, 4), decoder(4, 3)
    sizes = [getattr(G, k).size + getattr(D, k).size for k in ("layout", "state_layout")]
    assert lines[-2] == f"  theta: float32 (2, {sizes[0]})"
    assert lines[-1] == f"  state: float32 (2, {sizes[1]})"
    assert max(map(len, lines)) < 330


STUDENTS = "distill --teacher {teacher} --student {tucker} --sampler "
EVALUATE = "evaluate --teacher {teacher} --model {tucker} "


@pytest.mark.parametrize("command, words", [
    (STUDENTS + "kegnet", "--sampler kegnet needs --generator-file FILE, from kegnet extract"),
    (STUDENTS + "real --generator-file {generators}",
     "--generator-file: --sampler real has no use for it; drop it"),
    ("distill --teacher {teacher} --sampler real --generator-file {generators}",
     "--generator-file: --sampler real has no use for it; drop it"),
    ("distill --teacher {teacher} --ranks 9 --sampler normal", "ranks holds 9, expected integers"),
    ("distill --teacher {teacher} --ranks 2 --sampler real --dataset digits",
     "--dataset digits has 64 features"),
    (STUDENTS + "real --dataset digits", "--dataset digits has 64 features and 10 classes, the "
     "teacher's checkpoint 4 and 3; pass the teacher's own data"),
    (STUDENTS + "real --dataset other.csv", "134 of 400 cells are no class of the model, 'dog'"),
    (STUDENTS.replace("tucker", "teacher") + "real", "--student has 139 parameters, no fewer than "
     "--teacher; make a smaller start with kegnet compress"),
    ("compress --teacher {teacher} --ranks 9", "ranks holds 9, expected integers from 1 to the "
     "width, 8"),
    ("compress --teacher {teacher} --ranks 1,2,3,4", "ranks has 4 entries, expected 1 to 3"),
    (EVALUATE + "--dataset digits", "the teacher's checkpoint 4 and 3; pass the teacher's own"),
    (EVALUATE + "--split-seed -1", "split_seed is -1, expected an integer of at least 0"),
    ("teach --dataset digits", "the following arguments are required: --out (see kegnet teach"),
])
def test_what_does_not_belong_together_is_refused(finished, folder, command, words):
    write_table("other.csv", ("dog", "bee", "cat"))
    words_out = command.split()[0] in ("distill", "compress")
    arguments = [a.format(**finished.stages) for a in command.split()]
    assert words in refused(folder, *arguments, *["--out", "out.npz"] * words_out)


@pytest.mark.parametrize("change, option, words", [
    ({"features": 5}, "student", "--student is for another job than --teacher, which has 4"),
    ({"classes": 4}, "student", "--student is for another job than --teacher, which has 4"),
    ({"widths": (9, 9)}, "student", "--student is not --teacher in Tucker form; make it from"),
    ({"widths": (8, 8, 8)}, "student", "--student is not --teacher in Tucker form; make it from"),
    ({"features": 5}, "model", "--model is for another job than --teacher, which has 4 features"),
    ({"features": 5}, "generator-file", ": 5 features, 3 classes, the teacher has 4 and 3"),
    ({"classes": 4}, "generator-file", ": 4 features, 4 classes, the teacher has 4 and 3"),
])
def test_what_is_made_for_another_teacher_is_refused(finished, folder, rng, change, option, words):
    shape = {"features": 4, "classes": 3, "widths": (8, 8)} | change
    if option == "generator-file":  # of two latent codes less, so that the inputs are as many
        G = generator(2, shape["classes"], shape["features"])
        D = decoder(shape["features"], 2)
        made = (Network.random(model, [rng]) for model in (G, D))
        checkpoint.save_generators("other.npz", *made)
    else:
        other = models.MLP(**shape, ranks=(1,))
        checkpoint.save_network("other.npz", Network.random(other, rng))
    files = ["--teacher", finished.stages["teacher"], f"--{option}", "other.npz"]
    if option == "model":
        assert words in refused(folder, "evaluate", *files)
        return
    files += ["--student", finished.stages["tucker"]] if option == "generator-file" else []
    assert words in refused(folder, "distill", *files, "--sampler", "kegnet", "--out", "out.npz")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("command, name", [
    ("teach --dataset {table} --teacher-lr 1e30", "teacher: loss"),
    ("extract --teacher {teacher} --generator-lr 1e30", "generators: cls_loss"),
    (STUDENTS + "normal --student-lr 1e30", "normal: loss"),
])
def test_a_training_that_diverges_says_what_to_lower_and_writes_nothing(
    finished, folder, command, name
):
    words = [w.format(table=finished.table, **finished.stages) for w in command.split()]
    code, out, err = kegnet(*words, "--config", finished.settings, "--out", "t.npz")
    assert (code, out, contents(folder)) == (2, "", {})
    assert re.search(rf"error: {name} is .* in epoch \d+: lower the learning rate\n$", err)


def test_a_teacher_narrower_than_the_usual_rank_can_be_taught_and_compressed(finished, folder):
    narrow = ["--hidden", 2, "--depth", 20, "--teacher-epochs", 1]
    data = ["--dataset", finished.table]
    accepted("teach", *narrow, *data, "--out", "t.npz")
    ranks = ",".join(["2"] * 20)  # more ranks than the usual depth has layers
    out = accepted("compress", "--teacher", "t.npz", "--ranks", ranks, "--out", "c.npz")
    assert out.startswith("c.npz: ")
