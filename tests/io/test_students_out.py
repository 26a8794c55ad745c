"""Students leave as C, Python, ONNX, safetensors and scikit-learn, and give the same answers there.

The difference is that of a probability, from the classifier in float64, on raw rows that float32
holds; the oracles are the machine's C compiler, onnxruntime, safetensors and scikit-learn.
"""

import ctypes.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import NAMES, SETTINGS, SIGNS, classifier, classifiers, layouts, rows
from shell import contents

from kegnet_np.io import checkpoint, convert
from kegnet_np.io.files import FormatError
from kegnet_np.io.formats import c_header, onnx_model, python_file, safetensors, scikit
from kegnet_np.models import MLP

SMALL = MLP(16, 10, (27, 27, 27))  # a fortieth of a teacher with 11 layers of 100
TUCKER = MLP(16, 10, (50, 50), "tanh", ranks=(6, 4))
CC = shutil.which("cc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
SAFE = ["-fsanitize=address,undefined"] if ctypes.util.find_library("asan") else []
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler, cc, on this machine")
PROGRAM = """
#include <stdio.h>
#include "student.h"
int main(void)
{
    float x[STUDENT_FEATURES], p[STUDENT_CLASSES + 1];
    while (fread(x, sizeof x, 1, stdin) == 1) {
        p[STUDENT_CLASSES] = (float)student_predict(x, p);
        fwrite(p, sizeof p, 1, stdout);
    }
    for (int k = 0; k < STUDENT_CLASSES; k++) {
        fputs(student_class_name(k), stdout);
        putchar(0);
    }
    return 0;
}
"""


def close(found, c, x):
    """Probabilities within 1e-6 of the classifier's."""
    expected = c.predict_proba(x)
    assert np.shape(found) == expected.shape
    assert np.abs(found - expected).max() < 1e-6


# --- C --------------------------------------------------------------------------------------------


def compiled(folder, c, *flags):
    """The program that runs the classifier's header."""
    (folder / "student.h").write_text(c_header.to_c(c), encoding="utf-8")
    (folder / "main.c").write_text(PROGRAM)
    command = [CC, *FLAGS, *flags, folder / "main.c", "-o", folder / "main", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "main"


def run(program, c, x):
    """Its probabilities, its choices and its names of the classes, for rows x."""
    done = subprocess.run([program], input=x.tobytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    size = 4 * len(x) * (len(c.class_names) + 1)
    found = np.frombuffer(done.stdout[:size], np.float32).reshape(len(x), -1)
    return found[:, :-1], found[:, -1], tuple(done.stdout[size:].decode().split("\0")[:-1])


@needs_cc
@SETTINGS
@given(c=classifiers())
def test_c_gives_the_same_probabilities_whatever_the_shape(tmp_path_factory, c):
    x = rows(c, 100)
    p, best, names = run(compiled(tmp_path_factory.mktemp("c"), c, *SAFE), c, x)
    close(p, c, x)
    assert (best == p.argmax(1)).all() and names == c.class_names


@needs_cc
@pytest.mark.parametrize("model", [SMALL, TUCKER, MLP(16, 10)], ids=["small", "tucker", "teacher"])
def test_c_chooses_the_same_class_on_2000_rows(tmp_path, model):
    c = classifier(model)
    x = rows(c, 2000)
    p, best, _ = run(compiled(tmp_path, c, "-O2"), c, x)
    close(p, c, x)
    assert (best == c.predict_proba(x).argmax(1)).all() and len(set(best)) > 5


@needs_cc
@pytest.mark.parametrize("model", [SMALL, TUCKER])
def test_the_flash_of_a_small_student_is_counted_and_below_16_kb(tmp_path, model):
    c = classifier(model)
    told = c_header.memory(c)
    assert told.flash > 4 * c.network.size + 4 * 2 * 16
    (tmp_path / "student.h").write_text(c_header.to_c(c))
    (tmp_path / "one.c").write_text(
        '#include "student.h"\nint f(const float *x, float *p);\n'
        "int f(const float *x, float *p) { return student_class_name(0) != 0 "
        "? student_predict(x, p) : 0; }\n")
    subprocess.run([CC, *FLAGS, "-Os", "-c", "one.c", "-o", "one.o"], cwd=tmp_path, check=True)
    sizes = subprocess.run(["size", "one.o"], cwd=tmp_path, check=True, capture_output=True)
    text, data = map(int, sizes.stdout.split()[6:8])
    assert told.flash - 20 <= text + data <= min(told.flash + 1500, 16_384)  # names are left out


def test_the_units_of_the_two_largest_layers_side_by_side_are_the_memory():
    assert c_header.memory(classifier(SMALL)).ram == 4 * (27 + 27)
    assert c_header.memory(classifier(MLP(5, 3, (40, 7)))).ram == 4 * (7 + 40)
    assert c_header.memory(classifier(MLP(5, 3, ()))).ram == 4 * 5


@pytest.mark.parametrize("given, expected", [
    ("my Net-2", "my_net_2"), ("9x", "net9x"), ("_x", "net_x"), ("", "net"), ("naïve", "na_ve")])
def test_a_files_name_becomes_an_identifier(given, expected):
    assert c_header.identifier(given) == expected
    assert f"int {expected}_predict(" in c_header.to_c(classifier(MLP(2, 2, ())), given)


# --- Python ---------------------------------------------------------------------------------------


@SETTINGS
@given(c=classifiers())
def test_python_gives_the_same_probabilities_and_names_whatever_the_shape(c):
    names = {}
    exec(compile(python_file.to_python(c), "student.py", "exec"), names)
    x = rows(c, 20)
    p = np.array([names["predict_proba"](row) for row in x.tolist()])
    assert np.abs(p - c.predict_proba(x)).max() < 1e-12
    assert names["CLASS_NAMES"] == c.class_names
    assert [names["predict"](row) for row in x.tolist()] == [c.class_names[k] for k in p.argmax(1)]
    with pytest.raises(ValueError, match="x has 0 numbers, expected"):
        names["predict"]([])


def test_the_python_file_needs_nothing_but_python_and_takes_any_number(tmp_path):
    c = classifier(MLP(3, 2, (4,), "logistic"), names=("a", "b"))
    convert.write(tmp_path / "Mine 2.py", c)
    text = (tmp_path / "Mine 2.py").read_text()
    assert text.startswith('"""mine_2: an MLP, 3 -> 4 -> 2, logistic. Written by kegnet_np.\n')
    imports = [line for line in text.splitlines() if "import" in line]
    assert imports == ["import math", "from operator import mul"]
    names = {}
    exec(text, names)
    assert names["predict"]([1e30, -1e30, 1e30]) in ("a", "b")  # exp alone would overflow


# --- ONNX -----------------------------------------------------------------------------------------


@SETTINGS
@given(c=classifiers())
def test_onnx_gives_the_same_probabilities_whatever_the_shape(c):
    runtime = pytest.importorskip("onnxruntime")
    model = onnx_model.to_onnx(c)
    session = runtime.InferenceSession(model.SerializeToString())
    x = rows(c, 100)
    close(session.run(["probabilities"], {"x": x})[0], c, x)
    known = session.get_modelmeta().custom_metadata_map["class_names"]
    assert tuple(json.loads(known)) == c.class_names


def test_onnxs_own_reference_gives_them_too_and_the_version_is_pinned(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    for model in (SMALL, TUCKER):
        c = classifier(model, dtype=np.float64)
        convert.write(tmp_path / f"{model.activation}.onnx", c)
        made = onnx.load(tmp_path / f"{model.activation}.onnx")
        assert (made.ir_version, made.opset_import[0].version) == (8, 17)
        assert {i.data_type for i in made.graph.initializer} == {onnx.TensorProto.FLOAT}
        x = rows(c, 50)
        close(ReferenceEvaluator(made).run(None, {"x": x})[0], c, x)


# --- safetensors ----------------------------------------------------------------------------------


@SETTINGS
@given(arrays=st.dictionaries(NAMES, st.tuples(
    st.lists(st.integers(0, 4), max_size=3).map(tuple), st.sampled_from(["f2", "f4", "f8"])),
    max_size=5), text=NAMES, k=st.integers(0, 6))
def test_safetensors_holds_arrays_of_any_memory_layout(arrays, text, k):
    oracle = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(k)
    arrays = {name: rng.standard_normal(shape).astype(dtype)
              for name, (shape, dtype) in arrays.items()}
    laid = {name: layouts(a)[k] if a.ndim else a for name, a in arrays.items()}
    found = oracle.load(safetensors.to_bytes(laid, {"key": text}))
    assert found.keys() == arrays.keys()
    for name, a in arrays.items():
        assert found[name].dtype == a.dtype and np.array_equal(found[name], a)


def test_safetensors_has_pytorchs_names_and_shapes(tmp_path):
    oracle = pytest.importorskip("safetensors.numpy")
    c = classifier(MLP(4, 3, (5, 6)), dtype=np.float64)
    convert.write(tmp_path / "a.safetensors", c)
    found = oracle.load_file(tmp_path / "a.safetensors")
    assert {name: a.shape for name, a in found.items()} == {
        "0.weight": (5, 4), "0.bias": (5,), "2.weight": (6, 5), "2.bias": (6,),
        "4.weight": (3, 6), "4.bias": (3,)}
    assert found["2.weight"].dtype == np.float64
    np.testing.assert_array_equal(found["2.weight"], c.network.p["W1"].T)
    convert.write(tmp_path / "b.safetensors", classifier(MLP(4, 3, (5,), ranks=(2,))))
    assert [name for name, a in sorted(oracle.load_file(tmp_path / "b.safetensors").items())] == [
        "0.weight", "1.weight", "2.bias", "2.weight", "4.weight", "5.weight", "6.bias", "6.weight"]


@pytest.mark.parametrize("activation", ["identity", "elu", "relu", "tanh", "logistic"])
def test_pytorch_loads_the_file_into_its_own_modules(tmp_path, activation):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    nn = torch.nn
    follows = {"elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}
    for ranks in (None, (3, 2)):
        c = classifier(MLP(5, 3, (6, 4), activation, ranks=ranks))
        modules = []
        for W, b, f in c.layers:
            modules += [nn.Linear(*W.shape, bias=b is not None)]
            modules += [follows[f]()] if f in follows else []
        modules = nn.Sequential(*modules)
        path = tmp_path / f"{ranks}.safetensors"
        convert.write(path, c)
        modules.load_state_dict(load_file(path))
        x = rows(c, 50)
        z = torch.from_numpy(((x - c.mean) / c.scale).astype(np.float32))
        close(modules(z).softmax(1).detach().numpy(), c, x)


# --- scikit-learn ---------------------------------------------------------------------------------


@SETTINGS
@given(c=classifiers(scikit.ACTIVATIONS))
def test_scikit_learn_holds_the_same_network_multiplied_out(c):
    pytest.importorskip("sklearn")
    model, x = scikit.to_sklearn(c), rows(c, 50).astype(np.float64)
    assert np.abs(model.predict_proba(x) - c.predict_proba(x)).max() < 1e-12
    assert [str(k) for k in model.classes_] == list(c.class_names)
    chosen = model.classes_[c.predict_proba(x).argmax(1)]
    assert (model.predict(x) == chosen).all() and model.score(x, chosen) == 1


def test_scikit_learn_has_no_elu_and_gets_numbers_as_numbers():
    pytest.importorskip("sklearn")
    with pytest.raises(FormatError, match="activation is 'elu', but scikit-learn's MLPClassifier"):
        scikit.to_sklearn(classifier(MLP(4, 3, (5,))))
    for names, expected in ((("3", "1", "2"), "i"), (("3", "01", "2"), "U"), (("3", "b"), "U")):
        c = classifier(MLP(4, len(names), ()), names=names)
        assert scikit.to_sklearn(c).classes_.dtype.kind == expected


# --- every format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", convert.WRITERS)
def test_a_file_is_written_whole_and_none_is_overwritten(tmp_path, ending):
    c, path = classifier(SMALL), tmp_path / f"deep/student{ending}"
    if ending == ".onnx":
        pytest.importorskip("onnx")
    convert.write(path, c)
    before = contents(tmp_path)
    assert list(before) == ["deep", f"deep/student{ending}"] and path.stat().st_size > 9000
    with pytest.raises(FormatError, match="exists and is not overwritten; choose another name"):
        convert.write(path, c)
    assert contents(tmp_path) == before
    again = tmp_path / f"deep/again/student{ending}"
    convert.write(again, c)
    if ending != ".npz":  # a zip archive has the time in it
        assert again.read_bytes() == path.read_bytes()


def test_a_checkpoint_is_one_that_every_command_reads(tmp_path):
    c = classifier(SMALL, names=tuple("abcdefghij"))
    convert.write(tmp_path / "a.npz", c)
    teacher, header = checkpoint.load_teacher(tmp_path / "a.npz")
    assert teacher.model == SMALL and (teacher.theta == c.network.theta).all()
    data = header["data"]
    assert data["mean"] == c.mean.tolist() and data["scale"] == c.scale.tolist()
    assert data["class_names"] == list("abcdefghij") and data["source"] == {}


def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(FormatError, match=r"ends in '.txt', expected .npz, .safetensors, .onnx"):
        convert.write(tmp_path / "a.txt", classifier(SMALL))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("package, module, use", [
    ("onnx", "onnx", onnx_model.to_onnx), ("scikit-learn", "sklearn", scikit.to_sklearn)])
def test_a_package_that_is_not_there_is_named_with_the_remedy(monkeypatch, package, module, use):
    for name in [n for n in sys.modules if n.partition(".")[0] == module] + [module]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FormatError) as caught:
        use(classifier(MLP(4, 3, ())))
    words = str(caught.value)
    assert f"needs {package}, which is not installed" in words
    assert f"pip install {package}, or 'kegnet_np[formats]'" in words


def test_signs_that_python_may_take_wrongly_are_names_like_others():
    names = {}
    exec(python_file.to_python(classifier(MLP(3, len(SIGNS), ()), names=SIGNS)), names)
    assert names["CLASS_NAMES"] == SIGNS


@needs_cc
def test_signs_that_c_may_take_wrongly_are_names_like_others(tmp_path):
    c = classifier(MLP(3, len(SIGNS), ()), names=SIGNS)
    assert run(compiled(tmp_path, c, "-trigraphs"), c, rows(c, 3))[2] == SIGNS
