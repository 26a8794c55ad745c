"""Does an adversary help where labels are few? KDGAN beside its baselines (Wang et al., 2018).

For each number n of labels every method starts from the same pretrained classifier, teacher and
discriminator, sees the same n rows, and C takes the same number of updates.
"""

from collections.abc import Sequence

import numpy as np

from . import grid
from .jobs import Job
from .play import ABLATIONS, METHODS, OwnJob
from .text import cell

LABELS = {"teacher": "T, pretrained", "classifier": "C, pretrained"}  # and the methods by name
PAIRS = [("KDGAN", other) for other in ("KL", "alone", "co-distillation", "NaGAN")]


def jobs_of(datasets: Sequence[str], labels: Sequence[int], seed: int, ablations: bool = False
            ) -> list[Job]:
    """A game of every method, and a measure of the gradients, for each set and number of labels."""
    if len(set(labels)) < len(labels) or min(labels, default=-1) < 0:
        raise ValueError(f"labels is {list(labels)}, expected different numbers of labels")
    variants = [*METHODS, *(ABLATIONS if ablations else ())]
    made: list[Job] = []
    for dataset in datasets:
        for n in labels:
            made += [OwnJob(dataset, seed, "play", variant=v, labels=n) for v in variants]
            made.append(OwnJob(dataset, seed, "gradients", labels=n))
    return made


def at(method: str, dataset: str, labels: int) -> dict:
    """The fields of the job of a method or a player."""
    fields = {"dataset": dataset, "labels": labels}
    return fields | ({"does": method} if method in LABELS else {"does": "play", "variant": method})


def _columns(result: dict, dataset: str) -> list[int]:
    """The numbers of labels, 0 for all."""
    return list(dict.fromkeys(grid.values_of(result, "labels", dataset=dataset, does="play")))


def _sets(result: dict) -> list[str]:
    return list(dict.fromkeys(grid.values_of(result, "dataset", does="play")))


def _variants(result: dict) -> list[str]:
    return list(dict.fromkeys(grid.values_of(result, "variant", does="play")))


def _head(text: str, columns: Sequence[int]) -> list[str]:
    return [text, *(f"{n:,} labels" if n else "all" for n in columns)]


def rows(result: dict, dataset: str) -> list[list[str]]:
    """Test accuracy of every method by the number of labels, and paired differences."""
    columns = _columns(result, dataset)
    out = [_head(f"{dataset}: test accuracy, %", columns)]
    for method in (*LABELS, *_variants(result)):
        cells = (grid.shown(result, at(method, dataset, n)) for n in columns)
        out.append([LABELS.get(method, method), *cells])
        if method == "KDGAN":
            taught = (cell(grid.entry(result, at(method, dataset, n), key="teacher_accuracy"))
                      for n in columns)
            out.append(["T after KDGAN", *taught])
    for a, b in PAIRS:
        less = (grid.shown(result, at(a, dataset, n), at(b, dataset, n)) for n in columns)
        out.append([f"{a} − {b}, paired", *less])
    return out


def efforts(result: dict, dataset: str) -> list[list[str]]:
    """C's updates and all seconds of the game; and those that `reached` has."""
    columns = _columns(result, dataset)
    out = [_head(f"{dataset}: C's updates; seconds of five games", columns)]
    more = [_head(f"{dataset}: updates (seconds) to 99% of its best; of alone's best", columns)]
    for method in _variants(result):
        cells = [grid.cells_of(result, **at(method, dataset, n))[0] for n in columns]
        out.append([method, *(f"{c['updates']:,}; {c['seconds']:.0f}" for c in cells)])
        found = (reached(result, method, dataset, n) for n in columns)
        more.append([method, *("; ".join(map(_effort, both)) for both in found)])
    return [*out, *more]


def _effort(found: tuple[float, float]) -> str:
    return "never" if np.isnan(found[0]) else f"{found[0]:,.0f} ({found[1]:.1f})"


def reached(result: dict, method: str, dataset: str, labels: int) -> list[tuple[float, float]]:
    """C's updates and the seconds to 99% of the method's own best mean validation accuracy, and to
    99% of that of C alone; not a number if never."""
    (cell,) = grid.cells_of(result, **at(method, dataset, labels))
    mean = curve(result, method, dataset, labels)
    made = []
    for best in (mean, curve(result, "alone", dataset, labels)):
        enough = mean >= 0.99 * best.max()
        share = (1 + int(np.argmax(enough))) / len(mean) if enough.any() else np.nan
        made.append((cell["updates"] * share, cell["seconds"] * share))
    return made


def curve(result: dict, method: str, dataset: str, labels: int) -> np.ndarray:
    """The mean validation accuracy of C after each outer epoch."""
    return np.array(grid.values_of(result, "curve", **at(method, dataset, labels))[0])


