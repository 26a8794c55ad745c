"""scikit-learn's models in .skops files, read without scikit-learn, skops and importing anything.

A .skops file is a zip of schema.json, a tree in which every node names a class and how it is
loaded, and of an .npy file for each array. Here the tree is only looked at: of the classes in
`scikit.ATTRIBUTES` the attributes that these name, of all others nothing.
"""

import zipfile
from typing import Any

from ..archive import check_bytes, opened, to_array
from ..classifier import Classifier
from ..files import FormatError, parse
from .scikit import ATTRIBUTES, Step, from_steps

SCHEMA, PROTOCOL = 2**21, 2  # bytes of JSON, at the most; the format of skops 0.11 to 0.16


def read(path) -> Classifier:
    """The classifier in a file of `skops.io.dump`: an MLPClassifier, or a Pipeline of affine
    scalers and one; see `scikit.from_sklearn`."""
    with opened(path) as (archive, members):
        if "schema.json" not in members:
            raise FormatError("it holds no schema.json; write it with skops.io.dump(model, file)")
        if (size := members["schema.json"].file_size) > SCHEMA:
            raise FormatError(f"its schema has {size:,} bytes, expected {SCHEMA:,} at the most")
        schema = parse(archive.read("schema.json").decode())
        if not 0 <= schema["protocol"] <= PROTOCOL:
            raise FormatError(f"its protocol is {schema['protocol']!r:.20}, this program reads up "
                              f"to {PROTOCOL}; pass the live model to scikit.from_sklearn")
        return from_steps(Tree(archive, path).steps(schema))


class Tree:
    """What nodes of a schema stand for."""

    def __init__(self, archive: zipfile.ZipFile, path):
        self.archive, self.path, self.bytes = archive, path, 0

    def steps(self, node: dict) -> list[Step]:
        """The steps of a Pipeline, or the one step that a model is."""
        if node["__class__"] != "Pipeline":
            return [self.step(node)]
        pairs = (pair["content"] for pair in _attributes(node)["steps"]["content"])
        return [self.step(step) for _, step in pairs if step["__loader__"] != "JsonNode"]

    def step(self, node: dict) -> Step:
        """A class's name and the attributes that are read of it."""
        kind, module = node["__class__"], node["__module__"]
        if not module.startswith("sklearn.") or kind not in ATTRIBUTES:
            return f"{module}.{kind}", {}
        found = _attributes(node)
        return kind, {name: self.value(found[name]) for name in ATTRIBUTES[kind] if name in found}

    def value(self, node: dict) -> Any:
        """A number, text, None, an array, or a list of these."""
        loader = node["__loader__"]
        if loader == "JsonNode":
            value = parse(node["content"])
            if isinstance(value, (list, dict)):
                raise FormatError("its schema has JSON of more than a number or text")
            return value
        if loader == "NdArrayNode" and node["type"] == "numpy":
            a = to_array(self.archive.read(node["file"]))
            self.bytes += a.nbytes
            check_bytes(self.bytes, self.path)  # a file may name one array many times
            return a
        if loader in ("ListNode", "NdArrayNode"):  # an array of objects is a list too
            values = [self.value(item) for item in node["content"]]
            if not any(isinstance(value, list) for value in values):
                return values
        raise FormatError(f"its schema has a {loader[:40]!r} of {node['__class__'][:60]!r}, "
                          "expected numbers, text, arrays or a list of these")


def _attributes(node: dict) -> dict[str, dict]:
    """The nodes of an object's attributes by name."""
    if node["__loader__"] != "ObjectNode" or node["content"]["__loader__"] != "DictNode":
        raise FormatError(f"its schema has a {node['__loader__'][:40]!r}, expected an object")
    return node["content"]["content"]
