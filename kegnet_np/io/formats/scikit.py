"""Classifiers to and from scikit-learn, as live objects."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..classifier import Classifier, from_layers, largest_difference
from ..files import FormatError, optional
from ..units import of_numbers

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")  # those of its MLPClassifier
QUARTILES = 1.349  # what a normal variable has between them, in deviations

ATTRIBUTES = {  # what is read of the fitted objects that are understood
    "MLPClassifier": ("coefs_", "intercepts_", "activation", "out_activation_", "n_outputs_",
                      "classes_"),
    "StandardScaler": ("with_mean", "mean_", "scale_"),
    "MinMaxScaler": ("min_", "scale_", "clip", "data_min_", "data_max_"),
    "MaxAbsScaler": ("scale_", "clip"),
    "RobustScaler": ("center_", "scale_"),
}
OPTIONAL = ("clip", "with_mean", "data_min_", "data_max_")
Step = tuple[str, Mapping[str, Any]]  # a class's name in ATTRIBUTES, and its object's attributes


def from_sklearn(model: Any) -> Classifier:
    """A fitted MLPClassifier, or a Pipeline of affine scalers and one.

    StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler become mean and scale; what they
    leave of rows that are not standardised, see `spread_of`, the first layer takes. A binary
    model's one output becomes two; a multilabel model is refused. Refused is also whatever gives
    other probabilities on random rows than the model itself, by more than 1e-6.
    """
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    described = [(kind_of(step), vars(step)) for step in steps if step not in (None, "passthrough")]
    classifier = from_steps(described)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of features without names
        off = largest_difference(classifier, model.predict_proba)
    if not off <= 1e-6:
        raise FormatError(f"the model's probabilities differ by {off:.1e} from those of its "
                          "weights; a subclass, or this version of scikit-learn, computes others")
    return classifier


def kind_of(step: Any) -> str:
    """The class in ATTRIBUTES of an object, or its own."""
    names = [kind.__name__ for kind in type(step).__mro__]
    return next((name for name in names if name in ATTRIBUTES), names[0])


def from_steps(steps: list[Step]) -> Classifier:
    """The classifier of a pipeline's steps, of which the last is the MLP."""
    for i, (kind, attributes) in enumerate(steps, 1):
        if kind not in ATTRIBUTES or (kind == "MLPClassifier") != (i == len(steps)):
            raise FormatError(f"step {i} of {len(steps)} is {kind[:60]!r}, expected an "
                              "MLPClassifier as the last, and before it only "
                              f"{', '.join([*ATTRIBUTES][1:])}")
        if missing := [name for name in ATTRIBUTES[kind]
                       if name not in attributes and name not in OPTIONAL]:
            raise FormatError(f"{kind} has no {missing[0]}: it is not fitted; fit it first")
    if not steps:
        raise FormatError("the pipeline has no steps, expected an MLPClassifier as the last")
    mlp = steps[-1][1]
    if mlp["out_activation_"] == "logistic" and mlp["n_outputs_"] != 1:
        raise FormatError("the model has several labels at once (multilabel), expected one class "
                          "for each row; train one model a label")
    features, scalers = len(mlp["coefs_"][0]), steps[:-1]
    mean, scale = units_of(scalers, features)
    found = from_layers(mlp["coefs_"], mlp["intercepts_"], mlp["activation"], mean, scale,
                        mlp["classes_"])
    center, spread = spread_of(scalers, features)
    if not center.any() and (spread == 1).all():
        return found
    return in_units(found, mean + scale * center, scale * spread)


def units_of(scalers: list[Step], features: int) -> tuple[np.ndarray, np.ndarray]:
    """What scalers, one after the other, subtract, and what they then divide by; (D,) both."""
    mean, scale = np.zeros(features), np.ones(features)
    with np.errstate(all="ignore"):  # what is not finite is refused by name
        for kind, attributes in scalers:
            m, s = _affine(kind, attributes, features)
            # ((x − mean) / scale − m) / s = (x − (mean + scale m)) / (scale s)
            mean, scale = mean + scale * m, scale * s
    return mean, scale


