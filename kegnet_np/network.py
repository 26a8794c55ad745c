"""The one noun: teachers, generators, students, imported and exported ones are all a `Network`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .backend import array_module, put
from .params import Views


@dataclass(frozen=True, eq=False)
class Network:
    """A model with its parameters: one network, or a stack of S that run side by side.

    Parameters
    ----------
    model : an `MLP` or a `NormalisedMLP`.
    theta : (P,) or (S, P). state : (Q,) or (S, Q); may be left out where the model has none.
    """

    model: Any
    theta: np.ndarray
    state: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self):
        if self.state is None:
            object.__setattr__(self, "state", self.theta[..., :0])
        sizes = self.theta.shape[-1], self.state.shape[-1]
        expected = self.model.layout.size, self.model.state_layout.size
        if sizes != expected or self.theta.shape[:-1] != self.state.shape[:-1]:
            raise ValueError(
                f"theta has shape {self.theta.shape} and state {self.state.shape}, expected "
                f"(..., {expected[0]}) and (..., {expected[1]}) of {self.model}"
            )

    @classmethod
    def random(cls, model, rngs, dtype=np.float32) -> "Network":
        """``model.init`` of one random generator, or of each in a list: a stack."""
        if not isinstance(rngs, (list, tuple)):
            return cls(model, *model.init(rngs, dtype))
        made = [model.init(rng, dtype) for rng in rngs]
        xp = array_module(rngs[0])
        return cls(model, *(xp.stack(arrays) for arrays in zip(*made, strict=True)))

    @property
    def size(self) -> int:
        """P, the number of parameters of one network."""
        return self.model.layout.size

    @cached_property
    def p(self) -> Views:
        """The named views of theta."""
        return self.model.layout.views(self.theta)

    def member(self, s: int) -> "Network":
        """The s-th network of a stack."""
        return Network(self.model, self.theta[s], self.state[s])

    def stack(self, S: int | None = None) -> "Network":
        """A stack of S copies; without S a stack as it is, or the one network as a stack of one."""
        if self.theta.ndim > 1 and S is None:
            return self
        xp = array_module(self.theta)
        return Network(self.model, *(xp.stack([a] * (S or 1)) for a in (self.theta, self.state)))

    def moved(self, move=put) -> "Network":
        """The same on the device in use; with ``backend.to_host`` as ``move``, on the CPU."""
        theta, state = move(self.theta), move(self.state)
        return self if theta is self.theta else Network(self.model, theta, state)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs in evaluation mode, without a gradient: x (..., N, D) -> (..., N, K)."""
        rows = 4096  # in pieces of so many, whose activations stay small
        pieces = [
            self.model.apply(self.p, self.state, x[..., i : i + rows, :])[0]
            for i in range(0, max(x.shape[-2], 1), rows)
        ]
        return array_module(x).concatenate(pieces, axis=-2)
