"""Checkpoints: NumPy archives with a JSON header, written whole or not at all.

A file holds arrays and one entry ``header``: JSON with the format's version, the ``kind`` of
checkpoint ("network", "generators", "training") and what else describes it. Nothing is pickled.
"""

import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .models import Classifier, NormalisedMLP

VERSION = 1
MODELS = {"Classifier": Classifier, "NormalisedMLP": NormalisedMLP}


class CheckpointError(ValueError):
    """A file that cannot be read as the checkpoint asked for; one line says why."""


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
        raise CheckpointError(f"{path}: no such file; mend the path, or make it with kegnet teach")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(bytes(arrays.pop("header")))
        found = header["kind"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: not a kegnet checkpoint, or a truncated one ({type(error).__name__}); "
            "make it anew with the kegnet command or kegnet_np.checkpoint"
        ) from error
    if header["version"] != VERSION:
        raise CheckpointError(
            f"{path}: format version {header['version']}, this program reads {VERSION}; "
            "use the release that wrote it"
        )
    if kind is not None and found != kind:
        raise CheckpointError(f"{path}: holds {found}, expected {kind}; pass another file")
    return arrays, header


def describe(model) -> dict:
    """A model as JSON values: its class's name and its fields."""
    return {"class": type(model).__name__, **asdict(model)}


def rebuild(path, description: dict):
    """The model of a description made by `describe`."""
    fields = dict(description)
    try:
        model_class = MODELS[fields.pop("class")]
        if fields.get("ranks") is not None:
            fields["ranks"] = tuple(fields["ranks"])
        return model_class(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its header describes no model ({error})") from error


def save_network(path, model, theta, state, **header) -> None:
    """Write a stack of networks of one model: theta (S, P), state (S, Q)."""
    save(path, "network", {"theta": theta, "state": state}, model=describe(model), **header)


def load_network(path) -> tuple[Classifier, np.ndarray, np.ndarray, dict]:
    """(model, theta (S, P), state (S, Q), header) as `save_network` wrote them."""
    arrays, header = load(path, "network")
    model = rebuild(path, header.get("model", {}))
    theta = arrays.get("theta", np.empty(0))
    if theta.ndim != 2 or theta.shape[1] != model.layout.size or not np.isfinite(theta).all():
        raise CheckpointError(
            f"{path}: theta has shape {theta.shape}, expected finite (S, {model.layout.size})"
        )
    return model, theta, arrays["state"], header


def load_teacher(path) -> tuple[Classifier, np.ndarray, dict]:
    """(model, theta (P,), header) of a plain classifier, the first one if there are several."""
    model, theta, _, header = load_network(path)
    if not isinstance(model, Classifier) or model.ranks is not None:
        raise CheckpointError(f"{path}: not a teacher, a plain classifier is expected")
    return model, theta[0], header


def save_generators(path, generator, decoder, theta, state, **header) -> None:
    """Write a stack of generators with their decoders: theta and state hold G's, then D's."""
    described = {"generator": describe(generator), "decoder": describe(decoder)}
    save(path, "generators", {"theta": theta, "state": state}, **described, **header)


def load_generators(path) -> tuple[NormalisedMLP, np.ndarray, np.ndarray, dict]:
    """(generator, its theta (S, P), its state (S, Q), header); the decoders are left out."""
    arrays, header = load(path, "generators")
    generator = rebuild(path, header.get("generator", {}))
    P, Q = generator.layout.size, generator.state_layout.size
    return generator, arrays["theta"][:, :P], arrays["state"][:, :Q], header
