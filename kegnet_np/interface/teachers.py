"""What may be a teacher for `estimator.DataFreeDistiller`, and what is known of it."""

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..io import convert
from ..io.black_box import BlackBox
from ..io.classifier import Classifier
from ..io.formats import scikit
from ..io.units import of_numbers
from ..network import Network
from ..tables.schema import Column, Schema

SCALERS = [kind for kind in scikit.ATTRIBUTES if kind != "MLPClassifier"]


@dataclass(frozen=True, eq=False)
class Teacher:
    """A fitted teacher: M takes standardised inputs, its schema has their units and the classes."""

    M: Network | BlackBox
    schema: Schema
    classes: np.ndarray  # (K,), as its predictions are
    scaled: bool  # whether its own units are known, or given, rather than 0 and 1

    @property
    def says(self) -> Classifier | BlackBox:
        """What answers rows in raw units."""
        return self.M if isinstance(self.M, BlackBox) else Classifier(self.M, self.schema)


def known(model: Any, mean=None, scale=None) -> Teacher:
    """A teacher from a fitted scikit-learn classifier, a `Classifier`, or the path of its file.

    An MLPClassifier, alone or after affine scalers, is a network; every other model with
    predict_proba a `BlackBox`, in the units of the scalers that it begins with.

    mean, scale : (D,), what is known of the features, for a model without scaler of its own.
    """
    if isinstance(model, (str, os.PathLike)):
        model = convert.read(model)
    if isinstance(model, Classifier):
        return _network(model, np.array(model.class_names), model.schema is not None, mean, scale)
    if not hasattr(model, "predict_proba"):
        raise ValueError(f"teacher is a {type(model).__name__}, which has no predict_proba; "
                         "expected a classifier of scikit-learn, a file's path or a Classifier")
    classes = model.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1 or len(classes) < 2:
        raise ValueError(f"the teacher has the classes {str(classes)[:60]}, expected one label of "
                         "2 classes or more")
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    steps = [step for step in steps if step not in (None, "passthrough")]
    kinds = [scikit.kind_of(step) for step in steps]
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    scalers = next((i for i, kind in enumerate(kinds) if kind not in SCALERS), len(kinds))
    if kinds[scalers:] == ["MLPClassifier"]:
        found = _network(scikit.from_sklearn(model), classes, scalers > 0, mean, scale)
        return replace(found, schema=_named(found.schema, names))
    D = model.n_features_in_
    described = [(kind, vars(step)) for kind, step in zip(kinds, steps, strict=True)][:scalers]
    if scalers:
        (mean, scale), (center, spread) = (f(described, D) for f in (scikit.units_of,
                                                                    scikit.spread_of))
        mean, scale = mean + scale * center, scale * spread
    schema = of_numbers(D, len(classes), mean, scale, tuple(map(str, classes)))
    predict_proba = partial(_by_name, model, names) if names else model.predict_proba
    M = BlackBox(predict_proba, D, len(classes), schema.mean, schema.scale)
    return Teacher(M, _named(schema, names), classes, mean is not None or scale is not None)


def _by_name(model: Any, names: list[str], rows: np.ndarray) -> np.ndarray:
    """The answers of a model that was fitted to a table with these columns."""
    import pandas

    return model.predict_proba(pandas.DataFrame(rows, columns=names))


def _named(schema: Schema, names: list[str]) -> Schema:
    """The schema with the names that a table gave to its features, if each has its own."""
    if not names or len(set(names)) < len(names):
        return schema
    return replace(schema, columns=tuple(map(Column, names)), header=True)


def _network(found: Classifier, classes: np.ndarray, scaled: bool, mean, scale) -> Teacher:
    if not scaled and (mean is not None or scale is not None):
        found, scaled = scikit.in_units(found, mean, scale), True
    model, schema = found.network.model, found.schema
    schema = schema or of_numbers(model.features, model.classes, class_names=found.class_names)
    return Teacher(Network(model, found.network.theta.astype(np.float32)), schema, classes, scaled)

