"""Facts about the data: sizes, splits, standardisation, and what each bad input is answered."""

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pooch
import pytest

import data_loaders
from data_loaders import DataError, load

pytestmark = pytest.mark.filterwarnings("ignore:.*constant in the training split",
                                        "ignore:.*numbers the rows")
UCI = os.environ.get("KEGNET_DATA")
needs_uci = pytest.mark.skipif(not UCI, reason="KEGNET_DATA names no folder with the UCI files")
SHARES = {"digits": (1257, 179, 361), "pendigits": (6557, 937, 3498),
          "letter": (14000, 2000, 4000), "shuttle": (38062, 5438, 14500)}
SHAPES = {"digits": (64, 10), "pendigits": (16, 10), "letter": (16, 26), "shuttle": (9, 7)}
SETS = [pytest.param(name, marks=[] if name == "digits" else needs_uci) for name in SHARES]
ROWS = [f"{i * i},{i * i % 7},{'abc'[i % 3]}" for i in range(30)]  # two features and a class


def table(folder, lines, header="u,v,kind"):
    """Write a CSV file and return its path."""
    path = folder / "table.csv"
    path.write_text("\n".join(([header] if header else []) + list(lines)) + "\n", encoding="utf-8")
    return path


def refusal(call, *args, **kwargs):
    """The message of the DataError that a call must raise: always one line."""
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def splits(data):
    return (data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)


def unscaled(data, x):
    return x * data.scale + data.mean


@pytest.mark.parametrize("name", SETS)
def test_splits_have_the_published_sizes_and_types(name):
    data = load(name)
    assert tuple(len(x) for x, _ in splits(data)) == SHARES[name]
    assert (data.features, data.classes) == SHAPES[name]
    assert set(data.y_train.tolist()) == set(range(data.classes))
    for x, y in splits(data):
        assert x.dtype == np.float32 and y.dtype == np.int64
        assert x.shape == (len(y), data.features) and np.isfinite(x).all()


@pytest.mark.parametrize("name", SETS)
def test_every_split_is_standardised_by_the_training_split(name):
    data = load(name)
    moving = np.ptp(data.x_train, axis=0) > 0
    np.testing.assert_allclose(data.x_train.mean(0, np.float64), 0, atol=2e-6)
    np.testing.assert_allclose(data.x_train.std(0, dtype=np.float64)[moving], 1, atol=2e-6)
    assert (data.scale[~moving] == 1).all() and (data.x_train[:, ~moving] == 0).all()
    # Statistics of its own would give the test split mean 0; under the training ones it is off.
    assert np.abs(data.x_test.mean(0)).max() > 1e-2


@needs_uci
def test_the_files_rows_come_back_in_the_order_of_seed_and_shuffle():
    rows = np.loadtxt(Path(str(UCI), "pendigits.tra"), delimiter=",")
    np.random.seed(2019)
    order = np.arange(len(rows))
    np.random.shuffle(order)
    data = load("pendigits", data_dir=UCI)
    assert (np.rint(unscaled(data, data.x_train)) == rows[order[:6557], :16]).all()
    assert (data.y_train == rows[order[:6557], 16]).all()
    assert (data.y_val == rows[order[6557:], 16]).all()
    test = np.loadtxt(Path(str(UCI), "pendigits.tes"), delimiter=",")
    assert (np.rint(unscaled(data, data.x_test)) == test[:, :16]).all()
    assert (data.y_test == test[:, 16]).all()


@needs_uci
def test_shuttle_keeps_its_rare_classes_and_letter_its_names():
    shuttle, letter = load("shuttle"), load("letter")
    assert shuttle.class_names == tuple("1234567")
    whole = np.bincount(shuttle.y_train) + np.bincount(shuttle.y_val, minlength=7)
    assert whole.tolist() == [34108, 37, 132, 6748, 2458, 6, 11]
    assert np.bincount(shuttle.y_test).tolist() == [11478, 13, 39, 2155, 809, 4, 2]
    assert letter.class_names == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert letter.feature_names[0] == "x-box" and letter.feature_names[-1] == "yegvx"


def test_the_embedded_digits_are_those_of_scikit_learn():
    x, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    data, order = load("digits", seed=3), np.random.RandomState(3).permutation(1797)
    ours = np.concatenate([unscaled(data, part) for part, _ in splits(data)])
    assert (np.rint(ours) == x[order]).all()
    assert (np.concatenate([part for _, part in splits(data)]) == y[order]).all()
    assert data.feature_names[10] == "r1c2"


def test_shares_are_whole_number_arithmetic(tmp_path):
    data = load(table(tmp_path, (f"{i},{i % 2}" for i in range(180)), header=None))
    assert [len(y) for _, y in splits(data)] == [126, 18, 36]  # int(180 * 0.7) is 125


