"""The layers' operations, each three times over.

1. a plain *reference* in ``autograd.numpy``: slow, obviously right, the oracle of the tests;
2. a hand-derived *VJP* (vector-Jacobian product): from g = ∂loss/∂y to ∂loss/∂(each input);
3. a fast *primitive* in NumPy, which autograd sees as one node of its tape: it gives y and what
   its VJP needs of the forward pass, ``kept``.

All are entered in `autodiff.REGISTRY`, and `tests/test_ops.py` proves them equal. The losses
(`losses.py`) are operations too and use the same registry.

Shapes: rows are examples, (B, D). Every operation works on the last two axes, so that a leading
axis S is a stack of S independent networks: x (S, B, D) with W (S, D, H). An argument without that
axis is shared by the stack, and its gradient is summed over it. Biases, scales and shifts are
(1, H), so that they broadcast over rows with or without a stack.

First order only: a VJP is plain NumPy and cannot be differentiated again.
"""

import autograd.numpy as anp

from .activations import constant, identity, through
from .autodiff import operation
from .backend import array_module

EPS = 1e-5  # added to the variance in batch-norm


def _matmul(a, b):
    """a b; where the inner dimension is 1, matmul calls no BLAS: einsum is four times faster."""
    alone = a.shape[-1] == b.shape[-2] == 1
    xp = array_module(a)
    return xp.einsum("...ij,...jk->...ik", a, b) if alone else xp.matmul(a, b)


def _rows(a):
    """Sum over the batch: (..., B, H) -> (..., 1, H); BLAS is faster at it than a reduction."""
    xp = array_module(a)
    return xp.matmul(constant(1, (1, a.shape[-2]), a.dtype, xp), a)


# --- dense --------------------------------------------------------------------------------------
#
#     y = f(x W + b),  y_bh = f(Σ_d x_bd W_dh + b_h)
#
# With ∂a = g f'(a), the cotangent of a = x W + b:
#     ∂loss/∂x = ∂a Wᵀ,  ∂loss/∂W = xᵀ ∂a,  ∂loss/∂b = Σ_b ∂a_b


def _dense_reference(x, W, b, activation=identity):
    return activation.reference(anp.matmul(x, W) + b)


def _dense_vjp(need, g, y, x, W, b, activation=identity):
    g = through(g, y, activation)
    return (
        _matmul(g, W.mT) if 0 in need else None,  # (B, H) (H, D) -> (B, D)
        x.mT @ g if 1 in need else None,  # (D, B) (B, H) -> (D, H)
        _rows(g) if 2 in need else None,  # (1, H)
        None,
    )


@operation(_dense_reference, _dense_vjp, inputs=(0, 1, 2))
def dense(x, W, b, activation=identity):
    """y = f(x W + b) in one node; x (B, D), W (D, H), b (1, H), f an `Activation` -> (B, H)."""
    a = _matmul(x, W)
    a += b
    y = activation.value(a)
    return y, y


# --- Tucker dense -------------------------------------------------------------------------------
#
#     y = f(x U_in core U_out + b), a dense layer in Tucker form (Yoo et al., 2019)
#
# With u = x U_in and v = u core it is three dense layers, each with the rule of `dense`:
#     ∂U_out = vᵀ ∂a,  ∂v = ∂a U_outᵀ,  ∂core = uᵀ ∂v,  ∂u = ∂v coreᵀ,  ∂U_in = xᵀ ∂u


def _tucker_dense_reference(x, U_in, core, U_out, b, activation=identity):
    return activation.reference(anp.matmul(anp.matmul(anp.matmul(x, U_in), core), U_out) + b)


def _tucker_dense_vjp(need, g, kept, x, U_in, core, U_out, b, activation=identity):
    u, v, y = kept
    g = through(g, y, activation)
    gv = _matmul(g, U_out.mT)  # (B, r')
    gu = _matmul(gv, core.mT)  # (B, r)
    return (
        _matmul(gu, array_module(x).ascontiguousarray(U_in.mT)) if 0 in need else None,  # (B, D)
        x.mT @ gu if 1 in need else None,  # (D, r)
        u.mT @ gv if 2 in need else None,  # (r, r')
        v.mT @ g if 3 in need else None,  # (r', H)
        _rows(g) if 4 in need else None,  # (1, H)
        None,
    )


