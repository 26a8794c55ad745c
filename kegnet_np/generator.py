"""G and D: generators that are learnt from the teacher alone, each with a decoder.

The set that a student needs is approximated by { argmax_x p(x | y, z) }. By Bayes' rule, with a
flat p(x) and y, z independent given x, that is argmax_x [log p(y | x) + log p(z | x)]: the teacher
M plays the first, a decoder D the second, and G is trained to give the x (Yoo et al., 2019).
"""

from collections.abc import Callable, Mapping

import numpy as np
from autograd.tracer import getval

from . import losses, sampling
from .autodiff import value_and_grad
from .backend import array_module
from .models import MLP, NormalisedMLP
from .network import Network
from .params import split
from .train import Epoch, Hook, Schedule, Training, fit

SCHEDULE = Schedule(1e-4, 256, 200)  # the paper's, with 100 steps an epoch


def generator(latent: int, classes: int, features: int, hidden: int = 120) -> NormalisedMLP:
    """G: (z, y) → x̂ of shape (..., B, D) (Yoo et al., 2019); its input is `generator_input`."""
    return NormalisedMLP(latent + classes, features, hidden, depth=2, adjust=True)


def generator_input(z, y):
    """z (..., B, Z) beside one-hot y (..., B, K): (..., B, Z + K)."""
    return array_module(z).concatenate([z, y], axis=-1)


def decoder(features: int, latent: int, hidden: int = 120) -> NormalisedMLP:
    """D: x̂ → ẑ of shape (..., B, Z) (Yoo et al., 2019).

    The paper says n = 2 for tables; its program's n = 2 makes three hidden layers.
    """
    return NormalisedMLP(features, latent, hidden, depth=3)


def extraction_loss(
    G: NormalisedMLP, D: NormalisedMLP, M: MLP, p_M: Mapping, alpha: float = 1.0, beta: float = 0.0
) -> Callable:
    """l = l_cls + α l_dec + β l_div (Yoo et al., 2019) as a loss for `value_and_grad`.

    The result takes (p_G, p_D, state_G, state_D, y, z, masks) and gives l and, as aux, the new
    states and the single losses. With masks None the teacher M is in evaluation mode, as the paper
    says; with masks its dropout is on, as in the official program. At β = 0 l_div is not computed.
    """

    def loss(p_G, p_D, state_G, state_D, y, z, masks=None):
        x_hat, state_G = G.apply(p_G, state_G, generator_input(z, y), train=True)  # (B, D)
        logits, _ = M.apply(p_M, None, x_hat, train=masks is not None, masks=masks)  # (B, K)
        z_hat, state_D = D.apply(p_D, state_D, x_hat, train=True)  # (B, Z)
        parts = {
            "cls_loss": losses.cross_entropy(logits, y),
            "dec_loss": losses.reconstruction(z_hat, z),
        }
        total = parts["cls_loss"] + alpha * parts["dec_loss"]
        if beta:
            parts["div_loss"] = losses.diversity(x_hat, z)
            total = total + beta * parts["div_loss"]
        return total, (state_G, state_D, {key: getval(part) for key, part in parts.items()})

    return loss


def extraction_epoch(
    G: NormalisedMLP, D: NormalisedMLP, M: Network, *, batch: int, steps: int,
    alpha: float = 1.0, beta: float = 0.0, teacher_dropout: bool = False,
) -> Epoch:
    """run_epoch for `fit`: ``steps`` joint Adam steps on fresh (ŷ, ẑ) of ``batch`` rows."""
    loss = extraction_loss(G, D, M.model, M.p, alpha, beta)
    step = value_and_grad(loss, G.layout, D.layout)
    latent, classes, states = D.outputs, M.model.classes, (G.state_layout, D.state_layout)

    def run_epoch(training):
        total: dict[str, np.ndarray] = {}
        for _ in range(steps):
            y = sampling.stacked(lambda rng: sampling.draw_y(rng, batch, classes), training.rngs)
            z = sampling.stacked(lambda rng: sampling.draw_z(rng, batch, latent), training.rngs)
            masks = M.model.draw_masks(training.rngs, batch) if teacher_dropout else None
            _, gradient, aux = step(training.theta, *split(training.state, states), y, z, masks)
            state_G, state_D, parts = aux
            training.state = array_module(state_G).concatenate([state_G, state_D], axis=-1)
            training.adam.step(training.theta, gradient)
            for key, part in parts.items():
                total[key] = total.get(key, 0) + part
        return {key: value / steps for key, value in total.items()}

    return run_epoch


def extract(
    M: Network, *, generators: int | range = 5, latent: int = 10, alpha: float = 1.0,
    beta: float = 0.0, steps: int = 100, teacher_dropout: bool = False,
    schedule: Schedule = SCHEDULE, seed: int = 2019, hook: Hook | None = None,
) -> tuple[Network, Network, Training]:
    """Learn generators and decoders from the teacher alone, side by side (Yoo et al., 2019).

    Parameters
    ----------
    M : the teacher, one network. generators : S, or which of them. latent : Z, the length of z.
    alpha, beta : the weights of l_dec and l_div. steps : of an epoch.
    teacher_dropout : the teacher's dropout is on, as in the official program.
    schedule, seed, hook : see `train.fit`; a batch is fresh (ŷ, ẑ).

    Returns
    -------
    G and D, stacks of S, and their training: its theta and state hold G's part, then D's.
    """
    M = M.moved()
    G, D = generator(latent, M.model.classes, M.model.features), decoder(M.model.features, latent)
    rngs = sampling.seeded(seed, "generators", generators)
    starts = [Network.random(model, rngs) for model in (G, D)]  # each generator draws G's, then D's
    join = array_module(M.theta).concatenate
    theta, state = (
        join([getattr(n, key) for n in starts], axis=-1) for key in ("theta", "state")
    )
    run_epoch = extraction_epoch(
        G, D, M, batch=schedule.batch, steps=steps, alpha=alpha, beta=beta,
        teacher_dropout=teacher_dropout,
    )
    done = fit(Training(theta, state, rngs, schedule), run_epoch, hook=hook)
    return *pair(G, D, done.kept_theta, done.kept_state), done


def pair(G: NormalisedMLP, D: NormalisedMLP, theta, state) -> tuple[Network, Network]:
    """The two networks whose parameters and statistics lie one after the other."""
    thetas = split(theta, (G.layout, D.layout))
    states = split(state, (G.state_layout, D.state_layout))
    return Network(G, thetas[0], states[0]), Network(D, thetas[1], states[1])


def generated(G: Network, latent: int) -> sampling.Sampler:
    """Samples of a stack of trained generators, in evaluation mode, in equal shares.

    latent : Z; the generators' other inputs are the K classes.
    """
    G = G.moved()
    S, classes, dtype = len(G.theta), G.model.inputs - latent, G.theta.dtype

    def sampler(rng, n):
        each = -(-n // S)  # rounded up; of the few too many, random ones are left out
        y = sampling.draw_y(rng, S * each, classes, dtype)
        z = sampling.draw_z(rng, S * each, latent, dtype)
        zy = generator_input(z, y).reshape(S, each, -1)
        x, _ = G.model.apply(G.p, G.state, zy)  # (S, n / S, D)
        return x.reshape(S * each, -1)[rng.permutation(S * each)[:n]]

    return sampler
