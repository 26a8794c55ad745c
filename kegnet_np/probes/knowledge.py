"""What a student took over, told from its answers alone (Ojha et al., 2023, sections 4 and 5).

Networks are one network or a stack of S, inputs x (N, D), labels (N,). A probe gives an `Estimate`.
"""

from dataclasses import dataclass

import numpy as np

from ..network import Network
from ..sampling import one_hot


@dataclass(frozen=True, eq=False)
class Estimate:
    """A mean over examples with its 95% interval, by member: ``values`` (..., N) -> (...).

    NaN stands where an example does not count. Differences and quotients are those of the means,
    and paired: their values are each example's share in them, to first order (the delta method).
    The interval is over examples; it says nothing of other teachers or students.
    """

    values: np.ndarray

    @property
    def n(self):
        """How many examples count."""
        return np.sum(~np.isnan(self.values), axis=-1)

    @property
    def mean(self):
        """The mean; NaN if no example counts."""
        return np.nansum(self.values, axis=-1) / np.where(self.n > 0, self.n, np.nan)

    @property
    def half(self):
        """Half a 95% interval of Student's t; NaN below two examples, 0 if all values agree."""
        from scipy.special import stdtrit  # takes half a second to import

        n = np.where(self.n > 1, self.n, np.nan)
        squares = np.nansum((self.values - np.expand_dims(self.mean, -1)) ** 2, axis=-1)
        return stdtrit(n - 1, 0.975) * np.sqrt(squares / (n - 1) / n)

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.values - other.values)

    def __truediv__(self, other: "Estimate") -> "Estimate":
        """a / b, of the same examples: the values are r + (a_i − r b_i) / b; NaN where b is 0."""
        below = np.where(other.mean == 0, np.nan, other.mean)
        ratio, below = (np.expand_dims(v, -1) for v in (self.mean / below, below))
        return Estimate(ratio + (self.values - ratio * other.values) / below)


def estimate(values: np.ndarray, on=True) -> Estimate:
    """The mean of values (..., N) over the examples ``on``, a mask (..., N)."""
    return Estimate(np.where(on, values, np.nan))


def answers(network: Network, x: np.ndarray) -> np.ndarray:
    """ŷ, the class of the largest logit, (..., N)."""
    return network.predict(x).argmax(-1)


def expect(name: str, found: tuple, expected: tuple) -> None:
    """ValueError if an argument has not the shape expected; it would be broadcast in silence."""
    if found != expected:
        raise ValueError(f"{name} has shape {found}, expected {expected}")


def right(network: Network, x: np.ndarray, labels: np.ndarray) -> Estimate:
    """Accuracy; on a domain that the student never saw, what passed of it (section 5.1)."""
    expect("labels", np.shape(labels), x.shape[:1])
    return estimate(answers(network, x) == labels)


def invariance(network: Network, x: np.ndarray, changed: np.ndarray) -> Estimate:
    """A = mean 1[ŷ(x) = ŷ(x′)], one model beside itself (section 4.3); x′ is ``changed``."""
    expect("changed", changed.shape, x.shape)
    return estimate(answers(network, x) == answers(network, changed))


def transfer(teacher: Estimate, student: Estimate, independent: Estimate) -> Estimate:
    """TF = (A_S − A_Ind) / (A_T − A_Ind): the share of what T has and Ind has not. Ours.

    A : any probe of single networks on the same examples, such as `invariance` or `right`.
    """
    return (student - independent) / (teacher - independent)


def consensus(teacher: Network, student: Network, x: np.ndarray) -> Estimate:
    """mean 1[ŷ_S = ŷ_T], right or wrong (section 4.4)."""
    return estimate(answers(student, x) == answers(teacher, x))


