"""How an operation is made: a NumPy function, its reference and its VJP, entered in `REGISTRY`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from autograd.extend import defvjp_argnums, primitive


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


def make_primitive(fast: Callable, vjp: Callable, name: str) -> Callable:
    """Tell autograd of ``fast``; ``vjp(need, g, y, *args)`` gives a cotangent per argument.

    ``need`` holds the argument numbers asked for, so that a frozen network costs no product for
    its weights' gradient. An argument that was asked for and came back as None is an error.
    """
    node = primitive(fast)

    def maker(need, y, args, kwargs):
        def backward(g):
            cotangents = vjp(need, g, y, *args)
            return tuple(_shared(cotangents[i], args[i], name, i) for i in need)

        return backward

    defvjp_argnums(node, maker)
    return node


def _shared(cotangent, argument, name, i):
    """Sum a cotangent over the stack axis that its argument does not have."""
    if cotangent is None:
        raise TypeError(f"{name} cannot be differentiated in its argument {i}: pass an array")
    while cotangent.ndim > np.ndim(argument):
        cotangent = cotangent.sum(0)
    return cotangent


def operation(reference: Callable, vjp: Callable, inputs: tuple[int, ...]) -> Callable:
    """Decorator: register a fast NumPy function under its name with its reference and VJP."""

    def register(fast: Callable) -> Callable:
        node = make_primitive(fast, vjp, fast.__name__)
        REGISTRY[fast.__name__] = Operation(fast.__name__, reference, fast, vjp, node, inputs)
        return node

    return register
