"""Checkpoints: NumPy archives with a JSON header, written whole or not at all.

A file holds arrays and one entry ``header``: JSON with the format's version, the ``kind`` of
checkpoint ("network", "generators", "training") and what else describes it. Nothing is pickled.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .models import Classifier, NormalisedMLP

VERSION = 1
TEMPORARY = ".*.[0-9]*.tmp"  # the names of files under way, see `write_atomically`


class CheckpointError(ValueError):
    """A file that cannot be read as the checkpoint asked for; one line says why."""


def check_place(path) -> None:
    """Raise CheckpointError if no file can be made at path; makes none itself."""
    folder = next((p for p in Path(path).absolute().parents if p.exists()), None)
    if folder is None or not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise CheckpointError(
            f"{path}: cannot be made, {folder} is no folder to write in; choose another place"
        )


def write_atomically(path, write) -> None:
    """Let ``write(temporary path)`` make the file, then put it in place in one step.

    A process killed at any moment leaves the old file or the new one, never half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomically(path, lambda p: p.write_text(text, encoding="utf-8", newline="\n"))


def save(path, kind: str, arrays: dict[str, np.ndarray], **header) -> None:
    """Write arrays and a header of JSON values atomically; an older file at path is replaced."""
    header = {"version": VERSION, "kind": kind, **header}
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)

    def write(temporary):
        with open(temporary, "wb") as file:  # a file object: savez would append .npz to a name
            np.savez(file, **{"header": encoded, **arrays})  # type: ignore[arg-type]

    write_atomically(path, write)


def load(path, kind: str | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the header of a checkpoint; CheckpointError if it is not one of that kind."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; check the path")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        found, version = header["kind"], header["version"]
    except PermissionError:  # the file may be sound
        raise
    except Exception as error:  # NumPy, zipfile and json raise a dozen kinds on foreign bytes
        raise CheckpointError(
            f"{path}: not a kegnet checkpoint, or a truncated one ({error!r}); "
            "make it anew with the kegnet command or kegnet_np.checkpoint"
        ) from error
    if version != VERSION:
        raise CheckpointError(
            f"{path}: format version {version}, this program reads {VERSION}; "
            "use the release that wrote it"
        )
    if kind is not None and found != kind:
        raise CheckpointError(f"{path}: holds {found}, expected {kind}; pass another file")
    return arrays, header


def describe(model) -> dict:
    """A model as JSON values: its class's name and its fields."""
    return {"class": type(model).__name__, **asdict(model)}


def rebuild(path, header: dict, key: str, model_class: type):
    """The model that ``header[key]`` describes, as `describe` wrote it."""
    try:
        fields = dict(header[key])
        if (name := fields.pop("class")) != model_class.__name__:
            raise ValueError(f"class is {name}, expected {model_class.__name__}")
        if fields.get("ranks") is not None:
            fields["ranks"] = tuple(fields["ranks"])
        return model_class(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its header describes no {key} ({error!r}); make it anew with `describe`"
        ) from error


def _stacks(path, arrays: dict, **sizes: int) -> list[np.ndarray]:
    """The arrays of these names and sizes: finite (S, size), with one S of at least 1."""
    found, S = [], None
    for name, size in sizes.items():
        if name not in arrays:
            raise CheckpointError(f"{path}: holds no array {name}; make it anew")
        a = arrays[name]
        S = len(a) if S is None and a.ndim else S
        numbers = np.issubdtype(a.dtype, np.floating) and np.isfinite(a).all()
        if not (S and numbers and a.shape == (S, size)):
            raise CheckpointError(
                f"{path}: {name} is {a.dtype} of shape {a.shape}, expected finite floating-point "
                f"numbers (S, {size}) for its model; make it anew"
            )
        found.append(a)
    return found


def save_network(path, model, theta, state, **header) -> None:
    """Write a stack of networks of one model: theta (S, P), state (S, Q)."""
    save(path, "network", {"theta": theta, "state": state}, model=describe(model), **header)


def load_network(path) -> tuple[Classifier, np.ndarray, np.ndarray, dict]:
    """(model, theta (S, P), state (S, Q), header) as `save_network` wrote them."""
    arrays, header = load(path, "network")
    model = rebuild(path, header, "model", Classifier)
    theta, state = _stacks(path, arrays, theta=model.layout.size, state=0)
    return model, theta, state, header


def load_teacher(path) -> tuple[Classifier, np.ndarray, dict]:
    """(model, theta (P,), header) of a plain classifier, the first one if there are several."""
    model, theta, _, header = load_network(path)
    if model.ranks is not None:
        raise CheckpointError(f"{path}: a Tucker student, not a teacher; pass a plain classifier")
    data = header.setdefault("data", {})
    if not (isinstance(data, dict) and isinstance(data.setdefault("source", {}), dict)):
        raise CheckpointError(f"{path}: its header's data is no table of settings; make it anew")
    return model, theta[0], header


def save_generators(path, generator, decoder, theta, state, **header) -> None:
    """Write a stack of generators with their decoders: theta and state hold G's, then D's."""
    described = {"generator": describe(generator), "decoder": describe(decoder)}
    save(path, "generators", {"theta": theta, "state": state}, **described, **header)


def load_generators(path) -> tuple[NormalisedMLP, np.ndarray, np.ndarray, dict]:
    """(generator, its theta (S, P), its state (S, Q), header); the decoders are left out."""
    arrays, header = load(path, "generators")
    G, D = (rebuild(path, header, key, NormalisedMLP) for key in ("generator", "decoder"))
    P, Q = G.layout.size, G.state_layout.size
    theta, state = _stacks(
        path, arrays, theta=P + D.layout.size, state=Q + D.state_layout.size
    )  # fmt: skip
    return G, theta[:, :P], state[:, :Q], header
