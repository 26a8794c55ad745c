"""Classifiers of every shape, for the tests of formats: by hypothesis, or one as it is wanted."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from kegnet_np.activations import ACTIVATIONS
from kegnet_np.io.classifier import Classifier
from kegnet_np.io.units import of_numbers
from kegnet_np.models import MLP
from kegnet_np.network import Network

# The same examples on every machine, none of which may be slow.
SETTINGS = settings(deadline=None, derandomize=True, max_examples=40)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1,
                max_size=8)
SIGNS = ("?\"\\", "*/\n", "λ ü", "'''", "{}$name", "%d\t\r")  # that a language may take wrongly


def classifier(model: MLP, seed: int = 0, dtype=np.float32, names=()) -> Classifier:
    """A random network whose units are in all regions of their activations, with a scaler."""
    rng = np.random.default_rng(seed)
    network = Network(model, 2 * Network.random(model, rng, dtype).theta)
    mean, scale = rng.normal(0, 3, model.features), rng.lognormal(0, 1, model.features)
    schema = of_numbers(model.features, model.classes, mean, scale, names)
    return Classifier(network, schema)


def rows(classifier: Classifier, n: int, seed: int = 1) -> np.ndarray:
    """Raw rows (n, D) that float32 holds."""
    z = np.random.default_rng(seed).standard_normal((n, len(classifier.mean)))
    return (classifier.mean + 2 * classifier.scale * z).astype(np.float32)


@st.composite
def classifiers(draw, activations=tuple(ACTIVATIONS)) -> Classifier:
    """A classifier of any shape, plain or in Tucker form, float32 or float64."""
    size, widths = st.integers(1, 9), draw(st.lists(st.integers(1, 9), max_size=3))
    ranks = st.lists(st.integers(1, max(widths, default=1)), min_size=1, max_size=len(widths) + 1)
    classes = draw(st.integers(2, 6))
    model = MLP(draw(size), classes, tuple(widths), draw(st.sampled_from(activations)), 0.0,
                draw(st.none() | ranks.map(tuple)))
    names = draw(st.just(()) | st.lists(NAMES | st.sampled_from(SIGNS), min_size=classes,
                                        max_size=classes, unique=True).map(tuple))
    return classifier(model, draw(st.integers(0, 99)), draw(st.sampled_from(["f4", "f8"])), names)


def layouts(a: np.ndarray) -> list[np.ndarray]:
    """The same array in every memory layout: Fortran's, sliced, backwards, byte-swapped, ..."""
    doubled = np.kron(a, np.ones((2,) * a.ndim, a.dtype))
    every = (slice(None, None, 2),) * a.ndim
    back = (slice(None, None, -1),) * a.ndim
    return [a, np.asfortranarray(a), a.T.copy().T, doubled[every], a[back].copy()[back],
            a.astype(a.dtype.newbyteorder()), np.require(a, requirements="O")]
