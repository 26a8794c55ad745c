# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Layers
#
# **What you will do.** Take the layers of KegNet's networks apart: dense, ELU, dropout and
# batch-norm. Derive batch-norm's gradient on paper, and check it.
#
# **What you will learn.** What each layer is for, what it does in training and in use, and why one
# sentence of the paper about the generator must hold a slip.
#
# **What you need.** [Tutorial 1](01_gradients.ipynb): VJPs, and how to test one.
#
# Runs in about 3 seconds on one core.

# %%
import matplotlib.pyplot as plt
import numpy as np
from exercises import check

from kegnet_np import generator, losses, models, ops
from kegnet_np.activations import elu
from kegnet_np.autodiff import value_and_grad

rng = np.random.default_rng(2)
plt.rcParams.update({"figure.figsize": (6, 3.2), "figure.constrained_layout.use": True})

# %% [markdown]
# The test from tutorial 1, once more. `pulled` is what a VJP makes of $g$. It is compared with the
# slopes of $\sum_i g_i f(v)_i$ by central differences, relative to their size, and slopes that are
# not near 1 are refused.

# %%
def central(f, v, h=1e-5):
    slopes = np.empty_like(v)
    for i in np.ndindex(v.shape):
        step = np.zeros_like(v)
        step[i] = h
        slopes[i] = (f(v + step) - f(v - step)) / (2 * h)
    return slopes


def agrees(f, pulled, v, g):
    numeric = central(lambda v: np.sum(g * f(v)), v)
    scale = np.abs(numeric).max()
    assert 0.01 < scale < 100, f"slopes of {scale:.0e} prove nothing"
    return np.abs(pulled - numeric).max() < 1e-6 * scale


# %% [markdown]
# ## Dense: how large are the first weights?
#
# $y = x W + b$, with rows of $x$ as examples. Its VJP is in tutorial 1. What remains is where
# training starts: $W$ and $b$ are drawn from a uniform distribution between $-1/\sqrt{D}$ and
# $1/\sqrt{D}$, where $D$ is the number of inputs. Why so?
#
# A uniform variable on $[-c, c]$ has the variance $c^2/3$. If the $D$ inputs are independent, with
# mean 0 and variance 1, then $y_h = \sum_d x_d W_{dh} + b_h$ is a sum of $D$ products of variance
# $1/(3D)$, and a bias:
#
# $$\mathrm{Var}(y_h) = D \cdot \frac{1}{3D} + \frac{1}{3D} = \frac{1}{3} + \frac{1}{3D}.$$
#
# However many inputs there are, the outputs are of one size.

# %%
def init(D, H):
    c = D**-0.5
    return rng.uniform(-c, c, (D, H)), rng.uniform(-c, c, (1, H))


for D in (10, 100, 1000):
    y = ops.dense(rng.normal(size=(2000, D)), *init(D, 500))
    expected = np.sqrt(1 / 3 + 1 / (3 * D))
    print(f"D = {D:4}: deviation of y {y.std():.2f}, expected {expected:.2f}")
    assert abs(y.std() - expected) < 0.03 * expected

# %% [markdown]
# ## ELU: a bend
#
# $\mathrm{elu}(a) = a$ where $a > 0$, else $e^a - 1$. The picture shows it beside the older
# $\max(a, 0)$, and the slopes of both.

# %%
a = np.linspace(-4, 2, 301)
figure, axes = plt.subplots(1, 2, sharex=True)
axes[0].plot(a, elu(a[:, None]), label="elu(a)")
axes[0].plot(a, np.maximum(a, 0), "--", label="max(a, 0)")
axes[1].plot(a, np.minimum(1, np.exp(a)))
axes[1].plot(a, a > 0, "--")
axes[0].set(xlabel="a", ylabel="value")
axes[1].set(xlabel="a", ylabel="slope")
axes[0].legend();

# %% [markdown]
# See two differences. ELU's slope has no jump, and it is never 0, so a unit whose inputs are
# negative still learns. And ELU can be negative, so its outputs lie nearer to mean 0.
#
# One trap of NumPy: `np.where` computes *both* branches and then chooses. For a large $a$ the
# unused $e^a$ overflows. Cut off the input of the branch first.

# %%
a = rng.normal(size=100_000)
means = elu(a[:, None]).mean(), np.maximum(a, 0).mean()
print(f"mean output for a ~ N(0, 1): elu {means[0]:.2f}, max(a, 0) {means[1]:.2f}")
assert 0 < means[0] < means[1] / 2

