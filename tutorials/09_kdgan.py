# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. From GAN to KDGAN
#
# **What you will do.** Train a classifier against an *adversary* that tells its labels from the
# true ones: first those two alone, then with a teacher as the third player. You do it in a plane,
# where the right answer is known in closed form, and then for pen strokes with 100 labels.
#
# **What you will learn.** What a discriminator computes, and why it ends at 1/2. Why a label that
# is drawn stops the gradient, and four ways around that. What $\alpha$, $\beta$, $\gamma$ and
# $\tau$ are for. And what all this brings on a small table, which is little.
#
# **What you need.** Tutorials 3 (softmax, cross-entropy) and 6 (a student's loss, KL). Bayes' rule.
#
# Runs in about 45 seconds on one core.

# %%
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from autograd import grad
from exercises import check
from matplotlib.colors import to_rgb
from scipy.special import xlogy

import data_loaders
from kegnet_np import losses, metrics, sampling
from kegnet_np.activations import logistic
from kegnet_np.autodiff import value_and_grad
from kegnet_np.experiments import games, play
from kegnet_np.experiments.text import to_text

# %%
from kegnet_np.experiments.variance import spread
from kegnet_np.kdgan import estimators, game
from kegnet_np.kdgan.operations import concrete, log_sigmoid_loss
from kegnet_np.kdgan.rules import Rules
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.optim import Adam
from kegnet_np.params import split
from kegnet_np.train import Schedule

plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Another way to distil
#
# KegNet has a teacher and no data. KDGAN (Wang, Zhang, Sun and Qi, NeurIPS 2018) has data with
# labels, perhaps few, and wants a small network as well. Three networks play:
#
# - the *classifier* $C$, the small one: $p_c(y \mid x) = \operatorname{softmax}(C(x))_y$;
# - the *teacher* $T$, a larger one: $p_t(y \mid x) = \operatorname{softmax}(T(x))_y$;
# - the *discriminator* $D$: shown a row $x$ and a label $y$, it says how probable it is that $y$
#   is a true label and not one of the players', $p_d(x, y) = \sigma(D(x)_y)$. It has a sigmoid
#   $\sigma(a) = 1 / (1 + e^{-a})$ for every label. (Here $D$ is no decoder, as it was in
#   tutorial 5.)
#
# The true label's distribution is $p_u(y \mid x)$. Nobody knows it; the labels of the rows are
# drawn from it. To see what the players do, we begin where we *do* know it: three classes in a
# plane, each normal around its own centre $\mu_k$ with variance 1, and equally frequent. Bayes'
# rule gives
#
# $$ p_u(y = k \mid x) = \frac{\exp(-\|x - \mu_k\|^2 / 2)}{\sum_j \exp(-\|x - \mu_j\|^2 / 2)} . $$

# %%
K, rng = 3, np.random.default_rng(9)
centres = 1.2 * np.array([[0, 1], [-0.87, -0.5], [0.87, -0.5]])  # (K, 2)


def truth(x):
    """p_u(y | x) for points (N, 2): (N, K)."""
    squares = ((x[:, None] - centres) ** 2).sum(axis=-1)  # (N, K)
    return losses.softmax(-squares / 2)


def draw(n):
    """n points, and a label for each."""
    y = rng.integers(K, size=n)
    return (centres[y] + rng.standard_normal((n, 2))).astype(np.float32), y


# %%
x, y = draw(4000)  # for the players
x_new, y_new = draw(2000)  # for us, to judge by
p_u = truth(x_new)  # (2000, K)
share = np.mean(p_u.argmax(axis=1) == y_new)
print(f"whoever knows p_u guesses {share:.0%} of the labels")
assert 0.7 < share < 0.85

# %%
COLOURS = np.array([to_rgb(f"C{k}") for k in range(K)])  # (K, 3): red, green, blue
steps = np.linspace(-4, 4, 120)
grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(np.float32)


def paint(ax, p, title):
    """Probabilities (120 * 120, K) of the grid as mixed colours."""
    image = np.clip(p @ COLOURS, 0, 1).reshape(120, 120, 3)
    ax.imshow(image, origin="lower", extent=(-4, 4, -4, 4))
    ax.set(title=title, xticks=[], yticks=[])


# %%
figure, axes = plt.subplots(1, 2, figsize=(5.4, 2.8))
axes[0].scatter(*x[:800].T, c=COLOURS[y[:800]], s=4)
axes[0].set(title="rows with their labels", aspect="equal", xticks=[], yticks=[],
            xlim=(-4, 4), ylim=(-4, 4))
paint(axes[1], truth(grid), "p_u: one colour for each label")
plt.show()

