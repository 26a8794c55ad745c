"""One flat parameter vector, its named views, and value-and-gradient with auxiliary output.

A network's parameters are one contiguous vector theta (P,), or (S, P) for a stack of S networks.
A `Layout` says where each named array lies in it; `Layout.views` cuts it, without a copy. The
optimiser sees one vector, the network sees names, and nobody converts.
"""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.tracer import isbox, new_box, notrace_primitives, trace_stack

Shape = tuple[int, ...]


class Layout:
    """Where each named array lies in a flat vector theta (..., P).

    Parameters
    ----------
    shapes : mapping of a name to a shape, in the order in which they are laid out.

    Attributes
    ----------
    entries : dict of name -> (start, stop, shape)
    size : int, P, the number of scalars in all.
    """

    def __init__(self, shapes: Mapping[str, Shape]):
        self.entries: dict[str, tuple[int, int, Shape]] = {}
        self.size = 0
        for name, shape in shapes.items():
            start, self.size = self.size, self.size + prod(shape)
            self.entries[name] = (start, self.size, tuple(shape))

    def views(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Every named array (..., *shape) as a view of theta (..., P)."""
        if theta.shape[-1] != self.size:
            raise ValueError(
                f"theta has {theta.shape[-1]} values in its last axis, this network has "
                f"{self.size}: take both from the same model"
            )
        lead = theta.shape[:-1]
        return {
            name: theta[..., start:stop].reshape(lead + shape)
            for name, (start, stop, shape) in self.entries.items()
        }

    def pack(self, arrays: Mapping[str, np.ndarray], dtype=None) -> np.ndarray:
        """The flat vector (..., P) of named arrays (..., *shape): the inverse of `views`."""
        if differ := self.entries.keys() ^ arrays.keys():
            raise ValueError(
                f"arrays has the names {sorted(arrays)}, expected {sorted(self.entries)}: "
                f"{sorted(differ)} differ"
            )
        flat = []
        for name, (_, _, shape) in self.entries.items():
            array = np.asarray(arrays[name], dtype)
            lead = array.shape[: array.ndim - len(shape)]
            if array.shape != lead + shape:
                raise ValueError(f"arrays[{name!r}] has shape {array.shape}, expected {shape}")
            flat.append(array.reshape(*lead, prod(shape)))
        return np.concatenate(flat, axis=-1)


def value_and_grad(loss: Callable, *layouts: Layout) -> Callable:
    """Differentiate ``loss(p, *args) -> (value, aux)`` in the arrays of p.

    p is the dict of named views that `Layout.views` gives. With several layouts, theta holds
    their vectors one after another, and the loss takes one dict for each:
    ``loss(p_generator, p_decoder, *args)``.

    The result maps (theta, *args) to (value, gradient like theta, aux). ``value`` is a scalar, or
    (S,) for a stack theta (S, P) of independent networks: row s of the gradient is then that of
    value s. ``aux`` is what was computed on the way and is not to be differentiated (running
    statistics, single losses): take autograd.tracer's getval of it; a traced value in it raises
    TypeError. First order only.

    The views themselves are the leaves of autograd's tape, and their gradients are written
    into one flat vector: no node, and no gradient of length P, per parameter array.
    """

    def evaluate(theta, *args):
        tape: list[_Node] = []
        with trace_stack.new_trace() as trace:
            parts = [
                {name: new_box(view, trace, _Node.new_root(tape)) for name, view in p.items()}
                for p in _split(theta, layouts)
            ]
            end, aux = loss(*parts, *args)
        _refuse_boxes(aux)
        gradient = np.zeros_like(theta)
        if not isbox(end):
            return end, gradient, aux
        _reverse(tape, end._node, np.ones_like(end._value))
        views = [view for p in _split(gradient, layouts) for view in p.values()]
        for node, view in zip(tape, views, strict=False):  # the leaves were the first on the tape
            if node.outgrad is not None:
                view[...] = node.outgrad[0]
        tape.clear()  # nodes and tape hold each other; now the arrays are freed at once
        return end._value, gradient, aux

    return evaluate


class _Node(VJPNode):
    """A node of autograd's that enters itself on a tape: their order is that of computation."""

    __slots__ = ("tape", "outgrad")

    def __init__(self, value, fun, args, kwargs, argnums, parents):
        super().__init__(value, fun, args, kwargs, argnums, parents)
        self._enter(parents[0].tape)

    def initialize_root(self, tape):
        super().initialize_root()
        self._enter(tape)

    def _enter(self, tape):
        self.tape, self.outgrad = tape, None
        tape.append(self)


notrace_primitives[_Node] = notrace_primitives[VJPNode]  # comparisons and the like: no gradient


def _reverse(tape, end, g):
    """Walk the tape backwards from ``end``, adding up every node's cotangent in ``outgrad``."""
    end.outgrad = (g, False)
    for node in reversed(tape):
        if node.outgrad is not None and node.parents:
            for parent, cotangent in zip(node.parents, node.vjp(node.outgrad[0]), strict=True):
                parent.outgrad = add_outgrads(parent.outgrad, cotangent)


def _split(theta, layouts):
    parts, start = [], 0
    for layout in layouts:
        parts.append(layout.views(theta[..., start : start + layout.size]))
        start += layout.size
    return parts


def _refuse_boxes(aux):
    if isbox(aux):
        raise TypeError("aux holds a traced value: take autograd.tracer's getval of it")
    if isinstance(aux, dict):
        aux = aux.values()
    elif not isinstance(aux, (list, tuple)):
        return
    for item in aux:
        _refuse_boxes(item)
