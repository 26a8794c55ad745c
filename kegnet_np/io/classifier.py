"""A classifier as it travels: a network with its schema, raw rows in, named classes out."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..activations import ACTIVATIONS
from ..losses import softmax
from ..models import MLP
from ..network import Network
from ..tables import encoding, reading
from ..tables.schema import Schema
from ..tables.table import DataError, objects, require, show
from .files import FormatError
from .units import of_numbers, require_float32, sound


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
    schema : the columns, units and classes of the table it was made for, of D features and K
        classes, scale positive; see `of_numbers`. None: nothing is known of them, and rows are
        standardised already.
    """

    network: Network
    schema: Schema | None = None

    def __post_init__(self):
        model, theta = self.network.model, self.network.theta
        if not isinstance(model, MLP) or theta.ndim != 1 or model.classes < 2:
            raise FormatError(f"network is {model} with theta {theta.shape}, expected one MLP of "
                              "two classes or more; take one member of a stack")
        require_float32("network", theta)
        if self.schema is None:
            return
        shape = len(self.schema.feature_names), len(self.schema.class_names)
        if shape != (model.features, model.classes):
            raise FormatError(f"the network has {model.features} inputs and {model.classes} "
                              f"classes, but describes {shape[0]} and {shape[1]}; make it anew")
        of_numbers(*shape, self.mean, self.scale, self.class_names)

    @property
    def mean(self) -> np.ndarray:
        """What is subtracted from raw features, (D,) float64."""
        return self.schema.mean if self.schema else np.zeros(self.network.model.features)

    @property
    def scale(self) -> np.ndarray:
        """What they are then divided by, (D,) float64."""
        return self.schema.scale if self.schema else np.ones(self.network.model.features)

    @property
    def class_names(self) -> tuple[str, ...]:
        """K different texts."""
        named = tuple(map(str, range(self.network.model.classes)))
        return self.schema.class_names if self.schema else named

    @property
    def feature_names(self) -> tuple[str, ...]:
        """D texts, x0, x1, ... where nothing is known; a value of a category is COLUMN=VALUE."""
        D = self.network.model.features
        return self.schema.feature_names if self.schema else tuple(f"x{i}" for i in range(D))

    @property
    def layers(self) -> list[Layer]:
        """The network as dense layers; one in Tucker form is three, or two where it is lean, of
        which the last alone has bias and activation."""
        model, p, out = self.network.model, self.network.p, []
        for i, (*first, last) in enumerate(model.factors):
            f = model.activation if i < len(model.widths) else "identity"
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
        """Outputs before the softmax, in float64: features x (N, D) -> (N, K); as
        `predict_proba` has them."""
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise ValueError(f"x has shape {x.shape}, expected (N, {len(self.mean)}): rows of "
                             "features in raw units")
        return self.network.predict((x - self.mean) / self.scale)

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities of the classes, in float64: features x (N, D) -> (N, K).

        x : numbers in raw units, a category as one 0 or 1 for each of its values, as
            ``feature_names`` lists them. This is what a file of another program computes.
        """
        return softmax(self.logits(x))

    def predict(self, rows: Any, **how: Any) -> np.ndarray:
        """Class names, (N,) str objects. rows, how : as `probabilities` has them."""
        k = self.probabilities(rows, **how).argmax(-1).tolist()
        return objects(self.class_names[i] for i in k)

    def probabilities(self, rows: Any, *, missing: str | None = None, by_position: bool = False,
                      **how: Any) -> np.ndarray:
        """(N, K), of the classes in the order of ``class_names``, for rows of a table.

        rows : N rows in raw units, words as words: the path of a file; a DataFrame; rows (N, C)
            of C columns or one row (C,), in the schema's order; columns or one row as a dictionary
            by name. They have no labels; a column of these is left alone.
        missing : "refuse" missing numbers, or let the training rows' "mean" stand for them.
            Default: as the teacher had it.
        by_position : take the columns in their order, not by name.
        how : of a file, sep, decimal, thousands, encoding, header, as `reading.read` has them.

        Errors: `DataError`, a ValueError, says what is wrong with a table and what to do.
        """
        schema = self.schema
        if schema is None:
            raise DataError("the network does not say what its inputs are, as of an older "
                            "release or another program; make it anew, or give it a schema (kegnet "
                            "convert --like)")
        require(missing in (None, "refuse", "mean"), f"missing: {show(missing)} given, expected "
                "refuse or mean: every row has an answer")
        if missing is None and schema.missing == "drop":
            missing = "refuse"
        table = reading.table_of(rows, [column.name for column in schema.columns], **how)
        made = encoding.apply(table, schema, missing=missing, by_position=by_position)
        for note in made.notes:
            warnings.warn(f"{table.name}: {note}", stacklevel=3)
        return softmax(self.network.predict(schema.standardise(made.x)))


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
    mean, scale, class_names : as in `of_numbers`; names that are no text are written as text.
        Without any of them the classifier has no schema.
    """
    if not weights or len(weights) != len(biases):
        raise FormatError(f"weights has {len(weights)} arrays and biases {len(biases)}, expected "
                          "as many of both, at least one: an array of each for every layer")
    Ws = [sound(f"weights[{i}]", W) for i, W in enumerate(weights)]
    for i, W in enumerate(Ws):
        inputs = Ws[i - 1].shape[-1] if i else (W.shape or (0,))[0]
        if W.ndim != 2 or W.shape[0] != inputs or not W.size:
            raise FormatError(f"weights[{i}] has shape {W.shape}, expected ({inputs or 'D'}, H), "
                              "inputs × outputs; put the layers in order, transpose if need be")
    given = zip(Ws, biases, strict=True)
    bs = [np.zeros(W.shape[1], W.dtype) if b is None else sound(f"biases[{i}]", b)
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
    unknown = mean is None and scale is None and not len(class_names)
    return Classifier(network, None if unknown else of_numbers(
        model.features, model.classes, mean, scale, tuple(map(str, class_names))))


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
