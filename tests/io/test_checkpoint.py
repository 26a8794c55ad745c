"""Checkpoints are written whole or not at all, and only what fits its description is read."""

import json
import os
import time
import tracemalloc
import zipfile
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from shell import accepted, contents, refused, write_table

from kegnet_np import tucker
from kegnet_np.beyond.lean import fold
from kegnet_np.generator import decoder, generator
from kegnet_np.io import checkpoint, files
from kegnet_np.io.checkpoint import CheckpointError
from kegnet_np.models import MLP
from kegnet_np.network import Network

MODEL = MLP(4, 3, (8, 8), ranks=(3, 2))
VERSION_1 = Path(__file__).parent / "version1"  # made by the program before version 2


def test_a_network_comes_back_as_it_was(tmp_path, rng):
    theta, state = (np.stack([a, a / 3]) for a in MODEL.init(rng, np.float64))
    stack = Network(MODEL, theta, state)
    checkpoint.save_network(tmp_path / "deep/a.npz", stack, stage="x", seconds=0.1)
    found, header = checkpoint.load_network(tmp_path / "deep/a.npz")
    assert found.model == MODEL and found.theta.dtype == np.float64 and found.state.shape == (2, 0)
    assert (found.theta == theta).all() and os.listdir(tmp_path / "deep") == ["a.npz"]
    assert (header["stage"], header["seconds"], header["version"]) == ("x", 0.1, 2)


def test_one_network_is_written_as_a_stack_of_one(tmp_path, rng):
    one = Network.random(MLP(4, 3, (8, 5), "tanh", dropout=0.0), rng)
    checkpoint.save_network(tmp_path / "a.npz", one)
    found, _ = checkpoint.load_network(tmp_path / "a.npz")
    teacher, header = checkpoint.load_teacher(tmp_path / "a.npz")
    assert found.model == teacher.model == one.model and found.theta.shape == (1, one.size)
    assert np.array_equal(teacher.theta, one.theta) and header["data"] == {"source": {}}


def test_generators_come_back_with_their_decoders(tmp_path, rng):
    models = generator(3, 5, 4, hidden=6), decoder(4, 3, hidden=6)
    G, D = (Network.random(model, [rng, rng]) for model in models)
    checkpoint.save_generators(tmp_path / "g.npz", G, D)
    *found, header = checkpoint.load_generators(tmp_path / "g.npz")
    for network, expected in zip(found, (G, D), strict=True):
        assert network.model == expected.model
        assert (network.theta == expected.theta).all() and (network.state == expected.state).all()
    assert header["decoder"] == {"class": "NormalisedMLP", **asdict(D.model)}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.npz"
    checkpoint.save(path, "network", {"theta": np.arange(3.0)})
    before = contents(tmp_path)

    def half(temporary):
        temporary.write_bytes(b"half a file")
        assert sorted(os.listdir(tmp_path)) == sorted([temporary.name, "a.npz"])
        assert temporary.match(files.TEMPORARY)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(path, half)
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint.save(path, "network", {}, settings={1, 2})
    assert contents(tmp_path) == before