def test_a_constant_column_stays_at_zero_with_one_warning(tmp_path):
    sums = "0.3", str(0.1 + 0.2)  # equal but for rounding
    path = table(tmp_path, (f"0.1,{i * i},{sums[i % 2]},{i % 2}" for i in range(40)),
                 "still,u,sum,y")
    with pytest.warns(UserWarning, match=r"\['still', 'sum'\]") as caught:
        data = load(path)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert data.scale[[0, 2]].tolist() == [1, 1]
    for x, _ in splits(data):
        assert (x[:, 0] == 0).all() and np.abs(x[:, 2]).max() < 1e-15 and (x[:, 1] != 0).any()


def test_a_feature_is_judged_by_the_training_rows_alone_and_stays_finite_elsewhere(tmp_path):
    row = int(np.random.RandomState(2019).permutation(40)[-1])  # the last row of the test split
    data = load(table(tmp_path, (f"{1e30 if i == row else 5 + i % 2 * 1e-10},{i % 2}"
                                     for i in range(40)), header=None))
    assert data.scale[0] < 1e-10 and np.abs(data.x_train).max() < 1.1
    assert data.x_test[-1, 0] == np.float32(1e18)  # 2e40 deviations would be infinite to a float32


@pytest.mark.parametrize("labels, names", [
    (["dog", "cat", "ant"], ("ant", "cat", "dog")),
    (["10", "9", "-1"], ("-1", "9", "10")),
    (["7", "3", "1"], ("1", "3", "7")),
    (["10", "9", "x"], ("10", "9", "x")),
    (["2.0", "1", "02"], ("1", "2.0")),
])
def test_labels_of_any_kind_become_classes_in_order(tmp_path, labels, names):
    data = load(table(tmp_path, (f"{i},{labels[i % 3]}" for i in range(30)), header=None))
    rows = np.rint(unscaled(data, data.x_train))[:, 0].astype(int)
    assert data.class_names == names
    for i, k in zip(rows, data.y_train, strict=True):
        assert labels[i % 3].removeprefix("0").split(".")[0] == names[k].split(".")[0]


@pytest.mark.parametrize("label, features", [
    (None, ("u", "0")), ("kind", ("u", "0")), (-1, ("u", "0")), ("2", ("u", "0")),
    ("u", ("0", "kind")), (0, ("0", "kind")), ("-3", ("0", "kind")), ("0", ("u", "kind")),
])
def test_the_label_is_a_name_or_a_position_and_a_name_comes_first(tmp_path, label, features):
    path = table(tmp_path, (f"{i % 3},{i % 3},{i % 3}" for i in range(30)), header="u,0,kind")
    assert load(path, label=label).feature_names == features


def test_without_a_header_columns_are_named_by_position(tmp_path):
    data = load(table(tmp_path, ROWS, header=None))
    assert data.feature_names == ("x0", "x1") and len(data.y_train) == 21
    flipped = [",".join(reversed(row.split(","))) for row in ROWS]
    data = load(table(tmp_path, flipped, header=None), label=0)
    assert data.feature_names == ("x1", "x2") and data.class_names == ("a", "b", "c")


def test_spreadsheet_habits_change_nothing(tmp_path):
    plain = load(table(tmp_path, ROWS))
    path = tmp_path / "saved.CSV"
    quoted = [f'"{u}", {v} ,"{kind}"' for u, v, kind in (row.split(",") for row in ROWS)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(['"u",v,kind', *quoted, "", " ", ""]).encode())
    saved = load(path)
    assert (saved.name, saved.feature_names) == ("saved", ("u", "v"))
    assert saved.class_names == ("a", "b", "c")
    assert (saved.x_test == plain.x_test).all() and (saved.y_test == plain.y_test).all()


def swap(line, text):
    return [*ROWS[:line], text, *ROWS[line + 1:]]


