"""extract: what reaches the generators; and the samples of a generator."""

import inspect

import numpy as np
import pytest

from kegnet_np import sampling
from kegnet_np.autodiff import value_and_grad
from kegnet_np.generator import (
    decoder,
    extract,
    extraction_loss,
    generated,
    generator,
    generator_input,
)
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.optim import Adam
from kegnet_np.train import Schedule

USUAL = {"generators": 2, "latent": 3, "steps": 6, "schedule": Schedule(1e-4, 16, 1), "seed": 2019}


@pytest.fixture
def teacher(rng):
    return Network.random(MLP(4, 3, (6, 6)), rng)


def extracted(teacher, **arguments):
    return extract(teacher, **{**USUAL, **arguments})


def test_the_defaults_are_the_papers():
    usual = {name: p.default for name, p in inspect.signature(extract).parameters.items()}
    assert (usual["generators"], usual["latent"], usual["steps"]) == (5, 10, 100)
    assert (usual["alpha"], usual["beta"], usual["teacher_dropout"]) == (1, 0, False)
    assert usual["schedule"] == Schedule(1e-4, 256, 200) and usual["seed"] == 2019


def test_generator_and_decoder_have_the_papers_sizes():
    G, D = generator(10, 10, 16), decoder(16, 10)
    assert (G.inputs, G.outputs, G.hidden, G.depth, G.adjust) == (20, 16, 120, 2, True)
    assert (D.inputs, D.outputs, D.hidden, D.depth, D.adjust) == (16, 10, 120, 3, False)
    z, y = np.ones((2, 5, 10)), np.zeros((2, 5, 10))
    assert (generator_input(z, y)[..., :10] == 1).all() and generator_input(z, y).shape[-1] == 20


def test_the_extraction_settings_reach_the_generators(teacher):
    usual = extracted(teacher)[2].kept_theta
    assert np.array_equal(extracted(teacher)[2].kept_theta, usual)
    for change in (
        {"alpha": 2.0}, {"beta": 1.0}, {"teacher_dropout": True}, {"seed": 1}, {"steps": 7},
        {"schedule": Schedule(1e-3, 16, 1)}, {"schedule": Schedule(1e-4, 8, 1)},
        {"schedule": Schedule(1e-4, 16, 2)},
    ):
        assert not np.array_equal(extracted(teacher, **change)[2].kept_theta, usual), change


def test_generators_and_decoders_come_as_stacks_of_the_sizes_asked_for(teacher):
    kept = teacher.theta.copy()
    G, D, done = extracted(teacher, generators=3, latent=2)
    assert G.model == generator(2, 3, 4) and D.model == decoder(4, 2)
    assert G.theta.shape == (3, G.size) and D.theta.shape == (3, D.size)
    assert np.array_equal(np.concatenate([G.theta, D.theta], axis=-1), done.kept_theta)
    assert np.array_equal(np.concatenate([G.state, D.state], axis=-1), done.kept_state)
    assert np.array_equal(teacher.theta, kept) and len(np.unique(G.theta[:, 0])) == 3


def test_the_diversity_loss_is_computed_only_if_it_has_a_weight(teacher):
    plain, diverse = (extracted(teacher, beta=beta)[2].history[0] for beta in (0, 0.5))
    assert set(plain) == {"epoch", "member", "cls_loss", "dec_loss"}
    assert set(diverse) == set(plain) | {"div_loss"} and 0 < diverse["div_loss"] < 1


def test_a_generator_learns_as_it_would_alone(teacher):
    several, alone = (extracted(teacher, generators=n)[2].kept_theta for n in (2, 1))
    assert several[0] == pytest.approx(alone[0], abs=1e-5)


def test_the_hook_sees_every_epoch(teacher):
    seen = []
    extracted(teacher, schedule=Schedule(1e-4, 16, 2), hook=lambda t: seen.append(t.epoch))
    assert seen == [0, 1, 2]


def test_generators_keep_running_statistics_of_every_step(teacher):
    """Six steps of `extract` against the same six by hand."""
    G, D, done = extracted(teacher, generators=1)
    (own,) = sampling.seeded(2019, "generators", 1)
    (g, state_G), (d, state_D) = G.model.init(own), D.model.init(own)
    theta, adam = np.concatenate([g, d]), Adam(np.concatenate([g, d]), 1e-4)
    loss = extraction_loss(G.model, D.model, teacher.model, teacher.p)
    step = value_and_grad(loss, G.model.layout, D.model.layout)
    seen = []
    for _ in range(6):
        y, z = sampling.draw_y(own, 16, 3), sampling.draw_z(own, 16, 3)
        _, gradient, (state_G, state_D, parts) = step(theta, state_G, state_D, y, z)
        adam.step(theta, gradient)
        seen.append([parts["cls_loss"], parts["dec_loss"]])
    logged = [done.history[0][key] for key in ("cls_loss", "dec_loss")]
    assert logged == pytest.approx(np.mean(seen, axis=0), rel=1e-5)
    assert done.kept_theta[0] == pytest.approx(theta, abs=1e-6)
    assert done.kept_state[0] == pytest.approx(np.concatenate([state_G, state_D]), abs=1e-6)


# --- samples --------------------------------------------------------------------------------------


def test_generated_samples_come_in_equal_shares_in_evaluation_mode(rng):
    G = Network.random(generator(2, 3, 4, hidden=5), sampling.seeded(1, "G", 3))
    for s in range(3):  # generator s writes about 10 s into every feature
        G.p["b2"][s] = 10 * s
    x = generated(G, 2)(rng, 10)
    assert x.shape == (10, 4) and x.dtype == np.float32
    shares = np.bincount(np.rint(x.mean(1) / 10).astype(int), minlength=3)
    assert shares.sum() == 10 and shares.min() >= 2 and shares.max() <= 4


def test_generated_samples_are_the_generators_outputs_for_codes_and_labels(rng):
    G = Network.random(generator(2, 3, 4, hidden=5), sampling.seeded(1, "G", 2))
    G.state[...] = rng.uniform(0.5, 2, G.state.shape)
    x = generated(G, 2)(np.random.default_rng(7), 8)
    own = np.random.default_rng(7)
    y, z = sampling.draw_y(own, 8, 3), sampling.draw_z(own, 8, 2)
    expected = G.predict(generator_input(z, y).reshape(2, 4, 5)).reshape(8, 4)
    assert np.array_equal(x, expected[own.permutation(8)])


def test_generators_of_a_range_are_those_members_of_all(teacher):
    every, some = (extracted(teacher, generators=g)[0] for g in (4, range(1, 3)))
    assert np.array_equal(every.theta[1:3], some.theta)
    assert np.array_equal(every.state[1:3], some.state)