def test_a_place_below_a_file_cannot_be_made_and_one_below_nothing_can(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is no folder to write in; choose another"):
        files.check_place(tmp_path / "file/deep/a.npz")
    files.check_place(tmp_path / "not/yet/there/a.npz")
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
PLAIN = {"class": "MLP", "features": 4, "classes": 3, "widths": [8, 8]}
FIRST = {"class": "Classifier", "features": 4, "classes": 3, "hidden": 8, "depth": 2}  # version 1


@pytest.mark.parametrize("header, arrays, words", [
    ({"version": 3}, {}, "format version 3, this program reads 1 and 2; use the release that wrot"),
    ({"version": None}, {}, "not a kegnet checkpoint, or a truncated one (KeyError('version'))"),
    ({"kind": None}, {}, "not a kegnet checkpoint, or a truncated one (KeyError('kind'))"),
    ({"model": None}, {}, "its header describes no model (KeyError('model'))"),
    ({"model": [1]}, {}, "its header describes no model (TypeError"),
    ({"model": {**PLAIN, "class": "NormalisedMLP"}}, {}, "expected MLP"),
    ({"model": {**PLAIN, "widths": [8, 0]}}, {}, "widths is 0, expected a positive integer"),
    ({"model": {**PLAIN, "width": 3}}, {}, "unexpected keyword argument 'width'"),
    ({"model": {**PLAIN, "widths": 8}}, {}, "its header describes no model (TypeError"),
    ({"model": {**PLAIN, "activation": "x"}}, {}, "activation is 'x', expected one of"),
    ({"model": {**PLAIN, "widths": [9, 8]}}, {}, "theta is float32 of shape (1, 139), expected f"),
    ({"model": {**FIRST, "hidden": 0}}, {}, "widths is 0, expected a positive integer"),
    ({"model": {**FIRST, "hidden": 9}}, {}, "theta is float32 of shape (1, 139), expected finite"),
    ({"model": {**FIRST, "depth": "2"}}, {}, "its header describes no model (TypeError"),
    ({"model": {**FIRST, "depth": None}}, {}, "its header describes no model (TypeError"),
    ({"model": {**FIRST, "depth": 10**12}}, {}, "more than 1,000 hidden layers"),
    ({"model": {**PLAIN, "widths": [1] * 2000}}, {}, "more than 1,000 hidden layers"),
    ({"model": {**PLAIN, "ranks": [9]}}, {}, "ranks holds 9"),
    ({"more": "x" * 2**22}, {}, "characters, 2,097,152 at the most"),
    ({"data": 3}, {}, "its header's data is no table of settings"),
    ({"data": {"source": []}}, {}, "its header's data is no table of settings"),
    ({}, {"header": None}, "(KeyError('header"),
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
])
def test_a_checkpoint_that_does_not_fit_itself_is_refused(tmp_path, forge, header, arrays, words):
    path = forge("teacher", header, **arrays)
    line = refused(tmp_path, "compress", "--teacher", path, "--out", tmp_path / "out.npz")
    assert "forged.npz: " in line and words in line


@pytest.mark.parametrize("content", [
    b"", b"x,y\n1,2\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04]\x94.",
])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    line = refused(tmp_path, "info", tmp_path / "a.npz")
    assert "a.npz: not a kegnet checkpoint, or a truncated one (BadZipFile(" in line
    assert "make it anew with the kegnet command" in line


def test_an_archive_of_other_arrays_and_a_lone_array_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert "KeyError('header" in refused(tmp_path, "info", tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert "not a kegnet checkpoint" in refused(tmp_path, "info", tmp_path / "a.npy")


def test_a_truncated_or_altered_checkpoint_is_refused_wherever_it_happens(tmp_path, finished, rng):
    content, path = finished.stages["teacher"].read_bytes(), tmp_path / "a.npz"
    sound, refusals = checkpoint.load_teacher(path=finished.stages["teacher"])[0].theta, 0
    for size in rng.integers(len(content), size=60):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="or a truncated one"):
            checkpoint.load_teacher(path)
    for at in np.concatenate([np.arange(60), rng.integers(len(content), size=60)]):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:  # a byte that no reader looks at, such as a time, may change; the numbers may not
            theta = checkpoint.load_teacher(path)[0].theta
            assert (theta == sound).all()
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
    ):
        assert words in refused(tmp_path, *command, *out)
    line = refused(tmp_path, "evaluate", "--model", s["generators"], "--teacher", s["teacher"])
    assert "holds generators, expected network; pass another file" in line


@pytest.mark.parametrize("header, arrays, words", [
    ({"generator": None}, {}, "describes no generator"),
    ({"decoder": {**PLAIN}}, {}, "class is MLP, expected NormalisedMLP"),
    ({"generator": {"class": "NormalisedMLP", "inputs": 6, "outputs": 4, "depth": 10**12}}, {},
     "more than 1,000 hidden layers"),
    ({}, {"theta": np.zeros((2, 5))}, "theta is float64 of shape (2, 5)"),
    ({}, {"state": None}, "holds no array state"),
])
def test_generators_that_do_not_fit_themselves_are_refused(forge, header, arrays, words):
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_generators(forge("generators", header, **arrays))
    assert words in str(caught.value)


def test_a_teacher_of_ones_own_needs_no_more_than_save_network(tmp_path, rng):
    mine = Network.random(MLP(4, 3, (8, 8)), rng, np.float64)
    checkpoint.save_network(tmp_path / "mine.npz", mine)
    out = tmp_path / "tucker.npz"
    accepted("compress", "--teacher", tmp_path / "mine.npz", "--ranks", 8, "--out", out)
    student, _ = checkpoint.load_network(out)
    assert student.theta.dtype == np.float64
    assert (student.theta[0] == fold(tucker.compress(mine, 8)).theta).all()
    assert student.model.ranks == (8,)
    files = ["--teacher", tmp_path / "mine.npz"]
    for command in (["evaluate", "--model", tmp_path / "mine.npz"],
                    ["distill", "--sampler", "real", "--ranks", 8, "--out", tmp_path / "s.npz"]):
        line = refused(tmp_path, *command, *files)  # and not scored on the digits in silence
        assert "--teacher does not say what data it was taught; pass --dataset" in line


