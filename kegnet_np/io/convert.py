"""Classifiers in and out of files: a file's ending decides its format."""

from collections.abc import Callable
from pathlib import Path

from . import checkpoint
from .classifier import Classifier
from .files import FormatError, check_new
from .formats import c_header, onnx_model, python_file, safetensors


def write(path, classifier: Classifier) -> None:
    """Write a classifier as a file of the format that the ending of path names, whole or not at
    all; FormatError if it is there already, or if the format cannot hold it.

    .npz (a checkpoint, as every command writes and reads), .safetensors, .onnx, .h (C99), .py.
    """
    writer = _of_ending(path, WRITERS, "written")
    check_new(path)
    writer(path, classifier)


def save_checkpoint(path, classifier: Classifier) -> None:
    """Write a checkpoint as `kegnet teach` does."""
    data = {"source": {}, "class_names": classifier.class_names,
            "mean": classifier.mean.tolist(), "scale": classifier.scale.tolist()}
    checkpoint.save_network(path, classifier.network, stage="converted", data=data)


WRITERS: dict[str, Callable[..., None]] = {
    ".npz": save_checkpoint, ".safetensors": safetensors.write, ".onnx": onnx_model.write,
    ".h": c_header.write, ".py": python_file.write,
}


def _of_ending(path, table: dict, done: str) -> Callable:
    """What a table has for a file's ending."""
    ending = Path(path).suffix.lower()
    if ending not in table:
        raise FormatError(f"{path} ends in {ending!r}, expected {', '.join(table)}: these are "
                          f"{done}, and the ending decides")
    return table[ending]
