"""All of autograd's insides: how an operation is made, and how a loss is differentiated.

An *operation* is a NumPy function with a hand-derived VJP (vector-Jacobian product), entered in
`REGISTRY` beside its reference. `value_and_grad` walks the tape of operations backwards and leaves
the gradient in one flat vector. First order only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.extend import defvjp_argnums
from autograd.tracer import isbox, new_box, notrace_primitives, trace_stack

from .params import Layout, split

# --- an operation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """An operation's three forms, and ``inputs``: the arguments that can be differentiated."""

    name: str
    reference: Callable  # in autograd.numpy
    forward: Callable  # in NumPy
    vjp: Callable
    fast: Callable  # forward and vjp as autograd's primitive
    inputs: tuple[int, ...]


REGISTRY: dict[str, Operation] = {}


def operation(reference: Callable, vjp: Callable, inputs: tuple[int, ...]) -> Callable:
    """Decorator: register a fast NumPy function under its name with its reference and VJP."""

    def register(fast: Callable) -> Callable:
        node = make_primitive(fast, vjp, fast.__name__)
        REGISTRY[fast.__name__] = Operation(fast.__name__, reference, fast, vjp, node, inputs)
        return node

    return register


def make_primitive(forward: Callable, vjp: Callable, name: str) -> Callable:
    """``forward`` as one node of autograd's tape; ``vjp(need, g, y, *args)`` gives cotangents.

    ``need`` holds the argument numbers asked for, so that a frozen network costs no product for
    its weights' gradient. An argument that was asked for and came back as None is an error, and
    so is a second derivative: a VJP is plain NumPy.
    """

    def node(*args):
        need = tuple(i for i, a in enumerate(args) if isbox(a))
        if not need:
            return forward(*args)
        values = [a._value if i in need else a for i, a in enumerate(args)]
        if any(isbox(v) for v in values) or len({args[i]._trace for i in need}) > 1:
            raise TypeError(f"{name} has a first derivative only: do not nest gradients")
        y = forward(*values)
        box = args[need[0]]
        parents = [args[i]._node for i in need]
        return new_box(y, box._trace, type(box._node)(y, node, values, {}, need, parents))

    def maker(need, y, args, kwargs):
        def backward(g):
            cotangents = vjp(need, g, y, *args)
            return [_shared(cotangents[i], args[i], name, i) for i in need]

        return backward

    defvjp_argnums(node, maker)
    node.__name__, node.__doc__ = name, forward.__doc__
    return node


def _shared(cotangent, argument, name, i):
    """Sum a cotangent over the stack axis that its argument does not have."""
    if cotangent is None:
        raise TypeError(f"{name} cannot be differentiated in its argument {i}: pass an array")
    while cotangent.ndim > argument.ndim:
        cotangent = cotangent.sum(0)
    for axis in range(argument.ndim - 2):  # a stack axis of one is shared as well
        if argument.shape[axis] < cotangent.shape[axis]:
            cotangent = cotangent.sum(axis, keepdims=True)
    return cotangent


# --- value and gradient ---------------------------------------------------------------------------


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

    def views(vector):
        parts = split(vector, layouts)
        return [layout.views(part) for layout, part in zip(layouts, parts, strict=True)]

    def evaluate(theta, *args):
        tape: list[_Node] = []
        with trace_stack.new_trace() as trace:
            parts = [
                {name: new_box(view, trace, _Node.new_root(tape)) for name, view in p.items()}
                for p in views(theta)
            ]
            end, aux = loss(*parts, *args)
        _refuse_boxes(aux)
        gradient = np.zeros_like(theta)
        if not isbox(end):
            return end, gradient, aux
        _reverse(tape, end._node, np.ones_like(end._value))
        leaves = [view for p in views(gradient) for view in p.values()]
        for node, view in zip(tape, leaves, strict=False):  # they were the first on the tape
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


def _refuse_boxes(aux):
    if isbox(aux):
        raise TypeError("aux holds a traced value: take autograd.tracer's getval of it")
    if isinstance(aux, dict):
        aux = aux.values()
    elif not isinstance(aux, (list, tuple)):
        return
    for item in aux:
        _refuse_boxes(item)
