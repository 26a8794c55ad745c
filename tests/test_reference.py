"""Parity with one exact float64 run of the official PyTorch program (spec: reference arrays).

The arrays are not part of the project: without them (KEGNET_REFERENCE names their folder) these
tests are skipped.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from kegnet_np import losses, tucker
from kegnet_np.autodiff import value_and_grad
from kegnet_np.generator import decoder, extraction_loss, generator, generator_input
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.optim import Adam

FOLDER = Path(os.environ.get("KEGNET_REFERENCE", "../shared/reference"))
FILE = FOLDER / "official_pendigits.npz"
pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason=f"no {FILE}: set KEGNET_REFERENCE to the reference arrays' folder"
)
M = MLP(16, 10)
G, D = generator(10, 10, 16), decoder(16, 10)


@pytest.fixture(scope="module")
def official():
    with np.load(FILE) as arrays:
        return dict(arrays)


def teacher(official):
    arrays = {}
    for i in range(12):
        arrays[f"W{i}"] = official[f"teacher.layers.{3 * i}.weight"].T
        arrays[f"b{i}"] = official[f"teacher.layers.{3 * i}.bias"][None]
    return Network(M, M.layout.pack(arrays))


def theta_of(official, model, prefix):
    """Parameters (or gradients) of a generator or decoder: dense, ELU, batch-norm, dense, ..."""
    arrays = {}
    for i in range(model.depth + 1):
        arrays[f"W{i}"] = official[f"{prefix}.layers.{3 * i}.weight"].T
        arrays[f"b{i}"] = official[f"{prefix}.layers.{3 * i}.bias"][None]
        if i < model.depth:
            arrays[f"gamma{i}"] = official[f"{prefix}.layers.{3 * i + 2}.weight"][None]
            arrays[f"beta{i}"] = official[f"{prefix}.layers.{3 * i + 2}.bias"][None]
    return model.layout.pack(arrays)


def state_of(official, model, prefix):
    names = [f"layers.{3 * i + 2}" for i in range(model.depth)] + ["adjust"] * model.adjust
    moments = {
        f"norm{i}": np.stack(
            [official[f"{prefix}.{name}.running_{kind}"][None] for kind in ("mean", "var")]
        )
        for i, name in enumerate(names)
    }
    return model.state_layout.pack(moments)


def batch(official, step):
    return np.eye(10)[official["labels"][step]], official["z"][step]


@pytest.fixture(scope="module")
def run(official):
    """Ten joint Adam steps from the official start: (theta, states, losses) after each."""
    theta = np.concatenate([theta_of(official, m, f"init.{n}") for m, n in PAIRS])
    states = [state_of(official, m, f"init.{n}") for m, n in PAIRS]
    step = value_and_grad(
        extraction_loss(G, D, M, teacher(official).p, 1.0, float(official["beta"])),
        G.layout,
        D.layout,
    )
    adam, seen = Adam(theta, float(official["lr"])), []
    for i in range(10):
        total, gradient, (*states, parts) = step(theta, *states, *batch(official, i))
        adam.step(theta, gradient)
        seen.append((theta.copy(), states, [*parts.values(), total], gradient))
    return seen


PAIRS = ((G, "generator"), (D, "decoder"))


def close(found, expected, tolerance):
    assert np.abs(found - expected).max() <= tolerance


def test_forward_pass_is_the_official_one(official):
    y, z = batch(official, 0)
    p = G.layout.views(theta_of(official, G, "init.generator"))
    x, _ = G.apply(p, state_of(official, G, "init.generator"), generator_input(z, y), train=True)
    close(x, official["step0.x"], 1e-9)
    close(teacher(official).predict(x), official["step0.teacher_logits"], 1e-9)
    p = D.layout.views(theta_of(official, D, "init.decoder"))
    z_hat, _ = D.apply(p, state_of(official, D, "init.decoder"), x, train=True)
    close(z_hat, official["step0.z_hat"], 1e-9)


def test_first_losses_and_every_gradient_are_the_official_ones(official, run):
    _, _, losses_0, gradient = run[0]
    close(np.array(losses_0), official["losses"][0], 1e-9)
    expected = np.concatenate([theta_of(official, m, f"step0.grad.{n}") for m, n in PAIRS])
    close(gradient, expected, 1e-9)


@pytest.mark.parametrize("steps", [1, 10])
def test_parameters_and_running_statistics_after_adam_steps_are_the_official_ones(
    official, run, steps
):
    theta, states, _, _ = run[steps - 1]
    names = [(m, f"after{steps}.{n}") for m, n in PAIRS]
    close(theta, np.concatenate([theta_of(official, m, n) for m, n in names]), 1e-7)
    for state, (m, n) in zip(states, names, strict=True):
        close(state, state_of(official, m, n), 1e-7)


def test_losses_of_ten_steps_are_the_official_ones(official, run):
    close(np.array([row for _, _, row, _ in run]), official["losses"], 1e-7)


def test_samples_in_evaluation_mode_after_ten_steps_are_the_official_ones(official, run):
    theta, states, _, _ = run[-1]
    y, z = batch(official, 0)
    x = Network(G, theta[: G.layout.size], states[0]).predict(generator_input(z, y))
    close(x, official["eval.x_after10"], 1e-7)


@pytest.mark.parametrize("rank", [5, 10])
def test_tucker_student_starts_as_the_official_one(official, rank):
    own, x = teacher(official), official["eval.x_after10"]
    student = tucker.compress(own, rank)
    assert M.layout.size == official["teacher.n_params"]
    assert student.size == official[f"student{rank}.n_params"]
    logits = student.predict(x)
    close(logits, official[f"student{rank}.logits_init"], 1e-9)
    targets = losses.softmax(own.predict(x))
    close(targets, official["student.targets"], 1e-9)
    close(losses.kl(logits, targets), official[f"student{rank}.kl_losses"][0], 1e-9)


@pytest.mark.parametrize("rank", [5, 10])
def test_tucker_student_learns_as_the_official_one_within_a_few_percent(official, rank):
    student, x = tucker.compress(teacher(official), rank), official["eval.x_after10"]
    adam, seen = Adam(student.theta, float(official["lr"])), []

    def loss(p):
        return losses.kl(student.model.apply(p, None, x)[0], official["student.targets"]), None

    step = value_and_grad(loss, student.model.layout)
    for _ in range(10):
        value, gradient, _ = step(student.theta)
        adam.step(student.theta, gradient)
        seen.append(value)
    # The completion of a rank-deficient factor is arbitrary, and Adam is not blind to it.
    assert seen == pytest.approx(official[f"student{rank}.kl_losses"], rel=0.05)
