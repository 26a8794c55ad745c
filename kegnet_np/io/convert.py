"""Classifiers in and out of files: a file's ending decides its format."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..tables.schema import Schema
from . import checkpoint
from .archive import opened
from .classifier import Classifier, from_layers
from .files import FormatError, check_new, optional
from .formats import c_header, onnx_model, plain_npz, python_file, safetensors, skops, state_dict
from .units import of_numbers


def write(path, classifier: Classifier) -> None:
    """Write a classifier as a file of the format that the ending of path names, whole or not at
    all; FormatError if it is there already, or if the format cannot hold it.

    .npz (a checkpoint, as every command writes and reads), .safetensors, .onnx, .h (C99), .py.
    """
    ending = check_target(path)
    check_new(path)
    WRITERS[ending](path, classifier)


def check_target(path) -> str:
    """The ending of a file that `write` can make here; FormatError if it cannot."""
    _of_ending(path, WRITERS, "written")
    if (ending := Path(path).suffix.lower()) == ".onnx":
        optional("onnx", "writing ONNX")
    return ending


def read(path, *, member: int = 0, **known) -> Classifier:
    """A classifier from a file: one of `read_all`, a checkpoint's first unless member is given."""
    found = read_all(path, **known)
    if not 0 <= member < len(found):
        raise FormatError(f"{path}: member is {member}, expected 0 to {len(found) - 1}: a network "
                          "of the file")
    return found[member]


def read_all(path, *, activation: str | None = None, schema: Schema | None = None,
             mean=None, scale=None, class_names: Sequence | None = None) -> list[Classifier]:
    """The classifiers in a file; FormatError, of one line, if there is none that can be used.

    Nothing in the file is run or imported, and no more memory taken than a few times its size.

    path : .npz, a checkpoint or plain arrays W0, b0, W1, ...; .safetensors; .pt or .pth, PyTorch's
        state dict of Linear layers; .skops, scikit-learn's MLPClassifier or a Pipeline with it.
    activation : what follows every layer but the last, where the file does not say.
    schema : of the `Classifier`, in place of the file's; or parts of it, mean, scale, class_names.
    """
    reader = _of_ending(path, READERS, "read")
    units = {"mean": mean, "scale": scale, "class_names": class_names}
    given = {name: value for name, value in units.items() if value is not None}
    with _named(path):
        found = reader(path)
        if isinstance(found, dict):  # layers, and what is known of them
            if activation and found.get("activation", activation) != activation:
                raise FormatError(f"activation is {activation!r}, but {found['activation']!r} in "
                                  "the file; drop it")
            found = from_layers(**({"activation": activation} | found | given))
        elif activation:
            raise FormatError(f"activation is {activation!r}, but it is in the file; drop it")
        every = found if isinstance(found, list) else [found]
        return [replace(c, schema=schema or _with(c, given)) for c in every]


def _with(c: Classifier, given: dict[str, Any]) -> Schema | None:
    """A classifier's schema with other units or names of classes."""
    if not given:
        return c.schema
    units: dict[str, Any] = {
        "mean": c.mean, "scale": c.scale, "class_names": c.class_names} | given
    made = of_numbers(c.network.model.features, c.network.model.classes, **units)
    return replace(c.schema, mean=made.mean, scale=made.scale,
                   class_names=made.class_names) if c.schema else made


def units(path) -> dict[str, Any]:
    """What an .npz file knows of units and classes, a checkpoint a schema, plain arrays mean, scale
    and class_names: for `read_all` of a file that does not."""
    _of_ending(path, {".npz": None}, "read for that")
    with _named(path):
        with opened(path, checkpoint.LEAST) as (_, members):
            plain = "header.npy" not in members
        if plain:
            found = plain_npz.units_of(plain_npz.arrays_of(path))
        else:
            schema = schema_of(checkpoint.load(path, "network")[1])
            found = {"schema": schema} if schema else {}
        if not found:
            raise FormatError("it knows no mean, scale or class_names; take another file")
        return found


@contextmanager
def _named(path) -> Iterator[None]:
    """What goes wrong with a file's content is a FormatError that names the file."""
    if not Path(path).is_file():
        raise FormatError(f"{path}: no such file, or a folder; check the path")
    try:
        yield
    except (PermissionError, checkpoint.CheckpointError):
        raise
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except Exception as error:  # foreign bytes raise a dozen kinds
        words = " ".join(str(error).split())[:200]
        raise FormatError(f"{path}: damaged, or no {Path(path).suffix} file of a classifier "
                          f"({type(error).__name__}: {words})") from error


def read_npz(path) -> list[Classifier] | dict[str, Any]:
    """The classifiers of a checkpoint, or of plain arrays what `plain_npz.read` gives."""
    with opened(path, checkpoint.LEAST) as (_, members):
        if "header.npy" not in members:
            return plain_npz.read(path)
    stack, header = checkpoint.load_network(path)
    schema = schema_of(header)
    return [Classifier(stack.member(s), schema) for s in range(len(stack.theta))]


def schema_of(header: dict) -> Schema | None:
    """The schema in a checkpoint's header, or None."""
    data = header.get("data")
    return Schema.from_json(data) if isinstance(data, dict) else None


def save_checkpoint(path, classifier: Classifier) -> None:
    """Write a checkpoint as `kegnet teach` does."""
    known = classifier.schema.to_json() if classifier.schema else {}
    checkpoint.save_network(path, classifier.network, stage="converted",
                            data={"source": {}, **known})


WRITERS: dict[str, Callable[..., None]] = {
    ".npz": save_checkpoint, ".safetensors": safetensors.write, ".onnx": onnx_model.write,
    ".h": c_header.write, ".py": python_file.write,
}
READERS: dict[str, Callable[..., Any]] = {
    ".npz": read_npz, ".safetensors": safetensors.read, ".pt": state_dict.read,
    ".pth": state_dict.read, ".skops": skops.read,
}
PICKLES = (".pkl", ".pickle", ".joblib")


def _of_ending(path, table: dict, done: str) -> Callable:
    """What a table has for a file's ending."""
    ending = Path(path).suffix.lower()
    if ending in PICKLES:
        raise FormatError(f"{path} is a pickle, and reading it runs what is in it; where you trust "
                          "it, load it yourself, and save it with skops.io.dump, or give the live "
                          "model to kegnet_np.io.formats.scikit.from_sklearn")
    if ending not in table:
        raise FormatError(f"{path} ends in {ending!r}, expected {', '.join(table)}: these are "
                          f"{done}, and the ending decides")
    return table[ending]