large = np.array([[800.0, -800.0]])
with np.errstate(over="raise"):
    try:
        np.where(large > 0, large, np.exp(large) - 1)
        overflowed = False
    except FloatingPointError:
        overflowed = True
    safe = np.where(large > 0, large, np.expm1(np.minimum(large, 0)))
assert overflowed and safe.tolist() == [[800.0, -1.0]] == elu(large).tolist()

# %% [markdown]
# ## Dropout: a random mask
#
# In training, each output of a hidden layer is set to 0 with probability $p$ (0.15 in the paper's
# classifiers). The next layer can then rely on no single unit. The survivors are scaled up:
#
# $$y = x \cdot m, \qquad m = \begin{cases} 0 & \text{with probability } p \\
# 1/(1-p) & \text{else,} \end{cases} \qquad
# \mathrm{E}[m] = p \cdot 0 + (1-p) \frac{1}{1-p} = 1.$$
#
# So the mean of $y$ over all masks is $x$. That is why a network in use simply leaves dropout out.
# It is a product with constants, and the VJP is $\partial l / \partial x = g \cdot m$.

# %%
p, x = 0.15, rng.normal(size=(4, 3))
masks = (rng.random((20_000, 4, 3)) >= p) / (1 - p)
print(f"largest |mean of x m - x|: {np.abs((x * masks).mean(axis=0) - x).max():.3f}")
assert np.abs((x * masks).mean(axis=0) - x).max() < 0.05

g, m = rng.normal(size=(4, 3)), masks[0]
assert agrees(lambda v: v * m, g * m, x, g)

# %% [markdown]
# In this project the mask is drawn *outside* the network and handed in. Would it not be simpler to
# draw it inside? Then two calls with the same input differ, and a central difference divides that
# difference by $2h$. What it gives is noise, thousands of times too large.

# %%
def drawn_inside(v):
    return v * (rng.random(v.shape) >= p) / (1 - p)


noise = np.abs(central(lambda v: np.sum(g * drawn_inside(v)), x)).max()
true = np.abs(g * m).max()
print(f"largest slope {true:.1f}, by differences over 10,000: {noise > 1e4}")
assert noise > 1e4 > 1000 * true

M = models.MLP(features=3, classes=2, widths=(50, 50), dropout=p)
m = np.stack(M.draw_masks(rng, batch=1000))  # of each hidden layer (B, 50)
assert np.unique(m).size == 2 and abs((m == 0).mean() - p) < 0.01

# %% [markdown]
# ## Batch-norm
#
# The generator and the decoder of KegNet have a third kind of layer. It standardises each feature
# over the *batch*. For one feature, with $b = 1 \dots B$ counting the examples:
#
# $$\mu = \frac{1}{B} \sum_b x_b, \qquad \sigma^2 = \frac{1}{B} \sum_b (x_b - \mu)^2, \qquad
# s = \sqrt{\sigma^2 + \varepsilon}, \qquad u_b = \frac{x_b - \mu}{s},$$
#
# $$y_b = \gamma\, u_b + \beta.$$
#
# $\varepsilon = 10^{-5}$ keeps $s$ from being 0. The scale $\gamma$ and the shift $\beta$ are
# learnt, one of each per feature. (This $\beta$ is not the weight $\beta$ of the paper's diversity
# loss. And the package's docstrings write $\hat x$ for $u$.)

# %%
EPS = ops.EPS


def standardise(x):
    centred = x - x.mean(axis=0)  # (B, H)
    s = np.sqrt((centred**2).mean(axis=0) + EPS)  # (H,)
    return centred / s, s


x, gamma, beta = rng.normal(3, 2, (8, 4)), rng.normal(2, 0.3, (1, 4)), rng.normal(size=(1, 4))
y = gamma * standardise(x)[0] + beta
assert np.allclose(y.mean(axis=0), beta[0]) and np.allclose(y.std(axis=0), gamma[0], rtol=1e-4)
assert np.allclose(y, ops.batch_norm(x, gamma, beta))  # the package's

# %% [markdown]
# What for? A deep stack of dense layers and ELU changes the size of what flows through it; the
# picture follows it through eleven layers. With batch-norm each layer hands on deviation 1.

# %%
def deviations(norm, layers=11, width=100):
    x, found = rng.normal(size=(500, width)), [1.0]
    for _ in range(layers):
        x = ops.dense(x, *init(width, width), elu)
        x = standardise(x)[0] if norm else x
        found.append(x.std(axis=0).mean())
    return np.array(found)


