"""The networks of KegNet: classifier, Tucker student, generator, decoder (Yoo et al., 2019).

A model here is a description without parameters, and two pure functions:

    theta, state = model.init(rng)
    y, new_state = model.apply(model.layout.views(theta), state, x, train=..., masks=...)

theta (P,) is one flat vector, and apply takes its named views p; state (Q,) holds the running
statistics of batch-norm (it is empty where there are none). With theta (S, P) and state (S, Q) the
same call runs a stack of S networks on x (S, B, D), or on one x (B, D) that they share. Nothing is
hidden: dropout masks come in from outside, new running statistics go out.

A `network.Network` is a model with its theta and state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import chain, ops
from .activations import ACTIVATIONS, elu, identity
from .backend import array_module
from .params import Layout

WIDTHS = (100,) * 11  # the paper's text says ten hidden layers, its program builds 11, and only 11
# gives the paper's compression ratios


@dataclass(frozen=True)
class MLP:
    """A classifier D → widths → K: after every hidden layer the activation, then dropout.

    The defaults are the paper's teacher for tables. With ``ranks`` every dense layer is in Tucker
    form (Yoo et al., 2019), as in the paper's student. A rank applies to the modes of hidden
    width, and never beyond them: the first layer keeps in-rank D and the last out-rank K.
    ``ranks`` gives each dense layer its own; a shorter list repeats its last entry.

    Parameters
    ----------
    features, classes : int, D and K.
    widths : tuple of int, the hidden layers' widths, first to last; may be empty.
    activation : a name in `activations.ACTIVATIONS`.
    dropout : float in [0, 1), the share of hidden units set to zero in training.
    ranks : tuple of int in 1..max(widths), or None for plain dense layers.
    lean : of the Tucker form, leave out the first layer's D × D factor and the last one's K × K,
        which multiply with their cores and add nothing; the paper keeps them.
    """

    features: int
    classes: int
    widths: tuple[int, ...] = WIDTHS
    activation: str = "elu"
    dropout: float = 0.15
    ranks: tuple[int, ...] | None = None
    lean: bool = False

    def __post_init__(self):
        object.__setattr__(self, "widths", tuple(self.widths))  # a list is welcome
        _require_positive("features", self.features)
        _require_positive("classes", self.classes)
        for width in self.widths:
            _require_positive("widths", width)
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is {self.activation!r}, expected one of {', '.join(ACTIVATIONS)}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, expected a share in [0, 1)")
        if self.ranks is not None:
            object.__setattr__(self, "ranks", tuple(self.ranks))
            check_ranks(self.ranks, max(self.widths, default=1), len(self.widths) + 1)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each dense layer, first to last."""
        ends = [self.features, *self.widths, self.classes]
        return list(zip(ends, ends[1:], strict=False))

    def rank_pairs(self, ranks: Sequence[int]) -> list[tuple[int, int]]:
        """(in-rank, out-rank) of each dense layer for a list of ranks."""
        every = [ranks[min(i, len(ranks) - 1)] for i in range(len(self.widths) + 1)]
        pairs = [(min(r, D), min(r, H)) for r, (D, H) in zip(every, self.sizes, strict=True)]
        pairs[0] = (self.features, pairs[0][1])
        pairs[-1] = (pairs[-1][0], self.classes)
        return pairs

    @cached_property
    def layout(self) -> Layout:
        """Where each layer's arrays lie in theta."""
        shapes: dict[str, tuple[int, ...]] = {}
        pairs = self.rank_pairs(self.ranks or (1,))
        for i, (D, H) in enumerate(self.sizes):
            if self.ranks is None:
                shapes[f"W{i}"] = (D, H)
            else:
                r_in, r_out = pairs[i]
                shapes[f"U_in{i}"], shapes[f"core{i}"] = (D, r_in), (r_in, r_out)
                shapes[f"U_out{i}"] = (r_out, H)
            shapes[f"b{i}"] = (1, H)
        folded = {"U_in0", f"U_out{len(self.widths)}"} if self.lean else set()
        return Layout({name: shapes[name] for name in shapes if name not in folded})

    @cached_property
    def factors(self) -> list[tuple[str, ...]]:
        """Of each layer, the names of its matrices in the order in which they multiply."""
        every = [[f"{kind}{i}" for kind in ("W", "U_in", "core", "U_out")]
                 for i in range(len(self.sizes))]
        return [tuple(name for name in names if name in self.layout.entries) for names in every]

    state_layout = Layout({})  # no running statistics

    def init(self, rng: np.random.Generator, dtype=np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Random theta (P,) and an empty state (0,); weights U(−1/√fan_in, 1/√fan_in)."""
        theta = _uniform_fan_in(self.layout, rng, dtype)
        return theta, theta[:0]

    def draw_masks(self, rngs, batch: int, dtype=np.float32) -> list[np.ndarray]:
        """Dropout masks for one step, (S, B, H) for each hidden layer: 0 or 1/(1 − p).

        ``rngs`` holds a random generator for each of S networks; of a single generator the masks
        are (B, H). Bits are the costly part, so a unit takes 16 of them, and p is rounded to a
        multiple of 2⁻¹⁶.
        """
        if not isinstance(rngs, (list, tuple)):
            return [mask[0] for mask in self.draw_masks([rngs], batch, dtype)]
        drop = min(round(self.dropout * 2**16), 2**16 - 1)
        units = batch * sum(self.widths)
        draw = {"size": -(-units // 4), "dtype": np.uint64, "endpoint": True}  # 4 units to a word
        xp = array_module(rngs[0])
        bits = xp.stack([rng.integers(2**64 - 1, **draw) for rng in rngs])
        kept = bits.view(np.uint16)[:, :units] >= drop
        masks = xp.multiply(kept, 1 / (1 - drop / 2**16), dtype=dtype)  # (S, units)
        ends = batch * np.cumsum([0, *self.widths])
        return [
            masks[:, start:stop].reshape(len(rngs), batch, -1)
            for start, stop in zip(ends, ends[1:], strict=False)
        ]

    def apply(self, p, state, x, *, train: bool = False, masks=None):
        """Logits (..., B, K) of x (..., B, D), and the state as it came.

        In training mode with dropout > 0 ``masks``, (..., B, H) a hidden layer, is required.
        """
        _check_features(x, self.features)
        if train and self.dropout and masks is None:
            raise ValueError("masks is None in training mode: draw_masks(rng, B) makes them")
        layers: list[chain.Layer] = []
        for i, names in enumerate(self.factors):
            hidden = i < len(self.widths)
            f = ACTIVATIONS[self.activation] if hidden else identity
            if len(names) == 2:  # a lean layer
                layers.append((ops.dense, names[:1], (0.0,)))  # (..., B, r), without bias
                names = names[1:]
            operation = ops.dense if len(names) == 1 else ops.tucker_dense
            layers.append((operation, (*names, f"b{i}"), (f,)))  # (..., B, H)
            if train and self.dropout and hidden:
                layers.append((ops.dropout, (), (masks[i],)))
        return chain.apply(layers, p, x), state


@dataclass(frozen=True)
class NormalisedMLP:
    """Hidden layers of dense, ELU and batch-norm, then a dense layer: generator and decoder.

    With ``adjust`` the output passes a batch-norm *without* learnt parameters, so that every
    feature of a batch is N(0, 1)-like. The paper's text fixes "γ and β as 0 and 1", a swap:
    scale 1, shift 0.
    """

    inputs: int
    outputs: int
    hidden: int = 120
    depth: int = 2
    adjust: bool = False
    momentum: float = 0.1

    def __post_init__(self):
        for name in ("inputs", "outputs", "hidden", "depth"):
            _require_positive(name, getattr(self, name))

    @cached_property
    def layout(self) -> Layout:
        """Where each layer's arrays lie in theta."""
        shapes: dict[str, tuple[int, ...]] = {}
        widths = [self.inputs, *[self.hidden] * self.depth, self.outputs]
        for i, (D, H) in enumerate(zip(widths, widths[1:], strict=False)):
            shapes[f"W{i}"], shapes[f"b{i}"] = (D, H), (1, H)
            if i < self.depth:
                shapes[f"gamma{i}"] = shapes[f"beta{i}"] = (1, H)
        return Layout(shapes)

    @cached_property
    def state_layout(self) -> Layout:
        """Where each batch-norm's running mean and variance lie in the state."""
        shapes = {f"norm{i}": (2, 1, self.hidden) for i in range(self.depth)}
        if self.adjust:
            shapes[f"norm{self.depth}"] = (2, 1, self.outputs)
        return Layout(shapes)

    def init(self, rng: np.random.Generator, dtype=np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Random theta (P,), γ = 1 and β = 0; state (Q,) with means 0 and variances 1."""
        theta = _uniform_fan_in(self.layout, rng, dtype)
        state = array_module(theta).zeros(self.state_layout.size, dtype)
        for norm in self.state_layout.views(state).values():
            norm[1] = 1
        return theta, state

    def apply(self, p, state, x, *, train: bool = False, masks=None):
        """Outputs (..., B, H) of x (..., B, inputs), and the new state (..., Q).

        In training mode batch-norm uses the batch's moments (so B ≥ 2) and the new state has
        the running mean and the *unbiased* running variance; else the state is used and kept.
        """
        _check_features(x, self.inputs)
        B = x.shape[-2]
        if train and B < 2:
            raise ValueError(f"x has {B} row, batch-norm in training needs 2: use a larger batch")
        xp = array_module(state)
        moments = xp.empty_like(state) if train else state
        norms = self.state_layout.views(moments).values()
        normalise = ops.batch_norm if train else ops.batch_norm_eval
        given = [(m,) if train else (m[..., 0, :, :], m[..., 1, :, :]) for m in norms]
        layers: list[chain.Layer] = []
        for i in range(self.depth):
            layers.append((ops.dense, (f"W{i}", f"b{i}"), (elu,)))  # (..., B, H)
            layers.append((normalise, (f"gamma{i}", f"beta{i}"), given[i]))
        layers.append((ops.dense, (f"W{self.depth}", f"b{self.depth}"), ()))
        if self.adjust:
            one = xp.ones((1, 1), state.dtype)
            layers.append((normalise, (), (one, 0 * one, *given[self.depth])))
        y = chain.apply(layers, p, x)
        return y, (self._updated(state, moments, B) if train else state)

    def _updated(self, state, moments, B):
        """The running statistics after a batch: s ← s + momentum (batch − s)."""
        for norm in self.state_layout.views(moments).values():
            norm[..., 1, :, :] *= B / (B - 1)
        moments -= state
        moments *= self.momentum
        moments += state
        return moments


def check_ranks(ranks: Sequence[int], width: int, layers: int) -> None:
    """Raise ValueError unless every rank is an integer in 1..width, one per layer at the most."""
    if not 1 <= len(ranks) <= layers:
        raise ValueError(f"ranks has {len(ranks)} entries, expected 1 to {layers}: one per layer")
    for r in ranks:
        if not (isinstance(r, (int, np.integer)) and 1 <= r <= width):
            raise ValueError(f"ranks holds {r!r}, expected integers from 1 to the width, {width}")


def _uniform_fan_in(layout, rng, dtype):
    """PyTorch's default for a linear layer: weights and biases from U(−1/√fan_in, 1/√fan_in)."""
    arrays, bound, xp = {}, 1.0, array_module(rng)
    for name, (_, _, shape) in layout.entries.items():
        if name.startswith(("gamma", "beta")):
            arrays[name] = xp.full(shape, float(name.startswith("gamma")))
            continue
        if not name.startswith("b"):
            bound = shape[0] ** -0.5  # a layer's bias follows its weights and shares their bound
        arrays[name] = rng.uniform(-bound, bound, shape)
    return layout.pack(arrays, dtype)


def _check_features(x, expected):
    if x.ndim < 2 or x.shape[-1] != expected:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (..., B, {expected})")


def _require_positive(name, value):
    if not (isinstance(value, (int, np.integer)) and value >= 1):
        raise ValueError(f"{name} is {value!r}, expected a positive integer")
