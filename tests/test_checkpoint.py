"""Checkpoints are written whole or not at all, and only what fits its description is read."""

import json
import os
from dataclasses import asdict

import numpy as np
import pytest
from shell import accepted, contents, refused

from kegnet_np import checkpoint, models, tucker
from kegnet_np.checkpoint import CheckpointError

MODEL = models.Classifier(4, 3, hidden=8, depth=2, ranks=(3, 2))


def test_a_network_comes_back_as_it_was(tmp_path, rng):
    theta, state = (np.stack([a, a / 3]) for a in MODEL.init(rng, np.float64))
    checkpoint.save_network(tmp_path / "deep/a.npz", MODEL, theta, state, stage="x", seconds=0.1)
    model, theta_2, state_2, header = checkpoint.load_network(tmp_path / "deep/a.npz")
    assert model == MODEL and theta_2.dtype == np.float64 and state_2.shape == (2, 0)
    assert (theta_2 == theta).all() and os.listdir(tmp_path / "deep") == ["a.npz"]
    assert (header["stage"], header["seconds"], header["version"]) == ("x", 0.1, 1)


def test_generators_come_back_without_their_decoders(tmp_path, rng):
    G, D = models.generator(3, 5, 4, hidden=6), models.decoder(4, 3, hidden=6)
    (g, g_state), (d, d_state) = G.init(rng), D.init(rng)
    theta, state = np.concatenate([g, d])[None], np.concatenate([g_state, d_state])[None]
    checkpoint.save_generators(tmp_path / "g.npz", G, D, theta, state)
    model, theta, state, header = checkpoint.load_generators(tmp_path / "g.npz")
    assert model == G and (theta[0] == g).all() and (state[0] == g_state).all()
    assert header["decoder"] == {"class": "NormalisedMLP", **asdict(D)}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.npz"
    checkpoint.save(path, "network", {"theta": np.arange(3.0)})
    before = contents(tmp_path)

    def half(temporary):
        temporary.write_bytes(b"half a file")
        assert sorted(os.listdir(tmp_path)) == sorted([temporary.name, "a.npz"])
        assert temporary.match(checkpoint.TEMPORARY)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.write_atomically(path, half)
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint.save(path, "network", {}, settings={1, 2})
    assert contents(tmp_path) == before


