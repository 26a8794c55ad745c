"""Adam on one flat parameter vector, in place."""

import numpy as np

from .backend import array_module


class Adam:
    """Adam (Kingma and Ba, 2015) for a flat vector theta (..., P), with no temporaries.

    Parameters
    ----------
    theta : array (..., P), only its shape and type are used.
    lr : float > 0, the step size α. The attribute may be set to an array (S, 1), one per network.
    betas : the decay rates β₁, β₂ of the two moments. eps : added to the root.

    Attributes
    ----------
    m, v : running first and second moments of the gradient, like theta, but for their factors
        1 − β₁ and 1 − β₂, which the step size takes up. t : steps taken.
    """

    def __init__(self, theta: np.ndarray, lr: float, betas=(0.9, 0.999), eps: float = 1e-8):
        if not lr > 0:
            raise ValueError(f"lr is {lr}, expected a positive learning rate such as 1e-3")
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        xp = array_module(theta)
        self.m, self.v, self._a = xp.zeros_like(theta), xp.zeros_like(theta), xp.empty_like(theta)

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """One update of theta, in place: θ ← θ − α m̂ / (√v̂ + ε), grad like theta."""
        (beta1, beta2), m, v, a = self.betas, self.m, self.v, self._a
        xp = array_module(theta)
        self.t += 1
        m *= beta1  # m ← β₁ m + g, so that m̂ = m of_m
        m += grad
        of_m = (1 - beta1) / (1 - beta1**self.t)
        v *= beta2  # v ← β₂ v + g², so that √v̂ = √v root
        xp.multiply(grad, grad, out=a)
        v += a
        root = ((1 - beta2) / (1 - beta2**self.t)) ** 0.5
        xp.sqrt(v, out=a)  # α m̂ / (√v̂ + ε) = (α of_m / root) m / (√v + ε / root)
        a += self.eps / root
        xp.divide(m, a, out=a)
        lr = self.lr * of_m / root
        a *= a.dtype.type(lr) if isinstance(lr, float) else xp.asarray(lr, a.dtype)
        theta -= a

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps: m, v (..., P) and t."""
        return {"adam_sum_g": self.m, "adam_sum_gg": self.v, "adam_t": np.array(self.t)}

    def restore(self, arrays) -> None:
        """Take the state back from a checkpoint's arrays."""
        self.m, self.v = arrays["adam_sum_g"], arrays["adam_sum_gg"]
        self._a = array_module(self.m).empty_like(self.m)
        self.t = int(arrays["adam_t"])
