"""The method in one picture, for the README and the tutorials: ``python -m kegnet_np.picture``."""

import sys

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .plots import new_figure, save

BLUE, ORANGE, GREEN, GREY = "#d6e4f5", "#fbe3cc", "#d9efd6", "#eeeeee"
BOXES = {  # name: (x, y, width, text, colour)
    "data": (0.0, 4.5, 2.0, "real rows, labels\n(x, y)", GREY),
    "teach": (3.0, 4.5, 2.4, "teacher M\n12 dense layers", BLUE),
    "noise": (0.0, 2.1, 2.0, "ŷ one-hot, uniform\nẑ ~ N(0, I)", GREY),
    "G": (3.0, 2.1, 2.4, "generator G\nx̂ = G(ŷ, ẑ)", ORANGE),
    "M": (6.4, 2.75, 2.2, "M, frozen\np(y | x)", BLUE),
    "D": (6.4, 1.45, 2.2, "decoder D\np(z | x)", ORANGE),
    "cls": (9.5, 2.75, 2.6, "l_cls: M(x̂) against ŷ", GREY),
    "dec": (9.5, 1.45, 2.6, "l_dec: D(x̂) against ẑ", GREY),
    "tucker": (6.4, 4.5, 2.2, "Tucker form\nW ≈ U_in core U_out", GREEN),
    "student": (9.5, 4.5, 2.6, "student S, 8× smaller\nKL(M(x̂) ‖ S(x̂))", GREEN),
}
ARROWS = [  # from, side, to, side
    ("data", "right", "teach", "left"), ("teach", "right", "tucker", "left"),
    ("tucker", "right", "student", "left"), ("noise", "right", "G", "left"),
    ("G", "right", "M", "left"), ("G", "right", "D", "left"),
    ("M", "right", "cls", "left"), ("D", "right", "dec", "left"),
]  # fmt: skip
HEIGHT = 0.85


def method_picture():
    """Teach, forget, extract, compress, distil, as boxes and arrows; returns a Figure."""
    figure = new_figure(10.5, 4.2)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    ax.set(xlim=(-0.3, 12.4), ylim=(1.15, 5.9))
    ax.set_axis_off()
    for x, y, width, text, colour in BOXES.values():
        box = FancyBboxPatch((x, y), width, HEIGHT, boxstyle="round,pad=0.06", fc=colour, ec="0.4")
        ax.add_patch(box)
        ax.text(x + width / 2, y + HEIGHT / 2, text, ha="center", va="center", size=9)

    def end(name, side):
        x, y, width, _, _ = BOXES[name]
        return {
            "left": (x - 0.1, y + HEIGHT / 2),
            "right": (x + width + 0.1, y + HEIGHT / 2),
            "bottom": (x + width / 2, y - 0.1),
        }[side]

    def arrow(start, stop):
        line = FancyArrowPatch(start, stop, arrowstyle="-|>", mutation_scale=11, color="0.25")
        ax.add_patch(line)

    for name, side, to, at in ARROWS:
        arrow(end(name, side), end(to, at))
    ax.plot([4.2, 4.2, 10.8], [3.05, 4.0, 4.0], color="0.25", lw=1.2)
    arrow((10.8, 3.96), (10.8, 4.42))
    ax.text(4.35, 4.08, "samples x̂ in place of data", size=9, style="italic")
    ax.plot([2.55, 2.55], [4.2, 5.75], color="firebrick", ls=":", lw=1.6)
    ax.text(2.45, 5.6, "then the data is gone", color="firebrick", ha="right", size=9)
    for x, text in ((4.2, "1 teach"), (7.5, "3 compress"), (10.8, "4 distil")):
        ax.text(x, 5.52, text, ha="center", size=10, weight="bold")
    ax.text(4.2, 1.72, "2 extract", ha="center", size=10, weight="bold")
    ax.text(4.2, 1.42, "l = l_cls + α l_dec + β l_div", ha="center", size=9)
    return figure


if __name__ == "__main__":
    save(method_picture(), sys.argv[1] if len(sys.argv) > 1 else "method.png")
