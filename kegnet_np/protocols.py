"""What a protocol changes in the settings of a run, and settings from what a person gave."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .config import CHOICES, Config

# What a protocol changes in the defaults of `Config`, which are the paper's. The short ones learn
# faster to make up for fewer steps.
_FAIR = {
    "sampling": "fresh", "selection": "last", "student_dropout": False,
    "student_lr": 1e-3, "cosine": True, "student_epochs": 100, "noise_epochs": 100,
    "pool_per_generator": 1280, "noise_pool": 6400,
}  # fmt: skip
PROTOCOLS: dict[str, dict[str, Any]] = {
    "paper": {},
    # The same number of updates for all (with five generators, 5 · 1280 = 6400), on fresh samples,
    # one learning rate, the last epoch.
    "fair": _FAIR,
    # The same for longer, from layers fitted to activations: for small students.
    "beyond": {**_FAIR, "init": "activations", "student_epochs": 250, "noise_epochs": 250},
    # What the official program does where it differs from the paper or from good practice.
    "official-quirks": {
        "teacher_dropout": True, "selection": "real-validation", "own_statistics": True,
        "shuffle": False,
    },
    "demo": {
        "teacher_min_epochs": 50,
        "generator_lr": 1e-3, "generator_epochs": 20,
        "student_lr": 1e-3, "student_epochs": 12, "noise_epochs": 40, "student_min_epochs": 1000,
        "pool_per_generator": 3200, "noise_pool": 6400,
    },
    "quick": {
        "teacher_epochs": 15, "teacher_min_epochs": 10,
        "generator_lr": 1e-3, "generator_epochs": 4, "generator_steps": 50, "generator_batch": 128,
        "student_lr": 1e-3, "student_epochs": 4, "noise_epochs": 10,
        "pool_per_generator": 1280, "noise_pool": 2560, "held_out": 500,
    },
}  # fmt: skip


def changes(config: Config) -> dict[str, Any]:
    """The schedule's settings that differ from those of the config's protocol, by name."""
    usual = Config(**{**PROTOCOLS[config.protocol], "protocol": config.protocol})
    of_the_run = ("dataset", "label", "seed", "split_seed", "ranks", "compression", "params",
                  "agreement", "sampler", "metadata")  # fmt: skip
    names = [f.name for f in fields(Config) if f.name not in of_the_run]
    given = {name: getattr(config, name) for name in names}
    return {name: value for name, value in given.items() if value != getattr(usual, name)}


def make_config(settings: Mapping[str, Any]) -> Config:
    """A Config from the settings a person gave; the protocol fills in the rest.

    Without a protocol, the embedded digits, which are not in the paper, get the short "demo"
    schedule and every other set the paper's. Letter has rank 10, as in the paper. Ranks chosen
    automatically go with the protocol "beyond" and students on "normal+noised".
    """
    settings = {key: value for key, value in settings.items() if value is not None}
    known = {f.name for f in fields(Config)}
    if unknown := sorted(settings.keys() - known):
        raise ValueError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    dataset = settings.get("dataset", "digits")
    if dataset == "letter":
        settings = {"ranks": (10,), **settings}
    usual = "demo" if dataset == "digits" else "paper"
    if settings.get("ranks") == ():
        settings, usual = {"sampler": "normal+noised", **settings}, "beyond"
    protocol = settings.get("protocol", usual)
    if protocol not in CHOICES["protocol"]:
        Config(protocol=protocol)  # raises the error that names the choices
    return Config(**{**PROTOCOLS[protocol], "protocol": protocol, **settings})
