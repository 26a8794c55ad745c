"""All of autograd's insides: how an operation is made, and how a loss is differentiated.

An *operation* is a NumPy function with a hand-derived VJP (vector-Jacobian product), entered in
`REGISTRY` beside its reference. It gives its output and what its VJP will need of it.
`value_and_grad` walks the tape of operations backwards and leaves the gradient in one flat vector.
First order only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.extend import defvjp_argnums
from autograd.tracer import isbox, new_box, notrace_primitives, trace_stack

from .backend import array_module
from .params import Layout, Views, split

# --- an operation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """An operation's three forms, and ``inputs``: the arguments that can be differentiated."""

    name: str
    reference: Callable  # in autograd.numpy
    forward: Callable  # forward(*args) -> (y, kept), in NumPy
    vjp: Callable  # vjp(need, g, kept, *args) -> a cotangent, or None, for every argument
    fast: Callable  # forward and vjp as autograd's primitive
    inputs: tuple[int, ...]


REGISTRY: dict[str, Operation] = {}


def operation(reference: Callable, vjp: Callable, inputs: tuple[int, ...]) -> Callable:
    """Decorator: register a fast NumPy function under its name with its reference and VJP.

    The function gives (y, kept), what stands under its name afterwards gives y.
    """

    def register(forward: Callable) -> Callable:
        name = forward.__name__
        fast = make_primitive(forward, vjp, name)
        REGISTRY[name] = Operation(name, reference, forward, vjp, fast, inputs)
        return fast

    return register


def make_primitive(forward: Callable, vjp: Callable, name: str) -> Callable:
    """``forward`` and ``vjp`` of an `Operation` as one node of autograd's tape.

    ``need`` holds the numbers of the arguments asked for: a frozen network costs no product for its
    weights' gradient. An argument that was asked for and came back as None is an error, and so is
    a second derivative: a VJP is plain NumPy.
    """

    def node(*args):
        need = tuple(i for i, a in enumerate(args) if isbox(a))
        if not need:
            return forward(*args)[0]
        values = [a._value if i in need else a for i, a in enumerate(args)]
        if any(isbox(v) for v in values) or len({args[i]._trace for i in need}) > 1:
            raise TypeError(f"{name} has a first derivative only: do not nest gradients")
        y, kept = forward(*values)
        box = args[need[0]]
        parents = [args[i]._node for i in need]
        return new_box(y, box._trace, type(box._node)(y, node, values, (kept,), need, parents))

    def maker(need, y, args, extra):
        def backward(g):
            cotangents = vjp(need, g, *extra, *args)
            return [shared(cotangents[i], args[i], name, i) for i in need]

        return backward

    defvjp_argnums(node, maker)
    node.__name__, node.__doc__ = name, forward.__doc__
    return node


def shared(cotangent, argument, name="", i=0):
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

    p holds the named views that `Layout.views` gives. With several layouts, theta holds their
    vectors one after another, and the loss takes one p for each:
    ``loss(p_generator, p_decoder, *args)``.

    The result maps (theta, *args) to (value, gradient like theta, aux). ``value`` is a scalar, or
    (S,) for a stack theta (S, P) of independent networks: row s of the gradient is then that of
    value s. ``aux`` is what was computed on the way and is not to be differentiated (running
    statistics, single losses): take autograd.tracer's getval of it; a traced value in it raises
    TypeError. First order only.

    The leaves of autograd's tape are theta itself, of which `chain` makes a whole network in one
    node, and those of its views that a loss takes by name: no node, and no gradient of length P,
    for any other parameter array.
    """
    held: tuple = (None, [])  # a vector, as the optimiser changes it in place, and its views

    def evaluate(theta, *args):
        nonlocal held
        vector, views = held  # one assignment: another thread may put its own there
        if vector is not theta:
            parts = zip(layouts, split(theta, layouts), strict=True)
            views = [layout.views(part) for layout, part in parts]
            held = theta, views
        tape: list[_Node] = []
        with trace_stack.new_trace() as trace:
            leaves = [Leaves(of_one, trace, tape) for of_one in views]
            end, aux = loss(*leaves, *args)
        _refuse_boxes(aux)
        if isbox(end):
            _reverse(tape, end._node, array_module(theta).ones_like(end._value))
        gradients = [p.gradient() for p in leaves]
        tape.clear()  # nodes and tape hold each other; now the arrays are freed at once
        gradient = gradients[0]
        if len(gradients) > 1:
            gradient = array_module(theta).concatenate(gradients, axis=-1)
        return (end._value if isbox(end) else end), gradient, aux

    return evaluate


class Leaves(Views):
    """The named views of a vector as leaves of a tape, made when they are asked for.

    ``theta`` is the vector as a leaf, ``views`` are the plain arrays.
    """

    def __init__(self, views: Views, trace, tape):
        self.layout, self.views = views.layout, views
        self.arrays: dict[str, Any] = {}
        self._leaf = lambda array: new_box(array, trace, _Node.new_root(tape))
        self.theta: Any = self._leaf(views.theta)

    def __getitem__(self, name: str):
        if name not in self.arrays:
            self.arrays[name] = self._leaf(self.views[name])
        return self.arrays[name]

    def gradient(self) -> np.ndarray:
        """What has arrived at the leaves, like theta."""
        whole, theta = self.theta._node.outgrad, self.views.theta
        gradient = array_module(theta).empty_like(theta)
        gradient[...] = 0 if whole is None else whole[0]
        parts = self.layout.views(gradient) if self.arrays else {}
        for name, box in self.arrays.items():
            if box._node.outgrad is not None:
                parts[name][...] += box._node.outgrad[0]
        return gradient


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
    if isinstance(aux, Mapping):
        aux = aux.values()
    elif not isinstance(aux, (list, tuple)):
        return
    for item in aux:
        _refuse_boxes(item)