def test_a_place_below_a_file_cannot_be_made_and_one_below_nothing_can(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file is no folder to write in; choose another"):
        checkpoint.check_place(tmp_path / "file/deep/a.npz")
    checkpoint.check_place(tmp_path / "not/yet/there/a.npz")
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def forge(tmp_path, finished):
    """forge(stage, changes of the header, changes of the arrays): a changed copy of a checkpoint;
    a value None takes an entry out."""

    def write(stage, changes, /, **arrays):
        found, header = checkpoint.load(finished.stages[stage])
        header = {k: v for k, v in (header | changes).items() if v is not None}
        encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
        arrays = {k: v for k, v in ({"header": encoded} | found | arrays).items() if v is not None}
        np.savez(tmp_path / "forged.npz", **arrays)
        return tmp_path / "forged.npz"

    return write


P = 139  # parameters of the teacher of `finished`
PLAIN = {"class": "Classifier", "features": 4, "classes": 3, "hidden": 8, "depth": 2}


@pytest.mark.parametrize("header, arrays, words", [
    ({"version": 2}, {}, "format version 2, this program reads 1; use the release that wrote it"),
    ({"version": None}, {}, "not a kegnet checkpoint, or a truncated one (KeyError('version'))"),
    ({"kind": None}, {}, "not a kegnet checkpoint, or a truncated one (KeyError('kind'))"),
    ({"model": None}, {}, "its header describes no model (KeyError('model'))"),
    ({"model": [1]}, {}, "its header describes no model (TypeError"),
    ({"model": {**PLAIN, "class": "NormalisedMLP"}}, {}, "expected Classifier"),
    ({"model": {**PLAIN, "hidden": 0}}, {}, "hidden is 0, expected a positive integer"),
    ({"model": {**PLAIN, "width": 3}}, {}, "unexpected keyword argument 'width'"),
    ({"model": {**PLAIN, "hidden": 9}}, {}, "theta is float32 of shape (1, 139), expected finite"),
    ({"model": {**PLAIN, "ranks": [9]}}, {}, "ranks holds 9"),
    ({"data": 3}, {}, "its header's data is no table of settings"),
    ({"data": {"source": []}}, {}, "its header's data is no table of settings"),
    ({}, {"header": None}, "(KeyError('header'))"),
    ({}, {"header": np.array(10**12)}, "not a kegnet checkpoint"),
    ({}, {"header": np.frombuffer(b"[1]", np.uint8)}, "not a kegnet checkpoint"),
    ({}, {"theta": None}, "holds no array theta"),
    ({}, {"state": None}, "holds no array state"),
    ({}, {"theta": np.zeros(P)}, "theta is float64 of shape (139,), expected finite"),
    ({}, {"theta": np.zeros(())}, "theta is float64 of shape ()"),
    ({}, {"theta": np.zeros((0, P))}, "theta is float64 of shape (0, 139)"),
    ({}, {"theta": np.zeros((1, P), int)}, "theta is int64 of shape (1, 139)"),
    ({}, {"theta": np.full((1, P), np.nan)}, "expected finite floating-point numbers (S, 139)"),
    ({}, {"theta": np.full((1, P), "1")}, "theta is <U1"),
    ({}, {"state": np.zeros((2, 0))}, "state is float64 of shape (2, 0)"),
    ({}, {"theta": np.array([{"a": 1}])}, "Object arrays cannot be loaded"),
])  # fmt: skip
def test_a_checkpoint_that_does_not_fit_itself_is_refused(tmp_path, forge, header, arrays, words):
    path = forge("teacher", header, **arrays)
    line = refused(tmp_path, "compress", "--teacher", path, "--out", tmp_path / "out.npz")
    assert "forged.npz: " in line and words in line


@pytest.mark.parametrize("content, words", [
    (b"", "EOFError"), (b"x,y\n1,2\n", "ValueError"), (b"PK\x03\x04", "BadZipFile"),
    (b"\x93NUMPY\x01\x00", "ValueError"), (b"\x80\x04]\x94.", "ValueError"),
])  # fmt: skip
def test_a_foreign_file_is_refused(tmp_path, content, words):
    (tmp_path / "a.npz").write_bytes(content)
    line = refused(tmp_path, "info", tmp_path / "a.npz")
    assert f"a.npz: not a kegnet checkpoint, or a truncated one ({words}(" in line
    assert "make it anew with the kegnet command" in line


def test_an_archive_of_other_arrays_and_a_lone_array_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert "KeyError('header')" in refused(tmp_path, "info", tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert "not a kegnet checkpoint" in refused(tmp_path, "info", tmp_path / "a.npy")


def test_a_truncated_or_altered_checkpoint_is_refused_wherever_it_happens(tmp_path, finished, rng):
    content, path = finished.stages["teacher"].read_bytes(), tmp_path / "a.npz"
    refusals = 0
    for size in rng.integers(len(content), size=60):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="or a truncated one"):
            checkpoint.load_teacher(path)
    for at in np.concatenate([np.arange(60), rng.integers(len(content), size=60)]):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:  # a byte that no reader looks at, such as a time, may change; the numbers may not
            theta = checkpoint.load_teacher(path)[1]
            assert (theta == checkpoint.load_teacher(finished.stages["teacher"])[1]).all()
        except CheckpointError:
            refusals += 1
    assert refusals > 60


def test_a_checkpoint_of_the_wrong_kind_is_refused(tmp_path, finished):
    s, out = finished.stages, ["--out", tmp_path / "out.npz"]
    for command, words in (
        (["extract", "--teacher", s["generators"]], "holds generators, expected network"),
        (["compress", "--teacher", s["tucker"]], "a Tucker student, not a teacher"),
        (["distill", "--teacher", s["teacher"], "--student", s["generators"], "--sampler", "real"],
         "holds generators, expected network"),
        (["distill", "--teacher", s["teacher"], "--student", s["tucker"], "--sampler", "kegnet",
          "--generator-file", s["teacher"]], "holds network, expected generators"),
    ):  # fmt: skip
        assert words in refused(tmp_path, *command, *out)
    line = refused(tmp_path, "evaluate", "--model", s["generators"], "--teacher", s["teacher"])
    assert "holds generators, expected network; pass another file" in line


@pytest.mark.parametrize("header, arrays, words", [
    ({"generator": None}, {}, "describes no generator"),
    ({"decoder": {**PLAIN}}, {}, "class is Classifier, expected NormalisedMLP"),
    ({}, {"theta": np.zeros((2, 5))}, "theta is float64 of shape (2, 5)"),
    ({}, {"state": None}, "holds no array state"),
])  # fmt: skip
def test_generators_that_do_not_fit_themselves_are_refused(forge, header, arrays, words):
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_generators(forge("generators", header, **arrays))
    assert words in str(caught.value)


def test_a_teacher_of_ones_own_needs_no_more_than_save_network(tmp_path, rng):
    model = models.Classifier(4, 3, hidden=8, depth=2)
    theta, state = (a[None] for a in model.init(rng, np.float64))
    checkpoint.save_network(tmp_path / "mine.npz", model, theta, state)
    out = tmp_path / "tucker.npz"
    accepted("compress", "--teacher", tmp_path / "mine.npz", "--ranks", 8, "--out", out)
    student, theta_0, _, _ = checkpoint.load_network(out)
    assert theta_0.dtype == np.float64
    assert (theta_0[0] == tucker.compress(model, theta[0], 8)[1]).all()
    assert student.ranks == (8,)
