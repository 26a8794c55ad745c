"""A classifier as one C99 header without dependency, for a microcontroller as for a server."""

import re
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np

from ..classifier import Classifier
from ..files import write_text
from ..units import FLOAT32

ACTIVATE = {  # in float; of each unit y[j]
    "identity": "",
    "elu": "if (y[j] < 0.0F) y[j] = expm1f(y[j]);",
    "relu": "if (y[j] < 0.0F) y[j] = 0.0F;",
    "tanh": "y[j] = tanhf(y[j]);",
    "logistic": "y[j] = 1.0F / (1.0F + expf(-y[j]));",
}
FILE = Template("""\
/* $about. Written by kegnet_np.
 *
 *     float p[${NAME}_CLASSES];
 *     int k = ${name}_predict(x, p);         x in raw units, p the probabilities, k the likeliest
 *     puts(${name}_class_name(k));
 *
 * Constants, flash: $flash bytes. Stack: $ram bytes for the units. C99; link with -lm.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <math.h>
#include <stddef.h>

#define ${NAME}_FEATURES $features
#define ${NAME}_CLASSES $classes

$constants

/* y = x W + b; the weights of an output lie side by side. */
static inline void ${name}_dense(const float *W, const float *b, const float *x, float *y,
                                 int inputs, int outputs)
{
    for (int j = 0; j < outputs; j++) {
        float a = b == NULL ? 0.0F : b[j];
        for (int i = 0; i < inputs; i++) a += *W++ * x[i];
        y[j] = a;
    }
}
$activate
static inline int ${name}_predict(const float *x, float *p)
{
    float $units;
    for (int i = 0; i < $features; i++) u[i] = (x[i] - ${name}_mean[i]) / ${name}_scale[i];
$steps
    int best = 0;
    for (int k = 1; k < $classes; k++) if (p[k] > p[best]) best = k;
    const float largest = p[best];
    float sum = 0.0F;
    for (int k = 0; k < $classes; k++) sum += p[k] = expf(p[k] - largest);
    for (int k = 0; k < $classes; k++) p[k] /= sum;
    return best;
}

static inline const char *${name}_class_name(int k)
{
    static const char *const names[] = {
$names
    };
    return names[k];
}

/* Of x; a category is a 1 or 0 for each of its values, COLUMN=VALUE. */
static inline const char *${name}_feature_name(int i)
{
    static const char *const names[] = {
$features_
    };
    return names[i];
}

#endif
""")
ACTIVATION = Template("""
static inline void ${name}_activate(float *y, int outputs)
{
    for (int j = 0; j < outputs; j++) { $code }
}
""")


class Memory(NamedTuple):
    """Bytes of constants (flash), and of the units of two layers (RAM, on the stack); the code,
    and pointers to the names, are not counted: some 1 KB. Names of features take none unless a
    program asks for them."""

    flash: int
    ram: int


def memory(classifier: Classifier) -> Memory:
    """What the header's numbers and names take on any machine."""
    layers, features = classifier.layers, len(classifier.mean)
    numbers = sum(a.size for layer in layers for a in (layer.W, layer.b) if a is not None)
    names = sum(len(name.encode()) + 1 for name in classifier.class_names)
    return Memory(4 * (numbers + 2 * features) + names, 4 * sum(_units(classifier).values()))


def to_c(classifier: Classifier, name: str = "student") -> str:
    """The header's text. name : what its names begin with; made an identifier.

    Means, deviations and weights are rounded to float32, and written so that they are read back
    as the same numbers. All is computed in float32: probabilities differ from those in float64 by
    less than 1e-6 in a plain student of a few layers, by some 1e-6 in a Tucker form of eleven. A
    student in Tucker form stays in it: three products for each layer.
    """
    name = identifier(name)
    model, layers = classifier.network.model, classifier.layers
    constants = {"mean": classifier.mean, "scale": classifier.scale}
    steps, units = [], _units(classifier)
    buffers = list(units) or ["u"]
    for i, (W, b, activation) in enumerate(layers):
        constants[f"W{i}"] = W.T
        if b is not None:
            constants[f"b{i}"] = b
        source, target = buffers[i % 2], "p" if i == len(layers) - 1 else buffers[1 - i % 2]
        bias = "NULL" if b is None else f"{name}_b{i}"
        steps.append(f"    {name}_dense({name}_W{i}, {bias}, {source}, {target}, "
                     f"{W.shape[0]}, {W.shape[1]});")
        if activation != "identity":
            steps.append(f"    {name}_activate({target}, {W.shape[1]});")
    code = ACTIVATE[model.activation] if model.widths else ""
    activate = ACTIVATION.substitute(name=name, code=code) if code else ""
    flash, ram = memory(classifier)
    return FILE.substitute(
        about=f"{name}: {classifier.form}", name=name, NAME=name.upper(), features=model.features,
        classes=model.classes, flash=f"{flash:,}", ram=f"{ram:,}", activate=activate,
        constants="\n".join(_constant(f"{name}_{key}", a) for key, a in constants.items()),
        units=", ".join(f"{key}[{size}]" for key, size in units.items()), steps="\n".join(steps),
        names=_texts(classifier.class_names), features_=_texts(classifier.feature_names))


def write(path, classifier: Classifier) -> None:
    """Write the header; its names begin with the file's."""
    write_text(path, to_c(classifier, Path(path).stem))


def identifier(name: str) -> str:
    """A name as an identifier of C and Python, in lower case."""
    name = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)
    return name if name[:1].isalpha() else f"net{name}"


def as_float32(a: np.ndarray) -> np.ndarray:
    """Rounded to float32; what that would hold with fewer digits only is 0."""
    return np.where(np.abs(a) < FLOAT32.tiny, 0, a).astype(np.float32)


def _units(classifier: Classifier) -> dict[str, int]:
    """The sizes of u and v, which hold the inputs of even and of odd layers."""
    inputs = [len(layer.W) for layer in classifier.layers]
    return {"u": max(inputs[::2])} | ({"v": max(inputs[1::2])} if inputs[1:] else {})


def _constant(name: str, a: np.ndarray) -> str:
    """An array of C: the shortest decimals that are read back as the same numbers."""
    texts = [f"{value!s}F" for value in as_float32(a).ravel()]
    lines = [", ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
    return f"static const float {name}[] = {{\n    " + ",\n    ".join(lines) + "\n};"


def _texts(texts: tuple[str, ...]) -> str:
    return "\n".join(f'        "{_escaped(text)}",' for text in texts)


def _escaped(text: str) -> str:
    """Text inside a string of C: letters, figures and spaces, all else as its bytes in octal."""
    plain = (chr(byte) if chr(byte).isalnum() and byte < 128 or byte == 32 else f"\\{byte:03o}"
             for byte in text.encode())
    return "".join(plain)
