"""Every figure of the command line and the tutorials. Each function returns a Figure."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ..generator import generator_input
from ..io.files import write_atomically
from ..network import Network

NAMES = {"loss": "loss", "cls_loss": "classifier loss l_cls", "dec_loss": "decoder loss l_dec",
         "div_loss": "diversity loss l_div", "score": "selection score (share)"}
LONGEST = 18  # letters of a name from the data; there is no room for more
ACROSS = 4  # axes in a row
MOST = 64  # features with a histogram each


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that needs no screen."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def row_of_axes(n: int, width: float, height: float, label: str) -> tuple[Figure, np.ndarray]:
    """A figure with n axes beside each other, the first one's y labelled; more than `ACROSS` go on
    in rows below. width, height : in inches, of one row of them all."""
    columns = min(n, ACROSS)
    rows = -(-n // columns)
    figure = new_figure(width * columns / n, height * rows)
    every = figure.subplots(rows, columns, squeeze=False)
    for first in every[:, 0]:
        first.set_ylabel(label)
    for unused in every.flat[n:]:
        unused.remove()
    return figure, every.flat[:n]


def save(figure: Figure, path) -> None:
    """Write a figure as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=130, format="png"))


def shorten(name: str) -> str:
    """A name from the data for a label: on one line, its middle left out if it is long."""
    name = " ".join(name.split())
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"


def loss_curves(histories: dict[str, list[dict]]) -> Figure:
    """A row of axes per trained stage, a line per member, from the histories of `fit`."""
    stages = {name: rows for name, rows in histories.items() if rows}
    columns = [[key for key in NAMES if key in rows[0]] for rows in stages.values()]
    width = max(map(len, columns), default=1)
    figure = new_figure(3.6 * width, 2.2 * max(len(stages), 1))
    axes = figure.subplots(max(len(stages), 1), width, squeeze=False)
    for i, (name, rows) in enumerate(stages.items()):
        for ax in axes[i, len(columns[i]) :]:
            ax.set_axis_off()
        for key, ax in zip(columns[i], axes[i], strict=False):
            for member in sorted({row["member"] for row in rows}):
                line = [(row["epoch"], row[key]) for row in rows if row["member"] == member]
                ax.plot(*zip(*line, strict=True), lw=1, marker="." if len(line) == 1 else None)
            if key != "score" and min(row[key] for row in rows) > 0:
                ax.set_yscale("log")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            ax.set(title=name, xlabel="epoch", ylabel=NAMES[key])
    return figure


def confusion(teacher: np.ndarray, student: np.ndarray, class_names) -> Figure:
    """Share of each teacher answer (rows) that the student answers so (columns); (N,) each."""
    K, names = len(class_names), [shorten(name) for name in class_names]
    counts = np.bincount(K * teacher + student, minlength=K * K).reshape(K, K)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    letters = max(map(len, names))
    side = min(max(2.6, 0.32 * K), 16) + 0.08 * letters  # inches; names want room beside the cells
    figure = new_figure(side + 1.9, side + 1.4)
    ax = figure.subplots()
    image = ax.imshow(share, vmin=0, vmax=1, cmap="Blues")
    ax.set(xlabel="student's answer", ylabel="teacher's answer", title="teacher against student")
    few = slice(None, None, -(-K // 50))  # more names than 50 would overlap
    for axis, angle in ((ax.xaxis, 90 if K > 12 or letters > 3 else 0), (ax.yaxis, 0)):
        axis.set_ticks(range(K)[few], names[few], rotation=angle, parse_math=False)  # $: a dollar
    if K <= 12:
        for i, j in np.argwhere(counts > 0):
            colour = "white" if share[i, j] > 0.5 else "black"
            ax.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=colour, size=7)
    figure.colorbar(image, ax=ax, label="share of the row", shrink=0.8)
    return figure


def feature_distributions(real: np.ndarray, generated: np.ndarray, names) -> Figure:
    """Histograms of the first 64 features, real (N, D) behind generated (N', D), standardised."""
    D = min(real.shape[1], MOST)
    rows, columns = -(-D // 8), min(8, D)
    figure = new_figure(max(1.7 * columns, 5.5), 1.25 * rows + 1)
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw={"yticks": []}).ravel()
    for ax in axes[D:]:
        ax.set_axis_off()
    for i, ax in enumerate(axes[:D]):
        for x, label, style in ((real, "real", "stepfilled"), (generated, "generated", "step")):
            ax.hist(np.clip(x[:, i], -4, 4), np.linspace(-4, 4, 33), label=label, alpha=0.8,
                    weights=np.full(len(x), 1 / len(x)), histtype=style)
        ax.set_title(shorten(names[i]), size=7, parse_math=False)
        ax.tick_params(labelsize=6)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2,
                  fontsize=8)
    figure.supxlabel("value in training standard deviations (beyond ±4: at the edge)", size=8)
    figure.supylabel("share of samples", size=8)
    return figure