def kappa(teacher: Network, student: Network, x: np.ndarray) -> Estimate:
    """Cohen's κ = (p − e) / (1 − e): consensus p beyond e = Σ_k p_T(k) p_S(k), that of chance.

    Ours. 1 for equal answers, 0 for independent ones; NaN if both always give the same class.
    """
    s, t, K = answers(student, x), answers(teacher, x), teacher.model.classes
    of_s, of_t = one_hot(s, K, np.float64).mean(-2), one_hot(t, K, np.float64).mean(-2)  # (K,)
    e = (of_s * of_t).sum(-1)[..., None]
    chance = Estimate(of_t[s] + of_s[..., t] - e)  # the mean is e, the values vary as e does
    return (estimate(s == t) - chance) / Estimate(1 - chance.values)


def errors(teacher: Network, student: Network, x: np.ndarray, labels: np.ndarray
           ) -> dict[str, Estimate]:
    """P(ŷ_S = ŷ_T | T wrong), with what it is to be held against (ours).

    agreement : on the rows that T gets wrong.
    ceiling : P(ŷ_S ≠ y | T wrong), for where S is right it cannot repeat the error.
    control : what of the agreement is left if S's wrong answers are dealt out at random among its
        errors on the same class. Agreement above that is of the row, not of the class.
    """
    expect("labels", np.shape(labels), x.shape[:1])
    s, t, K = answers(student, x), answers(teacher, x), teacher.model.classes
    wrong, missed = t != labels, s != labels
    table = one_hot(labels, K).T @ (one_hot(s, K) * missed[..., None])  # (K, K), label and answer
    table /= np.maximum(table.sum(-1, keepdims=True), 1)
    return {"agreement": estimate(s == t, wrong), "ceiling": estimate(missed, wrong),
            "control": estimate(missed * table[..., labels, t], wrong)}


def with_cue(x: np.ndarray, labels: np.ndarray, classes: int, rho: float, rng: np.random.Generator
             ) -> tuple[np.ndarray, np.ndarray]:
    """x with one more column, (N, D + 1), and the labels (N,) that it stands for (section 4).

    A cue is the row's label with probability ρ, else another one: chance is ρ = 1 / K, and at ρ = 0
    all rows are in conflict. The column is the number of the class, centred, of variance 1 for
    balanced classes.
    """
    expect("labels", np.shape(labels), x.shape[:1])
    if not 0 <= rho <= 1:
        raise ValueError(f"rho is {rho}, expected a probability from 0 to 1")
    other = (labels + rng.integers(1, classes, size=len(x))) % classes
    cues = np.where(rng.random(len(x)) < rho, labels, other)
    column = (cues - (classes - 1) / 2) / ((classes**2 - 1) / 12) ** 0.5
    return np.concatenate([x, column[:, None]], axis=1, dtype=x.dtype), cues


def cues_of(x: np.ndarray, classes: int) -> np.ndarray:
    """The labels (N,) that the last column of x (N, D + 1) of `with_cue` stands for."""
    return np.rint(x[:, -1] * ((classes**2 - 1) / 12) ** 0.5 + (classes - 1) / 2).astype(int)


def keeps_to_the_label(network: Network, x: np.ndarray, labels: np.ndarray, cues: np.ndarray
                       ) -> Estimate:
    """right / (right + cue) among the rows where label and cue are in conflict."""
    for name, given in (("labels", labels), ("cues", cues)):
        expect(name, np.shape(given), x.shape[:1])
    y = answers(network, x)
    return estimate(y == labels, (labels != cues) & ((y == labels) | (y == cues)))


def gap(network: Network, x: np.ndarray, labels: np.ndarray, groups: np.ndarray, group: int
        ) -> Estimate:
    """The mean accuracy of the other groups less that of ``group``, g* (section 5.2; ours).

    groups (N,) : of each row, its class or a cluster within one.
    """
    expect("groups", np.shape(groups), x.shape[:1])
    correct, names = right(network, x, labels).values, np.unique(groups)
    if group not in names or len(names) < 2:
        raise ValueError(f"group is {group}, expected one of groups, which has {names}, and others")
    by_group = {g: (Estimate(correct * (groups == g)) / estimate(groups == g)).values
                for g in names}
    others = np.mean([values for g, values in by_group.items() if g != group], axis=0)
    return Estimate(others - by_group[group])