def weights(result: dict) -> list[list[str]]:
    """α, β, γ as they were played."""
    out = [["data set", "labels", "method", "α, β, γ", "points tried"]]
    for c in grid.cells_of(result, does="play"):
        if c["variant"] in ("KDGAN", "co-distillation", "KL + labels"):
            shown = ", ".join(f"{value:.3g}" for value in c["weights"].values())
            out.append([c["dataset"], f"{c['labels'] or 'all'}", c["variant"], shown,
                        str(len(c["trials"]))])
    return out


SHOWN = [("score", "1.0"), ("straight_through", "1.0"), ("straight_through", "0.1"),
         ("program", "1.0")]  # estimators and τ; exact has neither variance nor bias
NAMES = [f"{name}, τ = {float(tau):g}" if name == "straight_through" else name
         for name, tau in SHOWN]


def gradients(result: dict) -> list[list[str]]:
    """Of every estimator, at pretrained parameters: relative variance, and relative bias beside
    what chance would show."""
    out = [["data set", "labels", *(f"{name}: variance; bias (by chance)" for name in NAMES)]]
    for c in grid.cells_of(result, does="gradients"):
        cells = []
        for name, tau in SHOWN:
            found = c["gradients"][name][tau]
            variance, bias, chance = (np.mean(found[key]) for key in found)
            cells.append(f"{variance:.3f}; {bias:.2f} ({chance:.2f})")
        out.append([c["dataset"], f"{c['labels'] or 'all'}", *cells])
    return out


def tables(result: dict) -> list[list[list[str]]]:
    """Accuracy and effort by set, weights, gradients."""
    made = [rows(result, dataset) for dataset in _sets(result)]
    for dataset in _sets(result):
        both = efforts(result, dataset)
        made += [both[: len(both) // 2], both[len(both) // 2 :]]
    return [*made, weights(result), gradients(result)]


def note(result: dict) -> str:
    """What the numbers are."""
    games = grid.cells_of(result, does="play")
    own = [f"{k} {v}" for k, v in result["settings"].items() if k != "seeds"]
    return (f"{', '.join(own) or 'usual settings'}; seeds: {len(games[0]['accuracy'])}, each with "
            "labelled rows and players of its own; epoch selected by validation accuracy; "
            "± is half a 95% t interval over the seeds")


def figure(result: dict):
    """Validation accuracy of C by its updates, an axis for each set and number of labels; below,
    variance and bias of the estimators, updates and seconds to the accuracy of C alone."""
    from .plots import new_figure

    sets, columns = _sets(result), _columns(result, _sets(result)[0])
    fig = new_figure(12.8, 2.6 * (len(sets) + 1) + 1.0)
    above, below = list(fig.subfigures(2, 1, height_ratios=(len(sets), 1)))  # type: ignore[arg-type]
    axes = above.subplots(len(sets), len(columns), squeeze=False)
    for i, dataset in enumerate(sets):
        for j, n in enumerate(columns):
            for k, method in enumerate(METHODS):
                mean = 100 * curve(result, method, dataset, n)
                updates = grid.cells_of(result, **at(method, dataset, n))[0]["updates"]
                axes[i, j].plot(updates * np.arange(1, 1 + len(mean)) / len(mean), mean, lw=1.2,
                                color=f"C{k}", label=method)
            axes[i, j].set(title=f"{dataset}, {n or 'all'} labels", xlabel="updates of C")
        axes[i, 0].set_ylabel("validation accuracy, %")
    above.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center",
                 ncols=len(METHODS))
    costs = below.subplots(1, 4)
    _draw_costs(costs, result, sets, columns)
    below.legend(*costs[0].get_legend_handles_labels(), loc="outside lower left",
                 ncols=len(SHOWN), title="gradient, of")
    return fig


def _draw_costs(axes, result: dict, sets: Sequence[str], columns: Sequence[int]) -> None:
    """The lowest row of `figure`: geometric means over the sets, by the number of labels."""
    at_x, names = np.arange(len(columns)), [str(n or "all") for n in columns]

    def mean(values):  # (sets, columns)
        return np.exp(np.log(np.maximum(values, 1e-9)).mean(0))

    for axis, key in zip(axes, ("variance", "bias"), strict=False):
        for k, (name, tau) in enumerate(SHOWN):
            values = [[np.mean(c["gradients"][name][tau][key]) for c in grid.cells_of(
                result, does="gradients", dataset=dataset)] for dataset in sets]
            axis.plot(at_x, mean(values), "o-", ms=3, lw=1.2, color=f"C{k + 4}", label=NAMES[k])
        axis.set(title=f"gradient: {key}, relative")
    for axis, place, title in ((axes[2], 0, "updates of C"), (axes[3], 1, "seconds")):
        for k, method in enumerate(METHODS):
            values = [[reached(result, method, dataset, n)[1][place] for n in columns]
                      for dataset in sets]
            axis.plot(at_x, mean(values), "o-", ms=3, lw=1.2, color=f"C{k}")
        axis.set(title=f"{title} to 99% of alone")
    for axis in axes:
        axis.set(yscale="log", xticks=at_x, xticklabels=names, xlabel="labels")
