"""The losses of KegNet, as operations: reference, primitive and VJP (see `ops`).

Each returns one number per network: a scalar for (B, K) inputs, (S,) for a stack (S, B, K).
Logits are a (B, K), one-hot labels or probabilities y and p (B, K), latent codes z (B, Z),
features x (B, D). Targets are constants: differentiating in one raises TypeError.
"""

import autograd.numpy as anp
import numpy as np

from .activations import constant
from .autodiff import operation
from .backend import array_module


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(a_k) / Σ_j exp(a_j) over the last axis (..., K), safe for any finite logits.

    Not differentiable; it makes targets. For a loss use `cross_entropy` or `kl`.
    """
    e = array_module(logits).exp(logits - largest(logits))
    e /= row_sum(e)
    return e


def largest(a):
    """The largest of each row, (..., K) -> (..., 1); fast where rows are many and short."""
    xp = array_module(a)
    return xp.ascontiguousarray(xp.moveaxis(a, -1, 0)).max(0)[..., None]


def row_sum(a):
    """The sum of each row, (..., K) -> (..., 1); BLAS is faster at it than a reduction."""
    xp = array_module(a)
    return xp.matmul(a, constant(1, (a.shape[-1], 1), a.dtype, xp))


def row_mean(a, b):
    """mean_b Σ_k a_bk b_bk, (..., B, K) twice -> (...)."""
    return array_module(a).einsum("...bk,...bk->...", a, b) / a.shape[-2]


def alike(name, found, expected):
    """A target of another shape would be broadcast in silence."""
    if found != expected:
        raise ValueError(f"{name} has {found} as its last two axes, expected {expected}")


# --- log-softmax --------------------------------------------------------------------------------


def log_softmax_reference(a):
    shifted = a - anp.max(a, axis=-1, keepdims=True)
    return shifted - anp.log(anp.sum(anp.exp(shifted), axis=-1, keepdims=True))


def log_softmax(a):
    y, xp = a - largest(a), array_module(a)
    y -= xp.log(row_sum(xp.exp(y)))
    return y


# --- cross-entropy ------------------------------------------------------------------------------


def _cross_entropy_reference(a, y):
    return -anp.mean(anp.sum(y * log_softmax_reference(a), axis=-1), axis=-1)


def _cross_entropy_vjp(need, g, log_q, a, y):
    pull = array_module(a).exp(log_q)
    pull *= row_sum(y)
    pull -= y
    pull *= g[..., None, None] / a.shape[-2]
    return pull, None


@operation(_cross_entropy_reference, _cross_entropy_vjp, inputs=(0,))
def cross_entropy(a, y):
    """l_cls = mean_b −Σ_k y_bk log softmax(a_b)_k (Yoo et al., 2019).

    ∂ log softmax(a)_k / ∂a_j = [j = k] − softmax(a)_j, so
    ∂l/∂a_bj = (softmax(a_b)_j Σ_k y_bk − y_bj) / B.
    """
    alike("y", y.shape[-2:], a.shape[-2:])
    log_q = log_softmax(a)
    return -row_mean(y, log_q), log_q


# --- Kullback-Leibler ---------------------------------------------------------------------------


def _log_or_0(p):
    xp = array_module(p)
    return xp.log(xp.where(p > 0, p, 1))


def _kl_reference(a, p):
    entropy = -anp.mean(anp.sum(p * _log_or_0(p), axis=-1), axis=-1)
    return _cross_entropy_reference(a, p) - entropy


@operation(_kl_reference, _cross_entropy_vjp, inputs=(0,))
def kl(a, p):
    """KL(p ‖ softmax(a)) = mean_b Σ_k p_bk (log p_bk − log softmax(a_b)_k), with 0 log 0 = 0.

    The student's loss, p = softmax of the teacher's logits. It is the cross-entropy less a
    constant, the entropy of p, so its gradient is that of `cross_entropy`.
    """
    alike("p", p.shape[-2:], a.shape[-2:])
    log_q = log_softmax(a)
    return row_mean(p, _log_or_0(p) - log_q), log_q


# --- reconstruction -----------------------------------------------------------------------------


def _reconstruction_reference(z_hat, z):
    return anp.mean((z_hat - z) ** 2, axis=(-2, -1))


def _reconstruction_vjp(need, g, error, z_hat, z):
    return error * (g[..., None, None] * (2 / (z_hat.shape[-2] * z_hat.shape[-1]))), None


@operation(_reconstruction_reference, _reconstruction_vjp, inputs=(0,))
def reconstruction(z_hat, z):
    """l_dec = mean over B and Z of (ẑ − z)² (Yoo et al., 2019).

    ∂l/∂ẑ = 2 (ẑ − z) / (B Z).
    """
    alike("z", z.shape[-2:], z_hat.shape[-2:])
    error = z_hat - z
    return array_module(error).square(error).mean((-2, -1)), error


# --- diversity ----------------------------------------------------------------------------------


def _diversity_reference(x, z):
    d_x = anp.mean(anp.abs(x[..., :, None, :] - x[..., None, :, :]), axis=-1)  # (B, B)
    d_z = anp.mean((z[..., :, None, :] - z[..., None, :, :]) ** 2, axis=-1)  # (B, B)
    return anp.exp(-anp.mean(d_z * d_x, axis=(-2, -1)))


def _latent_distances(z):
    return array_module(z).square(z[..., :, None, :] - z[..., None, :, :]).mean(-1)  # (B, B)


def _diversity_vjp(need, g, loss, x, z):
    (B, D), xp = x.shape[-2:], array_module(x)
    d_z = _latent_distances(z)
    pull = xp.empty_like(x)
    for k in range(D):  # a feature at a time: a (B, B, D) array would be large
        column = x[..., k]
        signs = xp.sign(column[..., :, None] - column[..., None, :])  # (B, B)
        pull[..., k] = (d_z * signs).sum(-1)
    pull *= (-2 / (B * B * D) * loss * g)[..., None, None]
    return pull, None


@operation(_diversity_reference, _diversity_vjp, inputs=(0,))
def diversity(x, z):
    """l_div = exp(−mean_{i,j} d_z(z_i, z_j) d_x(x_i, x_j)) over all B² pairs (Yoo et al., 2019).

    d_z is the mean of squared, d_x of absolute differences. With m the mean in the exponent,
    ∂l/∂x_ik = −l ∂m/∂x_ik. Row i is in the pairs (i, j) and (j, i), alike by symmetry, so
    ∂m/∂x_ik = 2/(B² D) Σ_j d_z(z_i, z_j) sign(x_ik − x_jk), where sign(0) = 0.
    """
    alike("z", z.shape[-2:], (x.shape[-2], z.shape[-1]))
    total, xp = 0, array_module(x)
    for k in range(x.shape[-1]):
        column = x[..., k]
        total = total + xp.abs(column[..., :, None] - column[..., None, :])  # (B, B)
    loss = xp.exp(-(_latent_distances(z) * total).mean((-2, -1)) / x.shape[-1])
    return loss, loss
