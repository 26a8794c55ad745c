"""Every operation on a device: forward and VJP as on the CPU, in both types; on a GPU if there is
one, and on the stand-in anywhere. ``pytest tests/test_ops_on_device.py`` is the test of a GPU."""

import numpy as np
import pytest
from standin import DEVICE
from test_ops import CASES, LEADS, arguments

from kegnet_np import backend
from kegnet_np.autodiff import REGISTRY
from kegnet_np.params import Views


def usable():
    """The devices here, by name."""
    try:
        backend.use(backend.use("cuda"))
    except ValueError:
        return {"stand-in": DEVICE}
    return {"stand-in": DEVICE, "GPU": "cuda"}


HERE = usable()


@pytest.fixture(params=HERE)
def device(request):
    before = backend.use(HERE[request.param])
    yield
    backend.use(before)


@pytest.mark.skipif("GPU" not in HERE, reason="no usable GPU: operations meet the stand-in alone")
def test_a_gpu_is_tested_too(device):
    assert backend.to_host(backend.put(np.ones(3)).sum()) == 3


def each(change, value):
    """The value with every array in it changed, in whatever holds them."""
    if isinstance(value, Views):
        return value.layout.views(change(value.theta))
    if isinstance(value, (list, tuple)):
        return type(value)(each(change, v) for v in value)
    return change(value) if isinstance(value, np.ndarray) else value


def results(name, args, g):
    """The operation's value and its cotangents, on the host."""
    op = REGISTRY[name]
    y, kept = op.forward(*args)
    g = g(y.shape)
    pulls = op.vjp(op.inputs, g, kept, *args)
    return [backend.to_host(a) for a in (y, *(pulls[i] for i in op.inputs))]


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("name, activation", CASES)
def test_an_operation_on_a_device_is_what_it_is_on_the_cpu(
        device, name, activation, lead, dtype, tolerance, rng):
    def of_type(a):
        return a.astype(dtype) if a.dtype.kind == "f" else a

    args = each(of_type, arguments(name, rng, *LEADS[lead], activation))
    weights = {}

    def g(shape):
        return weights.setdefault(shape, np.asarray(rng.uniform(0.5, 1.5, shape), dtype))

    expected = results(name, args, g)
    found = results(name, each(backend.put, args), lambda shape: backend.put(g(shape)))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= tolerance * max(1, np.abs(theirs).max())
