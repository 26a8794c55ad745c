"""Protocols: presets of settings; and settings from what a person gave."""

from collections.abc import Mapping
from typing import Any

# What a protocol changes in the defaults of `settings`, which are the paper's. The short ones learn
# faster to make up for fewer steps.
_FAIR = {
    "sampling": "fresh", "selection": "last", "student_dropout": False, "student_lr": 1e-3,
    "cosine": True, "student_epochs": 100, "noise_epochs": 100, "pool_per_generator": 1280,
    "noise_pool": 6400}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "paper": {},
    # The same number of updates for all (with five generators, 5 · 1280 = 6400), on fresh samples,
    # one learning rate, the last epoch.
    "fair": _FAIR,
    # The same for longer, from layers fitted to activations: for small students.
    "beyond": {**_FAIR, "init": "activations", "student_epochs": 250, "noise_epochs": 250},
    # Longer still, depth, rate and batch chosen by trials; a plain MLP unless ranks are asked for.
    "tuned": {**_FAIR, "init": "activations", "sampling": "shared", "recipe": "chosen",
              "student_batch": 512, "student_epochs": 250, "noise_epochs": 250,
              "pool_per_generator": 3200, "noise_pool": 16000},
    # What the official program does where it differs from the paper or from good practice.
    "official-quirks": {"teacher_dropout": True, "selection": "real-validation",
                        "own_statistics": True, "shuffle": False},
    "demo": {
        "teacher_min_epochs": 50, "generator_lr": 1e-3, "generator_epochs": 20,
        "student_lr": 1e-3, "student_epochs": 12, "noise_epochs": 40, "student_min_epochs": 1000,
        "pool_per_generator": 3200, "noise_pool": 6400},
    "quick": {
        "teacher_epochs": 15, "teacher_min_epochs": 10,
        "generator_lr": 1e-3, "generator_epochs": 4, "generator_steps": 50, "generator_batch": 128,
        "student_lr": 1e-3, "student_epochs": 4, "noise_epochs": 10,
        "pool_per_generator": 1280, "noise_pool": 2560, "held_out": 500}}


def with_protocol(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings a person gave, on top of those that a protocol changes.

    Without a protocol, the embedded digits, which are not in the paper, get the short "demo"
    schedule and every other set the paper's. Letter has rank 10, as in the paper. Ranks chosen
    automatically go with the protocol "beyond" and students on "normal+noised". Who gives a size
    and no ranks gets a plain MLP, and with it the protocol "tuned".
    """
    given = {key: value for key, value in given.items() if value is not None}
    dataset = given.get("dataset", "digits")
    usual: dict[str, Any] = {"protocol": "demo" if dataset == "digits" else "paper"}
    if dataset == "letter":
        usual["ranks"] = (10,)
    sized = given.keys() & {"compression", "params", "agreement"} and "ranks" not in given
    if given.get("form", "mlp" if sized else "tucker") == "mlp":
        usual |= {"form": "mlp", "protocol": "tuned", "ranks": ()}
    elif given.get("ranks") == () or sized:
        usual |= {"protocol": "beyond", "sampler": "normal+noised", "ranks": ()}
    chosen = usual | given
    return PROTOCOLS.get(chosen["protocol"], {}) | chosen
