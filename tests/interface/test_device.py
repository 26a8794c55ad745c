"""--device: the stages on another device than the CPU, and one line where there is none."""

import numpy as np
import pytest
from shell import accepted, kegnet
from standin import DEVICE, moves

from kegnet_np import backend
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


def test_what_is_made_for_the_cpu_alone_is_refused(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "_cuda", lambda: DEVICE)
    metadata = tmp_path / "metadata.json"
    accepted("metadata", "--dataset", finished.table, "--out", metadata)
    for options, remedy in ((["normal", "--recipe", "chosen"], "--recipe given"),
                            (["ranges", "--metadata", metadata], "another --sampler"),
                            (["frequencies"], "another --sampler")):
        code, _, err = kegnet(
            "distill", "--teacher", finished.stages["teacher"], "--device", "cuda", "--out",
            tmp_path / "made.npz", "--sampler", *options)
        assert code == 2 and remedy in err
