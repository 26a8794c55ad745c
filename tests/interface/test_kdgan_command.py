"""``kegnet kdgan``: what it writes, refuses, and goes on with."""

import json

import numpy as np
import pytest
from shell import accepted, contents, refused, write_table

from kegnet_np.experiments import games, kdgan, play

TINY = ["--labels", "12,all", "--seeds", 2, "--epochs", 3, "--pretraining", 4, "--batch", 16]
PLAYERS = 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a table of three classes."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "pets.csv")
    return tmp_path


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A finished command: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("kdgan")
    table = write_table(folder / "pets.csv")
    out = accepted("kdgan", "--dataset", table, *TINY, "--search", 2, "--out", folder / "out")
    return folder, out


def result_of(folder):
    return json.loads((folder / "table.json").read_text())


def test_it_writes_the_table_a_figure_and_every_game(played):
    folder, out = played
    result = result_of(folder / "out")
    games_played = len(play.METHODS) + 1  # and the measure of gradients
    names = [name for name in contents(folder / "out") if name.endswith(".npz")]
    assert len(names) == 2 * (PLAYERS + games_played) and "part" not in " ".join(names)
    assert (folder / "out/kdgan.png").stat().st_size > 10_000
    for method in play.METHODS:
        assert method in out
    for text in ("T, pretrained", "KDGAN − KL, paired", "updates", "straight_through, τ = 0.1"):
        assert text in out
    (row,) = [r for r in kdgan.rows(result, str(folder / "pets.csv")) if r[0] == "KDGAN"]
    assert "±" in row[1] and len(row) == 3


def test_all_methods_take_the_same_updates_of_the_classifier(played):
    cells = [c for c in result_of(played[0] / "out")["cells"] if c["does"] == "play"]
    for labels in (12, 0):
        updates = {c["updates"] for c in cells if c.get("labels", 0) == labels}
        assert len(updates) == 1, updates


def test_a_search_keeps_the_best_of_its_points_and_has_the_usual_among_them(played):
    cells = [c for c in result_of(played[0] / "out")["cells"] if c.get("variant") in play.TUNED]
    assert len(cells) == 6
    for c in cells:
        trials, names = c["trials"], play.TUNED[c["variant"]]
        assert len(trials) == 3
        best = max(trials, key=lambda trial: trial["score"])
        assert all(c["weights"][name] == pytest.approx(best[name]) for name in names)
        for trial in trials[1:]:
            assert all(low <= (trial[n] if n == "alpha" else np.log10(trial[n])) <= high
                       for n, (low, high) in play.RANGES.items() if n in names)
    usual = [c for c in cells if c["variant"] == "KDGAN"][0]["trials"][0]
    assert (usual["alpha"], usual["beta"], usual["gamma"]) == (0.7, 4.0, 1e-4)


def test_with_a_single_draw_the_estimators_are_measured_all_the_same(folder):
    words = ["--labels", 12, "--draws", 1, "--estimator", "exact"]
    out = accepted("kdgan", "--dataset", "pets.csv", *TINY, *words, "--out", "out")
    assert "nan" not in out and "score: variance" in out


def test_two_processes_and_a_resume_end_with_the_same_numbers(played, tmp_path):
    folder, _ = played
    arguments = ["kdgan", "--dataset", folder / "pets.csv", *TINY, "--search", 2,
                 "--out", tmp_path / "out"]
    accepted(*arguments, "--jobs", 2)
    expected = result_of(folder / "out")["cells"]

    def same():
        found = result_of(tmp_path / "out")["cells"]
        return all(a.get(key) == b.get(key) for a, b in zip(found, expected, strict=True)
                   for key in ("accuracy", "curve", "teacher_accuracy", "weights", "trials"))

    assert same()
    for path in (tmp_path / "out/checkpoints").glob("pets-2019-12-[kc]*"):
        path.unlink()
    assert "--resume" in refused(tmp_path, *arguments)
    accepted(*arguments, "--resume")
    assert same()


@pytest.mark.parametrize("arguments, words", [
    (["--labels", "1000"], "labels is 1000, but pets has 283 training rows"),
    (["--labels", "2"], "labels is 2, but pets has 3 classes, and a class would have no label"),
    (["--labels", "12,12"], "labels is [12, 12], expected different numbers"),
    (["--labels", "few"], "--labels has 'few', expected numbers such as 50,100, or all"),
    (["--labels", "0"], "--labels has '0', expected"),
    (["--alpha", "1.5"], "alpha is 1.5, expected a number from 0 to 1"),
    (["--alpha", "nan"], "alpha is nan, expected a number from 0 to 1"),
    (["--beta", "-1"], "beta is -1.0, expected"),
    (["--gamma", "0", "--loss-t", "kl"], "loss_t is 'kl', but gamma is 0"),
    (["--loss-t", "l3"], "loss_t is 'l3', expected kl or l2"),
    (["--estimator", "best"], "(choose from 'score', 'straight_through', 'exact', 'program')"),
    (["--draws", "1"], "draws is 1, expected at least 2 for estimator score"),
    (["--search", "-1"], "search is -1, expected an integer of at least 0"),
    (["--ranks", "1000"], "ranks holds 1000, expected integers from 1 to the width, 100"),
    (["--ranks", ",".join("5" * 13)], "ranks has 13 entries, expected 1 to 12"),
    (["--seeds", "0"], "--seeds is 0, expected at least 1"),
    (["--epochs", "0"], "epochs is 0, expected"),
    (["--dataset", "none.csv"], "none.csv"),
])
def test_bad_input_is_refused_before_any_training(folder, no_training, arguments, words):
    given = ["--labels", "12", "--out", "out", *arguments]
    if "--dataset" not in arguments:
        given += ["--dataset", "pets.csv"]
    assert words in refused(folder, "kdgan", *given)


def test_a_table_without_rows_of_a_class_to_train_on_is_refused():
    class Data:
        name, classes = "odd", 3
        x_train, y_train = np.zeros((6, 2)), np.array([0, 0, 0, 2, 2, 2])

    with pytest.raises(ValueError, match="odd has 3 classes, and a class would have no label"):
        games.rows_of(Data, 4, 2019, 2)


def test_smaller_numbers_of_labels_are_nested_and_stratified(rng):
    labels = rng.choice(4, size=400, p=[0.5, 0.3, 0.15, 0.05])
    order = games.nested(labels, rng)
    assert sorted(order) == list(range(400))
    for n in (4, 10, 50, 200):
        counts = np.bincount(labels[order[:n]], minlength=4)
        shares = n * np.bincount(labels) / 400
        assert counts.min() >= 1 and np.abs(counts - shares).max() <= 2
    assert (games.nested(labels, rng) != order).any()  # and random

    class Data:
        name, classes, x_train, y_train = "set", 4, labels[:, None], labels

    few, more = (games.rows_of(Data, n, 2019, 3)[1] for n in (20, 50))
    assert few.shape == (3, 20) and np.array_equal(more[:, :20], few)
    assert not np.array_equal(few[0], few[1])