plain, normed = deviations(norm=False), deviations(norm=True)

# %%
figure, ax = plt.subplots()
ax.semilogy(plain, "o-", label="dense, ELU")
ax.semilogy(normed, "s-", label="dense, ELU, batch-norm")
ax.set(xlabel="layer", ylabel="deviation over the batch")
ax.legend()
assert plain[-1] < 0.01 and abs(normed - 1).max() < 0.02

# %% [markdown]
# See the signal die out: each plain layer shrinks it (by dense alone the deviation 1 became 0.58,
# above), and after eleven all examples look nearly alike. (The teacher, which has no batch-norm,
# must first learn its way out of that.)

# %% [markdown]
# ### Its gradient, on paper
#
# Now every output depends on every input of its feature, for $\mu$ and $s$ hold them all. We want
# $\partial u_b / \partial x_c$, for two examples $b$ and $c$ of the batch.
#
# *The variance first.* Write $\delta_{bc}$ for 1 if $b = c$, else 0. As
# $\partial \mu / \partial x_c = 1/B$,
#
# $$\frac{\partial \sigma^2}{\partial x_c}
# = \frac{2}{B} \sum_b (x_b - \mu) \left(\delta_{bc} - \frac{1}{B}\right)
# = \frac{2}{B} (x_c - \mu),$$
#
# because $\sum_b (x_b - \mu) = 0$: the path through $\mu$ drops out here.
#
# *Then the root.* $s^2 = \sigma^2 + \varepsilon$ gives
# $2 s \, \partial s = \partial \sigma^2$, so
#
# $$\frac{\partial s}{\partial x_c} = \frac{1}{2s} \cdot \frac{2}{B} (x_c - \mu)
# = \frac{u_c}{B}.$$
#
# *Then the quotient* $u_b = (x_b - \mu) / s$:
#
# $$\frac{\partial u_b}{\partial x_c}
# = \frac{\delta_{bc} - 1/B}{s} - \frac{x_b - \mu}{s^2} \cdot \frac{u_c}{B}
# = \frac{1}{s} \left[ \delta_{bc} - \frac{1}{B} - \frac{u_b u_c}{B} \right].$$
#
# *Then the chain rule.* With $g_b = \partial l / \partial y_b$, what arrives at $u_b$ is
# $\hat g_b = \gamma g_b$. Sum over all outputs $b$:
#
# $$\frac{\partial l}{\partial x_c} = \sum_b \hat g_b \frac{\partial u_b}{\partial x_c}
# = \frac{1}{s} \Big[ \hat g_c -
# \underbrace{\tfrac{1}{B} \textstyle\sum_b \hat g_b}_{\text{mean}} {} - u_c
# \underbrace{\tfrac{1}{B} \textstyle\sum_b \hat g_b u_b}_{\text{mean}} \Big].$$
#
# And directly from $y_b = \gamma u_b + \beta$:
# $\partial l / \partial \gamma = \sum_b g_b u_b$ and
# $\partial l / \partial \beta = \sum_b g_b$.

# %%
def batch_norm_vjp(g, x, gamma):
    u, s = standardise(x)
    g_hat = gamma * g  # (B, H)
    pull = g_hat - g_hat.mean(axis=0) - u * (g_hat * u).mean(axis=0)
    return pull / s, (g * u).sum(axis=0, keepdims=True), g.sum(axis=0, keepdims=True)


g = rng.choice([-1, 1], x.shape) * rng.uniform(0.5, 1.5, x.shape)
g_x, g_gamma, g_beta = batch_norm_vjp(g, x, gamma)
assert agrees(lambda x: ops.batch_norm(x, gamma, beta), g_x, x, g)
assert agrees(lambda gamma: ops.batch_norm(x, gamma, beta), g_gamma, gamma, g)
assert agrees(lambda beta: ops.batch_norm(x, gamma, beta), g_beta, beta, g)
print("the three gradients agree with differences")

# %% [markdown]
# ### Read the formula
#
# The bracket takes from $\hat g$ its mean, and its part along $u$. Batch-norm does not see
# whether a feature is shifted or stretched, so no gradient may push that way: the result is
# orthogonal to both directions (to the second up to $\varepsilon$).
#
# Two common mistakes, then. The first takes $\mu$ and $s$ for constants: $\hat g / s$. The
# second stops after the mean. How far off are they?

