"""A classifier as it travels: raw rows in, probabilities of named classes out, on any machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..activations import ACTIVATIONS
from ..losses import softmax
from ..models import MLP
from ..network import Network
from .files import FormatError

FLOAT32 = np.finfo(np.float32)
LONGEST = 1000  # characters of a class's name: a string of C99 need hold no more than 4,095 bytes


class Layer(NamedTuple):
    """y = f(x W + b): W (D, H), b (H,) or None, f by its name in `activations.ACTIVATIONS`."""

    W: np.ndarray
    b: np.ndarray | None
    activation: str


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network with what its inputs and outputs mean: all that a file of it says.

    Parameters
    ----------
    network : one `MLP` of two classes or more, plain or in Tucker form; finite, within float32.
    mean, scale : (D,), what is subtracted from a raw row, and what it is then divided by; both
        in the units of the rows, scale positive. Left out, 0 and 1: rows are standardised already.
    class_names : K different texts; left out, "0", "1", ...
    """

    network: Network
    mean: np.ndarray = None  # type: ignore[assignment]
    scale: np.ndarray = None  # type: ignore[assignment]
    class_names: tuple[str, ...] = ()

    def __post_init__(self):
        model, theta = self.network.model, self.network.theta
        if not isinstance(model, MLP) or theta.ndim != 1 or model.classes < 2:
            raise FormatError(f"network is {model} with theta {theta.shape}, expected one MLP of "
                              "two classes or more; take one member of a stack")
        require_float32("network", theta)
        for name, value in (("mean", 0.0), ("scale", 1.0)):
            given = getattr(self, name)
            a = np.full(model.features, value) if given is None else _numbers(name, given)
            if a.shape != (model.features,):
                raise FormatError(f"{name} has shape {a.shape}, expected ({model.features},), a "
                                  "number for each feature")
            object.__setattr__(self, name, a)
        if not (self.scale >= FLOAT32.tiny).all():
            raise FormatError(f"scale holds {self.scale.min():g}, expected positive numbers of at "
                              "least 1.2e-38; give a constant feature the scale 1")
        names = tuple(self.class_names) or tuple(map(str, range(model.classes)))
        _check_names(names, model.classes)
        object.__setattr__(self, "class_names", tuple(map(str, names)))

    @property
    def layers(self) -> list[Layer]:
        """The network as dense layers; one in Tucker form is three, of which the first two have
        no bias and no activation."""
        model, p, out = self.network.model, self.network.p, []
        for i in range(len(model.sizes)):
            f = model.activation if i < len(model.widths) else "identity"
            *first, last = (f"U_in{i}", f"core{i}", f"U_out{i}") if model.ranks else (f"W{i}",)
            out += [Layer(p[name], None, "identity") for name in first]
            out.append(Layer(p[last], p[f"b{i}"][0], f))
        return out

    @property
    def form(self) -> str:
        """In words: what it is, its sizes and its activation."""
        model = self.network.model
        kind = f"Tucker form, ranks {', '.join(map(str, model.ranks))}" if model.ranks else "an MLP"
        sizes = " -> ".join(map(str, (model.features, *model.widths, model.classes)))
        return f"{kind}, {sizes}, {model.activation}"

    def logits(self, x) -> np.ndarray:
        """Outputs before the softmax, in float64: raw x (N, D) -> (N, K)."""
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise ValueError(f"x has shape {x.shape}, expected (N, {len(self.mean)}): rows of "
                             "features in raw units")
        return self.network.predict((x - self.mean) / self.scale)

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities of the classes, in float64: raw x (N, D) -> (N, K)."""
        return softmax(self.logits(x))


def from_layers(weights: Sequence, biases: Sequence, activation: str | None = None,
                mean=None, scale=None, class_names: Sequence = ()) -> Classifier:
    """A classifier of plain dense layers, from arrays in any memory layout.

    Parameters
    ----------
    weights : W (D, H) of each layer, first to last, inputs × outputs; float32 or float64, of which
        the widest is that of the network. A last layer of one column is the logit z of the second
        of two classes, and becomes two columns, 0 and z.
    biases : b (H,) of each layer, or None where it has none.
    activation : after every layer but the last; may be left out where there is one layer.
    mean, scale, class_names : of the `Classifier`; names that are no text are written as text.
    """
    if not weights or len(weights) != len(biases):
        raise FormatError(f"weights has {len(weights)} arrays and biases {len(biases)}, expected "
                          "as many of both, at least one: an array of each for every layer")
    Ws = [_numbers(f"weights[{i}]", W) for i, W in enumerate(weights)]
    for i, W in enumerate(Ws):
        inputs = Ws[i - 1].shape[-1] if i else (W.shape or (0,))[0]
        if W.ndim != 2 or W.shape[0] != inputs or not W.size:
            raise FormatError(f"weights[{i}] has shape {W.shape}, expected ({inputs or 'D'}, H), "
                              "inputs × outputs; put the layers in order, transpose if need be")
    given = zip(Ws, biases, strict=True)
    bs = [np.zeros(W.shape[1], W.dtype) if b is None else _numbers(f"biases[{i}]", b)
          for i, (W, b) in enumerate(given)]
    for i, (W, b) in enumerate(zip(Ws, bs, strict=True)):
        if b.shape != W.shape[1:]:
            raise FormatError(f"biases[{i}] has shape {b.shape}, expected {W.shape[1:]}, the "
                              "outputs of its layer")
    if Ws[-1].shape[1] == 1:
        Ws[-1], bs[-1] = (np.stack([0 * a[..., 0], a[..., 0]], -1) for a in (Ws[-1], bs[-1]))
    if activation not in ACTIVATIONS and (activation or len(Ws) > 1):
        raise FormatError(f"activation is {activation!r}, expected one of {', '.join(ACTIVATIONS)}:"
                          " what follows every layer but the last; a file of weights may not say")
    model = MLP(Ws[0].shape[0], Ws[-1].shape[1], tuple(W.shape[1] for W in Ws[:-1]),
                activation or "identity", dropout=0.0)
    if len(class_names) not in (0, model.classes):
        raise FormatError(f"class_names has {len(class_names):,} names, expected {model.classes}, "
                          "one for each class")
    arrays = {f"W{i}": W for i, W in enumerate(Ws)} | {f"b{i}": b[None] for i, b in enumerate(bs)}
    network = Network(model, model.layout.pack(arrays, np.result_type(*Ws, *bs)))
    return Classifier(network, mean, scale, tuple(map(str, class_names)))


def largest_difference(classifier: Classifier, predict_proba: Callable, rows: int = 1000) -> float:
    """The largest difference of a probability from another program's, on random rows.

    predict_proba : raw rows (N, D) -> (N, K). rows : how many; around the classifier's mean, of
        three times its scale, so that all regions of a network's activations are met.
    """
    z = np.random.default_rng(2019).standard_normal((rows, len(classifier.mean)))
    x = classifier.mean + 3 * classifier.scale * z
    p, others = classifier.predict_proba(x), np.asarray(predict_proba(x))
    if others.shape != p.shape:
        raise ValueError(f"predict_proba gives {others.shape} for x {x.shape}, expected {p.shape}: "
                         "the probability of each class")
    return float(np.abs(p - others).max())


def require_float32(name: str, a: np.ndarray) -> None:
    """Raise unless every number is finite and within float32: other programs have no more."""
    if not (np.abs(a) <= FLOAT32.max).all():
        raise FormatError(f"{name} holds numbers that are not finite, or beyond float32, 3.4e38; "
                          "train or rescale it anew")


def _numbers(name: str, given) -> np.ndarray:
    """Numbers as float32 or float64, finite and within float32."""
    a = np.asarray(given)
    if a.dtype.kind not in "iuf":
        raise FormatError(f"{name} is {a.dtype}, expected numbers")
    a = a.astype(np.result_type(a, np.float32), copy=False)
    require_float32(name, a)
    return a.astype(np.float64 if a.dtype != np.float32 else a.dtype, copy=False)


def _check_names(names: tuple, classes: int) -> None:
    if len(names) != classes or len(set(names)) != classes:
        raise FormatError(f"class_names has {len(set(names))} different names, expected {classes}, "
                          "one for each class")
    for name in names:
        sound = isinstance(name, str) and 0 < len(name) <= LONGEST and "\0" not in name
        if not sound or any(0xD800 <= ord(sign) < 0xE000 for sign in name):
            raise FormatError(f"class_names holds {str(name)[:40]!r}, expected text of 1 to "
                              f"{LONGEST:,} characters, without NUL and lone surrogates")
