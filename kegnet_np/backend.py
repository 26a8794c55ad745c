"""NumPy or CuPy: where arrays live. The only file that names CuPy, which it imports when asked to.

The core computes with the arrays it is given: where a function is needed and no method will do, it
takes ``xp = array_module(x)``, NumPy or CuPy, and calls ``xp.exp``. `use` says where the verbs put
what they are given and draw what they draw; on the CPU nothing of this costs anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from autograd.extend import Box, VSpace, defvjp, primitive

NO_GPU = ("device is 'cuda', but no usable GPU was found: use 'cpu', or install a CUDA driver and "
          'pip install "kegnet_np[gpu-cuda12]" (CUDA 13: gpu-cuda13)')
STATES = 2**16  # random numbers that a member's stream draws at once; 3 MB of the GPU's memory


@dataclass(frozen=True)
class Device:
    """Where arrays can be."""

    xp: Any  # its module of functions
    expit: Callable  # the logistic function
    stream: Callable  # a random generator of a numpy.random.SeedSequence
    types: tuple[type, ...]  # of its arrays and of its streams


def _expit(a):
    from scipy.special import expit  # takes half a second to import, for this alone

    return expit(a)


CPU = Device(np, _expit, np.random.default_rng, ())
_in_use = CPU
_of_type: dict[type, Device] = {}  # what is of no type here is of the CPU


def use(device: "str | Device") -> Device:
    """From now on put arrays on 'cpu' or 'cuda', or on another `Device`; gives the one before.

    Raises ValueError for another name, and for 'cuda' where no GPU can be used.
    """
    global _in_use
    if device not in ("cpu", "cuda") and not isinstance(device, Device):
        raise ValueError(f"device is {device!r}, expected 'cpu' or 'cuda'")
    chosen = device if isinstance(device, Device) else CPU if device == "cpu" else _cuda()
    for kind in chosen.types:
        _of_type[kind] = chosen
        DeviceBox.register(kind)
        VSpace.register(kind)  # its sum of two cotangents is all that the tape needs
    before, _in_use = _in_use, chosen
    return before


def array_module(x) -> Any:
    """The module of functions for an array, or for what a random stream draws."""
    device = _of_type.get(type(x))
    return np if device is None else device.xp


def expit(a):
    """1 / (1 + e^−a) where a is."""
    return _of_type.get(type(a), CPU).expit(a)


def put(a) -> Any:
    """An array, or what makes one, on the device in use; what is on a device already stays."""
    return a if type(a) in _of_type else _in_use.xp.asarray(a)


def to_host(a) -> Any:
    """A device's array as a NumPy array; anything else as it is."""
    return a.get() if type(a) in _of_type else a


def stream(seed: np.random.SeedSequence) -> Any:
    """A random generator on the device in use: on a GPU its numbers are others than NumPy's."""
    return _in_use.stream(seed)


# --- CuPy ---------------------------------------------------------------------------------------


def _cuda() -> Device:
    try:
        import cupy
        from cupyx.scipy.special import expit
    except ImportError as error:
        raise ValueError(NO_GPU) from error
    if not cupy.cuda.is_available():  # CuPy can be imported without a GPU
        raise ValueError(NO_GPU)
    return Device(cupy, expit, _CupyStream, (cupy.ndarray, _CupyStream))


class _CupyStream:
    """CuPy's Generator with the permutation that it lacks."""

    def __init__(self, seed):
        import cupy

        self._rng = cupy.random.Generator(cupy.random.XORWOW(seed, size=STATES))

    def __getattr__(self, name):  # all other methods
        return getattr(self._rng, name)

    def permutation(self, x):
        """0 .. x − 1, or the rows of x, in random order."""
        order = self._rng.random(x if isinstance(x, int) else len(x)).argsort()
        return order if isinstance(x, int) else x[order]


# --- on autograd's tape -------------------------------------------------------------------------
# autograd's own VJPs make NumPy arrays, so on a device the tape holds our operations, and sums and
# multiples of losses: what `DeviceBox` can do and no more.

_add = primitive(lambda a, b: a + b)
defvjp(_add, lambda y, a, b: lambda g: g, lambda y, a, b: lambda g: g)
_scale = primitive(lambda a, c: a * c)
defvjp(_scale, lambda y, a, c: lambda g: g * c, argnums=(0,))


class DeviceBox(Box):
    """A traced array of a device: box + box, box + c, box · c and box / c, all of one shape."""

    __slots__ = ()
    __array_ufunc__ = None
    shape = property(lambda self: self._value.shape)
    ndim = property(lambda self: self._value.ndim)
    __add__ = __radd__ = lambda self, other: _add(self, other)
    __mul__ = __rmul__ = lambda self, other: _scale(self, other)
    __truediv__ = lambda self, other: _scale(self, 1 / other)  # noqa: E731