# %%
u, s = standardise(x)
print(f"sum of g_x: {np.abs(g_x.sum(axis=0)).max():.3f}, of g_x u: "
      f"{np.abs((g_x * u).sum(axis=0)).max():.3f}")
assert np.abs(g_x.sum(axis=0)).max() < 1e-9 and np.abs((g_x * u).sum(axis=0)).max() < 1e-4

g_hat = gamma * g
for name, wrong in (("constants", g_hat / s), ("mean only", (g_hat - g_hat.mean(axis=0)) / s)):
    off = np.abs(wrong - g_x).max() / np.abs(g_x).max()
    print(f"{name}: off by {off:.0%} of the largest slope")
    assert off > 0.1 and not agrees(lambda x: ops.batch_norm(x, gamma, beta), wrong, x, g)

# %% [markdown]
# And the trap that tutorial 1 promised. Test with a $g$ of all ones, as `y.sum()` would:
# $\sum_b y_b = B\beta$ whatever $x$ is, so the true gradient is 0. The second mistake gives 0 as
# well, and passes. Only a $g$ with a direction of its own finds it.

# %%
ones = np.ones_like(x)
g_hat = gamma * ones
wrong = (g_hat - g_hat.mean(axis=0)) / s
assert np.abs(wrong).max() < 1e-12 and np.abs(batch_norm_vjp(ones, x, gamma)[0]).max() < 1e-12
print("with g = 1 the wrong and the right rule both give 0")

# %% [markdown]
# One more trap, in the forward pass. The textbook identity
# $\sigma^2 = \mathrm{E}[x^2] - \mathrm{E}[x]^2$ saves a pass over the data, and subtracts two large
# numbers that are nearly equal. In float32, with a mean of 100,000, it is useless. Centre first.

# %%
far = (rng.normal(size=(1000, 1)) + 100_000).astype(np.float32)
shortcut = (far**2).mean() - far.mean() ** 2
centred = ((far - far.mean()) ** 2).mean()
print(f"variance, centred first: {centred:.2f}")
print(f"the shortcut is off by more than 0.5: {abs(shortcut - centred) > 0.5}")
assert abs(centred - 1) < 0.1 and abs(shortcut - centred) > 0.5

# %% [markdown]
# ## Running statistics: batch-norm in use
#
# In training, an output depends on the other examples of its batch. In use it must not: the answer
# for an example has to be the same whoever stands beside it, and there may be no one. (A batch of
# one has $x_b = \mu$, so $u = 0$, whatever $x$ is.) So in use batch-norm takes a fixed mean
# and variance, which were collected in training:
#
# $$\mu_{run} \leftarrow \mu_{run} + 0.1\,(\mu - \mu_{run}),$$
#
# $$\sigma^2_{run} \leftarrow
# \sigma^2_{run} + 0.1 \left(\tfrac{B}{B-1} \sigma^2 - \sigma^2_{run}\right),$$
#
# from the start 0 and 1. What is left of the start after $t$ batches is $0.9^t$.
#
# Why $B/(B-1)$? The batch's $\sigma^2$ measures from the batch's *own* mean, which lies closer to
# the batch than the true mean does. On average it is too small, by $(B-1)/B$. Small batches show
# it.

# %%
B, true_mean, true_variance = 8, 3.0, 4.0
batches = rng.normal(true_mean, true_variance**0.5, (20_000, B))
biased = batches.var(axis=1).mean()
print(f"mean batch variance {biased:.2f}, times B/(B - 1) {biased * B / (B - 1):.2f}")
assert abs(biased / true_variance - (B - 1) / B) < 0.01

running = np.array([[0.0, 1.0]])  # mean, variance
for batch in batches[:300]:
    moments = batch.mean(), batch.var() * B / (B - 1)
    running = np.vstack([running, running[-1] + 0.1 * (moments - running[-1])])

# %%
figure, axes = plt.subplots(1, 2, sharex=True)
for ax, column, true, name in zip(
    axes, running.T, (true_mean, true_variance), ("running mean", "running variance"), strict=True
):
    ax.plot(column)
    ax.axhline(true, color="k", ls=":", label="true value")
    ax.set(xlabel="batches seen", ylabel=name)
axes[0].legend(loc="lower right")
assert abs(running[40:, 0].mean() - true_mean) < 0.2
assert abs(running[40:, 1].mean() - true_variance) < 0.6