# %% [markdown]
# The classes overlap. Where they do, the right answer is no label but a mixture of colours, and a
# good network should give that mixture.
#
# ## The discriminator alone
#
# $D$ sees a true label with weight 1, one of $C$'s with weight $\alpha$, one of $T$'s with weight
# $1 - \alpha$, where $0 \le \alpha \le 1$. So what it has to tell from $p_u$ is the mixture
# $p_{mix} = \alpha \, p_c + (1 - \alpha) \, p_t$. It makes this value as *large* as it can:
#
# $$ V = \operatorname{mean}_x \sum_y \big[ p_u(y \mid x) \log p_d(x, y)
# + p_{mix}(y \mid x) \log (1 - p_d(x, y)) \big] . $$
#
# The package has $-V$ as a loss, `log_sigmoid_loss(a, positive, negative)`: the logits $a = D(x)$,
# the weights $w^+$ of the first logarithm and $w^-$ of the second, $(B, K)$ each:
#
# $$ l = - \operatorname{mean}_b \sum_k \big[ w^+_{bk} \log \sigma(a_{bk})
# + w^-_{bk} \log (1 - \sigma(a_{bk})) \big] . $$
#
# **Exercise 9.1.** Write its gradient $\partial l / \partial a$ as a function of `a`, `positive`
# and `negative`. (`logistic` is $\sigma$. What is the derivative of $\log \sigma(a)$?)

# %%
# Exercise 9.1: your answer
answer_9_1 = None


# %%
def slopes(f, a, h=1e-6):
    """Central differences of f in every entry of a."""
    found = np.zeros_like(a)
    for i in np.ndindex(a.shape):
        e = np.zeros_like(a)
        e[i] = h
        found[i] = (f(a + e) - f(a - e)) / (2 * h)
    return found


# %%
def is_gradient_of_d(answer):
    rng = np.random.default_rng(1)
    a, (positive, negative) = rng.normal(size=(4, 3)), rng.random((2, 4, 3))
    expected = slopes(lambda a: log_sigmoid_loss(a, positive, negative), a)
    found = answer(a, positive, negative)
    return np.shape(found) == a.shape and np.abs(found - expected).max() < 1e-7


check("9.1", answer_9_1, is_gradient_of_d, "1 − σ(a) = σ(−a); and the mean is over B rows")

# %% [markdown]
# <details><summary>Solution 9.1</summary>
#
# The derivative of $\log \sigma(a)$ is $1 - \sigma(a)$, that of $\log(1 - \sigma(a))$ is
# $-\sigma(a)$. Together $-[w^+ (1 - \sigma) - w^- \sigma] = (w^+ + w^-) \, \sigma - w^+$.
#
# ```python
# def answer_9_1(a, positive, negative):
#     return ((positive + negative) * logistic(a) - positive) / len(a)
# ```
#
# </details>

# %% [markdown]
# The gradient is zero where $\sigma(a) = w^+ / (w^+ + w^-)$. So the best discriminator is
#
# $$ p_d(x, y) = \frac{p_u(y \mid x)}{p_u(y \mid x) + p_{mix}(y \mid x)} . $$
#
# In training, $w^+$ is the row's one label, as a one-hot vector. But $D$ is a smooth function and
# sees many rows near $x$; in their mean $w^+$ is $p_u$. Let us see whether it gets there. The
# players do not learn yet. $C$ knows nothing and says $1/3$ for every label. $T$ is far too sure
# of itself: $p_t$ is $p_u^3$, made to sum to 1. And $\alpha = 1/2$.

# %%
def mixture(p_u):
    """The two players' mixture where the truth is p_u (N, K)."""
    return 0.5 / K + 0.5 * losses.softmax(3 * np.log(p_u))


model = MLP(2, K, (32, 32), dropout=0.0)  # for C, T and D in the plane
start = [Network.random(model, sampling.seeded(9, player)) for player in "CTD"]  # stacks of one
theta = start[2].theta[0].copy()  # D's
w_true, w_mix = sampling.one_hot(y, K), mixture(truth(x)).astype(np.float32)  # (4000, K) each


# %%
def loss(p, rows):
    d, _ = model.apply(p, None, x[rows])  # (B, K)
    return log_sigmoid_loss(d, w_true[rows], w_mix[rows]), None


step, adam = value_and_grad(loss, model.layout), Adam(theta, 3e-3)
for i in range(3000):
    adam.lr = 3e-3 * (1 - i / 3000)
    _, gradient, _ = step(theta, rng.integers(len(x), size=128))
    adam.step(theta, gradient)
d = Network(model, theta).predict(x_new).astype(float)  # (2000, K)

# %%
p_mix = mixture(p_u)
best = np.log(p_u / p_mix)  # the logits of the formula
assert np.allclose(logistic(best), p_u / (p_u + p_mix))
figure, axes = plt.subplots(1, 2, figsize=(5.8, 2.7))
axes[0].plot(logistic(best), logistic(d), ".", ms=1)
axes[0].plot([0, 0.8], [0, 0.8], "k", lw=0.8)
axes[0].set(xlabel="p_u / (p_u + p_mix)", ylabel="p_d of the trained D", title="at new rows")
line = np.stack([0 * steps, steps], axis=1).astype(np.float32)  # from below to the first centre
axes[1].plot(steps, logistic(Network(model, theta).predict(line)))
axes[1].set_prop_cycle(None)
axes[1].plot(steps, truth(line) / (truth(line) + mixture(truth(line))), "--")
axes[1].set(xlabel="height on the middle line", title="dashed: the formula")
plt.show()
off = np.abs(logistic(d) - logistic(best))

# %% [markdown]
# A colour is a label, and two of them lie on one dashed line: on the middle line the second and
# the third class are equally probable. $D$ has found the formula from single labels, roughly where
# there are rows, and less well at the ends of the line, where there are hardly any.
#
# How large is $V$ there?

