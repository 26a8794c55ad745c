"""What KDGAN adds to the operations (see `ops`): reference, derivation and VJP, primitive.

Each is in the registry, is tested with the others, and takes a stack as they do. The sigmoid
itself is `activations.logistic`.
"""

import autograd.numpy as anp
import numpy as np

from ..autodiff import operation
from ..backend import array_module
from ..losses import alike, log_softmax, log_softmax_reference, row_mean, row_sum, softmax


def log_sigmoid(a: np.ndarray) -> np.ndarray:
    """log σ(a) = −log(1 + e^−a), element by element, safe for any finite a. Not differentiable."""
    xp = array_module(a)
    return xp.minimum(a, 0) - xp.log1p(xp.exp(-xp.abs(a)))


# --- the log-sigmoid loss -------------------------------------------------------------------------
#
#     l = −mean_b Σ_k [w⁺_bk log σ(a_bk) + w⁻_bk log σ(−a_bk)],  1 − σ(a) = σ(−a)
#
# With d log σ(a) / da = 1 − σ(a):  ∂l/∂a = [(w⁺ + w⁻) σ(a) − w⁺] / B


def _log_sigmoid_loss_reference(a, positive, negative):
    def log_sigmoid(a):
        return anp.minimum(a, 0) - anp.log1p(anp.exp(-anp.abs(a)))

    both = positive * log_sigmoid(a) + negative * log_sigmoid(-a)
    return -anp.mean(anp.sum(both, axis=-1), axis=-1)


def _log_sigmoid_loss_vjp(need, g, log_p, a, positive, negative):
    pull = array_module(a).exp(log_p)
    pull *= positive + negative
    pull -= positive
    pull *= g[..., None, None] / a.shape[-2]
    return pull, None, None


@operation(_log_sigmoid_loss_reference, _log_sigmoid_loss_vjp, inputs=(0,))
def log_sigmoid_loss(a, positive, negative):
    """Sigmoid cross-entropy with weights, a (B, K): one number per network.

    The discriminator's loss is the negative of its part of the value (Wang et al., 2018, Eq. 1):
    weights w⁺ of the true and w⁻ of the sampled labels, (B, K) each and constants.
    """
    alike("positive", positive.shape[-2:], a.shape[-2:])
    alike("negative", negative.shape[-2:], a.shape[-2:])
    log_p = log_sigmoid(a)
    return -row_mean(positive, log_p) - row_mean(negative, log_p - a), log_p


# --- L2 of log-probabilities ----------------------------------------------------------------------
#
#     l = mean_b ½ Σ_k e_bk²,  e = log softmax(a) − log p
#
# ∂ log softmax(a)_k / ∂a_j = [j = k] − softmax(a)_j, so
#     ∂l/∂a_bj = (e_bj − softmax(a_b)_j Σ_k e_bk) / B


def _log_l2_reference(a, log_p):
    return anp.mean(anp.sum((log_softmax_reference(a) - log_p) ** 2, axis=-1) / 2, axis=-1)


def _log_l2_vjp(need, g, kept, a, log_p):
    log_q, error = kept
    pull = array_module(a).exp(log_q)
    pull *= -row_sum(error)
    pull += error
    pull *= g[..., None, None] / a.shape[-2]
    return pull, None


@operation(_log_l2_reference, _log_l2_vjp, inputs=(0,))
def log_l2(a, log_p):
    """½ ‖log softmax(a) − log p‖², the mean over rows; a, log p (B, K), log p constant.

    Of logits themselves it would see a shift that softmax does not.
    """
    alike("log_p", log_p.shape[-2:], a.shape[-2:])
    log_q = log_softmax(a)
    error = log_q - log_p
    return row_mean(error, error) / 2, (log_q, error)


# --- the concrete sample --------------------------------------------------------------------------
#
#     q = softmax((a + n) / τ),  n = −log(−log u), u ~ U(0, 1): Gumbel noise
#
# The largest entry of q falls on label k with probability softmax(a)_k, whatever τ is. log p and
# the logits a differ by a shift, which softmax does not see. By the derivative of softmax
#     ∂loss/∂a = q (g − Σ_k g_k q_k) / τ


def _concrete_reference(a, noise, tau):
    return anp.exp(log_softmax_reference((a + noise) / tau))


def _concrete_vjp(need, g, q, a, noise, tau):
    pull = g - row_sum(g * q)
    pull *= q
    pull /= tau
    return pull, None, None


@operation(_concrete_reference, _concrete_vjp, inputs=(0,))
def concrete(a, noise, tau):
    """q of logits a (B, K) and Gumbel noise (n, B, K), for n draws, with temperature τ > 0
    (Wang et al., 2018, Eqs. 6 and 7; Maddison et al., 2017): (n, B, K).

    At noise 0 and τ = 1 it is the softmax.
    """
    q = softmax((a + noise) / a.dtype.type(tau))
    return q, q


# --- the mean of a reward over label probabilities -----------------------------------------------
#
#     v = mean_{i,b} Σ_k q_ibk r_bk over n draws and B rows;  ∂v/∂q_ibk = r_bk / (n B)


def _mean_reward_reference(q, reward):
    return anp.mean(anp.mean(anp.sum(q * reward, axis=-1), axis=-1), axis=0)


def _mean_reward_vjp(need, g, kept, q, reward):
    pull = reward * (g[..., None, None] / (len(q) * q.shape[-2]))
    return array_module(q).broadcast_to(pull, q.shape), None


@operation(_mean_reward_reference, _mean_reward_vjp, inputs=(0,))
def mean_reward(q, reward):
    """The mean of a reward (B, K), constant, under label probabilities q (n, B, K)."""
    alike("reward", reward.shape[-2:], q.shape[-2:])
    return array_module(q).einsum("n...bk,...bk->...", q, reward) / (len(q) * q.shape[-2]), None
