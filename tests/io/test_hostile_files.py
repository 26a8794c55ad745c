"""Files from strangers: damaged by chance, or made to run something, to hang or to fill the memory.

Whatever is in a file, reading it gives a classifier or a FormatError, within a second and 100 MB,
and neither runs nor imports anything.
"""

import json
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from networks import classifier
from teacher_files import evil_pickle, number, save_pt, state, storage, tensor, write_pt

from kegnet_np.io import convert
from kegnet_np.io.classifier import Classifier
from kegnet_np.io.files import FormatError
from kegnet_np.models import MLP

SECONDS, BYTES = 1.0, 100e6  # that reading one file may take
FORBIDDEN = ("import", "exec", "os.", "subprocess.", "socket.", "pickle.", "ctypes.", "shutil.")
watching = []  # what Python does, while somebody looks


def _audit(event, arguments):
    if watching and event.startswith(FORBIDDEN):
        watching.append((event, arguments))


sys.addaudithook(_audit)


@contextmanager
def watched():
    """Nothing is run, imported, or warned of inside."""
    watching.append("looking")
    try:
        with warnings.catch_warnings(record=True, action="always") as warned:
            yield
        assert watching == ["looking"] and not warned, (watching, warned)
    finally:
        watching.clear()


def read(path, **options) -> Classifier | str:
    """A classifier, or words: one line."""
    with watched():
        try:
            return convert.read(path, **options)
        except FormatError as error:
            assert "\n" not in str(error) and len(str(error)) < 700, str(error)
            return str(error)


