"""Classifiers to and from scikit-learn, as live objects."""

from typing import Any

import numpy as np

from ..classifier import Classifier
from ..files import FormatError, optional

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")  # those of its MLPClassifier


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