# --- files of version 1 ---------------------------------------------------------------------------


def test_networks_of_version_1_give_the_outputs_that_they_gave():
    expected = np.load(VERSION_1 / "expected.npz")
    x, zy = expected["x"], expected["zy"]
    for name in ("teacher", "tucker", "kegnet"):
        network, header = checkpoint.load_network(VERSION_1 / f"{name}.npz")
        assert header["version"] == 1 and header["stage"] == name
        assert network.model.widths == (8, 8) and network.model.activation == "elu"
        np.testing.assert_allclose(network.predict(x), expected[name], rtol=1e-5, atol=1e-6)
    M, header = checkpoint.load_teacher(VERSION_1 / "teacher.npz")
    np.testing.assert_allclose(M.predict(x), expected["teacher"][0], rtol=1e-5, atol=1e-6)
    assert header["data"]["source"]["dataset"] == "pets.csv" and len(header["data"]["scale"]) == 4
    G, D, _ = checkpoint.load_generators(VERSION_1 / "generators.npz")
    np.testing.assert_allclose(G.predict(zy), expected["generators"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(D.predict(x), expected["decoders"], rtol=1e-5, atol=1e-6)


def test_files_of_version_1_do_for_every_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table("pets.csv")  # the table that they were made from
    teacher = ["--teacher", VERSION_1 / "teacher.npz"]
    for name, scores in {  # what the program said that made them
        "teacher": "accuracy   97.50", "tucker": "accuracy   35.00",
        "kegnet": "accuracy   61.67 ± 8.78",
    }.items():
        out = accepted("evaluate", "--model", VERSION_1 / f"{name}.npz", *teacher)
        assert out.startswith(f"{scores} %")
    accepted("compress", *teacher, "--ranks", 1, "--out", "tucker.npz")
    again, old = (fold(checkpoint.load_network(folder / "tucker.npz")[0].member(0)).theta
                  for folder in (tmp_path, VERSION_1))
    np.testing.assert_allclose(abs(again), abs(old), atol=1e-4)  # factors up to their signs
    short = ["--students", 1, "--pool-per-generator", 64, "--student-epochs", 1, "--held-out", 10]
    accepted("distill", *teacher, "--student", VERSION_1 / "kegnet.npz", "--sampler", "kegnet",
             "--generator-file", VERSION_1 / "generators.npz", *short, "--out", "s.npz")
    assert checkpoint.load(tmp_path / "s.npz")[1]["version"] == 2
    assert "format version 1" in accepted("info", VERSION_1 / "generators.npz")


# --- files that would fill the memory -------------------------------------------------------------


def cost(path, load):
    """What a refusal says, its seconds, and the most memory that it took."""
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(CheckpointError) as caught:
        load(path)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return str(caught.value), seconds, peak


@pytest.mark.parametrize("entry, mode", [("header", "w"), ("theta", "w"), ("more", "a")])
def test_a_small_file_that_inflates_to_a_large_one_is_refused_at_once(
    tmp_path, finished, entry, mode
):
    path = tmp_path / "bomb.npz"
    path.write_bytes(finished.stages["teacher"].read_bytes())
    with (
        zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{entry}.npy", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**19
    words, seconds, peak = cost(path, checkpoint.load_teacher)
    assert "would inflate to 3" in words and words.count("\n") == 0
    assert seconds < 0.5 and peak < 50e6


def test_an_array_that_is_said_to_be_larger_than_it_is_takes_no_memory(tmp_path, finished):
    path, content = tmp_path / "lies.npz", BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (10**9,)})
    with (zipfile.ZipFile(finished.stages["teacher"]) as sound,
          zipfile.ZipFile(path, "w") as archive):
        archive.writestr("header.npy", sound.read("header.npy"))
        archive.writestr("theta.npy", content.getvalue() + bytes(100))
    words, seconds, peak = cost(path, checkpoint.load_teacher)
    assert "100 bytes of numbers, expected 4,000,000,000" in words
    assert seconds < 0.5 and peak < 5e6


def test_a_large_file_of_another_kind_is_refused_before_its_arrays_are_read(tmp_path):
    path = tmp_path / "large.npz"
    checkpoint.save(path, "training", {"theta": np.zeros((1, 8_000_000))})
    words, seconds, peak = cost(path, checkpoint.load_network)
    assert "holds training, expected network; pass another file" in words
    assert seconds < 0.5 and peak < 50e6
    checkpoint.save(path, "training", {"theta": np.array([{"a": 1}])})  # it cannot be read
    with pytest.raises(CheckpointError, match="holds training, expected generators"):
        checkpoint.load_generators(path)