@operation(_tucker_dense_reference, _tucker_dense_vjp, inputs=(0, 1, 2, 3, 4))
def tucker_dense(x, U_in, core, U_out, b, activation=identity):
    """y = f(x U_in core U_out + b) in one node.

    x (B, D), U_in (D, r), core (r, r'), U_out (r', H), b (1, H), f an `Activation` -> (B, H).
    """
    u = _matmul(x, U_in)
    v = _matmul(u, core)
    a = _matmul(v, U_out)
    a += b
    y = activation.value(a)
    return y, (u, v, y)


# --- batch-norm ---------------------------------------------------------------------------------
#
#     y = γ x̂ + β,  x̂ = (x − μ) / s,  s = √(σ² + ε)   (Ioffe and Szegedy, 2015, section 3)
#
# with the batch's mean μ and *biased* variance σ², which both depend on x. With ĝ = γ g, pushing
# ∂loss/∂x̂ = ĝ through the three paths (x itself, μ, σ²) gives
#     ∂loss/∂x = (1/s) [ĝ − mean_b ĝ − x̂ mean_b(ĝ x̂)],  ∂loss/∂γ = Σ_b g x̂,  ∂loss/∂β = Σ_b g


def _batch_norm_reference(x, gamma, beta, moments=None):
    mean = anp.mean(x, axis=-2, keepdims=True)
    variance = anp.mean((x - mean) ** 2, axis=-2, keepdims=True)
    return gamma * (x - mean) / anp.sqrt(variance + EPS) + beta


def _batch_norm_vjp(need, g, kept, x, gamma, beta, moments=None):
    B, (centred, inv_std) = g.shape[-2], kept
    sum_g = _rows(g)
    sum_gx = _rows(g * centred) * inv_std  # Σ_b g_b x̂_b
    pull = None
    if 0 in need:
        pull = centred * (inv_std * (sum_gx / B))
        pull += sum_g / B
        array_module(g).subtract(g, pull, out=pull)
        pull *= gamma * inv_std
    return pull, sum_gx, sum_g, None


@operation(_batch_norm_reference, _batch_norm_vjp, inputs=(0, 1, 2))
def batch_norm(x, gamma, beta, moments=None):
    """Batch-norm by the batch's own moments; x (B, H), γ and β (1, H) -> (B, H).

    ``moments``, if given, is an output (2, 1, H) in NumPy's manner of ``out=``: it receives μ and
    σ², from which the caller keeps its running statistics.
    """
    B = x.shape[-2]
    mean = _rows(x) / B
    centred = x - mean  # squared only when centred: E[x²] − E[x]² cancels
    variance = _rows(centred * centred) / B
    if moments is not None:
        moments[..., 0, :, :], moments[..., 1, :, :] = mean, variance
    inv_std = 1 / array_module(x).sqrt(variance + EPS)  # (1, H)
    y = centred * (gamma * inv_std)
    y += beta
    return y, (centred, inv_std)


# --- batch-norm in evaluation ---------------------------------------------------------------------
#
#     the same with running μ and σ², constants of the derivative: an affine map of each feature,
#     ∂loss/∂x = g γ / s,  ∂loss/∂γ = Σ_b g x̂,  ∂loss/∂β = Σ_b g


def _batch_norm_eval_reference(x, gamma, beta, mean, variance):
    return gamma * (x - mean) / anp.sqrt(variance + EPS) + beta


def _batch_norm_eval_vjp(need, g, inv_std, x, gamma, beta, mean, variance):
    return (
        g * (gamma * inv_std) if 0 in need else None,
        _rows(g * (x - mean)) * inv_std if 1 in need else None,
        _rows(g) if 2 in need else None,
        None,
        None,
    )


@operation(_batch_norm_eval_reference, _batch_norm_eval_vjp, inputs=(0, 1, 2))
def batch_norm_eval(x, gamma, beta, mean, variance):
    """Batch-norm with running statistics, (1, H) each; x (B, H) -> (B, H)."""
    inv_std = 1 / array_module(x).sqrt(variance + EPS)
    y = (x - mean) * (gamma * inv_std)
    y += beta
    return y, inv_std


# --- dropout ------------------------------------------------------------------------------------
#
#     y = x · mask, with 0 or 1/(1 − p) in the mask (Srivastava et al., 2014); ∂loss/∂x = g · mask


def _dropout_vjp(need, g, kept, x, mask):
    return g * mask, None


@operation(lambda x, mask: x * mask, _dropout_vjp, inputs=(0,))
def dropout(x, mask):
    """y = x · mask, alike in shape. The mask is drawn outside and a constant of the derivative: a
    finite difference of the whole network then sees one fixed function."""
    return x * mask, None