# %%
def value(d, p_mix):
    """V on the new rows: of D's logits d (..., N, K)."""
    return -log_sigmoid_loss(d, np.broadcast_to(p_u, d.shape), p_mix)


m = (p_u + p_mix) / 2
js = (xlogy(p_u, p_u / m) + xlogy(p_mix, p_mix / m)).sum(axis=1).mean() / 2
assert np.isclose(value(best, p_mix), 2 * js - np.log(4))
assert np.isclose(value(0 * d, p_u), -np.log(4))  # p_mix = p_u, and p_d = 1/2
print(f"V of the trained D   {value(d, p_mix):.3f}")
print(f"V of the best D      {value(best, p_mix):.3f}")
print(f"−log 4               {-np.log(4):.3f}")
assert value(d, p_mix) < value(best, p_mix) < value(d, p_mix) + 0.03 and off.mean() < 0.05

# %% [markdown]
# The first assertion is a theorem. Put the best $p_d$ into $V$:
#
# $$ \max_D V = 2 \, \mathrm{JS}(p_u, p_{mix}) - \log 4 , $$
#
# $$ \mathrm{JS}(p, q) = \tfrac12 \mathrm{KL}(p \,\|\, m) + \tfrac12 \mathrm{KL}(q \,\|\, m) ,
# \qquad m = \tfrac12 (p + q) . $$
#
# JS, the *Jensen-Shannon divergence*, is never negative, and 0 only if the two are the same. So
# the value at the best $D$ measures how far the mixture is from the truth, although nobody
# has seen $p_u$. Players who make it as *small* as they can end at $p_{mix} = p_u$. There $p_d$ is
# $1/2$ everywhere, and $V = 2 \log \tfrac12 = -\log 4$.
#
# ## NaGAN: C against D
#
# The simplest game has no teacher: $\alpha = 1$, $p_{mix} = p_c$. The paper calls it NaGAN, a
# naive GAN (*generative adversarial network*). $D$ and $C$ take turns. $D$ ascends $V$. $C$
# descends that part of it in which it occurs:
#
# $$ v = \operatorname{mean}_b \sum_k p_c(k \mid x_b) \, r_{bk} , \qquad
# r_{bk} = \log (1 - p_d(x_b, k)) . $$
#
# While it is $C$'s turn, $D$ stands still, so the $r$ are constants.
#
# **Exercise 9.2.** Write $\partial v / \partial a$ as a function of `a` and `r`, $(B, K)$ each,
# where $a = C(x)$ are $C$'s logits.

# %%
# Exercise 9.2: your answer
answer_9_2 = None


# %%
def is_gradient_of_c(answer):
    rng = np.random.default_rng(2)
    a, r = rng.normal(size=(4, 3)), -rng.random((4, 3))
    expected = slopes(lambda a: (losses.softmax(a) * r).sum(axis=1).mean(), a)
    found = answer(a, r)
    return np.shape(found) == a.shape and np.abs(found - expected).max() < 1e-7


check("9.2", answer_9_2, is_gradient_of_c, "∂p_k/∂a_j = p_k ([j = k] − p_j)")

# %% [markdown]
# <details><summary>Solution 9.2</summary>
#
# $\sum_k r_k \, p_k ([j = k] - p_j) = p_j (r_j - \sum_k p_k r_k)$: a label's logit falls if its
# $r$ is above the mean, that is, if $D$ believes in it less than in the others.
#
# ```python
# def answer_9_2(a, r):
#     p = losses.softmax(a)
#     return p * (r - (p * r).sum(axis=1, keepdims=True)) / len(a)
# ```
#
# </details>

# %% [markdown]
# Look at $v$ once more: it is *linear* in $p_c$. Against a $D$ that stood still for long, $C$
# would do best to put everything on the one label in which $D$ believes most. That is not $p_u$
# at all. So the turns must be short, and $D$ must follow.
#
# `game.play` plays. A `hook` is called before the first epoch and after each. Ours keeps
# the parameters of $C$, $T$ and $D$, which lie one after another in `training.theta`. All epochs
# together then are a *stack* of networks, which answer side by side.

# %%
def contest(rules, epochs, most=256):
    """Play from `start`: C, T and D, each a stack with one network for every epoch 0, 1, ..."""
    thetas = []

    def note(training):
        thetas.append(training.theta[0].copy())  # it is changed in place

    game.play((x, y), *start, rules, validation=(x_new, y_new), most=most, hook=note,
              schedule=Schedule(lr=1e-3, batch=64, epochs=epochs))
    parts = split(np.stack(thetas), [model.layout] * 3)
    return [Network(model, theta) for theta in parts]


# %%
def judge(players, alpha):
    """How the players stand at each epoch: arrays (epochs + 1,)."""
    a_c, a_t, d = (player.predict(x_new).astype(float) for player in players)  # (E + 1, N, K)
    p_mix = alpha * losses.softmax(a_c) + (1 - alpha) * losses.softmax(a_t)
    target = np.broadcast_to(p_u, d.shape)
    return SimpleNamespace(
        kl_c=losses.kl(a_c, target), kl_t=losses.kl(a_t, target),  # from p_u
        apart=losses.kl(a_c, losses.softmax(a_t)),  # KL(p_t ‖ p_c)
        p_d=logistic(d).mean(axis=(1, 2)),
        value=value(d, p_mix), best=value(np.log(target / p_mix), p_mix))


