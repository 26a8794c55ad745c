"""The layers' operations, each three times over.

1. a plain *reference* in ``autograd.numpy``: slow, obviously right, the oracle of the tests;
2. a fast *primitive* in NumPy: autograd sees it as one node of its tape;
3. a hand-derived *VJP* (vector-Jacobian product): from g = ∂loss/∂y to ∂loss/∂(each input).

All three are entered in `registry.REGISTRY`, and `tests/test_ops.py` proves them equal. The losses
(`losses.py`) are operations too and use the same registry.

Shapes: rows are examples, (B, D). Every operation works on the last two axes, so that a leading
axis S is a stack of S independent networks: x (S, B, D) with W (S, D, H). An argument without that
axis is shared by the stack, and its gradient is summed over it. Biases, scales and shifts are
(1, H), so that they broadcast over rows with or without a stack.

First order only: a VJP is plain NumPy and cannot be differentiated again.
"""

from functools import cache
from math import gcd

import autograd.numpy as anp
import numpy as np

from .registry import operation

EPS = 1e-5  # added to the variance in batch-norm


@cache
def _constant(value, shape, dtype):
    array = np.full(shape, value, dtype)
    array.setflags(write=False)  # it is shared by all who ask for it
    return array


def _rows(a):
    """Sum over the batch: (..., B, H) -> (..., 1, H); BLAS is faster at it than a reduction."""
    return np.matmul(_constant(1, (1, a.shape[-2]), a.dtype), a)


def _negative_part(a):
    """min(a, 0); NumPy is faster against a long row of zeros than against a scalar."""
    row = gcd(a.size, 6400)
    return np.minimum(a.reshape(-1, row), _constant(0, row, a.dtype)).reshape(a.shape)


# --- dense --------------------------------------------------------------------------------------


def _dense_reference(x, W, b):
    return anp.matmul(x, W) + b


def _dense_vjp(need, g, y, x, W, b):
    return (
        g @ W.mT if 0 in need else None,  # (B, H) (H, D) -> (B, D)
        x.mT @ g if 1 in need else None,  # (D, B) (B, H) -> (D, H)
        _rows(g) if 2 in need else None,  # (1, H)
    )


@operation(_dense_reference, _dense_vjp, inputs=(0, 1, 2))
def dense(x, W, b):
    """y = x W + b; x (B, D), W (D, H), b (1, H) -> (B, H).

    y_bh = Σ_d x_bd W_dh + b_h, so ∂loss/∂x = g Wᵀ, ∂loss/∂W = xᵀ g and ∂loss/∂b = Σ_b g_b.
    """
    y = np.matmul(x, W)
    y += b
    return y


# --- ELU ----------------------------------------------------------------------------------------


def _elu_reference(a):
    return anp.where(a > 0, a, anp.expm1(anp.where(a > 0, 0.0, a)))


def _elu_slope(y):
    slope = _negative_part(y)
    slope += 1
    return slope


def _elu_vjp(need, g, y, a):
    return (g * _elu_slope(y),)


def _elu(a):
    y = _negative_part(a)
    np.exp(y, out=y)  # NumPy's float32 exp is vectorised from AVX2 on, expm1 with AVX-512 alone;
    y -= 1  # what expm1 gains, 1e-7 near 0, the next layer rounds away
    return np.maximum(a, y, out=y)  # e^a − 1 ≥ a, so the maximum picks the right branch


@operation(_elu_reference, _elu_vjp, inputs=(0,))
def elu(a):
    """y = a where a > 0, else e^a − 1 (Clevert, Unterthiner and Hochreiter, 2016).

    The slope is 1 where a > 0, else e^a = y + 1: min(y, 0) + 1 gives it from the *output*.
    """
    return _elu(a)


# --- dense, then ELU ----------------------------------------------------------------------------


def _dense_elu_reference(x, W, b):
    return _elu_reference(_dense_reference(x, W, b))


def _dense_elu_vjp(need, g, y, x, W, b):
    slope = _elu_slope(y)
    slope *= g  # ∂loss/∂a, a = x W + b
    return _dense_vjp(need, slope, None, x, W, b)


@operation(_dense_elu_reference, _dense_elu_vjp, inputs=(0, 1, 2))
def dense_elu(x, W, b):
    """elu(x W + b) in one node: the chain rule of `elu` and `dense`, y serves both."""
    a = np.matmul(x, W)
    a += b
    return _elu(a)


# --- Tucker dense -------------------------------------------------------------------------------


def _tucker_dense_reference(x, U_in, core, U_out, b):
    return anp.matmul(anp.matmul(anp.matmul(x, U_in), core), U_out) + b


def _tucker_dense_vjp(need, g, y, x, U_in, core, U_out, b):
    u = x @ U_in  # (B, r), cheaper to compute again than to carry
    gv = g @ U_out.mT  # (B, r')
    gu = gv @ core.mT  # (B, r)
    return (
        gu @ U_in.mT if 0 in need else None,  # (B, D)
        x.mT @ gu if 1 in need else None,  # (D, r)
        u.mT @ gv if 2 in need else None,  # (r, r')
        (u @ core).mT @ g if 3 in need else None,  # (r', H)
        _rows(g) if 4 in need else None,  # (1, H)
    )


