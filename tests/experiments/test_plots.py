"""Every figure has labels, room for the names of any table, and becomes a PNG of a sane size."""

import runpy
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from kegnet_np.experiments import plots
from kegnet_np.generator import generator
from kegnet_np.network import Network

PICTURE = Path(__file__).parents[2] / "docs" / "picture.py"


def drawn(figure, path):
    """Width and height in pixels of a figure's PNG, drawn without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.save(figure, path)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and [*path.parent.iterdir()] == [path]
    return struct.unpack(">II", head[16:24])


def texts_inside(figure):
    """Whether every axes of a drawn figure lies within it with all its labels."""
    width, height = figure.canvas.get_width_height()
    boxes = [ax.get_tightbbox(figure.canvas.get_renderer()) for ax in figure.axes if ax.axison]
    return all(b.x0 > -1 and b.y0 > -1 and b.x1 < width + 1 and b.y1 < height + 1 for b in boxes)


def apart(labels):
    """Whether the tick labels of an axis leave each other room."""
    boxes = [label.get_window_extent() for label in labels]
    return not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))


def history(epochs, members, **values):
    return [{"epoch": e, "member": m, **{k: f(e + m) for k, f in values.items()}}
            for e in range(1, epochs + 1) for m in range(members)]


def test_loss_curves_have_a_row_of_axes_per_trained_stage_and_a_line_per_member(tmp_path):
    figure = plots.loss_curves({
        "teacher": history(9, 1, loss=lambda t: 1 / t, score=lambda t: t / 20),
        "generators": history(9, 5, cls_loss=lambda t: 2 / t, dec_loss=lambda t: 1 + t),
        "tucker": [],
    })
    drawn(figure, tmp_path / "a.png")
    shown = [(ax.get_title(), ax.get_ylabel(), len(ax.lines)) for ax in figure.axes]
    assert shown == [
        ("teacher", "loss", 1), ("teacher", "selection score (share)", 1),
        ("generators", "classifier loss l_cls", 5), ("generators", "decoder loss l_dec", 5),
    ]
    assert {ax.get_xlabel() for ax in figure.axes} == {"epoch"}
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "linear", "log", "log"]
    third = figure.axes[2].lines[3].get_xydata()
    assert third[:, 0].tolist() == [*range(1, 10)] and third[0, 1] == 2 / 4


def test_one_epoch_is_a_point_and_a_loss_of_zero_has_no_logarithm(tmp_path):
    figure = plots.loss_curves({"teacher": history(1, 2, loss=lambda t: t - 1.0)})
    drawn(figure, tmp_path / "a.png")
    (ax,) = figure.axes
    assert ax.get_yscale() == "linear" and [line.get_marker() for line in ax.lines] == [".", "."]
    assert [tick for tick in ax.get_xticks() if 0.5 < tick < 1.5] == [1]


def test_no_history_is_an_empty_figure(tmp_path):
    figure = plots.loss_curves({"teacher": []})
    assert len(figure.axes) == 1 and drawn(figure, tmp_path / "a.png")[0] > 100


def test_confusion_counts_the_students_answers_to_each_of_the_teachers(tmp_path):
    teacher, student = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    figure = plots.confusion(teacher, student, ["ant", "bee", "cat"])
    drawn(figure, tmp_path / "a.png")
    ax = figure.axes[0]
    share = ax.images[0].get_array()
    np.testing.assert_allclose(share, [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
    assert {t.get_position(): t.get_text() for t in ax.texts} == {
        (0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1",
    }
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("student's answer", "teacher's answer")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ant", "bee", "cat"]


LONG = [f"a class whose name goes on and on, from $1 to ${k}" for k in range(26)]


@pytest.mark.parametrize("names, shown, most", [
    (["no", "yes"], ["no", "yes"], 700),
    (LONG[:5], ["a class w…$1 to $0", "a class w…$1 to $1"], 900),
    (list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), ["A", "B"], 1500),
    (LONG, ["a class w…$1 to $0", "a class w…$1 to $1"], 1700),
    ([f"c{k}" for k in range(300)], ["c0", "c6"], 2600),
    (["$x_{$", "a\nb"], ["$x_{$", "a b"], 700),
])
def test_confusion_has_room_for_many_classes_and_long_names(tmp_path, names, shown, most):
    answers = np.arange(len(names))
    figure = plots.confusion(answers, answers, names)
    assert max(drawn(figure, tmp_path / "a.png")) < most
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) <= 50 and labels[:2] == shown
    assert texts_inside(figure)
    assert apart(figure.axes[0].get_xticklabels()) and apart(figure.axes[0].get_yticklabels())


@pytest.mark.parametrize("D, axes", [(1, 1), (9, 16), (16, 16), (70, 64)])
def test_every_feature_has_its_two_histograms(tmp_path, rng, D, axes):
    names = ["$x_{$", *(f"a feature with the long name {i}" for i in range(1, D))]
    figure = plots.feature_distributions(
        rng.standard_normal((300, D)), 9 * rng.standard_normal((200, D)), names
    )
    width, height = drawn(figure, tmp_path / "a.png")
    assert width < 1800 and height < 1500 and len(figure.axes) == axes
    filled = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in filled] == [plots.shorten(name) for name in names[:64]]
    for ax in filled:  # shares sum to 1: what lies beyond ±4 is counted at the edge
        for patch in ax.patches:
            x, y = patch.get_xy().T
            area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
            assert area == pytest.approx(0.25) and (x.min(), x.max()) == (-4, 4)  # bins of 1/4
        assert len(ax.patches) == 2
    assert "standard deviations" in figure.get_supxlabel()
    assert figure.get_supylabel() == "share of samples" and texts_inside(figure)
    assert apart([ax.title for ax in filled])


@pytest.mark.parametrize("n, rows", [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_more_axes_than_a_row_has_room_for_go_on_below(n, rows):
    figure, axes = plots.row_of_axes(n, 3.0 * n, 2.0, "score")
    assert len(axes) == n == len(figure.axes)
    places = [ax.get_subplotspec() for ax in axes]
    assert {place.rowspan.start for place in places} == set(range(rows))
    assert figure.get_size_inches().tolist() == [3.0 * min(n, 4), 2.0 * rows]
    labelled = [ax.get_ylabel() == "score" for ax in axes]
    assert labelled == [place.colspan.start == 0 for place in places]


def test_a_long_name_keeps_its_ends():
    assert plots.shorten("eighteen letters !") == "eighteen letters !"
    assert plots.shorten("one letter too long") == "one lette…too long"
    assert len(plots.shorten("x" * 99)) == plots.LONGEST and plots.shorten("a\n b") == "a b"


def test_digit_figures_show_grey_levels_by_class_and_a_walk(rng):
    G = Network.random(generator(4, 10, 64, hidden=8), rng)
    mean = np.arange(64.0)
    figures = plots.digit_figures(G, 4, mean, np.zeros(64))
    grid, walk = figures["generated"], figures["walk"]
    assert (len(grid.axes), len(walk.axes)) == (100, 40)
    for ax in grid.axes:  # with a scale of 0 every image is the mean
        assert (ax.images[0].get_array() == mean.reshape(8, 8)).all()
    assert [ax.get_ylabel() for ax in grid.axes[::10]] == [f"class {k}" for k in range(10)]
    assert [ax.get_xlabel() for ax in walk.axes[-10:]][:2] == ["0.0", "0.1"]
    figures = plots.digit_figures(G, 4, 0 * mean, np.ones(64))
    y, z = np.eye(10)[:1], np.random.default_rng(0).standard_normal((1, 10, 4))[0, :1]
    x = G.predict(np.concatenate([z, y], 1).astype(np.float32))
    shown = figures["generated"].axes[0].images[0].get_array().ravel()
    np.testing.assert_allclose(shown, x[0], atol=1e-6)


def test_the_picture_of_the_method_is_drawn_with_all_its_boxes(tmp_path):
    figure = runpy.run_path(str(PICTURE))["method_picture"]()
    assert drawn(figure, tmp_path / "a.png")[0] > 700
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert all(word in words for word in ("teacher M", "generator G", "decoder D", "Tucker"))
