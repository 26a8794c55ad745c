"""Two networks of a person's own, probed: a table and a figure."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..network import Network
from ..probes import gradients
from ..probes.distil import SCHEDULE, WAYS, distil
from ..probes.knowledge import Estimate, answers
from .folder import Progress
from .measures import MEASURES, Bench
from .upbringing import Bringing, start_like

PROBED = ("right", "consensus", "looks", "fooled", "boundary", "representation")
PENS = ("rotation", "jitter")  # where rows are pens
SIDES = ("teacher", "student", "independent")


def independent(T: Network, S: Network, data, epochs: int, seed: int) -> Network:
    """As many networks of the students' form as there are, of the labels alone."""
    start = start_like(S.model, seed, len(S.theta))
    schedule = replace(SCHEDULE, epochs=epochs)
    return distil(T, start, data.x_train, data.y_train, WAYS["independent"], schedule=schedule,
                  seed=seed, hook=Progress("independent"))[0]


def measured(T: Network, S: Network, data, own: Bringing, seed: int
             ) -> tuple[Bench, dict[str, dict[str, dict[str, Estimate]]]]:
    """The bench, and by probe, measure and side an `Estimate` over examples, of a stack's mean."""
    bench = Bench(data, T, independent(T, S, data, own.epochs, seed), None, own.rows, own.triplets,
                  seed)
    sides = dict(zip(SIDES, (T.stack(), S, bench.independent), strict=True))
    made: dict[str, dict[str, dict[str, Estimate]]] = {}
    for probe in PROBED + (PENS if data.name == "pendigits" else ()):
        for side, stack in sides.items():
            if probe == "looks" and side != "student":
                continue  # a comparison of the two others
            for name, found in MEASURES[probe](bench, stack).items():
                mean = Estimate(found.values.mean(0))
                made.setdefault(probe, {}).setdefault(name, {})[side] = mean
    return bench, made


def rows(made: dict) -> list[list[str]]:
    """A row for each measure, a column for each side."""
    out = [["probe: measure, % ± half a 95% interval over examples", *SIDES]]
    for probe, names in made.items():
        for name, sides in names.items():
            cells = (sides.get(side) for side in SIDES)
            out.append([f"{probe}: {name}", *(
                f"{100 * e.mean:.1f} ± {100 * e.half:.1f}" if e else "" for e in cells)])
    return out


def as_json(made: dict) -> dict[str, Any]:
    """Means, half intervals and numbers of examples."""
    return {probe: {name: {side: {"mean": float(e.mean), "half": float(e.half), "n": int(e.n)}
                           for side, e in sides.items()} for name, sides in names.items()}
            for probe, names in made.items()}


def figure(bench: Bench, S: Network, made: dict):
    """Above one plane through test rows as each side cuts it; below where they look, and the
    measures that compare student and teacher."""
    from . import plots

    figure = plots.new_figure(13, 7.5)
    above, below = figure.subfigures(2, 1)  # type: ignore[misc]
    sides = dict(zip(SIDES, (bench.T, S.member(0), bench.independent.member(0)), strict=True))
    on, K = bench.planes["rows"][0], bench.T.model.classes
    side = round(len(on) ** 0.5)
    for ax, (name, network) in zip(above.subplots(1, 3), sides.items(), strict=True):
        seen = answers(network, on).reshape(side, side)
        ax.imshow(seen, cmap="tab20", vmin=0, vmax=max(K - 1, 19), origin="lower",
                  extent=(-0.1, 1.1, -0.1, 1.1))
        ax.plot([0, 1, 0], [0, 0, 1], "k.", ms=4)
        ax.set(title=f"{name}: classes on a plane", xlabel="α", ylabel="β")
    left, right = below.subplots(1, 2)
    x, y = bench.few
    for name, network in sides.items():
        s = np.abs(gradients.saliency(network, x, y)).mean(0)
        left.plot(s / s.sum(), marker=".", label=name)
    left.set(title="where they look: mean |∇x|, as a share", xlabel="feature")
    left.legend()
    compared = [(name, of) for probe in ("consensus", "fooled", "boundary", "representation")
                for name, of in made.get(probe, {}).items()]
    for i, name in enumerate(SIDES[1:]):
        entries = [of[name] for _, of in compared]
        right.errorbar([100 * e.mean for e in entries], np.arange(len(compared)) + 0.2 * i,
                       xerr=[100 * e.half for e in entries], fmt="o", ms=4, label=name)
    right.set(yticks=range(len(compared)), yticklabels=[name for name, _ in compared],
              xlabel="% ± half a 95% interval over examples")
    right.invert_yaxis()
    right.legend(loc="lower left")
    return figure
