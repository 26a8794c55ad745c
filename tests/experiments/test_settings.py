"""Settings and protocols: the paper's values, what a protocol changes, what a verb is handed."""

import inspect
import re

import numpy as np
import pytest

from kegnet_np.experiments import settings
from kegnet_np.experiments.protocols import PROTOCOLS
from kegnet_np.generator import extract
from kegnet_np.models import MLP
from kegnet_np.student import distill
from kegnet_np.teacher import teach
from kegnet_np.train import Schedule


def test_the_papers_schedule_is_the_papers():
    s = settings.make({"dataset": "pendigits"})
    t, e, d = s.teach, s.extract, s.distill
    assert (t.teacher_lr, t.teacher_batch, t.teacher_epochs) == (1e-3, 64, 1000)
    assert (t.teacher_patience, t.teacher_min_epochs) == (20, 100)
    assert (e.generator_lr, e.generator_epochs, e.generator_steps) == (1e-4, 200, 100)
    assert (e.generator_batch, e.generators, e.latent) == (256, 5, 10)
    assert (e.alpha, e.beta, e.teacher_dropout) == (1, 0, False)
    assert (d.pool_per_generator, d.noise_pool) == (6400, 6400)
    assert (d.student_lr, d.student_batch, d.students) == (1e-4, 64, 5)
    assert (d.student_epochs, d.noise_epochs) == (400, 1000)
    assert (d.student_patience, d.student_min_epochs) == (50, 100)
    assert (t.hidden, t.depth, t.dropout, s.compress.ranks) == (100, 11, 0.15, (5,))
    assert d.selection == "synthetic" and d.sampling == "pool" and s.every.protocol == "paper"
    assert settings.make({"dataset": "letter"}).compress.ranks == (10,)
    assert settings.make({}).every.protocol == "demo" and settings.changes(s) == {}
    assert MLP(2, 2).dropout == 0.15
    changed = settings.make({"dataset": "shuttle", "beta": 0.5, "seed": 3})
    assert settings.changes(changed) == {"beta": 0.5}


def test_in_the_fair_protocol_every_approach_has_as_many_updates():
    s = settings.make({"dataset": "letter", "protocol": "fair"})
    d = s.distill
    assert d.pool_per_generator * s.extract.generators == d.noise_pool
    assert d.student_epochs == d.noise_epochs and d.sampling == "fresh" and d.selection == "last"
    assert d.cosine and not d.student_dropout


def test_the_papers_settings_are_the_defaults_of_the_verbs():
    s = settings.make({"protocol": "paper"})
    for verb, arguments in (
        (teach, s.teach.arguments()),
        (extract, s.extract.arguments()),
        (distill, s.distill.arguments()),  # on noise
    ):
        usual = {name: p.default for name, p in inspect.signature(verb).parameters.items()}
        assert arguments == {name: usual[name] for name in arguments}
        assert usual["seed"] == s.every.seed
    assert MLP(2, 2).widths == s.teach.arguments()["widths"]


def test_the_source_of_the_samples_decides_on_pool_and_epochs():
    d = settings.make({"dataset": "letter"}).distill
    noise, learnt = d.arguments(), d.arguments(generators=5)
    assert (noise["pool"], noise["schedule"].epochs) == (6400, 1000)
    assert (learnt["pool"], learnt["schedule"].epochs) == (5 * 6400, 400)


@pytest.mark.parametrize("selection, patience, unwatched, validated", [
    ("synthetic", 50, 2000, False),
    ("last", None, None, False),
    ("real-validation", 50, 2000, True),
])
def test_the_selection_decides_on_patience_and_on_what_scores(
    selection, patience, unwatched, validated
):
    rows = np.zeros((3, 2)), np.zeros(3, int)
    d = settings.make({"dataset": "letter", "selection": selection}).distill
    arguments = d.arguments(validation=rows)
    assert arguments["schedule"] == Schedule(1e-4, 64, 1000, patience, min_epochs=100)
    assert arguments["held_out"] == 2000
    assert arguments["validation"] is (rows if validated else None)
    assert d.arguments(validation=rows, watch=False)["held_out"] == unwatched


def test_real_validation_without_validation_rows_is_an_error():
    with pytest.raises(ValueError, match=re.escape("needs (x, labels)")):
        settings.make({"selection": "real-validation"}).distill.arguments()


def test_a_protocol_changes_what_it_says_and_single_settings_override_it():
    for name, changed in PROTOCOLS.items():
        flat = settings.make({"protocol": name, "dataset": "letter"}).flat()
        assert {key: flat[key] for key in changed} == changed
        own = settings.make({"protocol": name, "dataset": "letter", "student_lr": 0.5})
        assert own.distill.student_lr == 0.5 and settings.changes(own) == {"student_lr": 0.5}


def test_automatic_ranks_bring_their_protocol_and_sampler():
    s = settings.make({"ranks": (), "compression": 4.0})
    assert (s.every.protocol, s.compress.sampler) == ("beyond", "normal+noised")
    assert s.compress.init == "activations" and s.distill.student_epochs == 250


@pytest.mark.parametrize("given, message", [
    ({"lr": 1}, "unknown setting 'lr'; known are activation, agreement, alpha"),
    ({"hidden": 0}, "hidden is 0, expected an integer more than 0"),
    ({"hidden": 5.0}, "hidden is 5.0, expected an integer"),
    ({"seed": -1}, "seed is -1, expected an integer of at least 0"),
    ({"alpha": "x"}, "alpha is 'x', expected a number of at least 0"),
    ({"teacher_lr": float("nan")}, "teacher_lr is nan, expected a number more than 0"),
    ({"cosine": 1}, "cosine is 1, expected true or false"),
    ({"dataset": 3}, "dataset is 3, expected text"),
    ({"dropout": 1.0}, "dropout is 1.0, expected a share below 1"),
    ({"activation": "swish"}, "activation is 'swish', expected one of identity, elu, relu"),
    ({"protocol": "best"}, "protocol is 'best', expected one of paper, fair, beyond"),
    ({"selection": "first"}, "selection is 'first', expected one of synthetic, last"),
    ({"generator_batch": 1}, "generator_batch is 1, batch-norm needs at least 2"),
    ({"ranks": (0,)}, r"ranks is \(0,\), expected positive integers"),
    ({"ranks": (101,)}, "ranks holds 101, expected integers from 1 to the width, 100"),
    ({"ranks": (5,) * 13}, "ranks has 13 entries, expected 1 to 12"),
    ({"ranks": (2,), "compression": 2}, r"compression is given with ranks \(2,\)"),
    ({"ranks": (), "params": 9, "agreement": 0.5}, "params is given with agreement"),
    ({"ranks": (), "agreement": 1.5}, "agreement is 1.5, expected a number between 0 and 1"),
    ({"ranks": (), "compression": 0.5}, "compression is 0.5, expected a number above 1"),
    ({"ranks": (), "params": -1}, "params is -1, expected a positive integer"),
    ({"sampler": "nothing"}, "sampler is 'nothing', expected NAME"),
])
def test_wrong_settings_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        settings.make(given)