@pytest.mark.parametrize("lines, label, words", [
    ([], None, ["0 row(s)", "at least 10"]),
    (ROWS[:9], None, ["9 row(s)", "at least 10", "add rows"]),
    (swap(4, "1,2"), None, ["line 6 has 2 fields", "first has 3", "complete"]),
    (swap(4, "1,2,3,a"), None, ["line 6 has 4 fields", "first has 3", "quote a field"]),
    (swap(4, "1,red,a"), None, ["line 6", "'v'", "'red'", "encode", "--drop v"]),
    (swap(4, "1,1_000,a"), None, ["line 6", "'v'", "'1_000'"]),
    (swap(4, "1,,a"), None, ["'v'", "1 of 30 cells is missing", "blank in line 6", "--missing"]),
    (swap(4, "1,2, "), None, ["label column 'kind'", "blank in line 6", "--missing drop"]),
    (swap(4, "NaN,2,a"), None, ["line 6", "'u'", "missing", "'NaN'"]),
    (swap(4, "1,-inf,a"), None, ["line 6", "'v'", "'-inf'", "no finite number"]),
    (swap(4, "1,1e39,a"), None, ["line 6", "'v'", "'1e39'", "float32", "rescale"]),
    (swap(29, '1,"2,a'), None, ["line 31", "a quote is opened and not closed"]),
    (ROWS, "sort", ["label", "'sort'", "['u', 'v', 'kind']"]),
    (ROWS, 3, ["label", "3", "['u', 'v', 'kind']"]),
    (ROWS, "-4", ["label", "'-4'"]),
    (ROWS, True, ["label", "True"]),
    ([row[:-1] + "a" for row in ROWS], None, ["'kind'", "only the class 'a'", "two or more"]),
    (swap(4, "1,2,d"), None, ["1 of 3", "'d'", "too few", "7:1:2"]),
])
def test_a_bad_table_is_refused_with_cause_and_remedy(tmp_path, lines, label, words):
    path = table(tmp_path, lines)
    message = refusal(load, path, label=label)
    assert all(word in message for word in [str(path), *words]), message


@pytest.mark.parametrize("content, words", [
    (None, ["cannot be read"]), (b"", ["empty"]), (b"\xef\xbb\xbf\r\n\r\n", ["empty"]),
    (b"u\n1\n2\n", ["no feature column", "commas", "--sep"]),
    (b"u,v,u\n1,2,a\n", ["two columns 'u'", "rename"]),
    ("größe,v\n1,2\n".encode("latin-1"), ["line 1 is no UTF-8 text", "--encoding latin-1"]),
    ("u,v\n1,2\n".encode("utf-16-le"), ["NUL", "--encoding utf-16-le"]),
])
def test_a_file_that_is_no_table_is_refused(tmp_path, content, words):
    path = tmp_path / "table.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    message = refusal(load, path)
    assert all(word in message for word in [str(path), *words]), message


def test_every_split_of_an_own_table_has_its_share_of_every_class(tmp_path):
    rows = [f"{i % 13},{k}" for i, k in enumerate("a" * 200 + "b" * 40 + "c" * 7 + "d" * 3)]
    made = [load(table(tmp_path, rows, "u,kind"), seed=seed) for seed in (0, 1)]
    for data in made:
        counts = [np.bincount(y).tolist() for _, y in splits(data)]
        assert counts == [[140, 28, 5, 1], [20, 4, 1, 1], [40, 8, 1, 1]]
    assert (made[0].y_train != made[1].y_train).any() and len(set(made[0].y_train[:9])) > 1


@needs_uci
@pytest.mark.parametrize("name, sums", [
    ("digits", (4285677225, 2387202998)), ("pendigits", (1442672463, 3240406641)),
    ("letter", (2876516632, 943624158)), ("shuttle", (3169607361, 4152419852))])
def test_the_splits_of_the_known_sets_are_those_of_release_0_2_to_the_bit(name, sums):
    assert tuple(data_loaders.checksum(load(name, seed=seed)) for seed in (2019, 7)) == sums


@pytest.mark.parametrize("name, arguments, words", [
    *[("digits", {"seed": seed}, [f"seed: {seed!r}", "whole number"])
      for seed in (-1, 2**32, 1.5, True, "7", None)],
    *[(name, {}, [repr(name), "digits, pendigits, letter, shuttle"])
      for name in ("mnist", "")],
    (None, {}, ["None given, expected a path, a DataFrame, rows"]),
    ("digits", {"label": 0}, ["label: 0", "leave label out"]),
    ("digits", {"sep": ";"}, ["sep: ';'", "leave sep out"]),
    ("none.csv", {}, ["none.csv: cannot be read", "No such file"]),
])
def test_a_bad_argument_is_refused_with_cause_and_remedy(name, arguments, words):
    message = refusal(load, name, **arguments)
    assert all(word in message for word in words), message


def test_a_folder_without_the_files_is_named_and_the_network_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "HTTPDownloader", None)  # calling it would be a TypeError
    monkeypatch.setenv("KEGNET_DATA", str(tmp_path / "env"))
    for folder, chosen in [(tmp_path / "env", {}), (tmp_path, {"data_dir": tmp_path})]:
        message = refusal(load, "pendigits", **chosen)
        assert message.startswith(f"pendigits in {folder}: ") and "KEGNET_DATA" in message
        assert "pendigits.tra and pendigits.tes" in message and data_loaders.ARCHIVE in message


