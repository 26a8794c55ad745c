"""Teachers come in from PyTorch, safetensors, plain arrays and checkpoints, with their outputs."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import SETTINGS, classifier, classifiers, layouts
from teacher_files import refusal, same, save_pt, state, storage, tensor, text, write_pt

from kegnet_np.io import checkpoint, convert
from kegnet_np.io.formats import safetensors, torch_pickle
from kegnet_np.models import MLP

SAVED = Path(__file__).parent / "saved_by_torch"  # by PyTorch 2.13, with what it answered


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, activation", [
    ("sequential", "elu"),  # with dropout, and a layer without bias
    ("training", "tanh"),  # float64, one output, in a dictionary beside an optimiser's state
    ("views", "relu"),  # of one storage: sliced; and transposed; in half precision; a Parameter
])
def test_what_pytorch_saved_gives_what_pytorch_answered(name, activation):
    expected = np.load(SAVED / "expected.npz")
    found = convert.read(SAVED / f"{name}.pt", activation=activation)
    assert np.abs(found.predict_proba(expected["x"]) - expected[name]).max() < 1e-6
    assert found.network.theta.dtype == (np.float64 if name == "training" else np.float32)


def torch_arrays(c):
    """Its layers' arrays by PyTorch's names, outputs × inputs."""
    arrays = {}
    for i, (W, b, _) in enumerate(c.layers):
        arrays |= {f"{2 * i}.weight": W.T} | ({} if b is None else {f"{2 * i}.bias": b})
    return arrays


@SETTINGS
@given(c=classifiers(), view=st.sampled_from(["plain", "transposed", "sliced"]))
def test_a_state_dict_of_any_shape_comes_in(tmp_path_factory, c, view):
    if c.network.model.ranks:
        return
    path = tmp_path_factory.mktemp("pt") / "a.pt"
    save_pt(path, torch_arrays(c), view)
    units = {"mean": c.mean, "scale": c.scale, "class_names": c.class_names}
    same(convert.read(path, activation=c.network.model.activation, **units), c)


def test_layers_are_in_the_order_of_the_file(tmp_path):
    c = classifier(MLP(4, 4, (4, 4)))
    names = iter(["z.weight", "z.bias", "b.weight", "b.bias", "a.weight", "a.bias"])
    save_pt(tmp_path / "a.pth", {next(names): a for a in torch_arrays(c).values()})
    found = convert.read(tmp_path / "a.pth", activation="elu")
    assert (found.network.theta == c.network.theta).all()


W, SIX = tensor(), {"0": bytes(24)}  # (3, 2) of six numbers


@pytest.mark.parametrize("pickled, storages, words", [
    (state({"0.weight": tensor((3, 3), (2, 1))}), SIX, "expected one within its storage of 6 num"),
    (state({"0.weight": tensor((3, 2), (2, 2))}), SIX, "shape (3, 2) and strides (2, 2) at 0, exp"),
    (state({"0.weight": tensor((3, 2), (2, 1), 1)}), SIX, "at 1, expected one within its storage"),
    (state({"0.weight": tensor((3, 3), (0, 1))}), SIX, "within its storage of 6 numbers, each"),
    (state({"0.weight": tensor((10**6, 10**6), (0, 0))}), SIX, "would inflate to 8,000,000,0"),
    (state({"0.weight": tensor((0, 2), (2, 1))}), SIX, "expected one within its storage"),
    (state({"0.weight": tensor((3, 2), (-2, 1))}), SIX, "a shape, an offset or a stride that"),
    (state({"0.weight": tensor((3, 2), (2, 1), -1)}), SIX, "a shape, an offset or a stride"),
    (state({"0.weight": tensor((3, 2), (2, 1), 2**62)}), SIX, "expected one within its storage"),
    (state({"0.weight": tensor((3, 2), (2,))}), SIX, "damaged, or no .pt file of a classifier"),
    (state({"0.weight": tensor((1,) * 9, (1,) * 9)}), SIX, "a shape, an offset or a stride"),
    (state({"0.weight": W}), {"0": bytes(20)}, "within its storage of 5 numbers"),
    (state({"0.weight": W}), {"0": bytes(23)}, "damaged, or no .pt file"),
    (state({"0.weight": W}), {"1": bytes(24)}, "of a classifier (KeyError: 'archive/da"),
    (state({"0.weight": tensor(of=storage(kind="LongStorage"))}), SIX,
     "its tensor '0.weight' is of 'LongStorage', expected FloatStorage, DoubleStorage"),
    (state({"0.weight": tensor(of=storage(kind="BFloat16Storage"))}), SIX,
     "of 'BFloat16Storage', expected FloatStorage, DoubleStorage, HalfStorage; save model.float()"),
    (state({"1.weight": tensor((6,), (1,))}), SIX, "holds '1.weight' of shape (6,), expected NAME"),
    (state({"1.running_mean": tensor((6,), (1,))}), SIX, "fold a batch-norm into the layer before"),
    (state({"0.weight": W, "epoch": b"K\x03"}), SIX, "its entry 'epoch' is of type int, expe"),
    (state({}), {}, "weights has 0 arrays"),
    (b"\x80\x02N.", {}, "it holds a NoneType, expected a state dict"),
    (b"\x80\x02]K\x01a.", {}, "it holds a list, expected a state dict"),
    (b"\x80\x02}", {}, "its pickle has no end"),
    (b"\x80\x04}.", {}, "its pickle has PROTO 4 where it makes no sense, or protoc"),
    (b"\x80\x02c__main__\nNet\n)R.", {}, "its pickle asks for '__main__ Net', which is not run"),
    (b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lstR.", {}, "its pickle asks for 'os system'"),
    (b"\x80\x02ctorch._\\x75tils\n_rebuild_tensor_v2\n)R.", {}, "'torch._\\\\x75tils _rebuild_te"),
    (b"\x80\x02cos system\nx\n)R.", {}, "its pickle asks for 'os system x'"),
    (b"\x80\x02(S'ls'\nios\nsystem\n.", {}, "the opcode 'STRING', which a state dict does"),
    (b"\x80\x02N)\x81.", {}, "the opcode 'NEWOBJ'"),
    (b"\x80\x02Nb.", {}, "damaged, or no .pt file"),
    (b"\x80\x02K\x01K\x02b.", {}, "its pickle has BUILD None where it makes no"),
    (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", {}, "damaged, or no .pt file"),
    (b"\x80\x02ccollections\nOrderedDict\nK\x01R.", {}, "calls 'collections OrderedDict' with"),
    (b"\x80\x02ctorch\nFloatStorage\n)R.", {}, "calls 'torch FloatStorage' with what it does not"),
    (b"\x80\x02K\x01)R.", {}, "its pickle calls '' with what it does not take"),
    (b"\x80\x02})K\x01s.", {}, "a dictionary of other keys than text and indices"),
    (b"\x80\x02}\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x01\x00K\x01s.", {}, "other keys than text"),
    (b"\x80\x02}K\x01a.", {}, "its pickle appends to what is no list"),
    (b"\x80\x02K\x01(K\x01K\x01u.", {}, "a dictionary of other keys"),
    (b"\x80\x02" + text("x") + b"Q.", {}, "damaged, or no .pt file"),
    (b"\x80\x02h\x05.", {}, "(KeyError: 5)"),
    (b"\x80\x02" + b"N" * 100_001 + b".", {}, "its pickle has more than 100,000 opcodes"),
    (b"\x80\x02" + b"N" * 2**20 + b".", {}, "its pickle has 1,048,579 bytes, expected 1,048,576"),
], ids=lambda given: given if isinstance(given, str) else "")
def test_a_pickle_that_is_no_state_dict_of_linear_layers_is_refused(tmp_path, pickled, storages,
                                                                   words):
    write_pt(tmp_path / "a.pt", pickled, storages)
    assert words in refusal(tmp_path / "a.pt", activation="relu")


def test_the_opcodes_that_are_refused_above_are_otherwise_those_of_a_sound_file(tmp_path):
    numbers = np.arange(6, dtype=np.float32)
    write_pt(tmp_path / "a.pt", state({"0.weight": W}), {"0": numbers.tobytes()})
    found = convert.read(tmp_path / "a.pt")
    np.testing.assert_array_equal(found.network.p["W0"], numbers.reshape(3, 2).T)
    found = torch_pickle.interpret(b"\x80\x02}(" + text("a") + b"N" + text("b") + b"\x88\x85u.")
    assert found == {"a": None, "b": (True,)}


def test_archives_that_torch_does_not_make_are_refused(tmp_path):
    path, pickled = tmp_path / "a.pt", state({"0.weight": W})
    write_pt(path, pickled, SIX, compression=zipfile.ZIP_DEFLATED)
    assert "its storage 'archive/data/0' is compressed" in refusal(path)
    write_pt(path, pickled, SIX, order=b"big")
    assert "its numbers are big-endian" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/constants.pkl", pickled)
    assert "it is no archive of torch.save" in refusal(path)
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")  # PyTorch before 1.6
    assert "it is no zip archive: a damaged file, or of PyTorch before 1.6" in refusal(path)


def test_what_the_file_does_not_say_must_be_said(tmp_path):
    c = classifier(MLP(3, 2, (4,), "relu"))
    save_pt(tmp_path / "a.pt", torch_arrays(c))
    words = refusal(tmp_path / "a.pt")
    assert "activation is None, expected one of identity, elu, relu, tanh, logistic" in words
    assert "member is 1, expected 0 to 0" in refusal(tmp_path / "a.pt", activation="elu", member=1)
    names = {"class_names": ["a"]}
    assert "class_names has 1 names, expected 2" in refusal(
        tmp_path / "a.pt", activation="elu", **names)


# --- safetensors ----------------------------------------------------------------------------------


@SETTINGS
@given(c=classifiers())
def test_safetensors_gives_back_what_was_written(tmp_path_factory, c):
    path = tmp_path_factory.mktemp("safetensors") / "a.safetensors"
    convert.write(path, c)
    same(convert.read(path), c)
    assert convert.read(path).network.model == c.network.model


def test_safetensors_of_another_program_are_in_the_order_of_their_numbers(tmp_path):
    oracle = pytest.importorskip("safetensors.numpy")
    c = classifier(MLP(4, 4, (4,) * 6, "tanh"), dtype=np.float64)
    arrays = {name: np.ascontiguousarray(a) for name, a in torch_arrays(c).items()}
    assert sorted(arrays)[2] == "10.bias"
    oracle.save_file(arrays, tmp_path / "a.safetensors")
    found = convert.read(tmp_path / "a.safetensors", activation="tanh")
    assert (found.network.theta == c.network.theta).all()


def made(tensors, metadata=None, content=b"", length=None) -> bytes:
    """A .safetensors file of a header."""
    text = json.dumps(tensors | ({"__metadata__": metadata} if metadata else {})).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content


def entry(begin, end, shape=(2, 2), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("content, words", [
    (b"", "its header has 0 bytes, expected 1,048,576 at the most, inside the file"),
    (made({}, length=10**18), "its header has 1,000,000,000,000,000,000 bytes"),
    (made({}, length=3), "inside the file; a damaged file, or of another format"),
    (made({"a": 3}), "damaged, or no .safetensors file of a classifier (TypeError"),
    (made({"0.weight": entry(0, 8, dtype="BF16")}, content=bytes(8)),
     "its array '0.weight' is BF16, expected one of F64, F32, F16; save it as F32"),
    (made({"0.weight": entry(0, 4, dtype="F8_E4M3")}, content=bytes(4)), "is F8_E4M3, expected"),
    (made({"0.weight": entry(0, 4, dtype="I8")}, content=bytes(4)), "is I8, expected"),
    (made({"0.weight": entry(0, 16)}, content=bytes(17)), "its arrays have 16 bytes of 17"),
    (made({"0.weight": entry(0, 16)}, content=bytes(15)), "(ValueError"),
    (made({"0.weight": entry(1, 17)}, content=bytes(17)), "is not next to the one before it"),
    (made({"0.weight": entry(0, 15)}, content=bytes(15)), "of another size than its shape"),
    (made({"0.weight": entry(0, 16), "1.weight": entry(8, 24)}, content=bytes(24)),
     "its array '1.weight' is not next to the one before it"),
    (made({"0.weight": entry(0, 16, (-2, -2))}, content=bytes(16)), "a shape or a place that is"),
    (made({"0.weight": entry(0, 16, (True, 4))}, content=bytes(16)), "a shape or a place that is"),
    (made({"0.weight": entry(0, 16, (2.0, 2))}, content=bytes(16)), "a shape or a place that is"),
    (made({"0.weight": entry(0, 16, (1,) * 9)}, content=bytes(16)), "a shape or a place that is"),
    (made({"0.weight": entry(0, 16)}, {"kegnet_np": "{}"}, bytes(16)), "describes no model"),
    (made({"0.weight": entry(0, 16)}, {"kegnet_np": "["}, bytes(16)), "damaged, or no .safetens"),
    (made({"x": entry(0, 16)}, content=bytes(16)), "holds 'x' of shape (2, 2), expected NAME.weig"),
    (b"\x36" + bytes(7) + b'{"0.weight": 1, "0.weight": 2, "__metadata__": {"":3}}',
     "its header has '0.weight' twice"),
], ids=lambda given: given if isinstance(given, str) else "")
def test_safetensors_that_are_damaged_or_of_other_numbers_are_refused(tmp_path, content, words):
    (tmp_path / "a.safetensors").write_bytes(content)
    assert words in refusal(tmp_path / "a.safetensors")


def test_safetensors_that_belie_their_own_header_are_refused(tmp_path):
    convert.write(tmp_path / "a.safetensors", classifier(MLP(4, 3, (5,))))
    arrays, metadata = safetensors.from_bytes((tmp_path / "a.safetensors").read_bytes())
    (tmp_path / "b.safetensors").write_bytes(
        safetensors.to_bytes(arrays | {"more.weight": np.ones((2, 2))}, metadata))
    assert "it holds 5 arrays, expected those of MLP(" in refusal(tmp_path / "b.safetensors")
    wide = {name: np.repeat(a, 2, 0) for name, a in arrays.items()}
    (tmp_path / "b.safetensors").write_bytes(safetensors.to_bytes(wide, metadata))
    assert "arrays['W0'] has shape (4, 10), expected (4, 5)" in refusal(tmp_path / "b.safetensors")
    assert "activation is 'elu', but it is in the file" in refusal(
        tmp_path / "a.safetensors", activation="elu")


# --- .npz -----------------------------------------------------------------------------------------


@SETTINGS
@given(c=classifiers())
def test_a_checkpoint_gives_back_what_was_written(tmp_path_factory, c):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    convert.write(path, c)
    same(convert.read(path), c)


@SETTINGS
@given(c=classifiers(), k=st.integers(0, 6), known=st.booleans())
def test_plain_arrays_in_any_memory_layout_come_in(tmp_path_factory, c, k, known):
    if c.network.model.ranks:
        return
    path, activation = tmp_path_factory.mktemp("npz") / "a.npz", c.network.model.activation
    arrays = {}
    for i, (W, b, _) in enumerate(c.layers):
        arrays |= {f"W{i}": layouts(W)[k], f"b{i}": layouts(b)[k]}
    units = {"mean": c.mean, "scale": c.scale, "class_names": c.class_names}
    if known:
        np.savez(path, **arrays, **units, activation=activation)
        same(convert.read(path), c)
    else:
        np.savez_compressed(path, **arrays)
        same(convert.read(path, activation=activation, **units), c)


@pytest.mark.parametrize("arrays, words", [
    ({}, "it holds no weights, expected W0 (inputs × outputs), b0, W1, b1"),
    ({"W0": np.eye(2)}, "it holds W0, expected W0 (inputs × outputs), b0, W1, b1, ... and what of "
     "mean, scale, class_names and activation is known; see b0"),
    ({"W0": np.eye(2), "b0": np.ones(2), "W2": np.eye(2), "b2": np.ones(2)}, "see W1"),
    ({"W0": np.eye(2), "b0": np.ones(2), "x": np.ones(2)}, "it holds W0, b0, x, expected"),
    ({"W0": np.array([{}]), "b0": np.ones(2)}, "Object arrays cannot be loaded"),
    ({"W0": np.eye(2) * 1j, "b0": np.ones(2)}, "an array of <c16 and shape (2, 2), expected numb"),
    ({"W0": np.full((2, 2), "x"), "b0": np.ones(2)}, "weights[0] is <U1, expected numbers"),
    ({"W0": np.eye(2), "b0": np.ones(2), "activation": np.array(["a", "b"])}, "expected one of "),
    ({"W0": np.eye(2), "b0": np.ones(2), "mean": np.ones(3)}, "mean has shape (3,), expected (2,)"),
    ({"W0": np.eye(2), "b0": np.ones(2), "class_names": np.array("ab")}, "damaged, or no .npz"),
])
def test_plain_arrays_that_are_no_layers_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in refusal(tmp_path / "a.npz")


def test_a_network_of_a_stack_is_chosen_and_other_units_are_given(tmp_path):
    a, b = (classifier(MLP(4, 3, (5,)), seed) for seed in (1, 2))
    theta = np.stack([a.network.theta, b.network.theta])
    checkpoint.save_network(tmp_path / "a.npz", type(a.network)(a.network.model, theta))
    found = convert.read(tmp_path / "a.npz", member=1, mean=b.mean, class_names=["x", "y", "z"])
    assert (found.network.theta == b.network.theta).all() and (found.mean == b.mean).all()
    assert (found.scale == 1).all() and found.class_names == ("x", "y", "z")
    for member in (-1, 2):
        words = refusal(tmp_path / "a.npz", member=member)
        assert f"member is {member}, expected 0 to 1: a network of the file" in words
    np.savez(tmp_path / "b.npz", W0=np.eye(2), b0=np.ones(2), activation="relu")
    words = refusal(tmp_path / "b.npz", activation="elu")
    assert "activation is 'elu', but 'relu' in the file; drop it" in words


# --- endings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, words", [
    ("a.txt", "a.txt ends in '.txt', expected .npz, .safetensors, .pt, .pth, .skops: these are r"),
    ("a.onnx", "a.onnx ends in '.onnx', expected .npz"),
    ("a", "a ends in '', expected"),
    ("a.joblib", "a.joblib is a pickle, and reading it runs what is in it; where you trust it"),
    ("a.pkl", "give the live model to kegnet_np.io.formats.scikit.from_sklearn"),
    ("a.npz", "a.npz: no such file, or a folder; check the path"),
    ("folder.pt", "folder.pt: no such file, or a folder"),
])
def test_a_file_of_another_ending_or_none_is_refused(tmp_path, name, words):
    (tmp_path / "folder.pt").mkdir()
    assert words in refusal(tmp_path / name)
