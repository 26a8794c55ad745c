"""A run and its folder: what it holds, that it is the stages in a row, and that it repeats."""

import contextlib
import csv
import json
import re
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
from shell import TINY, accepted, contents, kegnet, write_table

import data_loaders
from kegnet_np.experiments import folder, pipeline
from kegnet_np.experiments import run as whole
from kegnet_np.experiments.folder import RunError, opened
from kegnet_np.io import checkpoint

KINDS = ["teacher", "tucker", "uniform", "normal", "kegnet", "real"]


def result_of(run):
    return json.loads((run / "result.json").read_text(encoding="utf-8"))


def rows_of(run):
    with open(run / "metrics.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_folder_holds_everything(finished):
    assert {name for name in contents(finished.run) if "." in name} == {
        "config.json", "metrics.csv", "result.json",
        "figures/losses.png", "figures/confusion.png", "figures/features.png",
        *(f"checkpoints/{name}.npz" for name in [*KINDS, "generators"]),
    }
    config = json.loads((finished.run / "config.json").read_text(encoding="utf-8"))
    assert config["dataset"] == str(finished.table) and config["split_seed"] == 2019
    assert (config["ranks"], config["students"], config["teacher_lr"]) == ([1], 3, 0.01)
    for figure in (finished.run / "figures").iterdir():
        assert figure.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_table_of_an_uneven_set_has_balanced_accuracy_and_who_always_answers_the_largest_class(
        finished):
    result = result_of(finished.run)
    assert "balanced %" not in whole.table(result) and "always" not in whole.table(result)
    result["majority"] = {"answer": "no", "accuracy": 0.8931, "balanced": 0.5}
    head, _, teacher, always, *_ = whole.table(result).splitlines()
    assert re.split("  +", head)[3:6] == ["accuracy %", "balanced %", "agreement %"]
    assert re.split("  +", always.strip()) == ["always answer no", "89.31", "50.00"]
    assert re.split("  +", teacher)[4] == f"{100 * result['balanced']['teacher']['mean']:.2f}"


def test_the_table_tells_where_the_tucker_form_without_training_comes_from(finished):
    result = result_of(finished.run)
    assert "\nTucker only, from weights " in whole.table(result)
    fitted = whole.table(result | {"init": "activations"})
    assert "\nTucker only, fitted to samples " in fitted


def test_a_stage_without_a_terminal_says_now_and_then_where_it_is(monkeypatch, capsys):
    monkeypatch.setattr(folder, "TELL_EVERY", 0.001)
    training = SimpleNamespace(epoch=3, schedule=SimpleNamespace(epochs=12))
    said = ""
    with folder.told("teacher"):
        with contextlib.suppress(AttributeError):  # of a training that is none
            folder.Progress("teacher")(training)
        until = time.monotonic() + 30
        while "epoch" not in said and time.monotonic() < until:
            said += capsys.readouterr().err
    assert re.search(r"kegnet: teacher: \d+ s, epoch 3 of at most 12\n", said)


def test_a_run_without_a_terminal_tells_every_job(tmp_path):
    table = write_table(tmp_path / "pets.csv", rows=90)
    settings = tmp_path / "tiny.toml"
    settings.write_text(TINY, encoding="utf-8")
    code, _, err = kegnet("run", "--dataset", table, "--config", settings, "--jobs", 1,
                          "--out", tmp_path / "r", read=True)
    lines = [line.removeprefix("kegnet: ") for line in err.splitlines()]
    jobs = [line.split()[0] for line in lines if re.match(r"\d+/7 pets-2019", line)]
    assert code == 0 and jobs == [f"{i}/7" for i in range(1, 8)]


def test_result_json_says_what_was_done_and_how_well(finished):
    result = result_of(finished.run)
    assert (result["dataset"], result["seed"], result["ranks"]) == ("pets", 2019, [1])
    assert (result["protocol"], result["selection"]) == ("paper", "synthetic")
    # A table of one's own has the lean form: 4 + 8 + 8, 8 + 1 + 8 + 8 and 8 + 3 + 3.
    sizes = {name: 139 if name == "teacher" else 59 for name in (*KINDS, "student")}
    assert result["n_params"] == sizes and result["form"] == "tucker" and result["recipes"] == {}
    assert result["compression"] == 139 / 59
    assert list(result["accuracy"]) == list(result["agreement"]) == KINDS
    assert set(result["seconds"]) == {*KINDS, "generators"}
    assert {"kegnet_np", "python", "numpy", "autograd", "tensorly"} <= set(result["versions"])
    for key in ("accuracy", "agreement"):
        for name, entry in result[key].items():
            values = entry["values"]
            assert len(values) == (1 if name in ("teacher", "tucker") else 3)
            assert entry["mean"] == pytest.approx(np.mean(values))
            sd = np.std(values, ddof=1) if len(values) > 1 else None
            assert entry["sd"] == (sd if sd is None else pytest.approx(sd))
            assert all(0 <= v <= 1 and v * 78 == pytest.approx(round(v * 78)) for v in values)
    assert result["agreement"]["teacher"]["values"] == [1]
    mean = {name: entry["mean"] for name, entry in result["accuracy"].items()}
    assert mean["teacher"] > 0.9 and mean["real"] > 0.7 and mean["tucker"] < 0.5  # chance: 0.33


def test_accuracy_is_that_of_the_checkpoints_on_the_test_rows(finished):
    data = data_loaders.load(finished.table)
    for name, entry in result_of(finished.run)["accuracy"].items():
        network, _ = checkpoint.load_network(finished.stages[name])
        for member, value in enumerate(entry["values"]):
            logits = network.member(member).predict(data.x_test)
            assert value == np.mean(logits.argmax(1) == data.y_test)
        assert len(network.theta) == len(entry["values"])


def test_metrics_csv_has_a_row_per_epoch_and_member_of_every_stage(finished):
    rows = rows_of(finished.run)
    assert list(rows[0]) == list(whole.METRICS)
    for name, path in finished.stages.items():
        header = checkpoint.load(path)[1]
        found = [(int(r["epoch"]), int(r["member"])) for r in rows if r["stage"] == name]
        history = [] if name == "tucker" else header["history"]  # it is not trained
        assert found == [(r["epoch"], r["member"]) for r in history]
        if name in ("uniform", "normal", "kegnet", "real"):
            for member, kept in enumerate(header["kept_epoch"]):
                scores = {int(r["epoch"]): float(r["score"]) for r in rows
                          if r["stage"] == name and r["member"] == str(member)}
                best = max(scores.values())
                assert kept == max(epoch for epoch, score in scores.items() if score == best)
    assert sum(r["stage"] in KINDS[2:] for r in rows) < 3 * (8 + 8 + 5 + 8)  # some stopped early
    generators = [r for r in rows if r["stage"] == "generators"]
    assert len(generators) == 4 * 2 and generators[0]["loss"] == generators[0]["score"] == ""
    assert float(generators[0]["cls_loss"]) > 0 and float(generators[0]["dec_loss"]) > 0


def test_the_table_has_a_line_per_approach_with_the_numbers_of_result_json(finished):
    result, lines = result_of(finished.run), finished.out.splitlines()
    assert whole.table(result) == "\n".join(lines[:-1])
    assert len(lines) == 2 + 6 + 3 and len({len(line) for line in lines[:8]}) == 1
    for line, name in zip(lines[2:8], KINDS, strict=True):
        entry = result["accuracy"][name]
        spread = "" if entry["sd"] is None else f" ± {100 * entry['sd']:.2f}"
        assert line.startswith(whole.LABELS[name])
        assert f"x  {100 * entry['mean']:.2f}{spread}  " in re.sub(" {2,}", "  ", line)
    assert lines[7].split()[4:7] == ["(ceiling)", "59", "2.36x"]
    assert lines[8].endswith("their epoch selected by: synthetic;")
    changed = len(result["changed"])
    assert changed > 10 and lines[9].startswith(f"protocol paper, {changed} settings changed; ")
    assert lines[10].endswith(str(finished.run))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(finished, tmp_path):
    accepted("run", *finished.options, "--out", tmp_path / "again")
    for name in ("accuracy", "agreement"):
        assert result_of(tmp_path / "again")[name] == result_of(finished.run)[name]
    again, first = tmp_path / "again/metrics.csv", finished.run / "metrics.csv"
    assert again.read_bytes() == first.read_bytes()
    accepted("run", *finished.options, "--out", tmp_path / "other", "--seed", 7)
    assert result_of(tmp_path / "other")["accuracy"] != result_of(finished.run)["accuracy"]


def test_resuming_a_finished_run_computes_no_stage_again(finished, tmp_path, monkeypatch):
    shutil.copytree(finished.run, tmp_path / "run")
    before = contents(tmp_path / "run/checkpoints")
    monkeypatch.setattr(pipeline, "stage", None)  # what every job begins with
    options = [*finished.options, "--out", tmp_path / "run", "--resume"]
    out = accepted("run", *options)
    assert out.splitlines()[:-1] == finished.out.splitlines()[:-1]
    assert contents(tmp_path / "run/checkpoints") == before
    assert result_of(tmp_path / "run") == result_of(finished.run)


def test_half_a_file_of_a_killed_process_is_swept_away_and_a_persons_file_is_not(tmp_path):
    settings, run = {"seed": 7}, tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    half = [run / ".config.json.4711.tmp", run / "checkpoints/.teacher.npz.4712.tmp"]
    half[0].write_text("{")
    with (  # checkpoints, no config
        pytest.raises(RunError, match="holds other files"), opened(run, settings, resume=True)
    ):
        pass
    (run / "checkpoints").rmdir()
    with opened(run, settings, resume=False):
        assert json.loads((run / "config.json").read_text()) == settings
    (run / "checkpoints").mkdir()
    half[1].write_text("half")
    (run / ".notes.tmp").write_text("mine")
    with opened(run, settings, resume=True):
        assert not half[1].exists()
    assert set(contents(run)) == {"config.json", "checkpoints", ".notes.tmp"}


def test_the_command_line_overrides_the_file_and_the_file_the_protocol(finished, tmp_path):
    out = tmp_path / "run"
    accepted("run", *finished.options, "--quick", "--students", 1, "--beta", 0.1, "--out", out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (config["protocol"], config["students"], config["beta"]) == ("quick", 1, 0.1)
    assert (config["ranks"], config["held_out"], config["generator_epochs"]) == ([1], 200, 4)
    assert [r["div_loss"] for r in rows_of(out) if r["stage"] == "generators"][0] != ""
    assert result_of(out)["accuracy"]["kegnet"]["sd"] is None


def test_digits_need_no_file_and_get_pictures_without_a_warning(tmp_path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(TINY + "teacher_dropout = true", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    accepted("run", "--config", "tiny.toml", "--teacher-epochs", 1)
    run = tmp_path / "runs/digits"
    assert {"generated.png", "walk.png"} < {path.name for path in (run / "figures").iterdir()}
    assert result_of(run)["protocol"] == "demo"


@pytest.mark.parametrize("names, expected, features", [
    (["no $", "$yes_{$", "per_haps"], ["$yes_{$", "no $", "per_haps"], 2),
    (["7", "1", "3"], ["1", "3", "7"], 2),
    (["b", "a"], ["a", "b"], 64),
])
def test_labels_keep_their_names_and_30_rows_train(tmp_path, finished, names, expected, features):
    table = write_table(tmp_path / "digits.csv", names, 30, features)  # not the set of this name
    settings = ["--config", finished.settings, "--teacher-batch", 64]
    accepted("run", *settings, "--dataset", table, "--out", tmp_path / "run")
    result, teacher = result_of(tmp_path / "run"), tmp_path / "run/checkpoints/teacher.npz"
    assert (result["classes"], result["dataset"]) == (expected, "digits")
    assert not (tmp_path / "run/figures/walk.png").exists()
    assert checkpoint.load(teacher)[1]["data"]["class_names"] == expected


def test_a_constant_column_is_one_line_of_warning(tmp_path, finished):
    table = write_table(tmp_path / "still.csv", rows=60)
    text = table.read_text(encoding="utf-8").replace("kind", "still,kind")
    table.write_text(re.sub(",([abc][a-z]+\n)", r",5,\1", text), encoding="utf-8")
    options = ["--config", finished.settings, "--dataset", table, "--out", tmp_path / "run"]
    code, _, err = kegnet("run", *options)
    assert code == 0 and err.count("\n") == 1
    assert err.startswith("kegnet: warning: still: constant in the training split")
    assert err.rstrip().endswith("['still']")
    data = checkpoint.load(tmp_path / "run/checkpoints/teacher.npz")[1]["data"]
    assert (data["mean"][4], data["scale"][4]) == (5, 1)
