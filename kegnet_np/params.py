"""Parameters: one flat vector theta, and its named views.

A network's parameters are one contiguous vector theta (P,), or (S, P) for a stack of S networks.
A `Layout` says where each named array lies in it; `Layout.views` cuts it, without a copy. The
optimiser sees one vector, the network sees names, and nobody converts.
"""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from .backend import array_module

Shape = tuple[int, ...]


class Layout:
    """Where each named array lies in a flat vector theta (..., P).

    Parameters
    ----------
    shapes : mapping of a name to a shape, in the order in which they are laid out.

    Attributes
    ----------
    entries : dict of name -> (start, stop, shape)
    size : int, P, the number of scalars in all.
    """

    def __init__(self, shapes: Mapping[str, Shape]):
        self.entries: dict[str, tuple[int, int, Shape]] = {}
        self.size = 0
        for name, shape in shapes.items():
            start, self.size = self.size, self.size + prod(shape)
            self.entries[name] = (start, self.size, tuple(shape))

    def views(self, theta: np.ndarray) -> "Views":
        """Every named array (..., *shape) as a view of theta (..., P)."""
        if theta.shape[-1] != self.size:
            raise ValueError(
                f"theta has {theta.shape[-1]} values in its last axis, this network has "
                f"{self.size}: take both from the same model"
            )
        return Views(self, theta)

    def pack(self, arrays: Mapping[str, np.ndarray], dtype=None) -> np.ndarray:
        """The flat vector (..., P) of named arrays (..., *shape): the inverse of `views`."""
        if differ := self.entries.keys() ^ arrays.keys():
            raise ValueError(
                f"arrays has the names {sorted(arrays)}, expected {sorted(self.entries)}: "
                f"{sorted(differ)} differ"
            )
        flat, xp = [], array_module(next(iter(arrays.values()), None))
        for name, (_, _, shape) in self.entries.items():
            array = xp.asarray(arrays[name], dtype)
            lead = array.shape[: array.ndim - len(shape)]
            if array.shape != lead + shape:
                raise ValueError(f"arrays[{name!r}] has shape {array.shape}, expected {shape}")
            flat.append(array.reshape(*lead, prod(shape)))
        return xp.concatenate(flat, axis=-1)


class Views(Mapping):
    """The named views of a flat vector, p["W0"] and so on; their ``layout`` and ``theta``."""

    def __init__(self, layout: Layout, theta: np.ndarray):
        self.layout, self.theta, lead = layout, theta, theta.shape[:-1]
        self.arrays = {
            name: theta[..., start:stop].reshape(lead + shape)
            for name, (start, stop, shape) in layout.entries.items()
        }

    def __getitem__(self, name: str):
        return self.arrays[name]

    def __iter__(self):
        return iter(self.layout.entries)

    def __len__(self) -> int:
        return len(self.layout.entries)


def split(theta: np.ndarray, layouts: Sequence[Layout]) -> list[np.ndarray]:
    """theta (..., P1 + P2 + ...) cut into the vectors (..., P1), (..., P2), ... of its layouts."""
    parts, start = [], 0
    for layout in layouts:
        parts.append(theta[..., start : start + layout.size])
        start += layout.size
    return parts
