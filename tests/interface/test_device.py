"""--device: the stages on another device than the CPU, and one line where there is none."""

import numpy as np
import pytest
from shell import accepted, kegnet, refused
from standin import DEVICE, moves

from kegnet_np import backend
from kegnet_np.beyond import ranks
from kegnet_np.io import checkpoint


@pytest.mark.parametrize("command", ["teach", "extract", "distill"])
def test_without_a_gpu_one_line_says_so_and_what_to_install(command, finished, tmp_path):
    more = {"teach": ["--dataset", finished.table], "extract": [],
            "distill": ["--sampler", "normal"]}
    given = more[command] + ["--teacher", finished.stages["teacher"]] * (command != "teach")
    code, out, err = kegnet(
        command, *given, "--device", "cuda", "--out", tmp_path / "made.npz")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "no usable GPU" in err and "gpu-cuda12" in err and "gpu-cuda13" in err
    assert not (tmp_path / "made.npz").exists()
    code, _, err = kegnet(command, *given, "--device", "tpu", "--out", tmp_path / "made.npz")
    assert code == 2 and "'tpu'" in err and "expected 'cpu' or 'cuda'" in err


STAGES = [  # command, options, the name of a checkpoint that it needs
    ["teach"], ["extract"], *(["distill", "--sampler", name] for name in (
        "uniform", "normal", "wide", "narrow", "kegnet", "noised", "energy", "normal+kegnet"))]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage[-1])
def test_a_stage_on_a_device_writes_what_the_cpu_would(stage, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    command, *options = stage
    options += ["--config", finished.settings] if command != "extract" else []
    made = {}
    if command != "teach":
        options += ["--teacher", finished.stages["teacher"]]
    if {"kegnet", "noised", "normal+kegnet"} & set(stage):
        options += ["--generator-file", finished.stages["generators"]]
    if command == "extract":
        options += ["--generators", 2, "--generator-steps", 2, "--generator-epochs", 2]
    else:
        options += ["--dataset", finished.table]
    for device in ("cpu", "cuda"):
        moves.clear()
        accepted(command, *options, "--device", device, "--out", tmp_path / f"{device}.npz")
        assert bool(moves["get"]) == (device == "cuda")
        made[device], _ = checkpoint.load(tmp_path / f"{device}.npz")
    for name, expected in made["cpu"].items():
        np.testing.assert_allclose(made["cuda"][name], expected, rtol=1e-4, atol=1e-5)


def test_samplers_of_numpy_and_trials_go_with_a_device(finished, tmp_path, monkeypatch):
    """Their random numbers are others there, so the shapes are compared, and that training went."""
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    metadata = tmp_path / "metadata.json"
    accepted("metadata", "--dataset", finished.table, "--out", metadata)
    for i, options in enumerate((["normal", "--recipe", "chosen", "--noise-pool", 2000],
                                 ["ranges+classes", "--metadata", metadata], ["frequencies"])):
        moves.clear()
        out = tmp_path / f"{i}.npz"
        accepted("distill", "--teacher", finished.stages["teacher"], "--device", "cuda", "--out",
                 out, "--config", finished.settings, "--sampler", *options)
        assert moves["put"] and np.isfinite(checkpoint.load(out)[0]["theta"]).all()


GRID = ["--teachers", 1, "--seeds", 2]
PLAYED = ["--epochs", 2, "--pretraining", 2, "--labels", "6,all", "--seeds", 2]
PROBED = ["--teacher-epochs", 3, "--epochs", 3, "--rows", 40, "--triplets", 2, "--students", 2,
          "--teachers", 2]
WHOLE = {  # of a table and settings: a command on whole folders
    "run": lambda table, config: ["run", "--dataset", table, "--config", config],
    "auto": lambda table, config: ["run", "--dataset", table, "--config", config, "--ranks", "auto",
                                   "--compression", 1.5, "--sampler", "energy"],
    "table": lambda table, config: ["table", "--datasets", table, "--config", config, *GRID],
    "frontier": lambda table, config: [
        "frontier", "--datasets", table, "--compressions", "1.2", "--samplers", "normal",
        "--forms", "mlp,tucker", "--noise-pool", 64, "--noise-epochs", 2, *GRID],
    "kdgan": lambda table, config: ["kdgan", "--dataset", table, *PLAYED],
    "probe": lambda table, config: [
        "probe", "--dataset", table, "--probes", "fooled,bias", *PROBED]}


@pytest.mark.parametrize("command", WHOLE)
def test_a_folder_of_jobs_on_a_device_is_what_the_cpu_would_make(
        command, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    made = {}
    for device in ("cpu", "cuda"):
        moves.clear()
        accepted(*WHOLE[command](finished.table, finished.settings), "--device", device, "--jobs",
                 1, "--out", tmp_path / device)
        assert bool(moves["get"]) == (device == "cuda")
        files = sorted((tmp_path / device).rglob("*.npz"))
        made[device] = {file.name: checkpoint.load(file)[0] for file in files}
    assert made["cpu"].keys() == made["cuda"].keys() and made["cpu"]
    for name, arrays in made["cpu"].items():
        for key, expected in arrays.items():
            np.testing.assert_allclose(made["cuda"][name][key], expected, rtol=1e-3, atol=1e-4,
                                       err_msg=f"{name} {key}")


def test_a_device_is_for_one_process(finished, tmp_path, monkeypatch):
    words = "no usable GPU"
    assert words in refused(tmp_path, "run", *finished.options, "--device", "cuda", "--out", "r")
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    for more, words in ((["--jobs", 2], "where one process computes; drop --jobs"),
                        (["--dask", "tcp://x:1"], "where one process computes; drop --dask")):
        assert words in refused(tmp_path, "table", "--datasets", finished.table, "--device", "cuda",
                                *more, "--out", tmp_path / "t")


def test_a_folder_knows_its_device(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    for began, other in (([], ["--device", "cuda"]), (["--device", "cuda"], [])):
        out = tmp_path / f"began{len(began)}"
        accepted("run", *finished.options, *began, "--out", out)
        for file in out.rglob("*real.npz"):
            file.unlink()
        assert "holds a run with device" in refused(
            tmp_path, "run", *finished.options, *other, "--resume", "--out", out)
        accepted("run", *finished.options, *began, "--resume", "--out", out)