def answers(player, epoch):
    """A player's probabilities on the grid, after an epoch."""
    return losses.softmax(player.member(epoch).predict(grid))


# %% [markdown]
# An epoch here has 256 rows, drawn anew from the 4,000, and batches of 64: one pass of $C$, which
# is four steps, and ten passes of $D$, so that $D$ is near its best when $C$ moves. The estimator
# "exact" means that $C$ takes the gradient of exercise 9.2. The second game is the same, but for
# the length of the turns: 4,000 rows in an epoch, and two passes of $C$, twenty of $D$.

# %%
SHORT = {"passes": (1, 1, 10)}  # of C, T and D
NAGAN = {"alpha": 1.0, "beta": 0.0, "gamma": 0.0}
nagan = contest(Rules(**NAGAN, **SHORT, estimator="exact"), epochs=120)
long = contest(Rules(**NAGAN, passes=(2, 1, 20), estimator="exact"), epochs=5, most=4000)
of_nagan, of_long = judge(nagan, 1.0), judge(long, 1.0)

# %%
figure, axes = plt.subplots(1, 5, figsize=(6.8, 1.7))
for ax, epoch in zip(axes, (0, 10, 20, 120), strict=False):
    paint(ax, answers(nagan[0], epoch), f"p_c, epoch {epoch}")
paint(axes[4], truth(grid), "p_u")
plt.show()

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.7))
axes[0].semilogy(4 * np.arange(121), of_nagan.kl_c, label="turns of 4 steps")
axes[0].semilogy(126 * np.arange(6), of_long.kl_c, "C3.-", label="turns of 126 steps")
axes[0].set(xlabel="steps of C", title="KL(p_u || p_c)", ylim=(2e-3, 60))
axes[0].legend(fontsize=8, loc="upper right")
axes[1].plot(of_nagan.value, label="V of D, as it is")
axes[1].plot(of_nagan.best, label="V of the best D")
axes[1].axhline(-np.log(4), color="k", lw=0.8, ls=":", label="−log 4")
axes[1].set(xlabel="epoch, short turns", title="value")
axes[1].legend(fontsize=8)
plt.show()

# %% tags=["varies"]
end = slice(-40, None)  # the last epochs
print(f"KL(p_u || p_c) before: {of_nagan.kl_c[0]:.3f}")
print(f"   short turns, at the end: {of_nagan.kl_c[end].mean():.3f}")
print(f"   long turns, at the end:  {of_long.kl_c[-1]:.3f}")
print(f"mean p_d at the end: {of_nagan.p_d[end].mean():.2f}")
print(f"V of the best D at the end: {of_nagan.best[end].mean():.3f}")

# %%
assert of_nagan.kl_c[end].mean() < 0.03 < 0.2 < of_long.kl_c[1:].max()
assert abs(of_nagan.p_d[end].mean() - 0.5) < 0.04
assert np.all(of_nagan.best >= -np.log(4)) and of_nagan.best[end].mean() < -np.log(4) + 0.02

# %% [markdown]
# With short turns $p_c$ comes to $p_u$, and nobody has shown $C$ a label: all it knows of them it
# has heard from $D$. With long turns $C$ runs past the truth in every turn, and the game swings.
#
# (The true best value cannot fall below $-\log 4$. That of $D$ as it is can: $D$ lags behind.)
#
# ## Labels that are drawn
#
# Three labels are quickly summed over. Where there are thousands, one would rather draw a few,
# $y \sim p_c(\cdot \mid x)$, and ask $D$ about those. The paper draws. To draw, add noise to the
# logits and take the largest:
#
# $$ y = \arg\max_k \, (a_k + n_k) , \qquad n_k = -\log(-\log u_k) , \quad u_k \sim U(0, 1) . $$
#
# The $n_k$ are *Gumbel* noise, and label $k$ wins with probability $\operatorname{softmax}(a)_k$.
# But $\arg\max$ has no gradient: a little more of $a_k$ changes nothing, or everything. The
# *concrete* sample puts a softmax with a temperature $\tau > 0$ in its place:
#
# $$ q = \operatorname{softmax} \big( (a + n) / \tau \big) . $$
#
# Its largest entry is the label that was drawn, whatever $\tau$ is. Here are 800 samples for
# one $p$, in a triangle: a corner is a label, a point inside is a mixture.

# %%
p = np.array([[0.6, 0.3, 0.1]])
noise = estimators.gumbel([rng], (800, 1, K), float)[:, 0]  # (800, 1, K)
labels = (np.log(p) + noise).argmax(axis=-1)[:, 0]  # (800,)
corners = np.array([[0, 0], [1, 0], [0.5, 0.87]])
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.1))
for ax, tau in zip(axes, (1.0, 0.3, 0.1), strict=True):
    q = concrete(np.log(p), noise, tau)[:, 0]  # (800, K)
    assert np.array_equal(q.argmax(axis=1), labels)
    ax.fill(*corners.T, fc="none", ec="0.6")
    ax.scatter(*(q @ corners).T, c=COLOURS[q.argmax(axis=1)], s=4, clip_on=False)
    ax.set(title=f"τ = {tau}", aspect="equal")
    ax.axis("off")
