"""A whole network as one operation: its layers in turn, and their VJPs backwards.

    x₀ = x,  x_i = f_i(x_{i−1}; p_i),  y = x_n

A *layer* is (f, names, constants): an operation, the names of its parameters p_i, and what is
constant. By the chain rule the VJP of f_i takes g_i = ∂loss/∂x_i to g_{i−1} and to ∂loss/∂p_i;
laid side by side these are ∂loss/∂theta. The tape then holds one node for a network, where it held
one for each layer and each parameter array: that was a fifth of a student's step.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from autograd.tracer import isbox

from .activations import constant
from .autodiff import REGISTRY, Leaves, operation, shared
from .backend import array_module
from .params import Views

Layer = tuple[Callable, tuple[str, ...], tuple]


def apply(layers: Sequence[Layer], p: Mapping, x):
    """The layers' output for x (..., B, D) with the parameters p, by name.

    In one node where a gradient is wanted and p is of `value_and_grad` or `Layout.views`;
    else operation by operation.
    """
    if isinstance(p, Leaves):
        return chain(x, p.theta, p.views, layers)
    if isinstance(p, Views) and isbox(x) and not isbox(p.theta):
        return chain(x, None, p, layers)
    for f, names, constants in layers:
        x = f(x, *(p[name] for name in names), *constants)
    return x


def _chain_reference(x, theta, p, layers):
    p = p.layout.views(theta)
    for f, names, constants in layers:
        x = REGISTRY[f.__name__].reference(x, *(p[name] for name in names), *constants)
    return x


def _chain_vjp(need, g, kept, x, theta, p, layers):
    gradient: dict[str, np.ndarray] = {}
    for i in reversed(range(len(layers))):
        (f, names, _), (args, of_f) = layers[i], kept[i]
        first = 1 if i == 0 and 0 not in need else 0
        wanted = range(first, 1 + len(names) if 1 in need else 1)
        pulls = REGISTRY[f.__name__].vjp(wanted, g, of_f, *args)
        if 1 in need:
            for k, name in enumerate(names, 1):
                pull = shared(pulls[k], args[k], f.__name__, k)
                gradient[name] = gradient[name] + pull if name in gradient else pull
        if 0 in wanted:
            g = shared(pulls[0], args[0])
    flat, xp = [], array_module(x)
    for name, a in p.arrays.items() if 1 in need else ():
        pull = gradient[name] if name in gradient else xp.zeros(a.shape, theta.dtype)
        flat.append(pull.reshape(*theta.shape[:-1], -1))
    return g, xp.concatenate(flat, axis=-1) if flat else None, None, None


@operation(_chain_reference, _chain_vjp, inputs=(0, 1))
def chain(x, theta, p, layers):
    """y of the layers for x (..., B, D) and theta (..., P), of which p are the views.

    Without theta the network is frozen: no gradient but that of x, and of a layer's input only the
    shape is kept.
    """
    p = p if theta is None or theta is p.theta else p.layout.views(theta)
    kept, xp = [], array_module(x)
    for f, names, constants in layers:
        args = [x, *(p[name] for name in names), *constants]
        x, of_f = REGISTRY[f.__name__].forward(*args)
        if theta is None:
            args[0] = xp.broadcast_to(constant(0, (), args[0].dtype, xp), args[0].shape)
        kept.append((args, of_f))
    return x, kept
