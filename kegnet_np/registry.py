"""How an operation is made: a NumPy function, its reference and its VJP, entered in `REGISTRY`."""

from collections.abc import Callable
from dataclasses import dataclass

from autograd.extend import defvjp_argnums
from autograd.tracer import isbox, new_box


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


def operation(reference: Callable, vjp: Callable, inputs: tuple[int, ...]) -> Callable:
    """Decorator: register a fast NumPy function under its name with its reference and VJP."""

    def register(fast: Callable) -> Callable:
        node = make_primitive(fast, vjp, fast.__name__)
        REGISTRY[fast.__name__] = Operation(fast.__name__, reference, fast, vjp, node, inputs)
        return node

    return register
