"""Adam on one flat parameter vector, in place."""

import numpy as np


class Adam:
    """Adam (Kingma and Ba, 2015) for a flat vector theta (..., P), with no temporaries.

    Parameters
    ----------
    theta : array (..., P), only its shape and type are used.
    lr : float > 0, the step size α.
    betas : the decay rates β₁, β₂ of the two moments. eps : added to the root.

    Attributes
    ----------
    m, v : running first and second moments of the gradient, like theta. t : steps taken.
    """

    def __init__(self, theta: np.ndarray, lr: float, betas=(0.9, 0.999), eps: float = 1e-8):
        if not lr > 0:
            raise ValueError(f"lr is {lr}, expected a positive learning rate such as 1e-3")
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        self.m, self.v = np.zeros_like(theta), np.zeros_like(theta)
        self._a, self._b = np.empty_like(theta), np.empty_like(theta)

    def step(self, theta: np.ndarray, grad: np.ndarray) -> None:
        """One update of theta, in place: θ ← θ − α m̂ / (√v̂ + ε), grad like theta."""
        (beta1, beta2), m, v, a, b = self.betas, self.m, self.v, self._a, self._b
        self.t += 1
        m *= beta1  # m ← β₁ m + (1 − β₁) g
        np.multiply(grad, 1 - beta1, out=a)
        m += a
        v *= beta2  # v ← β₂ v + (1 − β₂) g²
        np.multiply(grad, grad, out=a)
        a *= 1 - beta2
        v += a
        np.sqrt(v, out=a)  # √v̂ + ε, v̂ = v / (1 − β₂ᵗ)
        a *= (1 - beta2**self.t) ** -0.5
        a += self.eps
        np.divide(m, a, out=b)  # α m̂ / (√v̂ + ε), m̂ = m / (1 − β₁ᵗ)
        b *= self.lr / (1 - beta1**self.t)
        theta -= b

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps: m, v (..., P) and t."""
        return {"adam_m": self.m, "adam_v": self.v, "adam_t": np.array(self.t)}

    def restore(self, arrays) -> None:
        """Take the state back from a checkpoint's arrays."""
        self.m[...], self.v[...] = arrays["adam_m"], arrays["adam_v"]
        self.t = int(arrays["adam_t"])
