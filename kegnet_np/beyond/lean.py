"""The lean Tucker form: the same functions as the paper's, with fewer parameters."""

from dataclasses import replace

from ..network import Network


def fold(student: Network) -> Network:
    """A Tucker student without the factors that add nothing; a lean one as it is.

    The first layer keeps its in-rank D and the last its out-rank K, so that the paper's form has
    square factors there, U_in (D, D) and U_out (K, K). They multiply with the cores,

        x (U_in core) U_out = x core' U_out,   x U_in (core U_out) = x U_in core',

    and D² + K² parameters go: 256 + 100 of 12,846 on Pendigits, most of all where columns are many.
    Errors: ValueError if the network is not in Tucker form.
    """
    model, last = student.model, len(student.model.widths)
    if model.ranks is None:
        raise ValueError("student has no ranks: fold a network in Tucker form, of tucker.compress")
    if model.lean:
        return student
    p = dict(student.p)
    p["core0"] = p.pop("U_in0") @ p["core0"]  # (D, r)
    p[f"core{last}"] = p[f"core{last}"] @ p.pop(f"U_out{last}")  # (r, K)
    lean = replace(model, lean=True)
    return Network(lean, lean.layout.pack(p), student.state)
