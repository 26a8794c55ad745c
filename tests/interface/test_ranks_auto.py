"""Ranks chosen without data, from the command line."""

import json

import pytest
from shell import accepted, refused

from kegnet_np.beyond import ranks
from kegnet_np.experiments import engine
from kegnet_np.io.checkpoint import load_network


def test_ranks_auto_from_the_command_line(finished, tmp_path):
    teacher, G = finished.stages["teacher"], finished.stages["generators"]
    auto = ["--teacher", teacher, "--ranks", "auto", "--config", finished.settings]
    out = accepted("compress", *auto, "--params", 400, "--sampler", "normal", "--out",
                   tmp_path / "a.npz")
    assert "ranks, first layer to last: " in out
    n = int(out.split(": ")[1].split(" parameters")[0].replace(",", ""))
    assert n <= 400
    accepted("compress", *auto, "--compression", 1.5, "--generator-file", G, "--out",
             tmp_path / "b.npz")
    for options, words in [
        (["--params", 400], "--sampler normal+noised needs --generator-file"),
        (["--params", 4, "--sampler", "normal"], "budget is 4 parameters, expected at least"),
        (["--params", 400, "--compression", 2], "expected ranks auto and one of compression"),
        (["--agreement", 1.5], "agreement is 1.5, expected a number between 0 and 1"),
        (["--compression", 0.5], "compression is 0.5, expected a number above 1"),
        (["--params", -1], "params is -1, expected a positive integer"),
        (["--sampler", "nothing"], "sampler is 'nothing', expected NAME"),
    ]:
        assert words in refused(tmp_path, "compress", *auto, *options, "--out", tmp_path / "c.npz")
    sizes = {}
    for ranks_given, switch, form in [("auto", "--no-lean", "paper"), ("auto", "--lean", "lean"),
                                      (2, "--lean", "lean"), (2, "--no-lean", "paper")]:
        file = tmp_path / f"{ranks_given}-{form}.npz"
        size = ["--params", 400, "--sampler", "normal"] if ranks_given == "auto" else []
        accepted("compress", "--teacher", teacher, "--ranks", ranks_given, *size, switch, "--out",
                 file)
        start, _ = load_network(file)
        assert start.model.lean == (form == "lean")
        sizes[ranks_given, form] = start.size
    D, K = start.model.features, start.model.classes
    assert sizes[2, "paper"] - sizes[2, "lean"] == D * D + K * K
    assert max(sizes["auto", form] for form in ("paper", "lean")) <= 400
    M, _ = load_network(teacher)
    least = ranks.n_params(M.model, (1,))  # within reach of the lean form alone
    table = [*finished.options, "--ranks", "auto", "--params", least, "--sampler", "normal"]
    words = f"expected at least {least + D * D + K * K:,}: rank 1 in every layer"
    assert words in refused(tmp_path, "run", *table, "--no-lean", "--out", tmp_path / "r")
    size = ["--datasets", finished.table, "--forms", "tucker", "--compressions",
            M.size / (least + 1), "--hidden", M.model.widths[0], "--depth", len(M.model.widths)]
    assert words in refused(tmp_path, "frontier", *size, "--no-lean", "--out", tmp_path / "f")
    assert "--lean or --no-lean is given, but --forms mlp" in refused(
        tmp_path, "frontier", "--forms", "mlp", "--lean", "--out", tmp_path / "f")
    student = ["--teacher", teacher, "--student", tmp_path / "2-lean.npz", "--no-lean"]
    assert "--lean" in refused(tmp_path, "distill", *student, "--out", tmp_path / "s.npz")
    mlp = ["--teacher", teacher, "--compression", 2, "--lean", "--out", tmp_path / "c.npz"]
    assert "lean is True, but form is 'mlp', which has no ranks" in refused(
        tmp_path, "compress", *mlp)
    fixed = ["--teacher", teacher, "--ranks", 2, "--compression", 2, "--out", tmp_path / "c.npz"]
    assert "compression is given with ranks (2,)" in refused(tmp_path, "compress", *fixed)
    both = ["--teacher", teacher, "--student", tmp_path / "b.npz", "--config", finished.settings]
    accepted("distill", *both, "--sampler", "wide+noised", "--generator-file", G, "--out",
             tmp_path / "d.npz")
    words = "--generator-file: --sampler normal has no use for it"
    assert words in refused(tmp_path, "distill", *both, "--sampler", "normal", "--generator-file",
                            G, "--out", tmp_path / "e.npz")


def test_a_run_chooses_its_ranks_and_distils_on_its_sampler(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    out = accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--out",
                   tmp_path / "run")
    assert "Tucker + normal+noised" in out and "protocol beyond" in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["n_params"]["student"] <= 250 and len(result["ranks"]) == 3
    assert result["ranks"] in [trial["ranks"] for trial in result["trials"]]
    assert len(result["accuracy"]["normal+noised"]["values"]) == 3
    assert "smaller MLP, same samples" in out and len(result["accuracy"]["mlp"]["values"]) == 3
    rival, _ = load_network(tmp_path / "run" / "checkpoints" / "mlp.npz")
    assert rival.model.ranks is None and len({row.tobytes() for row in rival.theta}) == 3
    assert rival.size == result["n_params"]["mlp"] <= result["n_params"]["student"]
    assert (tmp_path / "run" / "figures" / "ranks.png").stat().st_size > 5000
    again = accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--resume",
                     "--out", tmp_path / "run")
    assert again == out


@pytest.mark.parametrize("generators", [1, 2, 5])
def test_the_plain_rival_has_as_many_updates_as_the_tucker_student_on_the_same_samples(
    finished, tmp_path, monkeypatch, generators
):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--generators",
             generators, "--selection", "last", "--out", tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    updates = result["updates"]
    assert updates["mlp"] == updates["normal+noised"] == updates["kegnet"]
    assert updates["kegnet"] == 5 * -(-generators * 64 // 16)  # epochs x pool / batch
    assert updates["uniform"] == updates["normal"] == updates["real"] > 0


def test_a_size_that_no_rank_reaches_is_refused_before_anything_is_trained(finished, tmp_path):
    out = ["--out", tmp_path / "run"]
    line = refused(tmp_path, "run", *finished.options, "--ranks", "auto", "--compression", 50, *out)
    assert "expected at least 59: rank 1 in every layer, 2.4 times smaller than the teacher" in line


def test_dask_without_its_package_is_one_line_and_makes_no_folder(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    words = "--dask needs Dask's scheduler: pip install 'kegnet_np[cluster]'"
    table = ["table", "--config", finished.settings, "--datasets", finished.table]
    dask = ["--dask", "tcp://127.0.0.1:1", "--out", tmp_path / "t"]
    assert words in refused(tmp_path, *table, *dask)