def cost(path, **options):
    """What reading gives, the processor's seconds, and the most bytes that it takes."""
    with suppress(FormatError):  # what is imported when it is needed first is so now
        convert.read(path, **options)
    start = time.process_time()
    found = read(path, **options)
    seconds = time.process_time() - start
    tracemalloc.start()
    read(path, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, seconds, peak


# --- damaged by chance ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A small file of every kind, and the options it is read with."""
    folder, options = tmp_path_factory.mktemp("sound"), {}
    c = classifier(MLP(3, 3, (4, 3), "relu"), names=("a", "b", "λ"))
    student = classifier(MLP(3, 3, (4, 4), "tanh", ranks=(2,)), dtype=np.float64)
    arrays = {f"{2 * i}.{name}": a for i, (W, b, _) in enumerate(c.layers)
              for name, a in (("weight", W.T), ("bias", b))}
    for name, made in (("checkpoint.npz", c), ("tucker.npz", student),
                       ("ours.safetensors", c), ("tucker.safetensors", student)):
        convert.write(folder / name, made)
        options[name] = {}
    plain = {key: value for i, (W, b, _) in enumerate(c.layers)
             for key, value in ((f"W{i}", W), (f"b{i}", b))}
    np.savez_compressed(folder / "plain.npz", **plain, mean=c.mean, class_names=c.class_names)
    save_pt(folder / "plain.pt", arrays)
    save_pt(folder / "sliced.pt", arrays, "sliced")
    saved = Path(__file__).parent / "saved_by_torch/training.pt"
    (folder / "training.pt").write_bytes(saved.read_bytes())
    options |= dict.fromkeys(["plain.npz", "plain.pt", "sliced.pt", "training.pt"],
                             {"activation": "relu"})
    try:
        import skops.io
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import RobustScaler

        from kegnet_np.io.formats import scikit

        scaler = RobustScaler().fit(np.random.default_rng(0).normal(size=(30, 3)))
        model = make_pipeline(scaler, scikit.to_sklearn(c)[1])
        skops.io.dump(model, folder / "pipeline.skops")
        options["pipeline.skops"] = {}
    except ImportError:
        pass
    return folder, options


ODD = [0, 1, 255, 2**7, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def damaged(content: bytes, rng) -> bytes:
    """Bytes changed, cut out, put elsewhere, or replaced by a number at a limit; mostly once."""
    content = bytearray(content)
    for _ in range(rng.geometric(0.7)):
        at, size = int(rng.integers(len(content) + 1)), int(rng.geometric(0.2))
        kind = rng.choice(list("fffrrdtcnno"))
        if kind == "f":  # flip a bit
            content[at : at + 1] = bytes(b ^ 1 << rng.integers(8) for b in content[at : at + 1])
        elif kind == "r":
            content[at : at + size] = rng.bytes(len(content[at : at + size]))
        elif kind == "d":
            del content[at : at + size]
        elif kind == "t":
            del content[at:]
        elif kind == "c":
            other = int(rng.integers(len(content) + 1))
            content[other:other] = content[at : at + size]
        elif kind == "n":
            width, value = int(rng.choice([1, 2, 4, 8])), ODD[rng.integers(len(ODD))]
            content[at : at + width] = (value % 256**width).to_bytes(width, "little")
        elif figures := [i for i, byte in enumerate(content) if 48 <= byte < 58]:  # in text
            at = figures[rng.integers(len(figures))]
            content[at : at + 1] = str(ODD[rng.integers(len(ODD))]).encode()
    return bytes(content)


def forged(path, content: bytes, rng) -> None:
    """Write a damaged copy; of an archive as often with its members damaged, and sound sums."""
    if content[:2] != b"PK" or rng.random() < 0.3:
        path.write_bytes(damaged(content, rng))
        return
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
        names = old.namelist()
        heads = [name for name in names if name.endswith((".pkl", ".json", "header.npy"))]
        hit = rng.choice(heads or names) if rng.random() < 0.5 else rng.choice(names)
        for name in names:
            member = old.read(name)
            new.writestr(name, damaged(member, rng) if name == hit else member)


def survive(files: int, sound, tmp_path, seed: int) -> None:
    """Read so many damaged files of all kinds."""
    folder, options = sound
    rng, passed = np.random.default_rng(seed), dict.fromkeys(options, 0)
    contents = {name: (folder / name).read_bytes() for name in options}
    slowest = most = 0
    for name in options:  # what is imported when it is needed first is so now
        assert isinstance(convert.read(folder / name, **options[name]), Classifier)
    tracemalloc.start()
    for i in range(files):
        name = list(options)[i % len(options)]
        path = tmp_path / f"damaged{Path(name).suffix}"
        forged(path, contents[name], rng)
        tracemalloc.reset_peak()
        before, start = tracemalloc.get_traced_memory()[0], time.process_time()
        found = read(path, **options[name])
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1] - before
        assert seconds < SECONDS and peak < BYTES, (name, seconds, peak, path.read_bytes())
        slowest, most = max(slowest, seconds), max(most, peak)
        if isinstance(found, Classifier):  # what passed is whole
            passed[name] += 1
            with np.errstate(all="ignore"):
                p = found.predict_proba(np.zeros((2, len(found.mean))))
            assert p.shape == (2, len(found.class_names))
    tracemalloc.stop()
    print(f"\n{files:,} files: at the most {slowest:.3f} s, {most / 1e6:.1f} MB; read: {passed}")
    each = files / len(options)
    assert all(0.02 * each < count < 0.8 * each for count in passed.values()), passed


def test_damaged_files_are_read_or_refused(sound, tmp_path):
    survive(900, sound, tmp_path, seed=1)


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files_are_read_or_refused(sound, tmp_path):
    survive(100_000, sound, tmp_path, seed=2)


def test_a_file_under_the_ending_of_another_format_is_refused(sound, tmp_path):
    folder, options = sound
    for name in options:
        for ending in {".npz", ".safetensors", ".pt", ".skops"} - {Path(name).suffix}:
            path = tmp_path / f"a{ending}"
            path.write_bytes((folder / name).read_bytes())
            assert isinstance(read(path), str)


# --- made to run something ------------------------------------------------------------------------


def test_no_pickle_is_run_wherever_it_is(tmp_path):
    mark = tmp_path / "mark"
    evil = evil_pickle(mark)
    write_pt(tmp_path / "a.pt", evil)
    assert "system', which is not run; save model.state_dict()" in read(tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(evil)
    (tmp_path / "b.npz").write_bytes(evil)
    for name in ("b.pt", "b.npz"):
        assert isinstance(read(tmp_path / name), str)
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|O", "fortran_order": False, "shape": ()})
        archive.writestr("W0.npy", header.getvalue() + evil)
    assert "Object arrays cannot be loaded: they are pickles" in read(tmp_path / "c.npz")
    assert not mark.exists()
    import pickle

    pickle.loads(evil)  # it would have
    assert mark.exists()


# --- made to hang, or to fill the memory ----------------------------------------------------------


def test_the_pickle_that_makes_pythons_own_reader_take_a_gigabyte_costs_nothing(tmp_path):
    pickled = b"\x80\x02Nr" + struct.pack("<I", 60_000_000) + b"."
    assert len(pickled) == 9
    write_pt(tmp_path / "a.pt", pickled)
    found, seconds, peak = cost(tmp_path / "a.pt")
    assert "it holds a NoneType, expected a state dict" in found
    assert seconds < 0.01 and peak < 10e6


def nested_tuples(depth: int) -> bytes:
    """Opcodes of ((x, x), (x, x)) and so on: 2^depth leaves in 5 bytes a level."""
    levels = (b"q\x00h\x00\x86" for _ in range(depth))
    return b")" + b"".join(levels)


def npy(shape, descr="<f4", content=b"", text=None) -> bytes:
    out = BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    if text is None:
        np.lib.format.write_array_header_1_0(out, header)
        return out.getvalue() + content
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def zipped(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)


def checkpoint_of(**header):
    base = {"version": 2, "kind": "network", "data": {}}
    content = np.frombuffer(json.dumps(base | header).encode(), np.uint8)
    return npy(content.shape, "|u1", content.tobytes())


def of_schema(content, kind="MLPClassifier"):
    """A .skops file of attributes."""
    node = {"__class__": "dict", "__loader__": "DictNode", "content": content}
    return json.dumps({"__class__": kind, "__module__": "sklearn.x", "__loader__": "ObjectNode",
                       "content": node, "protocol": 2})


def same_array(times):
    a = {"__class__": "ndarray", "__loader__": "NdArrayNode", "type": "numpy", "file": "a.npy"}
    fine = {"__class__": "str", "__loader__": "JsonNode", "content": '"relu"'}
    several = {"__class__": "list", "__loader__": "ListNode", "content": [a] * times}
    return of_schema({"coefs_": several, "intercepts_": several, "classes_": a, "activation": fine,
                      "out_activation_": fine, "n_outputs_": fine})


MEGABYTE = bytes(2**20)
SQUARE = {f"{i}.weight": tensor((512, 512), (512, 1), 0, storage("0", 2**18)) for i in range(400)}
SAME_HASH = b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N"
                     for k in range(20_000))
BOMBS = {
    "tuples as a key": ("a.pt", lambda p: write_pt(p, b"\x80\x02}" + nested_tuples(60) + b"Ns.")),
    "tuples to be shown": ("a.pt", lambda p: write_pt(p, b"\x80\x02" + nested_tuples(60) + b".")),
    "tuples as a shape": ("a.pt", lambda p: write_pt(p, state({"0.weight": (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage() + number(0) + nested_tuples(60)
        + b"h\x00tR")}))),
    "keys of one hash": ("a.pt", lambda p: write_pt(p, b"\x80\x02}(" + SAME_HASH + b"u.")),
    "marks": ("a.pt", lambda p: write_pt(p, b"\x80\x02" + b"(" * 99_000 + b".")),
    "a long number": ("a.pt", lambda p: write_pt(
        p, b"\x80\x02\x8b" + struct.pack("<i", 2**20 - 99) + b"\x7f" * (2**20 - 99) + b".")),
    "a long figure": ("a.pt", lambda p: write_pt(p, b"\x80\x02L" + b"9" * (2**20 - 99) + b"L\n.")),
    "lengths beyond the end": ("a.pt", lambda p: write_pt(p, b"\x80\x02X\xff\xff\xff\xff.")),
    "one storage, many layers": ("a.pt", lambda p: write_pt(p, state(SQUARE), {"0": MEGABYTE})),
    "a storage named like the pickle": ("a.pt", lambda p: write_pt(
        p, state({"0.weight": tensor(of=storage("../data.pkl"))}))),
    "a pickle that inflates": ("a.pt", lambda p: write_pt(
        p, b"\x80\x02" + b"N" * 2**23 + b".", compression=zipfile.ZIP_DEFLATED)),
    "arrays that inflate": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((2**26,), content=MEGABYTE * 256))),
    "arrays that are said to be large": ("a.npz", lambda p: zipped(p, W0__npy=npy((2**40,)))),
    "arrays of nothing, very many": ("a.npz", lambda p: zipped(p, W0__npy=npy((2**62,), "<U0"))),
    "an array of no numbers": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((10**9, 0)), b0__npy=npy((0,)))),
    "a header of brackets": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((), text=b"(" * 60_000))),
    "a header of sums": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((), text=b"{'descr':'<f4','fortran_order':False,'shape':(" + b"9" * 9000
                       + b",)}"))),
    "a type of very many fields": ("a.npz", lambda p: zipped(p, W0__npy=npy(
        (1,), "(1000000,1000000)f4"))),
    "small numbers that become large": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((2**11, 2**11), "|i1", bytes(2**22)), b0__npy=npy((2**11,), "|i1",
                                                                        bytes(2**11)))),
    "names, very many": ("a.npz", lambda p: zipped(
        p, W0__npy=npy((1, 2), content=bytes(8)), b0__npy=npy((2,), content=bytes(8)),
        class_names__npy=npy((2**19,), "<U1", bytes(2**21)))),
    "layers, very many": ("a.npz", lambda p: zipped(p, header__npy=checkpoint_of(
        model={"class": "MLP", "features": 1, "classes": 2, "widths": [1] * 2**20,
               "ranks": [1]}))),
    "layers by a number": ("a.npz", lambda p: zipped(p, header__npy=checkpoint_of(
        model={"class": "Classifier", "features": 1, "classes": 2, "hidden": 1,
               "depth": 2**60}))),
    "layers of very many units": ("a.npz", lambda p: zipped(
        p, header__npy=checkpoint_of(model={"class": "MLP", "features": 2**62, "classes": 2**62,
                                            "widths": [2**62]}),
        theta__npy=npy((1, 1), content=bytes(4)), state__npy=npy((1, 0)))),
    "a header of lists": ("a.npz", lambda p: zipped(p, header__npy=npy(
        (2**21,), "|u1", b"[" * 2**21))),
    "a header of empty lists": ("a.npz", lambda p: zipped(p, header__npy=npy(
        (2_000_001,), "|u1", b"[" + b"[]," * 666_666 + b"0]"))),
    "a header beyond all headers": ("a.npz", lambda p: zipped(p, header__npy=npy(
        (2**24 - 999,), "|u1", b"[" * (2**24 - 999)))),
    "brackets": ("a.safetensors", lambda p: p.write_bytes(
        struct.pack("<Q", 2**20) + b"[" * 2**20)),
    "empty lists": ("a.safetensors", lambda p: p.write_bytes(
        struct.pack("<Q", 2**20) + b"[" + b"[]," * 349_524 + b"0]" + b" ")),
    "a shape of large numbers": ("a.safetensors", lambda p: p.write_bytes(_of_shape())),
    "twins, the last ones": ("a.safetensors", lambda p: p.write_bytes(_with_twins())),
    "arrays, very many": ("a.safetensors", lambda p: p.write_bytes(_many_arrays())),
    "one array, many layers": ("a.skops", lambda p: zipped(
        p, schema__json=same_array(1000), a__npy=npy((512, 512), content=MEGABYTE))),
    "a schema of lists": ("a.skops", lambda p: zipped(p, schema__json=b"[" * (2**21 - 1))),
    "a schema of empty lists": ("a.skops", lambda p: zipped(
        p, schema__json=b"[" + b"[]," * 699_000 + b"0]")),
    "a long schema": ("a.skops", lambda p: zipped(p, schema__json=MEGABYTE * 5)),
}


def _of_shape() -> bytes:
    shape = "[" + ",".join(["9" * 4000] * 250) + "]"
    header = '{"a": {"dtype": "F32", "data_offsets": [0, 0], "shape": ' + shape + "}}"
    return struct.pack("<Q", len(header)) + header.encode()


def _with_twins() -> bytes:
    names = [f'"{i}":0' for i in range(99_000)] + ['"98999":0']
    header = "{" + ",".join(names) + "}"
    return struct.pack("<Q", len(header)) + header.encode()


def _many_arrays() -> bytes:
    entry = {"dtype": "F32", "data_offsets": [0, 0], "shape": [0, 1]}
    header = json.dumps({f"{i}.weight": entry for i in range(13_000)})
    return struct.pack("<Q", len(header)) + header.encode()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_made_to_hang_or_to_fill_the_memory_does_neither(tmp_path, bomb):
    name, make = BOMBS[bomb]
    make(tmp_path / name)
    found, seconds, peak = cost(tmp_path / name)
    assert isinstance(found, str), bomb
    assert seconds < SECONDS and peak < BYTES, (seconds, peak, found)