def ranks(chosen, trials: list[dict]) -> Figure:
    """Where the rank went: every candidate by layer, the darker the lower its KL divergence after
    the first round (trials: dicts of `ranks.Trial`), the chosen one marked."""
    figure = new_figure(6.2, 3.4)
    ax = figure.subplots()
    first = [t for t in trials if t["steps"] == trials[0]["steps"]]
    shades = 0.35 + 0.55 * Normalize()(np.log([t["kl"] for t in first]))
    for shade, trial in zip(shades, first, strict=True):
        ax.plot(range(1, len(trial["ranks"]) + 1), trial["ranks"], color=str(shade), lw=1)
    ax.plot(range(1, len(chosen) + 1), chosen, "o-", color="tab:red", label="chosen")
    ax.plot([], [], color="0.5", lw=1, label="tried (the darker, the nearer to the teacher)")
    ax.set(xlabel="dense layer, first to last", ylabel="rank", ylim=(0, None))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8)
    return figure


def recipes(found: dict[str, dict]) -> Figure:
    """An axis per kind of students, KL divergence by learning rate: lines of the first trials by
    depth, points of the second ones by depth and batch (dicts of `trials.Trial`); the recipe chosen
    is marked."""
    figure, axes = row_of_axes(len(found), 3.4 * max(len(found), 1.5), 4.4,
                               "KL from the teacher, held-out samples")
    for ax, (name, chosen) in zip(axes, found.items(), strict=True):
        trials, first = chosen["trials"], chosen["trials"][0]
        lines: dict[tuple, list[tuple[float, float]]] = {}
        for t in trials:
            key = t["steps"] > first["steps"], len(t["widths"]), t["batch"]
            lines.setdefault(key, []).append((t["lr"], t["kl"]))
        for (again, depth, batch), line in sorted(lines.items()):
            ax.plot(*zip(*sorted(line), strict=True), color=f"C{depth % 10}", lw=1,
                    ls="" if again else "-", marker="s" if batch == first["batch"] else "^",
                    ms=6 if again else 3, label=f"{depth} layers, batch {batch}"
                    + (", longer" if again else ""))
        (rate,) = {t["lr"] for t in trials if t["kl"] == chosen["recipe_kl"]}
        ax.plot(rate, chosen["recipe_kl"], "k*", ms=12, mfc="none", label="chosen")
        ax.set(xscale="log", yscale="log", title=shorten(name), xlabel="learning rate")
        rates = sorted({t["lr"] for t in trials})
        ax.set_xticks(rates, [f"{rate:g}" for rate in rates], size=7, rotation=45)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2)
    return figure


def image_grid(images: np.ndarray, row_names, column_names, title: str) -> Figure:
    """Images (R, C, h, w), a row and a column label each."""
    R, C = images.shape[:2]
    figure = new_figure(0.62 * C + 1, 0.66 * R + 0.8)
    axes = figure.subplots(R, C, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    for (r, c), ax in np.ndenumerate(axes):
        ax.imshow(images[r, c], cmap="gray_r", vmin=0, vmax=images.max())
        if c == 0:
            ax.set_ylabel(row_names[r], rotation=0, ha="right", va="center")
        if r == R - 1:
            ax.set_xlabel(column_names[c], size=8)
    figure.suptitle(title, size=10)
    return figure


def digit_figures(G: Network, latent: int, mean, scale, seed: int = 0) -> dict[str, Figure]:
    """For 8×8 digits: images "generated" by one generator by class, and a "walk" between two.

    Standardised pixels become grey levels by the training rows' mean (64,) and scale (64,).
    """

    def images(z, y):
        x_hat = G.predict(generator_input(z, y).astype(G.theta.dtype)) * scale + mean
        return x_hat.reshape(*z.shape[:2], 8, 8)

    rng, K, C = np.random.default_rng(seed), G.model.inputs - latent, 10
    z = np.repeat(rng.standard_normal((1, C, latent)), K, axis=0)  # a column, one z
    y = np.repeat(np.eye(K)[:, None], C, axis=1)  # a row, one class
    t = np.linspace(0, 1, C)[None, :, None]
    ends_z, ends_y = rng.standard_normal((2, 4, 1, latent)), np.eye(K)[[1, 7]]
    walk_z = (1 - t) * ends_z[0] + t * ends_z[1]  # (4, C, Z)
    walk_y = np.repeat((1 - t) * ends_y[0] + t * ends_y[1], 4, axis=0)
    return {
        "generated": image_grid(
            images(z, y), [f"class {k}" for k in range(K)], [f"z{c}" for c in range(C)],
            "generated, by class and z"),
        "walk": image_grid(
            images(walk_z, walk_y), [f"walk {i}" for i in range(4)],
            [f"{v:.1f}" for v in t.ravel()], "from class 1 to class 7")}