plt.show()

# %%
shares = np.bincount(labels, minlength=K) / 800
print("share of each label:", shares.round(2))
assert np.abs(shares - p[0]).max() < 0.05

# %% [markdown]
# A high temperature gives mixtures, with a mild gradient. A low one gives nearly labels, with a
# gradient that is almost always tiny and now and then huge. So begin high and end low.
#
# **Exercise 9.3.** $\tau$ shall fall from `first` to `last` in epochs $e = 0, \ldots, E - 1$,
# from each epoch to the next by the *same factor*. Write it as a function of `e`, `E`, `first`
# and `last`, where $E > 1$.

# %%
# Exercise 9.3: your answer
answer_9_3 = None


# %%
def is_schedule(answer):
    found = np.array([answer(e, 7, 1.0, 0.1) for e in range(7)])
    same = np.allclose(found[1:-1] ** 2, found[2:] * found[:-2], rtol=1e-9)
    ends = found[[0, -1]], (answer(0, 2, 5.0, 3.0), answer(1, 2, 5.0, 3.0))
    return same and np.allclose(ends, ([1.0, 0.1], [5.0, 3.0]))


check("9.3", answer_9_3, is_schedule, "E − 1 equal factors have the product last / first")

# %% [markdown]
# <details><summary>Solution 9.3</summary>
#
# ```python
# def answer_9_3(e, E, first, last):
#     return first * (last / first) ** (e / (E - 1))
# ```
#
# `estimators.temperature` is the same. The paper's ends are 1 and 0.1.
# </details>

# %% [markdown]
# ### Four estimators
#
# Let $r_k = \log(1 - p_d(x, k))$ again, and let $y_1, \ldots, y_n$ be labels drawn for a row. An
# *estimator* is a loss whose gradient stands in for that of exercise 9.2:
#
# - `exact`: that gradient itself. No draws. It is our measure.
# - `score`: $\frac1n \sum_i \nabla \log p_c(y_i) \, (r_{y_i} - b_i)$, with $b_i$ the mean of the
#   other draws' $r$. Because $\nabla p = p \, \nabla \log p$, its mean is the exact gradient. The
#   $b_i$ does not change the mean; it is there to make the scatter smaller. Which draw gave which
#   label does not matter here, nor to $D$: only each label's *share* of the $n$ does. So
#   `estimators.label_shares` needs one $u$ for a draw, not one for each label: label $k$ where
#   $F_{k-1} \le u < F_k$, with $F_k = p_1 + \cdots + p_k$.
# - `straight_through`: the labels give the value, the concrete samples the gradient, that of
#   $\frac1n \sum_i \sum_k q_{ik} r_k$.
# - `program`: what the program of the paper's authors does instead. $D$'s $p_d$ at the labels
#   drawn is the *target* of a sigmoid cross-entropy on $C$'s own logits there.
#
# First one row: $p_c$ as in the triangle, and a truth that has most on the last label. Each
# estimator is asked 2,000 times, with $n = 5$ labels.

# %%
a, d = np.log(p), np.log([[0.2, 0.3, 0.5]] / p)  # (1, K) each; D is the best for this p_u


def gradients(estimator, tau, n=5, times=2000):
    """An estimator's gradients in a, each from its own draws: (times, K)."""
    many, same = (np.tile(each, (times, 1))[None] for each in (a, d))  # (1, times, K)
    g = grad(lambda a: estimator(a, same, [rng], n, tau).sum())(many)[0]
    return times * g  # the loss is the mean over all rows


asked = {name: (name, 1.0) for name in ("score", "straight_through", "program")}
asked["straight_through, τ = 0.1"] = ("straight_through", 0.1)
found = {key: gradients(estimators.ESTIMATORS[name], tau) for key, (name, tau) in asked.items()}
exact = gradients(estimators.exact, 1.0)[0]
STYLES = dict(zip(asked, ("C0", "C1", "C3", "C8"), strict=True))

# %%
figure, ax = plt.subplots(figsize=(5.8, 2.6))
ax.bar(range(K), exact, color="0.85", label="exact")
for i, (key, g) in enumerate(found.items()):
    place = np.arange(K) + 0.16 * (i - 1.5)
    ax.errorbar(place, g.mean(axis=0), g.std(axis=0), fmt="o", ms=4, capsize=2, label=key,
                color=STYLES[key])
ax.axhline(0, color="k", lw=0.8)
ax.set_xticks(range(K), [f"logit of label {k + 1}" for k in range(K)])
ax.set_title("gradient: mean and standard deviation")
figure.legend(loc="outside right upper", fontsize=8)
plt.show()
assert np.abs(found["score"].mean(axis=0) - exact).max() < 0.02
assert found["straight_through, τ = 0.1"].std() > 1.5 * found["straight_through"].std()