def spread_of(scalers: list[Step], features: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean and deviation (D,) that rows have after scalers, as far as the last one tells: 0 and
    1 of a StandardScaler; of a range, those of a uniform variable on it; of quartiles, a normal
    one's. So noise is where rows are."""
    center, spread = np.zeros(features), np.ones(features)
    kind, of = scalers[-1] if scalers else ("", {})
    if kind == "MinMaxScaler" and {"data_min_", "data_max_"} <= of.keys():
        low, high = (of[name] * of["scale_"] + of["min_"] for name in ("data_min_", "data_max_"))
        center, spread = (low + high) / 2, np.where(high > low, (high - low) / 12**0.5, 1)
    elif kind == "MaxAbsScaler":
        spread /= 3**0.5
    elif kind == "RobustScaler" and of["scale_"] is not None:
        spread /= QUARTILES
    return center, spread


def in_units(found: Classifier, mean, scale) -> Classifier:
    """The same function of raw rows, whose network takes rows that are standardised by other units;
    one of dense layers.

    (x − m) / s W + b = (x − mean) / scale (scale / s W) + ((mean − m) / s W + b)
    """
    if found.network.model.ranks:
        raise FormatError("the classifier is in Tucker form, which keeps its own mean and scale")
    names = found.class_names
    units = of_numbers(len(found.mean), len(names), mean, scale, names)
    weights, biases, activations = map(list, zip(*found.layers, strict=True))
    W = weights[0].astype(np.float64)
    weights[0] = (units.scale / found.scale)[:, None] * W
    biases[0] = (units.mean - found.mean) / found.scale @ W + biases[0]
    return from_layers(weights, biases, activations[0], units.mean, units.scale, names)


def _affine(kind: str, of: Mapping[str, Any], features: int) -> tuple[np.ndarray, np.ndarray]:
    """What a scaler subtracts, and what it then divides by; (D,) both."""
    if of.get("clip"):
        raise FormatError(f"{kind} has clip=True, which mean and scale cannot say; fit the model "
                          "with clip=False")
    name = {"StandardScaler": "mean_", "MinMaxScaler": "min_", "RobustScaler": "center_"}.get(kind)
    m, s = (of[name] if name and of.get("with_mean", True) else None), of["scale_"]
    m, s = np.zeros(features) if m is None else m, np.ones(features) if s is None else s
    for a in (m, s):
        if not isinstance(a, np.ndarray) or a.shape != (features,) or a.dtype.kind != "f":
            raise FormatError(f"{kind} has numbers of shape {np.shape(a)}, expected ({features},), "
                              "one for each feature")
    return (-m / s, 1 / s) if kind == "MinMaxScaler" else (m, s)  # x scale_ + min_


def to_sklearn(classifier: Classifier) -> Any:
    """A fitted scikit-learn Pipeline of a StandardScaler and an MLPClassifier, in float64.

    Its ``classes_`` are the class names, as integers where all of them are. A student in Tucker
    form is multiplied out: scikit-learn has one matrix a layer. Of two classes it has one output,
    the difference of the logits. It has no ELU: a classifier with it is refused.
    """
    model = classifier.network.model
    activation = model.activation if model.widths else "identity"
    if activation not in ACTIVATIONS:
        raise FormatError(f"activation is {activation!r}, but scikit-learn's MLPClassifier "
                          f"has only {', '.join(ACTIVATIONS)}; write ONNX, C or Python instead, or "
                          "teach the student with one of these")
    preprocessing = optional("sklearn.preprocessing", "to_sklearn")
    pipeline = optional("sklearn.pipeline", "to_sklearn")
    neural = optional("sklearn.neural_network", "to_sklearn")
    weights, biases = multiplied_out(classifier)
    labels = np.array([_label(name) for name in classifier.class_names])
    if labels.dtype.kind != "i":
        labels = np.array(classifier.class_names)
    mlp = neural.MLPClassifier(model.widths, activation=activation)
    binarizer = preprocessing.LabelBinarizer().fit(labels)
    binarizer.classes_ = labels  # in the order of the outputs, which need not be sorted
    if binary := model.classes == 2:
        weights[-1], biases[-1] = (np.diff(a, axis=-1) for a in (weights[-1], biases[-1]))
    fitted = {
        "coefs_": weights, "intercepts_": biases, "classes_": labels,
        "n_layers_": len(weights) + 1, "n_features_in_": model.features, "n_iter_": 0,
        "out_activation_": "logistic" if binary else "softmax",
        "n_outputs_": 1 if binary else model.classes, "_label_binarizer": binarizer,
    }
    for name, value in fitted.items():
        setattr(mlp, name, value)
    scaler = preprocessing.StandardScaler()
    scaler.mean_, scaler.scale_ = classifier.mean.astype(float), classifier.scale.astype(float)
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = scaler.scale_**2, model.features, 1
    return pipeline.Pipeline([("scaler", scaler), ("mlp", mlp)])


def multiplied_out(classifier: Classifier) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights (D, H) and biases (H,) of plain dense layers, in float64."""
    weights, biases, product = [], [], None
    for W, b, _ in classifier.layers:
        W = W.astype(np.float64)
        product = W if product is None else product @ W
        if b is not None:
            weights.append(product)
            biases.append(b.astype(np.float64))
            product = None
    return weights, biases


def _label(name: str) -> int | str:
    return int(name) if name.isdecimal() and name.isascii() and str(int(name)) == name else name