@operation(_tucker_dense_reference, _tucker_dense_vjp, inputs=(0, 1, 2, 3, 4))
def tucker_dense(x, U_in, core, U_out, b):
    """y = x U_in core U_out + b, a dense layer in Tucker form (Yoo et al., 2019).

    x (B, D), U_in (D, r), core (r, r'), U_out (r', H), b (1, H) -> (B, H). With u = x U_in and
    v = u core it is three dense layers, each with the rule of `dense`:
    ∂/∂U_out = vᵀ g, ∂/∂v = g U_outᵀ, ∂/∂core = uᵀ ∂v, ∂/∂u = ∂v coreᵀ, ∂/∂U_in = xᵀ ∂u.
    """
    y = np.matmul(np.matmul(np.matmul(x, U_in), core), U_out)
    y += b
    return y


# --- Tucker dense, then ELU ---------------------------------------------------------------------


def _tucker_dense_elu_reference(x, U_in, core, U_out, b):
    return _elu_reference(_tucker_dense_reference(x, U_in, core, U_out, b))


def _tucker_dense_elu_vjp(need, g, y, x, U_in, core, U_out, b):
    slope = _elu_slope(y)
    slope *= g
    return _tucker_dense_vjp(need, slope, None, x, U_in, core, U_out, b)


@operation(_tucker_dense_elu_reference, _tucker_dense_elu_vjp, inputs=(0, 1, 2, 3, 4))
def tucker_dense_elu(x, U_in, core, U_out, b):
    """elu(x U_in core U_out + b) in one node: the chain rule of `elu` and `tucker_dense`."""
    a = np.matmul(np.matmul(np.matmul(x, U_in), core), U_out)
    a += b
    return _elu(a)


# --- batch-norm ---------------------------------------------------------------------------------


def _batch_norm_reference(x, gamma, beta, moments=None):
    mean = anp.mean(x, axis=-2, keepdims=True)
    variance = anp.mean((x - mean) ** 2, axis=-2, keepdims=True)
    return gamma * (x - mean) / anp.sqrt(variance + EPS) + beta


def _centre(x):
    B = x.shape[-2]
    mean = _rows(x) / B
    centred = x - mean  # squared only when centred: E[x²] − E[x]² cancels
    return centred, mean, _rows(centred * centred) / B


def _batch_norm_vjp(need, g, y, x, gamma, beta, moments=None):
    B = x.shape[-2]
    if moments is None:
        centred, _, variance = _centre(x)
    else:
        centred, variance = x - moments[..., 0, :, :], moments[..., 1, :, :]
    inv_std = 1 / np.sqrt(variance + EPS)  # (1, H)
    sum_g = _rows(g)
    sum_gx = _rows(g * centred) * inv_std  # Σ_b g_b x̂_b
    pull = None
    if 0 in need:
        pull = centred * (inv_std * (sum_gx / B))
        pull += sum_g / B
        np.subtract(g, pull, out=pull)
        pull *= gamma * inv_std
    return pull, sum_gx, sum_g, None


@operation(_batch_norm_reference, _batch_norm_vjp, inputs=(0, 1, 2))
def batch_norm(x, gamma, beta, moments=None):
    """y = γ x̂ + β, x̂ = (x − μ) / √(σ² + ε), with the batch's mean μ and *biased* variance σ².

    x (B, H), γ and β (1, H) -> (B, H). ``moments``, if given, is an output (2, 1, H) in NumPy's
    manner of ``out=``: it receives μ and σ², from which the caller keeps its running statistics
    (and which the VJP reads: leave it alone until the gradient is there).

    Both μ and σ² depend on x. With ĝ = γ g, ∂loss/∂x̂ = ĝ, and pushing it through the three
    paths (x itself, μ, σ²) gives, s = √(σ² + ε),
    ∂loss/∂x = (1/s) [ĝ − mean_b ĝ − x̂ mean_b(ĝ x̂)], ∂loss/∂γ = Σ_b g x̂, ∂loss/∂β = Σ_b g.
    (Ioffe and Szegedy, 2015, section 3.)
    """
    centred, mean, variance = _centre(x)
    if moments is not None:
        moments[..., 0, :, :], moments[..., 1, :, :] = mean, variance
    y = centred * (gamma / np.sqrt(variance + EPS))
    y += beta
    return y


def _batch_norm_eval_reference(x, gamma, beta, mean, variance):
    return gamma * (x - mean) / anp.sqrt(variance + EPS) + beta


def _batch_norm_eval_vjp(need, g, y, x, gamma, beta, mean, variance):
    inv_std = 1 / np.sqrt(variance + EPS)
    return (
        g * (gamma * inv_std) if 0 in need else None,
        _rows(g * (x - mean)) * inv_std if 1 in need else None,
        _rows(g) if 2 in need else None,
        None,
        None,
    )


@operation(_batch_norm_eval_reference, _batch_norm_eval_vjp, inputs=(0, 1, 2))
def batch_norm_eval(x, gamma, beta, mean, variance):
    """Batch-norm with running statistics, (1, H) each, that are constants of the derivative.

    With μ and σ² fixed it is an affine map of each feature: ∂loss/∂x = g γ / √(σ² + ε),
    ∂loss/∂γ = Σ_b g x̂, ∂loss/∂β = Σ_b g.
    """
    y = (x - mean) * (gamma / np.sqrt(variance + EPS))
    y += beta
    return y


# --- dropout ------------------------------------------------------------------------------------


def _dropout_vjp(need, g, y, x, mask):
    return g * mask, None


@operation(lambda x, mask: x * mask, _dropout_vjp, inputs=(0,))
def dropout(x, mask):
    """y = x · mask; the mask is drawn outside and holds 0 or 1/(1 − p) (Srivastava et al., 2014).

    Linear in x, so ∂loss/∂x = g · mask. The mask is a constant: a finite difference of the whole
    network then sees one fixed function.
    """
    return x * mask
