"""Hint and CRD, two ways to distil, as operations (see `ops`): reference, derivation, primitive.

Both compare layers, not answers (Ojha et al., 2023, section 3). Each is in the registry, is tested
with the others, and takes a stack as they do.
"""

import autograd.numpy as anp
import numpy as np

from ..autodiff import operation
from ..backend import array_module
from ..losses import alike, row_mean

# --- hint -----------------------------------------------------------------------------------------
#
#     l = mean_b ½ ‖f_t − r_s‖²;  ∂l/∂r_s = (r_s − f_t) / B


def _hint_reference(r_s, f_t):
    return anp.mean(anp.sum((f_t - r_s) ** 2, axis=-1) / 2, axis=-1)


def _hint_vjp(need, g, error, r_s, f_t):
    return error * (g[..., None, None] / r_s.shape[-2]), None


@operation(_hint_reference, _hint_vjp, inputs=(0,))
def hint(r_s, f_t):
    """½ ‖f_t − r(f_s)‖², the mean over rows (Ojha et al., 2023, Eq. 2).

    r_s = r(f_s) (B, H) : the student's layer after its adapter. f_t (B, H) : the teacher's layer, a
    constant.
    """
    alike("f_t", f_t.shape[-2:], r_s.shape[-2:])
    error = r_s - f_t
    return row_mean(error, error) / 2, error


# --- CRD ------------------------------------------------------------------------------------------
#
#     l = −mean_b Σ_c [w⁺_bc log h_bc + w⁻_bc log(1 − h_bc)],  h = e^v / (e^v + ρ),
#     v_bc = ŝ_b·t̂_c / τ,  ŝ = s / ‖s‖,  t̂ = t / ‖t‖,  ρ = N/M
#
# h = σ(a) with a = v − log ρ, so log h = log σ(a) and log(1 − h) = log σ(−a) = log σ(a) − a are
# safe for any a. With d log σ(a) / da = 1 − σ(a):
#     A = ∂l/∂a = [(w⁺ + w⁻) σ(a) − w⁺] / B,  ∂l/∂ŝ = A t̂ / τ,  ∂l/∂t̂ = Aᵀ ŝ / τ
# ∂ŝ_i/∂s_j = ([i = j] − ŝ_i ŝ_j) / ‖s‖: what lies along ŝ is lost, so with u = ∂l/∂ŝ
#     ∂l/∂s = (u − ŝ (ŝ·u)) / ‖s‖,  and so for t


def _crd_reference(s, t, positive, negative, tau, ratio):
    def unit(v):
        return v / anp.sqrt(anp.sum(v * v, axis=-1, keepdims=True))

    e = anp.exp(anp.einsum("...be,...ce->...bc", unit(s), unit(t)) / tau)
    h = e / (e + ratio)
    return -anp.mean(anp.sum(positive * anp.log(h) + negative * anp.log(1 - h), axis=-1), axis=-1)


def _unit(v):
    """v / ‖v‖ of each row and ‖v‖, (..., B, E) and (..., B, 1); 1 in place of a ‖v‖ of 0."""
    norm = array_module(v).linalg.norm(v, axis=-1, keepdims=True)
    norm[norm == 0] = 1
    return v / norm, norm


def _crd_vjp(need, g, kept, s, t, positive, negative, tau, ratio):
    (s_unit, s_norm), (t_unit, t_norm), log_h = kept
    xp = array_module(s)
    pull = xp.exp(log_h)  # A, times g / τ
    pull *= positive + negative
    pull -= positive
    pull *= g[..., None, None] / (s.shape[-2] * tau)
    u_s, u_t = pull @ t_unit, pull.mT @ s_unit  # (B, E), (C, E)
    for u, unit, norm in ((u_s, s_unit, s_norm), (u_t, t_unit, t_norm)):
        u -= unit * xp.einsum("...be,...be->...b", unit, u)[..., None]
        u /= norm
    return u_s, u_t, None, None, None, None


@operation(_crd_reference, _crd_vjp, inputs=(0, 1))
def crd(s, t, positive, negative, tau, ratio):
    """Contrastive representation distillation: one number per network (Tian et al., 2020; Ojha et
    al., 2023, Eq. 3).

    s (B, E), t (C, E) : projections of the student's and the teacher's layer, normalised here.
    positive, negative (B, C) : how often row b of s has row c of t as a positive and as a negative.
    tau : τ. ratio : N/M, negatives of a row by rows of the training set.
    """
    alike("t", t.shape[-2:], (t.shape[-2], s.shape[-1]))
    for name, weights in (("positive", positive), ("negative", negative)):
        alike(name, weights.shape[-2:], (s.shape[-2], t.shape[-2]))
    units = _unit(s), _unit(t)
    a = units[0][0] @ units[1][0].mT / s.dtype.type(tau)  # (B, C)
    a -= s.dtype.type(np.log(ratio))
    xp = array_module(a)
    log_h = xp.minimum(a, 0) - xp.log1p(xp.exp(-xp.abs(a)))
    return -row_mean(positive, log_h) - row_mean(negative, log_h - a), (*units, log_h)
