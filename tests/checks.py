"""How a gradient is tested here: one function, so that the mutants meet the check that ops meet."""

import numpy as np
from autograd import make_vjp


def central_differences(f, array, h=1e-5):
    """∂f/∂array for a scalar f(array), every coordinate, by (f(+h) − f(−h)) / 2h."""
    gradient = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + h
        above = f()
        array[at] = kept - h
        below = f()
        array[at] = kept
        gradient[at] = (above - below) / (2 * h)
    return gradient


def close(found, expected, tolerance):
    """Within tolerance of the larger one's scale; and that scale is O(1), so that it means much."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    scale = np.abs(expected).max()
    assert 0.01 < scale < 100, f"scale {scale}: such a comparison would prove little"
    worst = np.abs(found - expected).max()
    assert worst <= tolerance * scale, f"off by {worst / scale:.1e} of the scale"


def check_operation(op, args, rng):
    """Reference and primitive agree in value and VJP, and both with central differences."""
    args = [np.array(a, np.float64) if isinstance(a, np.ndarray) else a for a in args]
    value = op.fast(*args)
    close(value, op.reference(*args), 1e-12)
    g = rng.choice([-1, 1], np.shape(value)) * rng.uniform(0.5, 1.5, np.shape(value))
    for i in op.inputs:
        pulled = make_vjp(op.fast, i)(*args)[0](g)
        close(pulled, make_vjp(op.reference, i)(*args)[0](g), 1e-12)
        numeric = central_differences(lambda: np.sum(g * op.fast(*args)), args[i])
        close(pulled, numeric, 1e-6)
