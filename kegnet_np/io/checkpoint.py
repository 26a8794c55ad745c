"""Checkpoints: NumPy archives with a JSON header, written whole or not at all.

A file holds arrays and one entry ``header``: JSON with the format's version, the ``kind``
("network", "generators", "training") and what else describes it. Nothing is pickled. Version 1,
which is read as well, called an MLP "Classifier" and gave it one width.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np

from ..generator import pair
from ..models import MLP, NormalisedMLP
from ..network import Network
from ..train import Training
from .archive import opened, to_array
from .files import FormatError, parse, write_atomically

VERSIONS = (1, 2)  # read; the last one is written
LEAST = 2**24  # a file may inflate to so many bytes, however small it is
HEADER, DEEPEST = 2**21, 1000  # characters of JSON, but of a training's history; hidden layers


class CheckpointError(FormatError):
    """A file that cannot be read as the checkpoint asked for; one line says why."""


def save(path, kind: str, arrays: dict[str, np.ndarray], **header) -> None:
    """Write arrays and a header of JSON values atomically; an older file at path is replaced."""
    header = {"version": VERSIONS[-1], "kind": kind, **header}
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = BytesIO()  # to a name savez would append .npz
    np.savez(buffer, **{"header": encoded, **arrays})  # type: ignore[arg-type]
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load(path, kind: str | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the header of a checkpoint; CheckpointError if it is not one of that kind, or
    would inflate to many times its size: then no array is read."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file, or a folder; check the path")
    try:
        with opened(path, LEAST) as (archive, members):
            members = {name.removesuffix(".npy"): member for name, member in members.items()}
            text = to_array(archive.read(members.pop("header"))).tobytes().decode()
            if kind != "training" and len(text) > HEADER:
                raise ValueError(f"its header has {len(text):,} characters, {HEADER:,} at the most")
            header = parse(text)
            found, version = header["kind"], header["version"]
            if version not in VERSIONS:
                raise CheckpointError(
                    f"{path}: format version {version}, this program reads "
                    f"{' and '.join(map(str, VERSIONS))}; use the release that wrote it")
            if kind is not None and found != kind:
                raise CheckpointError(f"{path}: holds {found}, expected {kind}; pass another file")
            arrays = {name: to_array(archive.read(member)) for name, member in members.items()}
    except (PermissionError, CheckpointError):  # the file may be sound
        raise
    except Exception as error:  # NumPy, zipfile and json raise a dozen kinds on foreign bytes
        raise CheckpointError(
            f"{path}: not a kegnet checkpoint, or a truncated one ({error!r:.300}); "
            "make it anew with the kegnet command or kegnet_np.io.checkpoint") from error
    return arrays, header


def describe(model) -> dict:
    """A model as JSON values: its class's name and its fields."""
    return {"class": type(model).__name__, **asdict(model)}


def rebuild(path, header: dict, key: str, expected: type):
    """The model that ``header[key]`` describes, as `describe` wrote it."""
    try:
        fields = dict(header[key])
        name = fields.pop("class")
        if name == "Classifier":  # version 1
            name, width, depth = "MLP", fields.pop("hidden"), fields.pop("depth")
            fields["widths"] = [width] * min(depth, DEEPEST + 1)
        if name != expected.__name__:
            raise ValueError(f"class is {name}, expected {expected.__name__}")
        if max(len(fields.get("widths", ())), fields.get("depth", 0)) > DEEPEST:
            raise ValueError(f"more than {DEEPEST:,} hidden layers")
        return expected(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its header describes no {key} ({error!r:.300}); make it "
                              "anew with `describe`") from error


def _stacks(path, arrays: dict, **sizes: int) -> Iterator[np.ndarray]:
    """theta and state of these sizes: finite (S, size), with one S of at least 1."""
    for name, size in sizes.items():
        if name not in arrays:
            raise CheckpointError(f"{path}: holds no array {name}; make it anew")
        a, S = arrays[name], arrays["theta"].shape[:1]
        numbers = np.issubdtype(a.dtype, np.floating) and np.isfinite(a).all()
        if not numbers or S == (0,) or a.shape != (*S, size):
            raise CheckpointError(
                f"{path}: {name} is {a.dtype} of shape {a.shape}, expected finite floating-point "
                f"numbers (S, {size}) for its model; make it anew")
        yield a


def save_network(path, network: Network, **header) -> None:
    """Write a network, or a stack of one model."""
    theta, state = (np.atleast_2d(a) for a in (network.theta, network.state))
    save(path, "network", {"theta": theta, "state": state}, model=describe(network.model), **header)


def load_network(path) -> tuple[Network, dict]:
    """A stack of classifiers, theta (S, P), and the header, as `save_network` wrote them."""
    arrays, header = load(path, "network")
    model = rebuild(path, header, "model", MLP)
    return Network(model, *_stacks(path, arrays, theta=model.layout.size, state=0)), header


def load_teacher(path) -> tuple[Network, dict]:
    """A plain classifier, theta (P,), the first one if there are several, and the header."""
    network, header = load_network(path)
    if network.model.ranks is not None:
        raise CheckpointError(f"{path}: a Tucker student, not a teacher; pass a plain classifier")
    data = header.setdefault("data", {})
    if not (isinstance(data, dict) and isinstance(data.setdefault("source", {}), dict)):
        raise CheckpointError(f"{path}: its header's data is no table of settings; make it anew")
    return network.member(0), header


def save_generators(path, G: Network, D: Network, **header) -> None:
    """Write a stack of generators with their decoders: theta and state hold G's, then D's."""
    arrays = {key: np.concatenate([getattr(n, key) for n in (G, D)], -1)
              for key in ("theta", "state")}
    save(path, "generators", arrays, generator=describe(G.model), decoder=describe(D.model),
         **header)


def load_generators(path) -> tuple[Network, Network, dict]:
    """The generators, their decoders, stacks of S, and the header."""
    arrays, header = load(path, "generators")
    G, D = (rebuild(path, header, key, NormalisedMLP) for key in ("generator", "decoder"))
    theta, state = G.layout.size + D.layout.size, G.state_layout.size + D.state_layout.size
    return *pair(G, D, *_stacks(path, arrays, theta=theta, state=state)), header


ARRAYS = ("theta", "state", "members", "kept_theta", "kept_state", "kept_score", "kept_epoch")
VALUES = ("epoch", "seconds", "history")  # of a training under way, in its file's header


def save_training(path, training: Training, name: str) -> None:
    """Write all that a training needs to go on bit for bit; ``name`` says whose it is."""
    arrays = {key: getattr(training, key) for key in ARRAYS} | training.adam.arrays()
    rngs = [rng.bit_generator.state for rng in training.rngs]
    values = {key: getattr(training, key) for key in VALUES}
    save(path, "training", arrays, stage=name, rngs=rngs, **values)


def restore_training(path, training: Training, name: str) -> None:
    """Put what `save_training` wrote for the same name in place of the training's start."""
    arrays, header = load(path, "training")
    alike = training.adam.arrays().keys() <= arrays.keys()
    alike &= arrays["kept_theta"].shape == training.kept_theta.shape
    if not alike or header["stage"] != name:
        raise CheckpointError(f"{path}: belongs to another stage or version; delete it")
    for key in (*ARRAYS, *VALUES):
        setattr(training, key, (arrays | header)[key])
    training.adam.restore(arrays)
    training.rngs = [np.random.default_rng() for _ in header["rngs"]]
    for rng, state in zip(training.rngs, header["rngs"], strict=True):
        rng.bit_generator.state = state
