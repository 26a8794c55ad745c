"""Activations y = f(a), element by element, each a value with its slope.

    f'(a) = s(y): the slope comes from the *output*, so that a layer keeps one array for both.

Each is an operation (see `ops`) with a reference and a VJP, and an argument of `ops.dense`.
"""

from collections.abc import Callable
from functools import cache
from math import gcd

import autograd.numpy as anp
import numpy as np

from .autodiff import operation
from .backend import array_module, expit


@cache
def constant(value, shape, dtype, xp=np):
    """An array of one value, made once and shared by all who ask for it."""
    array = xp.full(shape, value, dtype)
    if xp is np:  # CuPy has no such flag
        array.setflags(write=False)
    return array


class Activation:
    """An activation as a value: call it, or hand it to `dense` and `tucker_dense`.

    Parameters
    ----------
    reference : f in autograd.numpy. value : f in NumPy. slope : s, from y, a new array.
    """

    def __init__(self, name: str, reference: Callable, value: Callable, slope: Callable):
        def forward(a):
            y = value(a)
            return y, y

        def vjp(need, g, y, a):
            return (through(g, y, self),)

        forward.__name__, forward.__doc__ = name, value.__doc__
        self.name, self.reference, self.value, self.slope = name, reference, value, slope
        self._node = operation(reference, vjp, inputs=(0,))(forward)

    def __call__(self, a):
        return self._node(a)

    def __repr__(self):
        return self.name


def through(g, y, activation):
    """∂loss/∂a from g = ∂loss/∂y for y = f(a): g f'(a)."""
    if activation is identity:
        return g
    slope = activation.slope(y)
    slope *= g
    return slope


def _identity(a):
    """y = a, with slope 1: a layer without an activation."""
    return a


def _identity_slope(y):
    return array_module(y).ones_like(y)


# --- ELU ----------------------------------------------------------------------------------------


def _negative_part(a):
    """min(a, 0); NumPy is faster against a long row of zeros than against a scalar."""
    row, xp = gcd(a.size, 6400), array_module(a)
    return xp.minimum(a.reshape(-1, row), constant(0, row, a.dtype, xp)).reshape(a.shape)


def _elu_reference(a):
    return anp.where(a > 0, a, anp.expm1(anp.where(a > 0, 0.0, a)))


def _elu_slope(y):
    slope = _negative_part(y)
    slope += 1
    return slope


def _elu(a):
    """y = a where a > 0, else e^a − 1 (Clevert, Unterthiner and Hochreiter, 2016).

    The slope is 1 where a > 0, else e^a = y + 1: min(y, 0) + 1 gives it from the output.
    """
    y, xp = _negative_part(a), array_module(a)
    xp.exp(y, out=y)  # NumPy's float32 exp is vectorised from AVX2 on, expm1 with AVX-512 alone;
    y -= 1  # what expm1 gains, 1e-7 near 0, the next layer rounds away
    return xp.maximum(a, y, out=y)  # e^a − 1 ≥ a, so the maximum picks the right branch


# --- the others ---------------------------------------------------------------------------------


def _relu(a):
    """y = max(a, 0); the slope is 1 where y > 0, else 0 (at a = 0 too, by convention)."""
    return array_module(a).maximum(a, 0)


def _relu_slope(y):
    return array_module(y).sign(y)  # y is never below 0


def _tanh(a):
    """y = tanh a; the slope is 1 − y²."""
    return array_module(a).tanh(a)


def _tanh_slope(y):
    return 1 - y * y


def _logistic(a):
    """y = 1 / (1 + e^−a); the slope is y (1 − y)."""
    return expit(a)


def _logistic_slope(y):
    return y - y * y


# --- the table ----------------------------------------------------------------------------------

identity = Activation("identity", lambda a: 1 * a, _identity, _identity_slope)
elu = Activation("elu", _elu_reference, _elu, _elu_slope)
relu = Activation("relu", lambda a: anp.where(a > 0, a, 0.0), _relu, _relu_slope)
tanh = Activation("tanh", anp.tanh, _tanh, _tanh_slope)
logistic = Activation("logistic", lambda a: 1 / (1 + anp.exp(-a)), _logistic, _logistic_slope)
ACTIVATIONS = {f.name: f for f in (identity, elu, relu, tanh, logistic)}