# %% [markdown]
# See both climb from their start to the true value within about 30 batches, and then wander about
# it: a running value remembers only its last 10 or 20 batches.
#
# The package keeps nothing hidden. Running statistics are the *state* of a network: it goes in, and
# in training a new one comes out. In use, batch-norm is a fixed scale and shift of each feature,
# and one row may come alone.

# %%
G = generator.generator(latent=10, classes=10, features=16)
theta, state = G.init(rng, np.float64)
p_G = G.layout.views(theta)  # the named arrays W0, b0, gamma0, ... of the flat vector


def draw(n):
    return generator.generator_input(rng.normal(size=(n, 10)), np.eye(10)[rng.integers(10, size=n)])


batch, gaps = draw(256), []
for t in range(101):
    if t in (0, 100):
        in_training, in_use = (G.apply(p_G, state, batch, train=b)[0] for b in (True, False))
        gaps.append(np.abs(in_training - in_use).mean())
    _, state = G.apply(p_G, state, draw(256), train=True)

# %%
print(f"training and use: {gaps[0]:.2f} apart, after 100 batches {gaps[1]:.2f}")
assert gaps[1] < 0.2 * gaps[0]
alone = G.apply(p_G, state, batch[:1])[0]
assert np.allclose(alone, G.apply(p_G, state, batch)[0][:1])  # the same answer in company
try:
    G.apply(p_G, state, batch[:1], train=True)
    refused = False
except ValueError as error:
    refused = True
    print(str(error).replace(", ", ",\n"))
assert refused

# %% [markdown]
# ## The end of the generator, and a slip in the paper
#
# The generator $G$ of KegNet makes inputs $\hat x$ for a teacher $M$, from a class $\hat y$ and
# random numbers $\hat z$ (tutorial 5). It has never seen data. But one thing about the data is
# known: $M$ was trained on inputs that were *standardised*, every feature with mean 0 and
# deviation 1. So the last layer of $G$ is a batch-norm with nothing to learn, which gives each
# feature of a batch just these two moments.
#
# The paper says that it fixes "$\gamma$ and $\beta$ as 0 and 1". Put that into the formula:
#
# $$\hat x_b = \gamma\,u_b + \beta = 0 \cdot u_b + 1 = 1 .$$
#
# Every feature of every sample is 1. And nothing can be learnt, as $\hat g = \gamma g = 0$ in the
# gradient that we derived. With the two swapped, $\gamma = 1$ and $\beta = 0$, the output is
# $u_b$, which is standardised. So a swap it must be. See for yourself:

# %%
hidden = models.NormalisedMLP(20, 16, hidden=120, depth=2)  # G without its last batch-norm,
p_hidden = hidden.layout.views(theta)  # which has no parameters: G's theta fits
start = hidden.init(rng, np.float64)[1]  # its state
M = models.MLP(features=16, classes=10, widths=(100,) * 3, dropout=0.0)
p_M = M.layout.views(M.init(rng, np.float64)[0])  # untrained; it only passes gradients back
zy = draw(256)


def samples(p, gamma, beta):
    a, _ = hidden.apply(p, start, zy, train=True)
    return ops.batch_norm(a, np.full((1, 1), gamma), np.full((1, 1), beta))  # (B, D)


# %%
figure, axes = plt.subplots(1, 2, sharex=True, sharey=True)
for ax, gamma, beta in ((axes[0], 0.0, 1.0), (axes[1], 1.0, 0.0)):
    x_hat = samples(p_hidden, gamma, beta)
    ax.plot(x_hat[:, 0], x_hat[:, 1], ".", alpha=0.5)
    ax.set(title=f"γ = {gamma:.0f}, β = {beta:.0f}", xlabel="feature 0 of x_hat")
axes[0].set_ylabel("feature 1 of x_hat")
figure.suptitle("256 samples of a generator", size=10)

literal, swapped = samples(p_hidden, 0.0, 1.0), samples(p_hidden, 1.0, 0.0)
assert (literal == 1).all()
assert np.abs(swapped.mean(axis=0)).max() < 1e-9 and abs(swapped.std(axis=0) - 1).max() < 1e-2

# %% [markdown]
# See one dot on the left, and 256 samples on the right. Now the gradient of the classifier's loss
# $l_{cls}$, which is to teach $G$ to make inputs of the class that it was told:

# %%
largest = []
for gamma, beta in ((0.0, 1.0), (1.0, 0.0)):

    def l_cls(p, gamma=gamma, beta=beta):
        logits, _ = M.apply(p_M, None, samples(p, gamma, beta))
        return losses.cross_entropy(logits, zy[:, 10:]), None  # zy is z (B, 10) beside y (B, 10)

    _, gradient, _ = value_and_grad(l_cls, hidden.layout)(theta)
    largest.append(np.abs(gradient).max())
    print(f"γ = {gamma:.0f}, β = {beta:.0f}: largest slope of {theta.size:,} is {largest[-1]:.3f}")
assert largest[0] == 0 and largest[1] > 1e-3

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None` (where a function is asked for, define one of that name). Run
# the cell, then the check below it.
#
# **Exercise 2.1.** *Layer-norm* standardises each row over its features, instead of each feature
# over the batch: $u_{bh} = (x_{bh} - \mu_b) / s_b$, with $\mu_b$ and $\sigma_b^2$ over $h$,
# and the same $\varepsilon$. Write its VJP: `answer_2_1(g, x)` gives $\partial l / \partial x$.

# %%
# Exercise 2.1: your answer
answer_2_1 = None


# %%
def layer_norm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPS)


def layer_norm_is_right(answer):
    r = np.random.default_rng(5)
    x, g = r.normal(size=(5, 4)), r.normal(size=(5, 4))
    return agrees(layer_norm, answer(g, x), x, g)


check("2.1", answer_2_1, layer_norm_is_right, "turn the batch on its side: rows become columns.")

# %% [markdown]
# <details><summary>Solution 2.1</summary>
#
# It is batch-norm of the transposed array, with $\gamma = 1$: the same derivation with the letters
# $b$ and $h$ exchanged.
#
# ```python
# def answer_2_1(g, x):
#     return batch_norm_vjp(g.T, x.T, 1.0)[0].T
# ```
#
# </details>

# %% [markdown]
# **Exercise 2.2.** A generator is used after a short training. Its running variances started at 1.
# After how many batches has that start a weight below 1 % in the running value? Give the smallest
# such number.

# %%
# Exercise 2.2: your answer
answer_2_2 = None


# %%
def weight_of_the_start(batches):
    start, other = 1.0, 0.0  # follow a start of 1 among batches that are all 0
    for _ in range(batches):
        start += 0.1 * (other - start)
    return start


def is_the_smallest(n):
    weights = [weight_of_the_start(int(batches)) for batches in (n - 1, n)]
    return n == int(n) > 0 and weights[1] < 0.01 <= weights[0]


check("2.2", answer_2_2, is_the_smallest, "after each batch 0.9 of it is left. Take logarithms.")

# %% [markdown]
# <details><summary>Solution 2.2</summary>
#
# $0.9^t < 0.01$ for $t > \log 0.01 / \log 0.9 \approx 43.7$.
#
# ```python
# answer_2_2 = int(np.ceil(np.log(0.01) / np.log(0.9)))
# ```
#
# </details>

# %% [markdown]
# **Exercise 2.3.** The arrays of the generator's parameters are named `W0`, `b0`, `gamma0`,
# `beta0`, `W1`, `b1`, `gamma1`, `beta1`, `W2`, `b2`. In training, some of them may be shifted by
# any constant, and the samples stay the same, because of the last batch-norm. Which? Set
# `answer_2_3` to the set of their names, such as `{"W0", "b0"}`.

# %%
# Exercise 2.3: your answer
answer_2_3 = None


# %%
def without_effect(names):
    before, none = G.apply(p_G, state, zy, train=True)[0], set()
    for name in p_G:
        shifted = {**p_G, name: p_G[name] + 0.5}
        if np.abs(G.apply(shifted, state, zy, train=True)[0] - before).max() < 1e-6:
            none.add(name)
    return set(names) == none


check("2.3", answer_2_3, without_effect, "what does it add to the last dense layer's output?")

# %% [markdown]
# <details><summary>Solution 2.3</summary>
#
# A shift of `b2` adds the same number to a feature in every row, and the last batch-norm takes it
# away. A shift of `beta1` is multiplied by `W2`, and is then a shift of each feature as well. (A
# shift of `b1` passes an ELU first, and that is no shift.)
#
# ```python
# answer_2_3 = {"beta1", "b2"}
# ```
#
# </details>

# %% [markdown]
# ## What you can now explain
#
# - Why dropout divides by $1 - p$, and why its mask is drawn outside.
# - Batch-norm's gradient, line by line, and why running statistics exist.
# - Why the generator must end in $\gamma = 1$, $\beta = 0$.
#
# Next: [A teacher for pen strokes](03_teacher.ipynb).