def test_an_altered_file_is_refused_and_left_as_it_was(tmp_path):
    for name in ("shuttle.trn.Z", "shuttle.tst"):
        (tmp_path / name).write_bytes(b"\x1f\x9d\x90")  # an empty .Z: decodes, but to nothing
    message = refusal(load, "shuttle", data_dir=tmp_path)
    assert "shuttle.trn.Z" in message and "87b24ee9fb51" in message and "KEGNET_DATA" in message
    assert hashlib.sha256(b"").hexdigest()[:12] in message
    assert (tmp_path / "shuttle.tst").read_bytes() == b"\x1f\x9d\x90"
    (tmp_path / "shuttle.trn.Z").write_bytes(b"no LZW at all")
    assert "Magic bytes" in refusal(load, "shuttle", data_dir=tmp_path)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A stand-in for the UCI archive on this machine, with a letter set of 60 rows."""
    content = "".join(f"{'ABC'[i % 3]},{','.join(str(i * j % 16) for j in range(16))}\n"
                      for i in range(60)).encode()
    with zipfile.ZipFile(tmp_path / "letter.zip", "w") as file:
        file.writestr("deep/letter-recognition.data", content)
    members = {"letter-recognition.data": hashlib.sha256(content).hexdigest()}
    source = data_loaders.SOURCES["letter"]._replace(address="letter.zip", members=members)
    monkeypatch.setitem(data_loaders.SOURCES, "letter", source)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv("KEGNET_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # or a proxy would be asked for it

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(data_loaders, "ARCHIVE", f"http://127.0.0.1:{server.server_port}/")
    yield
    server.shutdown()
    server.server_close()


def test_a_download_is_kept_silently_and_not_repeated(archive, tmp_path, capfd, caplog):
    kept = tmp_path / "cache" / "kegnet_np" / "letter-recognition.data"
    first = load("letter")
    assert len(first.y_test) == 12 and os.listdir(kept.parent) == [kept.name]
    kept.write_bytes(b"damaged")
    assert (load("letter").x_train == first.x_train).all()  # fetched anew
    (tmp_path / "letter.zip").unlink()
    assert (load("letter").x_train == first.x_train).all()  # from the cache
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_a_cache_that_cannot_be_written_does_not_stop_the_download(archive, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    assert load("letter").class_names == ("A", "B", "C")


@pytest.mark.parametrize("damage, word", [
    ("hash", "letter-recognition.data is altered"), ("member", "no item named"),
    ("no zip", "not a zip file"), ("missing", "404"), ("unreachable", "Failed to establish")])
def test_a_failed_download_is_explained_and_nothing_is_kept(
        archive, tmp_path, monkeypatch, damage, word):
    source = data_loaders.SOURCES["letter"]
    members = {"hash": {"letter-recognition.data": "0" * 64}, "member": {"other.data": "0" * 64}}
    source = source._replace(members=members.get(damage, source.members))
    monkeypatch.setitem(data_loaders.SOURCES, "letter", source)
    if damage == "no zip":
        (tmp_path / "letter.zip").write_text("<html>please log in</html>")
    elif damage == "missing":
        (tmp_path / "letter.zip").unlink()
    elif damage == "unreachable":  # port 9 of this machine: nobody listens
        monkeypatch.setattr(data_loaders, "ARCHIVE", "http://127.0.0.1:9/")
    message = refusal(load, "letter")
    assert message.startswith(f"letter from {data_loaders.ARCHIVE}letter.zip: no usable ")
    assert word in message and "KEGNET_DATA" in message and list(source.members)[0] in message
    assert not (tmp_path / "cache").exists()


def test_importing_the_module_loads_neither_pooch_nor_uncompresspy():
    code = "import sys, data_loaders; print({'pooch', 'requests', 'uncompresspy'} & {*sys.modules})"
    root = Path(data_loaders.__file__).parent
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True) == "set()\n"


def test_splits_by_their_own_statistics_have_mean_zero_and_deviation_one():
    data = load("digits")
    own = data_loaders.standardise_each_split(data)
    varies = np.ptp(data.x_test, axis=0) > 0
    assert abs(data.x_test.mean(0)).max() > 0.05 and abs(own.x_test.mean(0)).max() < 1e-5
    assert own.x_test.std(0)[varies] == pytest.approx(1, abs=1e-3)
    assert np.array_equal(own.x_train, data.x_train)


def test_a_checksum_changes_with_any_label_and_any_row():
    data = load("digits")
    labels = data.y_test.copy()
    labels[0] = (labels[0] + 1) % 10
    rows = data.x_val.copy()
    rows[3, 20] += 1e-3
    tables = (data, replace(data, y_test=labels), replace(data, x_val=rows))
    assert len({data_loaders.checksum(table) for table in tables}) == 3


def test_a_table_standardised_like_another_has_its_units():
    data = load("digits")
    same = data_loaders.standardise_like(data, data.mean.tolist(), data.scale.tolist())
    assert same is data
    other = data_loaders.standardise_like(data, data.mean + 1, data.scale * 2)
    expected = (data.x_test * data.scale - 1) / (data.scale * 2)
    assert other.x_test == pytest.approx(expected, abs=1e-4)
