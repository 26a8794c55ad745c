"""A page on a student that was distilled without data: what is known of it, and what is not."""

import statistics
import time
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..experiments.statistics import interval
from ..io.black_box import BlackBox
from ..io.classifier import Classifier
from ..io.files import check_new, write_text
from .teachers import Teacher

SPEEDS = {1: 51, 10_000: 3}  # rows at once: how often they are timed
MOST = 300  # features whose names and units are listed


def write(path, student: Classifier, taught: Teacher, x: np.ndarray, agreements: Sequence[float],
          losses: Sequence[float], sampler: str) -> None:
    """Write the page, one file of HTML without scripts and links.

    student : the best of several, which agree with the teacher on these shares (S,) of held-out
        standardised samples x (N, D). losses : of its training, by epoch. sampler : their name.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup  # of jinja2

    if Path(path).suffix.lower() != ".html":
        raise ValueError(f"path is {str(path)!r}, expected one that ends in .html")
    check_new(path)
    M, raw = taught.M, x * student.scale + student.mean
    told = interval([list(agreements)])
    said, ours = M.predict(x).argmax(-1), student.network.predict(x).argmax(-1)
    asked = isinstance(M, BlackBox)
    both = student.predict_proba, taught.says.predict_proba
    speed = [(f"{n:,} row{'s' * (n > 1)} at once", *(
        1e6 * seconds_a_row(predict, raw[:n], times) for predict in both))
        for n, times in SPEEDS.items()]
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
                              undefined=StrictUndefined)
    features = list(zip(student.feature_names, student.mean, student.scale, strict=True))
    page = environment.get_template("report.html").render(
        teacher_form="a model that is only asked" if asked else taught.says.form,
        teacher_size=f"counted as {M.size:,}" if asked else f"{M.size:,}",
        student_form=student.form, n_params=student.network.size, speed=speed,
        compression=M.size / student.network.size, features=features[:MOST],
        classes=student.class_names, agreement=float(np.max(agreements)), held_out=len(x),
        agreements=list(agreements), half=told["half"], mean=told["mean"], sampler=sampler,
        units="those of its scaler or schema, or given" if taught.scaled else
        "0 and 1, because nothing was known of them", revealed=revealed(student),
        version=__version__, **{name: Markup(svg(figure)) for name, figure in figures(
            said, ours, student.class_names, losses).items()})
    write_text(path, page)


def figures(said: np.ndarray, ours: np.ndarray, names: Sequence[str], losses: Sequence[float]
            ) -> dict[str, Callable]:
    """Functions that draw: the confusion of two answers (N,), and the losses."""
    from ..experiments import plots  # takes a second to import

    history = [{"epoch": i + 1, "member": 0, "loss": loss} for i, loss in enumerate(losses)]
    return {"confusion": lambda: plots.confusion(said, ours, names),
            "curve": lambda: plots.loss_curves({"student": history})}


def svg(draw: Callable[[], Any]) -> str:
    """A figure as an element of HTML, its text as text."""
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "kegnet_np",
                     "text.parse_math": False}):  # a stranger's names are no formulas
        draw().savefig(text, format="svg", metadata=dict.fromkeys(
            ("Date", "Creator", "Format", "Type")))
    return "<svg" + text.getvalue().partition("<svg")[2]


def seconds_a_row(predict: Callable, rows: np.ndarray, times: int) -> float:
    """The median of the time that an answer takes, for a row."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        predict(rows)
        taken.append((time.perf_counter() - start) / len(rows))
    return statistics.median(taken)


def revealed(student: Classifier) -> list[str]:
    """What mean and scale say of flags and categories, in words.

    A feature of 0 and 1 with the share m of ones has the variance m (1 − m); those of a category
    have shares that add up to 1.
    """
    m, s, names = student.mean, student.scale, student.feature_names
    flag = (m > 0) & (m < 1) & np.isclose(s**2, m * (1 - m), rtol=1e-5, atol=0)
    lines, i = [], 0
    while i < len(m):
        end, total = i, 0.0
        while end < len(m) and flag[end] and total < 1 - 1e-6:
            total, end = total + m[end], end + 1
        if end - i > 1 and abs(total - 1) <= 1e-6:
            shares = ", ".join(f"{names[j]} {100 * m[j]:.3g} %" for j in range(i, end))
            lines.append(f"a category, with the shares of its values: {shares}")
            i = end
            continue
        if flag[i]:
            lines.append(f"a flag, {names[i]}, that is 1 in {100 * m[i]:.3g} % of rows")
        i += 1
    return lines[:MOST]
