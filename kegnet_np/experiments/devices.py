"""Where a piece of work computes: on the CPU, or on a GPU through CuPy (see `backend`)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .. import backend


def elsewhere() -> bool:
    """Whether another device than the CPU is in use."""
    return not isinstance(backend.put(0), np.ndarray)


@contextmanager
def on(device: str) -> Iterator[None]:
    """Compute on 'cpu' or 'cuda' within; afterwards on what was in use before.

    Errors: ValueError says that no usable GPU was found, and what to install.
    """
    before = backend.use(device)
    try:
        yield
    finally:
        backend.use(before)
