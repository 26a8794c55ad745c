"""A classifier as one Python file, which needs nothing but Python."""

from pathlib import Path
from string import Template

import numpy as np

from ..classifier import Classifier
from ..files import write_text
from .c_header import identifier

ACTIVATE = {
    "identity": "return a",
    "elu": "return a if a > 0 else math.expm1(a)",
    "relu": "return a if a > 0 else 0.0",
    "tanh": "return math.tanh(a)",
    "logistic": "return 0.5 + 0.5 * math.tanh(0.5 * a)  # 1 / (1 + exp(-a)), of any a",
}
FILE = Template('''\
"""$about. Written by kegnet_np.

    p = predict_proba(x)    # x: a row of $features numbers in raw units; p: $classes probabilities
    name = predict(x)       # the likeliest class
"""

import math
from operator import mul

CLASS_NAMES = ($names)
FEATURE_NAMES = ($features_)  # a category is a 1 or 0 for each of its values, COLUMN=VALUE
MEAN = ($mean)
SCALE = ($scale)


def identity(a):
    return a

$function
def predict_proba(x):
    """The probability of each class, for a row x in raw units."""
    if len(x) != len(MEAN):
        raise ValueError(f"x has {len(x)} numbers, expected {len(MEAN)}, one for each feature")
    y = [(a - mean) / scale for a, mean, scale in zip(x, MEAN, SCALE)]
    for weights, biases, f in LAYERS:
        y = [f(sum(map(mul, row, y)) + b) for row, b in zip(weights, biases)]
    largest = max(y)
    e = [math.exp(a - largest) for a in y]
    total = sum(e)
    return [a / total for a in e]


def predict(x):
    """The name of the likeliest class, for a row x in raw units."""
    p = predict_proba(x)
    return CLASS_NAMES[p.index(max(p))]


LAYERS = (  # weights, a row for each output; biases; what follows
$layers
)
''')


def to_python(classifier: Classifier, name: str = "student") -> str:
    """The file's text. name : what it calls itself.

    Every number is written so that it is read back as the same one, in float64. A student in
    Tucker form stays in it: three products for each layer.
    """
    model, f = classifier.network.model, classifier.network.model.activation
    function = f"\ndef {f}(a):\n    {ACTIVATE[f]}\n\n" if f != "identity" and model.widths else ""
    layers = []
    for W, b, activation in classifier.layers:
        rows = "\n".join(f"        ({_listed(row)})," for row in W.T)
        biases = _listed(np.zeros(W.shape[1]) if b is None else b)
        layers.append(f"    ((\n{rows}\n    ), ({biases}), {activation}),")
    about = f"{identifier(name)}: {classifier.form}"
    return FILE.substitute(
        about=about, features=model.features, classes=model.classes,
        function=function, layers="\n".join(layers), mean=_listed(classifier.mean),
        scale=_listed(classifier.scale),
        names=_texts(classifier.class_names), features_=_texts(classifier.feature_names))


def write(path, classifier: Classifier) -> None:
    """Write the file, which calls itself by its own name."""
    write_text(path, to_python(classifier, Path(path).stem))


def _texts(texts: tuple[str, ...]) -> str:
    return "".join(f"{text!a}, " for text in texts)


def _listed(a: np.ndarray) -> str:
    """Numbers with a comma after each: one alone is a tuple too."""
    return "".join(f"{value!r}, " for value in a.tolist())
