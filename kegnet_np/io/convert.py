"""Classifiers in and out of files: a file's ending decides its format."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import checkpoint
from .archive import opened
from .classifier import Classifier, from_layers
from .files import FormatError, check_new
from .formats import c_header, onnx_model, plain_npz, python_file, safetensors, skops, state_dict


def write(path, classifier: Classifier) -> None:
    """Write a classifier as a file of the format that the ending of path names, whole or not at
    all; FormatError if it is there already, or if the format cannot hold it.

    .npz (a checkpoint, as every command writes and reads), .safetensors, .onnx, .h (C99), .py.
    """
    writer = _of_ending(path, WRITERS, "written")
    check_new(path)
    writer(path, classifier)


def read(path, *, member: int = 0, **known) -> Classifier:
    """A classifier from a file: one of `read_all`, a checkpoint's first unless member is given."""
    found = read_all(path, **known)
    if not 0 <= member < len(found):
        raise FormatError(f"{path}: member is {member}, expected 0 to {len(found) - 1}: a network "
                          "of the file")
    return found[member]


def read_all(path, *, activation: str | None = None, mean=None, scale=None,
             class_names: Sequence | None = None) -> list[Classifier]:
    """The classifiers in a file; FormatError, of one line, if there is none that can be used.

    Nothing in the file is run or imported, and no more memory taken than a few times its size.

    path : .npz, a checkpoint or plain arrays W0, b0, W1, ...; .safetensors; .pt or .pth, PyTorch's
        state dict of Linear layers; .skops, scikit-learn's MLPClassifier or a Pipeline with it.
    activation : what follows every layer but the last, where the file does not say.
    mean, scale, class_names : of the `Classifier`, in place of the file's.
    """
    reader = _of_ending(path, READERS, "read")
    given = {"mean": mean, "scale": scale, "class_names": class_names}
    given = {name: value for name, value in given.items() if value is not None}
    with _named(path):
        found = reader(path)
        if isinstance(found, dict):  # layers, and what is known of them
            if activation and found.get("activation", activation) != activation:
                raise FormatError(f"activation is {activation!r}, but {found['activation']!r} in "
                                  "the file; drop it")
            return [from_layers(**({"activation": activation} | found | given))]
        if activation:
            raise FormatError(f"activation is {activation!r}, but it is in the file; drop it")
        return [replace(c, **given) for c in (found if isinstance(found, list) else [found])]


def units(path) -> dict[str, Any]:
    """What an .npz file, a checkpoint or plain arrays, knows of mean, scale and class_names: for
    `read_all` of a file that does not."""
    _of_ending(path, {".npz": None}, "read for that")
    with _named(path):
        with opened(path, checkpoint.LEAST) as (_, members):
            plain = "header.npy" not in members
        known = plain_npz.arrays_of(path) if plain else checkpoint.load(path, "network")[1]
        if not (found := plain_npz.units_of(known) if plain else units_of(known)):
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
    known = units_of(header)
    return [Classifier(stack.member(s), **known) for s in range(len(stack.theta))]


def units_of(header: dict) -> dict[str, Any]:
    """What a checkpoint's header says of mean, scale and class_names."""
    data = header.get("data", {})
    known = {name: data[name] for name in ("mean", "scale", "class_names") if name in data}
    return known | ({"class_names": tuple(known["class_names"])} if "class_names" in known else {})


def save_checkpoint(path, classifier: Classifier) -> None:
    """Write a checkpoint as `kegnet teach` does."""
    data = {"source": {}, "class_names": classifier.class_names,
            "mean": classifier.mean.tolist(), "scale": classifier.scale.tolist()}
    checkpoint.save_network(path, classifier.network, stage="converted", data=data)


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