# %% [markdown]
# `score` is right in the mean. `straight_through` is the calmest at $\tau = 1$ but its mean is
# off; at $\tau = 0.1$ the mean is about right and the scatter large. `program` is another gradient
# altogether.
#
# Now the whole gradient of a network: $C$ before any training, 64 rows, and the best $D$.
# `spread` measures $\mathrm{E} \|g - \bar g\|^2 / \|\bar g\|^2$, the *variance* of an
# estimator's gradient $g$ around its mean $\bar g$, and its *bias*, the distance of $\bar g$
# from the exact gradient. Both are relative to a gradient's size. (A mean of 100 gradients is off
# by chance, too; `chance` says how much to expect.)

# %%
C, few = start[0], x_new[None, :64]  # (1, 64, 2): a stack of one
p_c = losses.softmax(C.predict(few))  # (1, 64, K)
d_best = np.log(p_u[None, :64] / p_c).astype(np.float32)
DRAWS = (2, 5, 20, 80)
spreads = {
    key: [spread(C, few, d_best, estimators.ESTIMATORS[name], n, tau, [rng])
          for n in DRAWS]
    for key, (name, tau) in asked.items()}

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.8, 2.7))
for key, by_draws in spreads.items():
    for ax, what in zip(axes, ("variance", "bias"), strict=True):
        numbers = [each[what][0] for each in by_draws]
        ax.loglog(DRAWS, numbers, "o-", ms=4, color=STYLES[key], label=key)
    axes[1].loglog(DRAWS, [each["chance"][0] for each in by_draws], ":", color=STYLES[key])
for ax, title in zip(axes, ("variance", "bias (dotted: by chance)"), strict=True):
    ax.set_xticks(DRAWS, DRAWS)
    ax.minorticks_off()
    ax.set(title=title, xlabel="labels drawn for a row")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
plt.show()

# %%
variance, bias, chance = ({key: [each[what][0] for each in by_draws]
                           for key, by_draws in spreads.items()}
                          for what in ("variance", "bias", "chance"))
for key in asked:
    assert variance[key][0] > 10 * variance[key][-1]  # about 1 / n
assert max(np.divide(bias["score"], chance["score"])) < 3  # no bias is seen
assert variance["straight_through"][2] < variance["score"][2]
assert bias["straight_through"][-1] > 3 * chance["straight_through"][-1]
assert bias["program"][-1] > 1.2 * bias["straight_through"][-1]

# %% [markdown]
# The variance falls about as $1/n$. A bias stays, however many labels are drawn: see
# `straight_through` at $\tau = 1$, and `program`. The two others are about as far off as chance
# allows. `exact` is in neither picture: its variance and its bias are 0.
#
# Does it matter in the game? The same NaGAN with each of the others:

# %%
played = {"exact": of_nagan}
for name in ("score", "straight_through", "program"):
    played[name] = judge(contest(Rules(**NAGAN, **SHORT, estimator=name), epochs=120), 1.0)
figure, ax = plt.subplots(figsize=(6.4, 2.5))
for name, of in played.items():
    style = {"color": "0.75", "lw": 4} if name == "exact" else {"color": STYLES[name], "lw": 1}
    ax.semilogy(of.kl_c, label=name, **style)
ax.set(xlabel="epoch", title="KL(p_u || p_c)", ylim=(3e-3, 1.2))
figure.legend(loc="outside right upper", fontsize=8)
plt.show()

# %% tags=["varies"]
for name, of in played.items():
    print(f"{name:18}KL {of.kl_c[end].mean():.3f}, mean p_d {of.p_d[end].mean():.2f}")
    assert (of.kl_c[end].mean() > 0.05) == (name == "program")
    assert (abs(of.p_d[end].mean() - 0.5) > 0.05) == (name == "program")

# %%
a, none = np.log(p_u[None, :64]), np.zeros((1, 64, K))  # p_c = p_u, p_d = 1/2: the equilibrium
rest = {name: np.abs(grad(lambda a, of=of: of(a, none, [rng], 1000, 1.0).sum())(a)).max()
        for name, of in estimators.ESTIMATORS.items()}
assert max(rest["exact"], rest["score"], rest["straight_through"]) < 1e-9 < 1e-3 < rest["program"]

# %% [markdown]
# Three of the four end at the truth, and with 20 labels a row there is little between them.
# `program` stops elsewhere, and the last cell shows why. At $p_c = p_u$ and $p_d = 1/2$ the others
# have no gradient. `program` draws $\sigma$ of every logit towards $p_d = 1/2$, so all logits
# towards 0, and $p_c$ away from the truth.
#
# ## KDGAN: C, T and D
#
# Now $T$ plays, too. All of it in one line, where $C$ and $T$ make small what $D$ makes large:
#
# $$ \min_{C, T} \max_D \; V + \beta \, L_c(p_c, p_t) + \gamma \, L_t(p_t, p_c) . $$
#
# $\beta$ and $\gamma$ are weights. $L_c$ is a distillation loss, such as
# $\mathrm{KL}(p_t \,\|\, p_c)$ of tutorial 6, and trains $C$ only. $L_t$ is
# $\mathrm{KL}(p_c \,\|\, p_t)$, and trains $T$ only. So $C$ has two sources now: $D$, by labels
# that are drawn, and $T$, by a loss without any draws. The second makes the gradient calmer:

# %%
p_t = (0.8 * p_u[None, :64] + 0.2 / K).astype(np.float32)  # a teacher that is nearly right


