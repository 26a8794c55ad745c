"""Plain MLPs as students, and recipes chosen by trials, from the command line."""

import json

import numpy as np
import pytest
from shell import accepted, refused

from kegnet_np.experiments.settings import make
from kegnet_np.io.checkpoint import load_network

SHORT = ["--noise-epochs", 2, "--student-epochs", 2, "--noise-pool", 512, "--pool-per-generator",
         256]


def test_a_size_without_ranks_asks_for_a_plain_mlp_and_its_recipe():
    made = make({"compression": 12.0})
    assert (made.compress.form, made.compress.ranks) == ("mlp", ())
    assert (made.every.protocol, made.distill.recipe) == ("tuned", "chosen")
    assert make({"form": "mlp"}).every.protocol == "tuned"
    both = make({"compression": 12.0, "ranks": ()})
    assert (both.compress.form, both.every.protocol) == ("tucker", "beyond")
    assert make({"compression": 12.0, "form": "tucker"}) == make(
        {"compression": 12.0, "ranks": (), "form": "tucker"})
    assert make({}).compress.form == "tucker" and make({}).distill.recipe == "given"


def test_a_run_with_plain_mlps_chooses_each_recipe(finished, tmp_path):
    without = finished.settings.read_text(encoding="utf-8").replace("ranks = 1\n", "")
    (tmp_path / "tiny.toml").write_text(without, encoding="utf-8")
    options = ["--dataset", finished.table, "--config", tmp_path / "tiny.toml", "--params", 120,
               *SHORT]
    out = accepted("run", *options, "--out", tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["form"] == "mlp" and result["ranks"] is None and "Tucker" not in out
    assert list(result["accuracy"]) == ["teacher", "uniform", "normal", "kegnet", "real"]
    for name in ("uniform", "normal", "kegnet", "real"):
        chosen = result["recipes"][name]
        students, _ = load_network(tmp_path / "run" / "checkpoints" / f"{name}.npz")
        assert list(students.model.widths) == chosen["widths"] and students.model.ranks is None
        assert students.size == result["n_params"][name] <= 120
        assert len({row.tobytes() for row in students.theta}) == 3
        best = min(chosen["trials"][-4:], key=lambda t: t["kl"])
        assert chosen["recipe_kl"] == best["kl"] and chosen["recipe"]["batch"] == best["batch"]
        assert best["lr"] / chosen["recipe"]["lr"] in (1, 2, 4)
        assert f"{name}: {len(chosen['widths'])} hidden layers of {chosen['widths'][0]}" in out
    assert (tmp_path / "run" / "figures" / "recipes.png").stat().st_size > 5000
    again = accepted("run", *options, "--resume", "--out", tmp_path / "run")
    assert again == out


def test_a_start_is_a_plain_mlp_or_a_tucker_form_alike(finished, tmp_path):
    teacher = ["--teacher", finished.stages["teacher"]]
    out = accepted("compress", *teacher, "--params", 100, "--layers", 2, "--out",
                   tmp_path / "start.npz")
    assert "2 hidden layers of" in out
    start, header = load_network(tmp_path / "start.npz")
    assert start.model.ranks is None and start.size <= 100 and header["stage"] == "mlp"
    students = ["--sampler", "normal", "--protocol", "tuned", "--students", 2, *SHORT]
    for name in ("start.npz", finished.stages["tucker"]):
        out = tmp_path / f"from-{len(str(name))}.npz"
        accepted("distill", *teacher, "--student", tmp_path / name, *students, "--out", out)
        made, _ = load_network(out)
        assert made.model == load_network(tmp_path / name)[0].model
        assert not np.array_equal(made.theta[0], made.theta[1])  # of one start: other samples
    accepted("distill", *teacher, "--params", 100, *students, "--out", tmp_path / "at-once.npz")
    made, _ = load_network(tmp_path / "at-once.npz")
    assert made.model.ranks is None and made.size <= 100 and len(made.theta) == 2


@pytest.mark.parametrize("options, words", [
    (["--form", "mlp", "--ranks", 2], "form is 'mlp', but ranks is given"),
    (["--agreement", 0.9, "--protocol", "paper"], "agreement is given, but recipe is 'given'"),
    (["--agreement", 0.9, "--params", 90], "params is given with agreement"),
    (["--ranks", 2, "--layers", 3], "layers is 3, but form is 'tucker'"),
    (["--params", 3], "budget is 3 parameters, expected at least"),
    (["--params", 100, "--layers", 0], "layers is 0, expected a positive integer"),
    (["--form", "cnn"], "argument --form: invalid choice: 'cnn'"),
])
def test_forms_that_do_not_fit_are_refused(finished, tmp_path, options, words):
    teacher = ["--teacher", finished.stages["teacher"], "--out", tmp_path / "a.npz"]
    assert words in refused(tmp_path, "compress", *teacher, *options)


def test_a_depth_that_the_budget_does_not_fit_is_refused_before_anything_is_trained(
    finished, tmp_path
):
    options = ["--dataset", finished.table, "--params", 20, "--layers", 9, "--out", tmp_path / "r"]
    words = "width 1 in 9 hidden layers"
    assert words in refused(tmp_path, "run", *options)


def test_a_tucker_start_may_be_larger_than_its_teacher(finished, tmp_path):
    teacher = ["--teacher", finished.stages["teacher"]]
    accepted("compress", *teacher, "--ranks", 8, "--out", tmp_path / "full.npz")
    start, _ = load_network(tmp_path / "full.npz")
    assert start.size > load_network(finished.stages["teacher"])[0].size
    accepted("distill", *teacher, "--student", tmp_path / "full.npz", "--sampler", "normal",
             "--protocol", "quick", "--out", tmp_path / "s.npz")


def test_a_frontier_of_forms(finished, tmp_path):
    config = tmp_path / "tiny.toml"
    lines = finished.settings.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("ranks")))
    options = ["--datasets", finished.table, "--config", config, "--protocol", "tuned", *SHORT,
               "--seeds", 2, "--compressions", "1.1,3", "--forms", "mlp,tucker", "--samplers",
               "normal", "--also", "wide"]
    out = accepted("frontier", *options, "--out", tmp_path / "f")
    result = json.loads((tmp_path / "f" / "table.json").read_text())
    seen = {(c["form"], c["samples"], c["compression"])
            for c in result["cells"] if c["does"] == "distill"}
    small = {("mlp", samples, 3) for samples in ("normal", "real")}
    assert seen == small | {(form, samples, 1.1) for form in ("mlp", "tucker")
                            for samples in ("normal", "wide", "real")}
    assert "MLP, normal − Tucker, normal" in out and "layers x width, learning rate, batch" in out
    for c in result["cells"]:
        if c["does"] == "distill":
            assert c["recipe"]["batch"] in (256, 512) and c["recipe_seconds"] > 0
    for options, words in [(["--forms", "cnn"], "forms has 'cnn', expected mlp, tucker or both"),
                           (["--also", "other"], "sampler is 'other', expected NAME"),
                           (["--forms", "tucker", "--compressions", "500"],
                            "rank 1 in every layer"),
                           (["--compressions", "20000"], "width 1 in 3 hidden layers")]:
        line = ["--datasets", finished.table, *options, "--out", tmp_path / "g"]
        assert words in refused(tmp_path, "frontier", *line)
