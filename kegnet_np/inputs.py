"""What commands read: the data, a teacher's own settings, generators, other checkpoints."""

import data_loaders

from . import checkpoint, metadata, sampling


def source(arguments: dict, header: dict) -> dict:
    """The settings of the teacher's own data, unless the command line names another table."""
    source = header["data"]["source"]
    other = arguments.get("dataset", source.get("dataset")) != source.get("dataset")
    return {} if other else source or {"protocol": "paper"}  # a teacher from elsewhere has none


def load(config, M=None, header=None):
    """The config's data set; for a teacher and its checkpoint's header, in the teacher's units."""
    data = data_loaders.load(config.dataset, label=config.label, seed=config.split_seed)
    if config.own_statistics:
        data = data_loaders.standardise_each_split(data)
    if M is not None and (data.features, data.classes) != (M.features, M.classes):
        raise ValueError(
            f"--dataset {config.dataset} has {data.features} features and {data.classes} classes, "
            f"the teacher's checkpoint {M.features} and {M.classes}; pass the teacher's own data"
        )
    known = header["data"] if header else {}
    if {"mean", "scale"} <= known.keys() and not config.own_statistics:
        data = data_loaders.standardise_like(data, known["mean"], known["scale"])
    taught = known.get("class_names")
    if taught and taught != list(data.class_names):
        raise ValueError(
            f"--dataset {config.dataset} has the classes {_few(data.class_names)}, the teacher "
            f"{_few(taught)}; pass the teacher's own data"
        )
    return data


def generated(arguments: dict, names: str, M) -> tuple[sampling.Sampler | None, int]:
    """The sampler of --generator-file and the number of generators, if ``names`` needs them."""
    needed, file = names != "real" and sampling.needs_generators(names), "generator_file"
    if needed != (file in arguments):
        lacks = f"--sampler {names} needs --generator-file FILE, from kegnet extract"
        raise ValueError(
            lacks if needed else f"--generator-file: --sampler {names} has no use for it; drop it"
        )
    if not needed:
        return None, 0
    G, theta, state, described = checkpoint.load_generators(arguments[file])
    latent = described["decoder"]["outputs"]
    if (G.outputs, G.inputs - latent) != (M.features, M.classes):
        raise ValueError(
            f"--generator-file: {G.outputs} features, {G.inputs - latent} classes, the "
            f"teacher has {M.features} and {M.classes}; extract from this teacher"
        )
    return sampling.generated(G, theta, state, latent), len(theta)


def _few(names) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


def described(arguments: dict, header: dict) -> dict:
    """Samplers of --metadata in the units of a teacher's checkpoint."""
    if "metadata" not in arguments:
        return {}
    if not {"mean", "scale"} <= header["data"].keys():
        raise ValueError("--metadata: the teacher does not say how its inputs are standardised")
    return metadata.load(arguments["metadata"], header["data"]["mean"], header["data"]["scale"])


def same_job(option: str, model, M) -> None:
    """See that a checkpoint is for the teacher's features and classes."""
    ours = [getattr(model, key, None) for key in ("features", "classes")]
    if ours != [M.features, M.classes]:
        raise ValueError(
            f"{option} is for another job than --teacher, which has {M.features} features and "
            f"{M.classes} classes; make it from this teacher"
        )
