"""Answers to raw rows: a checkpoint's network with the schema of its inputs."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..losses import softmax
from ..network import Network
from ..tables import encoding, reading
from ..tables.schema import Schema
from ..tables.table import objects, require, show
from .checkpoint import CheckpointError, load_network


@dataclass(frozen=True)
class Classifier:
    """A network that knows the columns, units and classes of the table it was made for.

    Its methods take N rows in raw units: the path of a file; a DataFrame; rows (N, C) of C columns
    or one row (C,), in the schema's order; columns or one row as a dictionary by name. Rows have
    no labels; a column of them is left alone. Errors: `DataError`, a ValueError, says what is wrong
    with a table and what to do.
    """

    network: Network  # one network, not a stack
    schema: Schema

    def predict(self, rows: Any, **how: Any) -> np.ndarray:
        """Class names, (N,) str objects. how : as `probabilities` has it."""
        k = self.probabilities(rows, **how).argmax(-1).tolist()
        return objects(self.schema.class_names[i] for i in k)

    def probabilities(self, rows: Any, *, missing: str | None = None, by_position: bool = False,
                      **how: Any) -> np.ndarray:
        """(N, K), of the classes in the order of ``schema.class_names``.

        missing : "refuse" missing numbers, or let the training rows' "mean" stand for them.
            Default: as the teacher had it.
        by_position : take the columns in their order, not by name.
        how : of a file, sep, decimal, thousands, encoding, header, as `reading.read` has them.
        """
        require(missing in (None, "refuse", "mean"), f"missing: {show(missing)} given, expected "
                "refuse or mean: every row has an answer")
        if missing is None and self.schema.missing == "drop":
            missing = "refuse"
        table = reading.table_of(rows, [column.name for column in self.schema.columns], **how)
        made = encoding.apply(table, self.schema, missing=missing, by_position=by_position)
        for note in made.notes:
            warnings.warn(f"{table.name}: {note}", stacklevel=3)
        return softmax(self.network.predict(self.schema.standardise(made.x)))


def load(path: Any, member: int = 0) -> Classifier:
    """The classifier of a checkpoint, a teacher's or students', of which one is taken.

    Errors: `CheckpointError` if the file is none, or does not say what its inputs are.
    """
    networks, header = load_network(path)
    given = header.get("data")
    schema = Schema.from_json(given) if isinstance(given, dict) else None
    if schema is None:
        raise CheckpointError(
            f"{path}: does not say what its inputs are, as of an older release or another program; "
            "make it anew with kegnet distill, or save it with the schema of its data")
    model, shape = networks.model, (len(schema.feature_names), len(schema.class_names))
    if shape != (model.features, model.classes):
        raise CheckpointError(f"{path}: has {model.features} inputs and {model.classes} classes, "
                              f"but describes {shape[0]} and {shape[1]}; make it anew")
    if not 0 <= member < len(networks.theta):
        raise CheckpointError(f"{path}: no member {member}, it has {len(networks.theta)} networks, "
                              "counted from 0")
    return Classifier(networks.member(member), schema)
