"""The commands one by one: each does what `kegnet run` does at that stage, to the bit."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from shell import ENVIRONMENT, accepted, contents, kegnet, refused, write_table

import kegnet_np
from kegnet_np import checkpoint, cli, models
from kegnet_np.protocols import PROTOCOLS


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
    assert out == "c.npz: 84 parameters instead of 139, 1.65x smaller, not yet trained\n"
    assert same_numbers("c.npz", finished.stages["tucker"])
    for sampler in ("uniform", "normal", "kegnet", "real"):
        files = [*teacher, "--student", "c.npz", "--out", f"{sampler}.npz"]
        more = ["--generator-file", "g.npz"] if sampler == "kegnet" else []
        out = accepted("distill", *files, *settings, "--sampler", sampler, *more)
        assert re.fullmatch(rf"{sampler}.npz: 3 students, score 0\.\d{{4}} \(synthetic\)\n", out)
        assert same_numbers(f"{sampler}.npz", finished.stages[sampler])


@pytest.mark.parametrize("name", ["teacher", "tucker", "kegnet"])
def test_evaluate_prints_what_the_run_reported(finished, name):
    stages, result = finished.stages, json.loads((finished.run / "result.json").read_text())
    out = accepted("evaluate", "--model", stages[name], "--teacher", stages["teacher"])
    lines, n = out.splitlines(), len(result["accuracy"][name]["values"])
    for line, key in zip(lines, ("accuracy", "balanced", "agreement"), strict=True):
        entry = result[key][name]
        spread = f" ± {100 * entry['sd']:.2f}" if n > 1 else ""
        assert line == f"{key:10} {100 * entry['mean']:.2f}{spread} %  ({n} networks, pets)"


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
])  # fmt: skip
def test_distill_says_how_many_students_it_made_and_what_chose_their_epoch(
    finished, options, words
):  # fmt: skip
    files = ["--teacher", finished.stages["teacher"], "--student", finished.stages["tucker"]]
    files += ["--generator-file", finished.stages["generators"], "--sampler", "kegnet"]
    files += ["--config", finished.settings, "--out", "s.npz"]
    out = accepted("distill", *files, *options)
    assert re.fullmatch(f"s.npz: {words}\n", out)


def test_info_shows_what_a_checkpoint_holds(finished):
    lines = accepted("info", finished.stages["generators"]).splitlines()
    assert lines[0] == f"{finished.stages['generators']}: generators, format version 1"
    assert any(line.startswith("  generator: {'class': 'NormalisedMLP', ") for line in lines)
    G, D = models.generator(3, 3, 4), models.decoder(4, 3)
    sizes = [getattr(G, k).size + getattr(D, k).size for k in ("layout", "state_layout")]
    assert lines[-2] == f"  theta: float32 (2, {sizes[0]})"
    assert lines[-1] == f"  state: float32 (2, {sizes[1]})"
    assert max(map(len, lines)) < 330


STUDENTS = "distill --teacher {teacher} --student {tucker} --sampler "
EVALUATE = "evaluate --teacher {teacher} --model {tucker} "


@pytest.mark.parametrize("command, words", [
    (STUDENTS + "kegnet", "--sampler kegnet needs --generator-file FILE, from kegnet extract"),
    (STUDENTS + "real --dataset digits", "--dataset digits has 64 features and 10 classes, the "
     "teacher's checkpoint 4 and 3; pass the teacher's own data"),
    (STUDENTS + "real --dataset other.csv", "has the classes bee, cat, dog, the teacher ant, bee"),
    (STUDENTS.replace("tucker", "teacher") + "real", "--student is not --teacher in Tucker form"),
    ("compress --teacher {teacher} --ranks 9", "ranks holds 9, expected integers from 1 to the "
     "width, 8"),
    ("compress --teacher {teacher} --ranks 1,2,3,4", "ranks has 4 entries, expected 1 to 3"),
    (EVALUATE + "--dataset digits", "the teacher's checkpoint 4 and 3; pass the teacher's own"),
    (EVALUATE + "--split-seed -1", "split_seed is -1, expected an integer of at least 0"),
    ("teach --dataset digits", "the following arguments are required: --out (see kegnet teach"),
])  # fmt: skip
def test_what_does_not_belong_together_is_refused(finished, folder, command, words):
    write_table("other.csv", ("dog", "bee", "cat"))
    words_out = command.split()[0] in ("distill", "compress")
    arguments = [a.format(**finished.stages) for a in command.split()]
    assert words in refused(folder, *arguments, *["--out", "out.npz"] * words_out)


@pytest.mark.parametrize("change, option, words", [
    ({"features": 5}, "student", "--student is for another job than --teacher, which has 4"),
    ({"classes": 4}, "student", "--student is for another job than --teacher, which has 4"),
    ({"hidden": 9}, "student", "--student is not --teacher in Tucker form; make it from this"),
    ({"depth": 3}, "student", "--student is not --teacher in Tucker form; make it from this"),
    ({"features": 5}, "model", "--model is for another job than --teacher, which has 4 features"),
    ({"features": 5}, "generator-file", ": 5 features, 3 classes, the teacher has 4 and 3"),
    ({"classes": 4}, "generator-file", ": 4 features, 4 classes, the teacher has 4 and 3"),
])  # fmt: skip
def test_what_is_made_for_another_teacher_is_refused(finished, folder, rng, change, option, words):
    shape = {"features": 4, "classes": 3, "hidden": 8, "depth": 2} | change
    if option == "generator-file":  # of two latent codes less, so that the inputs are as many
        G = models.generator(2, shape["classes"], shape["features"])
        D = models.decoder(shape["features"], 2)
        parts = zip(G.init(rng), D.init(rng), strict=True)
        theta, state = (np.concatenate(part)[None] for part in parts)
        checkpoint.save_generators("other.npz", G, D, theta, state)
    else:
        other = models.Classifier(**shape, ranks=(1,))
        checkpoint.save_network("other.npz", other, *(a[None] for a in other.init(rng)))
    files = ["--teacher", finished.stages["teacher"], f"--{option}", "other.npz"]
    if option == "model":
        assert words in refused(folder, "evaluate", *files)
        return
    files += ["--student", finished.stages["tucker"]] if option == "generator-file" else []
    assert words in refused(folder, "distill", *files, "--sampler", "kegnet", "--out", "out.npz")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_diverges_says_what_to_lower_and_writes_nothing(finished, folder):
    options = [*finished.options, "--teacher-lr", "1e30", "--out", "t.npz"]
    code, out, err = kegnet("teach", *options)
    assert (code, out, contents(folder)) == (2, "", {})
    assert re.search(r"error: teacher: loss is .* in epoch \d+: lower the learning rate\n$", err)


def test_a_teacher_narrower_than_the_usual_rank_can_be_taught_and_compressed(finished, folder):
    narrow = ["--hidden", 2, "--depth", 20, "--teacher-epochs", 1]
    data = ["--dataset", finished.table]
    accepted("teach", *narrow, *data, "--out", "t.npz")
    ranks = ",".join(["2"] * 20)  # more ranks than the usual depth has layers
    out = accepted("compress", "--teacher", "t.npz", "--ranks", ranks, "--out", "c.npz")
    assert out.startswith("c.npz: ")


@pytest.mark.parametrize("command", cli.HELP)
def test_the_help_of_every_command_shows_an_example_that_it_understands(command):
    code, out, err = kegnet(command, "--help")
    assert (code, err) == (0, "")
    example = " ".join(out.split()).split("example: kegnet ")[1]
    assert example == cli.EXAMPLES[command].removeprefix("kegnet ")
    assert cli.make_parser().parse_args(example.split()).command == command


def test_the_help_tells_the_papers_default_and_the_protocols_that_change_it():
    out = " ".join(kegnet("run", "--help")[1].split())
    demo, quick = (PROTOCOLS[name]["student_epochs"] for name in ("demo", "quick"))
    told = re.search(r"--student-epochs N epochs of students .*? \(default: 400; ([^)]*)\)", out)
    assert told and f"demo {demo}, quick {quick}" in told[1]
    assert "(default: 5, letter 10)" in out and "latent code z (default: 10)" in out


def test_the_version_is_printed_and_no_command_is_an_error():
    assert kegnet("--version") == (0, f"kegnet {kegnet_np.__version__}\n", "")
    code, out, err = kegnet()
    assert (code, out) == (2, "") and "required: command (see kegnet --help)" in err


def test_help_starts_at_once_because_heavy_imports_wait():
    start = time.monotonic()
    program = "import sys; from kegnet_np.cli import main; sys.argv = ['kegnet', '--help']\n"
    program += "try: main()\nexcept SystemExit: print(sorted(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0 and time.monotonic() - start < 2  # measured: 0.15 s
    loaded = done.stdout.splitlines()[-1]
    assert "'kegnet_np.cli'" in loaded
    for module in ("tensorly", "matplotlib", "pooch", "tqdm", "scipy"):
        assert f"'{module}'" not in loaded, module