def with_teacher(a, d, rngs, n, tau):
    return 0.3 * estimators.score(a, d, rngs, n, tau) + losses.kl(a, p_t)


of_both = spread(C, few, d_best, with_teacher, 5, 1.0, [rng])["variance"][0]
print(f"variance, 5 labels: score {variance['score'][1]:.3f}, with T {of_both:.4f}")
assert of_both < variance["score"][1] / 3

# %% [markdown]
# The paper hopes that this spares $C$ steps. But nothing is for free: a gradient that is mostly
# $T$'s leads mostly to $T$, right or wrong.
#
# What are $\beta$ and $\gamma$ for at the end? $D$ sees the mixture only. Take any small $e$ whose
# rows sum to 0, and let $p_c = p_u + e / \alpha$, $p_t = p_u - e / (1 - \alpha)$. The mixture is
# $p_u$: the value is $-\log 4$, $D$ says $1/2$, and nobody moves, though $C$ and $T$ are wrong. If
# $\beta$ or $\gamma$ is positive, $p_c = p_t$ is the only end, and then both are $p_u$.
#
# We play it with and without them. The paper trains all three before the game. Here, as before,
# they start from nothing, so that whatever $C$ and $T$ know comes from the game. $\alpha = 0.3$;
# the estimator is `score`.

# %%
kdgan = contest(Rules(alpha=0.3, beta=1.0, gamma=0.1, **SHORT), epochs=300)
loose = contest(Rules(alpha=0.3, beta=0.0, gamma=0.0, **SHORT), epochs=300)
of_kdgan, of_loose = judge(kdgan, 0.3), judge(loose, 0.3)

# %%
figure, axes = plt.subplots(2, 4, figsize=(6.4, 3.5))
for row, name, player in zip(axes, ("p_c", "p_t"), kdgan, strict=False):
    for ax, epoch in zip(row, (0, 8, 16, 300), strict=True):
        paint(ax, answers(player, epoch), f"{name}, epoch {epoch}")
plt.show()

# %%
figure, axes = plt.subplots(2, 2, figsize=(6.8, 4.4), sharex=True, sharey="row")
titles = ("β = 1, γ = 0.1", "β = γ = 0")
for (above, below), of, title in zip(axes.T, (of_kdgan, of_loose), titles, strict=True):
    above.semilogy(of.kl_c, lw=1, label="KL(p_u || p_c)")
    above.semilogy(of.kl_t, lw=1, label="KL(p_u || p_t)")
    above.semilogy(of.apart, lw=1, label="KL(p_t || p_c)")
    above.set(title=title, ylim=(1e-4, 10))
    below.plot(of.value, lw=1, label="V of D, as it is")
    below.plot(of.best, lw=1, label="V of the best D")
    below.axhline(-np.log(4), color="k", lw=0.8, ls=":", label="−log 4")
    below.set(xlabel="epoch")
axes[0, 0].legend(fontsize=8, loc="upper right")
axes[1, 0].legend(fontsize=8)
plt.show()

# %% tags=["varies"]
end = slice(-100, None)
for name, of in {"β = 1, γ = 0.1": of_kdgan, "β = γ = 0": of_loose}.items():
    print(f"{name}, mean of the last 100 epochs:")
    print(f"   KL(p_u || p_c) {of.kl_c[end].mean():.3f}", end=", ")
    print(f"KL(p_u || p_t) {of.kl_t[end].mean():.3f}")
    print(f"   KL(p_t || p_c) {of.apart[end].mean():.3f}, mean p_d {of.p_d[end].mean():.2f}")
    print(f"   V of the best D {of.best[end].mean():.3f}")
    assert abs(of.p_d[end].mean() - 0.5) < 0.04 and of.best[end].mean() < -np.log(4) + 0.02
for name, of in {"NaGAN": of_nagan, "KDGAN": of_kdgan}.items():
    print(f"{name}: KL(p_u || p_c) < 0.02 after {np.argmax(of.kl_c < 0.02)} epochs")
assert max(of_kdgan.kl_c[end].mean(), of_kdgan.kl_t[end].mean()) < 0.03
assert of_loose.apart[end].mean() > 5 * of_kdgan.apart[end].mean()

# %% [markdown]
# On the left all three meet: $p_c = p_t = p_u$ as nearly as the swings of the game allow, $p_d$
# around $1/2$, the value around $-\log 4$. On the right the mixture is as good: look at the value
# of the best $D$. But nothing holds $C$ and $T$ together there, and they stay apart.
#
# $C$ was hardly sooner at the truth than in NaGAN. Its teacher was a beginner, too.
#
# ## Pen strokes with 100 labels
#
# In the plane 4,000 labels were plenty. Now 100 rows of Pendigits, ten or so of each class, and
# three games side by side in a stack. Each has 100 rows of its own, its own $C$ with one hidden
# layer, and its own $T$ and $D$ with three. All are trained before the game, as in the paper's
# Algorithm 1.

# %%
try:
    data = data_loaders.load("pendigits")
except (OSError, ValueError):
    data = data_loaders.load("digits")
    print("No Pendigits here: this runs on the embedded 8 × 8 images instead.")
