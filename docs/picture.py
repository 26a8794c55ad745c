"""The method in one picture, for the README and the tutorials: ``python docs/picture.py``.

Narrow, so that it can be read on a phone.
"""

import sys
from pathlib import Path

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from kegnet_np.experiments.plots import new_figure, save

FILE = Path(__file__).with_name("method.png")

BLUE, ORANGE, GREEN, GREY = "#d6e4f5", "#fbe3cc", "#d9efd6", "#eeeeee"
LEFT, RIGHT, WIDTH, HEIGHT = 0.6, 4.1, 2.6, 0.9
BOXES = {  # name: (x, y, text, colour)
    "data": (LEFT, 8.0, "real rows, labels\n(x, y)", GREY),
    "teach": (RIGHT, 8.0, "teacher M\n12 dense layers", BLUE),
    "G": (LEFT, 6.1, "generator G\nx̂ = G(ŷ, ẑ)", ORANGE),
    "noise": (RIGHT, 6.1, "ŷ one-hot, uniform\nẑ ~ N(0, I)", GREY),
    "M": (LEFT, 4.5, "M, frozen\np(y | x)", BLUE),
    "D": (RIGHT, 4.5, "decoder D\np(z | x)", ORANGE),
    "cls": (LEFT, 3.1, "l_cls:\nM(x̂) against ŷ", GREY),
    "dec": (RIGHT, 3.1, "l_dec:\nD(x̂) against ẑ", GREY),
    "student": (LEFT, 0.7, "student S, 8× smaller\nKL(M(x̂) ‖ S(x̂))", GREEN),
    "tucker": (RIGHT, 0.7, "Tucker form\nW ≈ U_in core U_out", GREEN),
}
ARROWS = [  # from, side, to, side
    ("data", "right", "teach", "left"), ("noise", "left", "G", "right"),
    ("G", "bottom", "M", "top"), ("G", "bottom", "D", "top"),
    ("M", "bottom", "cls", "top"), ("D", "bottom", "dec", "top"),
    ("tucker", "left", "student", "right"),
]
STAGES = {"teach": "1 teach", "G": "2 extract", "tucker": "3 compress", "student": "4 distil"}


def method_picture():
    """Teach, forget, extract, compress, distil, as boxes and arrows; returns a Figure."""
    figure = new_figure(5.6, 7.0)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    ax.set(xlim=(-0.2, 7.5), ylim=(0.4, 9.7))
    ax.set_axis_off()
    for x, y, text, colour in BOXES.values():
        box = FancyBboxPatch((x, y), WIDTH, HEIGHT, boxstyle="round,pad=0.06", fc=colour, ec="0.4")
        ax.add_patch(box)
        ax.text(x + WIDTH / 2, y + HEIGHT / 2, text, ha="center", va="center", size=10.5)

    def end(name, side):
        x, y, *_ = BOXES[name]
        return {
            "left": (x - 0.1, y + HEIGHT / 2), "right": (x + WIDTH + 0.1, y + HEIGHT / 2),
            "bottom": (x + WIDTH / 2, y - 0.1), "top": (x + WIDTH / 2, y + HEIGHT + 0.1),
        }[side]

    def arrow(start, stop):
        line = FancyArrowPatch(start, stop, arrowstyle="-|>", mutation_scale=12, color="0.25",
                               shrinkA=0, shrinkB=0)
        ax.add_patch(line)

    def around(name, to, side, x, text):
        """From one box down to another along the picture's edge."""
        (start, y), (stop, y_to) = end(name, side), end(to, side)
        ax.plot([start, x, x], [y, y, y_to], color="0.25", lw=1.2)
        arrow((x, y_to), (stop, y_to))
        ax.text(x, (y + y_to) / 2, text, rotation=90, ha="center", va="center", size=10.5,
                style="italic", bbox={"fc": "white", "ec": "none", "pad": 2})

    for name, side, to, at in ARROWS:
        arrow(end(name, side), end(to, at))
    around("G", "student", "left", 0.05, "samples x̂ in place of data")
    around("teach", "tucker", "right", 7.25, "the teacher's weights")
    ax.plot([3.65, 3.65], [7.6, 9.3], color="firebrick", ls=":", lw=1.8)
    ax.text(3.55, 9.2, "then the data is gone", color="firebrick", ha="right", size=10.5)
    for name, text in STAGES.items():
        x, y = end(name, "top")
        ax.text(x, y + 0.08, text, ha="center", size=11.5, weight="bold")
    ax.text(3.65, 2.5, "l = l_cls + α l_dec + β l_div", ha="center", size=10.5)
    return figure


if __name__ == "__main__":
    save(method_picture(), sys.argv[1] if len(sys.argv) > 1 else FILE)
