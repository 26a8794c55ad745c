"""A device's arrays without a device: NumPy's behind a wall, as strict as CuPy's and stricter.

Such an array is no NumPy array and becomes none but by ``get``, which is counted. It mixes with
arrays of its kind and with plain numbers, has no truth and no number of its own, and is worked on
by its own module of functions, `xp`, which has no more than what is listed here: CuPy has it all.
"""

import operator
from collections import Counter
from contextlib import contextmanager

import numpy as np
from autograd.tracer import isbox

from kegnet_np import backend

FUNCTIONS = (
    "abs arange ascontiguousarray asarray broadcast_to concatenate cumsum einsum empty_like exp "
    "eye full log log1p matmul maximum minimum moveaxis multiply divide negative ones ones_like "
    "sign sqrt square stack subtract tanh tile where zeros zeros_like"
)
METHODS = "argmax astype copy max mean min reshape std sum view"
moves = Counter()  # "put": arrays that came from the host, "get": that went there


class DeviceArray:
    """Of ``_a``, a NumPy array that nobody else sees."""

    __array_ufunc__ = None  # NumPy's functions and operators refuse it

    def __init__(self, a):
        self._a = np.asarray(a)

    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    mT = property(lambda self: DeviceArray(self._a.mT))

    def get(self):
        """A copy on the host."""
        moves["get"] += 1
        return self._a.copy()

    def __getattr__(self, name):
        if name not in METHODS.split():
            raise AttributeError(f"a device's array has no {name}")
        method = getattr(self._a, name)
        return lambda *args, **kwargs: wrapped(method(*inner(args), **inner(kwargs)))

    def __len__(self):
        return len(self._a)

    def __getitem__(self, key):
        return DeviceArray(self._a[inner(key)])

    def __setitem__(self, key, value):
        self._a[inner(key)] = inner(value)

    def __iter__(self):
        raise TypeError("a device's array is not gone through one by one")

    def _refuse(self, *args, **kwargs):
        raise TypeError("a device's array does not go to the host: call get")

    __array__ = __array_function__ = __bool__ = __int__ = __float__ = __index__ = _refuse


def _operators():
    def of(function, swapped=False):
        def method(self, other):
            if isbox(other):  # as CuPy does with what has no __array_ufunc__
                return NotImplemented
            a, b = self._a, inner(other)
            return wrapped(function(b, a) if swapped else function(a, b))

        return method

    def into(function):
        def method(self, other):
            function(self._a, inner(other))
            return self

        return method

    for name in ("add", "sub", "mul", "truediv", "matmul", "pow", "eq", "ne", "lt", "le", "gt",
                 "ge", "and_"):
        function, dunder = getattr(operator, name), name.rstrip("_")
        setattr(DeviceArray, f"__{dunder}__", of(function))
        if dunder in ("add", "sub", "mul", "truediv", "matmul"):
            setattr(DeviceArray, f"__r{dunder}__", of(function, swapped=True))
            setattr(DeviceArray, f"__i{dunder}__", into(getattr(operator, f"i{dunder}")))
    DeviceArray.__neg__ = lambda self: DeviceArray(-self._a)
    DeviceArray.__invert__ = lambda self: DeviceArray(~self._a)


_operators()


def inner(value):
    """What lies behind the wall, in lists, tuples and dicts too; a host's array is refused."""
    if isinstance(value, DeviceArray):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"a host's array {value.shape} meets the device's: put it there first")
    if isinstance(value, (list, tuple)):
        return type(value)(inner(v) for v in value)
    return {k: inner(v) for k, v in value.items()} if isinstance(value, dict) else value


def wrapped(value):
    return DeviceArray(value)


class _Functions:
    """What stands for the module ``cupy``."""

    class linalg:
        """Of its linear algebra the one function that is needed."""

        @staticmethod
        def norm(*args, **kwargs):
            return wrapped(np.linalg.norm(*inner(args), **inner(kwargs)))

    def __getattr__(self, name):
        if name not in FUNCTIONS.split():
            raise AttributeError(f"the stand-in has no function {name}: does CuPy?")
        return lambda *args, **kwargs: wrapped(
            getattr(np, name)(*inner(args), **inner(kwargs)))

    def asarray(self, a, dtype=None):
        """What is on the host comes to the device."""
        if isinstance(a, DeviceArray):
            return a if dtype in (None, a.dtype) else a.astype(dtype)
        moves["put"] += 1
        return DeviceArray(np.array(a, dtype))


xp = _Functions()


class DeviceStream:
    """NumPy's numbers on the device, so that results can be compared with those on the CPU."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        draw = getattr(self._rng, name)
        return lambda *args, **kwargs: wrapped(draw(*inner(args), **inner(kwargs)))


def expit(a):
    return wrapped(backend.CPU.expit(inner(a)))


DEVICE = backend.Device(xp, expit, DeviceStream, (DeviceArray, DeviceStream))


@contextmanager
def on_device():
    """The stand-in is the device in use; its moves are counted anew."""
    moves.clear()
    backend.use(DEVICE)
    try:
        yield moves
    finally:
        backend.use("cpu")