rows = games.rows_of(data, n=100, seed=9, seeds=3)  # x (3, 100, D), labels (3, 100)
small = MLP(data.features, data.classes, (32,))
large = MLP(data.features, data.classes, (100, 100, 100))

# %%
before = Schedule(lr=1e-3, batch=64, epochs=200)
C, _ = game.pretrain(small, rows, losses.cross_entropy, before, seed=9, purpose="C")
T, _ = game.pretrain(large, rows, losses.cross_entropy, before, seed=9, purpose="T")
D, _ = game.pretrain(large, rows, game.discriminator_loss, before, seed=9, purpose="D")
print(f"parameters: C {C.size:,}, T {T.size:,}")


def right(network):
    """The share of test rows that each of the three gets right."""
    return metrics.accuracy(network.predict(data.x_test), data.y_test)


# %% [markdown]
# Then five games, all from this start, all with as many steps of $C$: "alone", cross-entropy with
# the labels; "KL", the fixed $T$'s answers for the 100 rows; "co-distillation", where $C$ and $T$
# learn from the labels *and* from each other, without $D$; NaGAN; and KDGAN, with the weights
# that the authors used for 100 labels of MNIST. The epoch kept is the last.

# %%
alpha, beta = play.AUTHORS[100]
print(f"KDGAN: α = {alpha}, β = {beta}, γ = 0.0001")
SHOWN = ("alone", "KL", "co-distillation", "NaGAN", "KDGAN")
of_games = {}
for name in SHOWN:
    rules = Rules(**{"alpha": alpha, "beta": beta, "gamma": 1e-4} | play.METHODS[name])
    own_C, own_T, run = game.play(rows, C, T, D, rules, validation=(data.x_val, data.y_val),
                                  schedule=Schedule(5e-4, 64, 40), seed=9, purpose=name)
    _, _, theta_D = split(run.theta, [small.layout, large.layout, large.layout])
    of_games[name] = SimpleNamespace(C=own_C, T=own_T, D=Network(large, theta_D))

# %% tags=["varies"]
shares = {"T before": right(T), "C before": right(C)}
shares |= {f"C, {name}": right(of.C) for name, of in of_games.items()}
lines = [[name, *(f"{share:.3f}" for share in three), f"{three.mean():.3f}"]
         for name, three in shares.items()]
print(to_text([["test rows right", "1", "2", "3", "mean"], *lines]))

# %%
figure, ax = plt.subplots(figsize=(5.8, 2.7))
for i in range(3):
    ax.plot(["C before", *SHOWN], [three[i] for name, three in shares.items() if name[0] == "C"],
            "o-", ms=4, lw=1, label=f"100 rows, set {i + 1}")
ax.set(title="test rows that C gets right")
ax.tick_params(axis="x", labelsize=8)
figure.legend(loc="outside lower center", ncols=3, fontsize=8)
plt.show()
means = {name: shares[f"C, {name}"].mean() for name in SHOWN}
assert np.ptp(list(means.values())) < 0.04  # of one size, all five
assert abs(means["KDGAN"] - means["co-distillation"]) < 0.02

# %% [markdown]
# A line is one of the three sets of 100 rows. From "alone" on each line is almost flat: which game
# is played matters far less than with which 100 rows. What is gained over "before", $C$ alone
# gains as well, by training longer. In particular co-distillation, which has no adversary, does
# as well as KDGAN.
#
# Why has $D$ nothing to say? Ask the three about their own 100 rows, at the true labels:

# %% tags=["varies"]
def at_labels(p):
    """Mean over rows of p (3, 100, K) at their labels."""
    return np.take_along_axis(p, rows[1][..., None], axis=-1).mean()


of = of_games["KDGAN"]
mean_c, mean_t = (at_labels(losses.softmax(player.predict(rows[0]))) for player in (of.C, of.T))
mean_d = at_labels(logistic(of.D.predict(rows[0])))
print(f"at the labels: p_c {mean_c:.2f}, p_t {mean_t:.2f}, p_d {mean_d:.2f}")
assert min(mean_c, mean_t) > 0.9 and abs(mean_d - 0.5) < 0.06

# %% [markdown]
# $C$ and $T$ know the rows by heart. On these, $p_c$ and $p_t$ are almost one-hot, and so are the
# labels. Then $p_{mix} \approx p_u$ on every row that anyone sees, and $D$ rightly says about
# $1/2$: the game is over before it begins. On *other* rows the players are wrong often enough,
# but $D$ has no labels there. In the plane it was different. There a network of that size could
# not learn 4,000 labels by heart, many of them contradicting their neighbours.
#
# Mind what this is: one data set, three small teachers, short schedules, weights taken over from
# another problem. It is a picture, not evidence about methods. `kegnet kdgan` plays the games in
# full: more seeds, more labels, a search for $\alpha$, $\beta$ and $\gamma$, with paired
# differences.
#
# ## What you can now explain
#
# - What the best discriminator is, what its value measures, and why the game ends at $-\log 4$.
# - Why labels that are drawn need an estimator, and what each of the four pays: variance, or bias.
# - What the teacher brings to the game, why $\beta$ or $\gamma$ must be positive, and why the
#   adversary is silent where the players know their rows by heart.
#
# Next, [tutorial 10](10_what_was_distilled.ipynb): what a student takes from its teacher beside
# accuracy.
