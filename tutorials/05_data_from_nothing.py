# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Data from nothing
#
# **What you will do.** Take a trained teacher, throw its data away, and train a generator that
# makes new rows with nothing but the teacher's answers. Then switch its parts off, one by one,
# and measure what each was good for.
#
# **What you will learn.** Where the losses $l_{cls}$ and $l_{dec}$ come from, what mode collapse
# is and how to measure it, what the diversity loss $l_{div}$ adds, and how far all this is from
# real data.
#
# **What you need.** Tutorials 2 and 3: batch-norm, dropout, softmax, cross-entropy. Bayes' rule.
# The mean and the variance of a normal distribution.
#
# Runs in about 55 seconds on one core.

# %%
import matplotlib.pyplot as plt
import numpy as np
from exercises import check
from scipy import stats

import data_loaders
from kegnet_np import generator, losses, metrics, sampling, teacher, train
from kegnet_np.autodiff import value_and_grad
from kegnet_np.experiments import plots
from kegnet_np.network import Network
from kegnet_np.train import Schedule

plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})

# %% [markdown]
# ## What is left when the data is gone
#
# The teacher is that of tutorial 3: pen strokes, 30 epochs. After the next cell the method sees
# the network $M$ and its parameters, and nothing else. We keep the real rows in a drawer, to draw
# and to compare. No loss will see them.

# %%
try:
    data = data_loaders.load("pendigits")
except (OSError, ValueError):
    data = data_loaders.load("digits")
    print("No Pendigits here: this runs on the embedded 8 × 8 images instead.")
PEN = data.name == "pendigits"
THIRTY = Schedule(lr=1e-3, batch=64, epochs=30, patience=20, min_epochs=100)
rows, validation = (data.x_train, data.y_train), (data.x_val, data.y_val)
M, _ = teacher.teach(rows, validation, schedule=THIRTY)
accuracy = metrics.accuracy(M.predict(data.x_test), data.y_test)
print(f"{data.name}: the teacher gets {accuracy:.0%} of the test rows right")
assert accuracy > 0.85


# %%
def draw(ax, row):
    """A standardised row as a stroke, from its dark point to its light one; or as an image."""
    raw = row * data.scale + data.mean
    if PEN:
        points = raw.reshape(8, 2)  # rows (x, y)
        ax.plot(*points.T, lw=1, color="0.5")
        ax.scatter(*points.T, c=range(8), cmap="plasma", s=8, zorder=2)
        ax.set(xlim=(-50, 150), ylim=(-50, 150), aspect="equal")  # real ones keep to 0 ... 100
    else:
        ax.imshow(raw.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    ax.set(xticks=[], yticks=[])


# %%
def gallery(rows, names, columns):
    """Rows of samples (R, C, D) with a name each, and a title above each column."""
    figure, axes = plt.subplots(*rows.shape[:2], figsize=(6.4, 0.65 * len(rows) + 0.3))
    for (r, c), ax in np.ndenumerate(axes):
        draw(ax, rows[r, c])
        ax.set_title(columns[c] if r == 0 else "", size=8)
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(name, size=8, rotation=0, ha="right", va="center")
    plt.show()


# %%
of_class = [data.x_train[data.y_train == k][:2] for k in range(M.model.classes)]
gallery(np.stack(of_class, axis=1), ["real", "real"], data.class_names)  # (2, K, D)

# %% [markdown]
# ## Bayes' rule, and two losses
#
# A student will need many rows $x$ of every class $y$, and different ones. So let each row have a
# class and a *latent code* $z$: $Z = 10$ numbers that say which row of the class it is. We draw
# $y$ uniformly and $z$ from a standard normal distribution, and ask for the most probable row,
# $\arg\max_x \, p(x \mid y, z)$. By Bayes' rule
#
# $$ p(x \mid y, z) = \frac{p(y, z \mid x) \, p(x)}{p(y, z)}
# = \frac{p(y \mid x) \, p(z \mid x) \, p(x)}{p(y, z)} . $$
#
# The second step assumes that, given the row, class and code say nothing about each other. The
# denominator does not depend on $x$. About $p(x)$ we know nothing, for the data is gone. KegNet
# takes it to be flat. What is left is
#
# $$ \arg\max_x \big[ \log p(y \mid x) + \log p(z \mid x) \big] . $$
#
# **The first term is the teacher's.** $p(y \mid x) = \operatorname{softmax}(M(x))$ at the class
# $y$. Minus its logarithm, averaged over a batch, is the cross-entropy
#
# $$ l_{cls} = \operatorname{mean}_b \; - \sum_k y_{bk} \log \operatorname{softmax}(M(x_b))_k . $$
#
# **The second term needs a network that reads the code off the row**, the decoder $D$. (In the
# shape of an array, such as $(B, D)$, $D$ is still the number of features.) Let $z$ be normal
# around $D(x)$ with variance $\sigma^2$ in each of its $Z$ numbers. Then
#
# $$ -\log p(z \mid x) = \frac{1}{2 \sigma^2} \sum_{i=1}^{Z} (D(x)_i - z_i)^2 + \text{const}
# = \alpha \, l_{dec} + \text{const}, \qquad \alpha = \frac{Z}{2 \sigma^2}, $$
#
# with $l_{dec}$ the *mean* over batch and $Z$ of the squared differences. So
#
# $$ l = l_{cls} + \alpha \, l_{dec} $$
#
# is $-\log p(x \mid y, z)$ with a flat $p(x)$, up to a constant. $\alpha$ says how exactly the code
# must be readable. The paper's tables have $\alpha = 1$, that is $\sigma^2 = 5$. That is wider than
# the spread of $z$ itself, so take $\alpha$ as a weight rather than as a belief. Here is a check of
# the algebra, with random numbers in place of the networks' outputs:

# %%
rng = np.random.default_rng(0)
Z, K = 10, M.model.classes
sigma = np.sqrt(Z / 2)  # α = 1
y, z = sampling.draw_y(rng, 50, K, float), sampling.draw_z(rng, 50, Z, float)


def bayes(logits, z_hat):
    """The mean of −log p(y | x) − log p(z | x) over the batch, straight from the densities."""
    p_y = (losses.softmax(logits) * y).sum(axis=1)
    return -np.mean(np.log(p_y) + stats.norm.logpdf(z, z_hat, sigma).sum(axis=1))


# %%
const = Z * np.log(sigma * np.sqrt(2 * np.pi))
for _ in range(5):
    a, z_hat = rng.normal(size=(50, K)), rng.normal(size=(50, Z))
    total = losses.cross_entropy(a, y) + losses.reconstruction(z_hat, z)
    assert np.isclose(bayes(a, z_hat), total + const)

# %% [markdown]
# **Exercise 5.1.** The squared difference came from the normal distribution. Suppose that the
# numbers of $z$ are, given $x$, Laplace-distributed around $D(x)$ instead: density
# $\exp(-|z_i - D(x)_i| / b) / (2b)$. Which loss takes the place of $\alpha \, l_{dec}$? Write it
# as a function of `z_hat` and `z`, (B, Z) each, and `b`. Leave constants out, or keep them.

# %%
# Exercise 5.1: your answer
answer_5_1 = None


# %%
def is_laplace(f):
    rng, off = np.random.default_rng(1), []
    z, b = rng.normal(size=(30, 7)), 0.6
    for scale in (0.1, 1.0, 3.0):
        z_hat = scale * rng.normal(size=(30, 7))
        exact = -stats.laplace.logpdf(z, z_hat, b).sum(axis=1).mean()
        off.append(exact - f(z_hat, z, b))
    return np.ptp(off) < 1e-9  # the same constant every time


check("5.1", answer_5_1, is_laplace, "minus the logarithm, summed over Z, averaged over B")

# %% [markdown]
# <details><summary>Solution 5.1</summary>
#
# The mean absolute difference, times $Z / b$.
#
# ```python
# def answer_5_1(z_hat, z, b):
#     return np.abs(z_hat - z).sum(axis=1).mean() / b
# ```
#
# </details>

# %% [markdown]
# ## The generator and the decoder
#
# To search for the best $x$ anew for every pair $(y, z)$ would be slow. KegNet trains one network
# to give it at once, the *generator* $\hat x = G(y, z)$, so that $l$ is small on average. $D$ is
# trained beside it, on the same loss. $M$ stays as it is.
#
# The last layer of $G$ is the batch-norm without parameters of tutorial 2: every feature of a
# batch has mean 0 and variance 1, as the features of standardised data have. That is the only
# thing that $G$ is told about the data. Here are both networks before any training:

# %%
G, D = generator.generator(Z, K, data.features), generator.decoder(data.features, Z)
(theta_G, state_G), (theta_D, state_D) = G.init(rng), D.init(rng)
B = 500
y, z = sampling.draw_y(rng, B, K), sampling.draw_z(rng, B, Z)  # (B, K), (B, Z)
zy = generator.generator_input(z, y)  # (B, Z + K)
x_hat, _ = G.apply(G.layout.views(theta_G), state_G, zy, train=True)  # (B, D)
logits = M.predict(x_hat)  # (B, K)
z_hat, _ = D.apply(D.layout.views(theta_D), state_D, x_hat, train=True)  # (B, Z)
l_cls, l_dec = losses.cross_entropy(logits, y), losses.reconstruction(z_hat, z)
assert np.allclose(x_hat.mean(axis=0), 0, atol=1e-4)
assert np.allclose(x_hat.var(axis=0), 1, atol=1e-2)
assert l_cls > np.log(K) and l_dec > 0.9

# %% [markdown]
# The last line: the untrained $G$ does worse than rows at which $M$ shrugs, with $1/K$ for every
# class and $l_{cls} = \log K$. And if $D$ said 0 for every number of the code, $l_{dec}$ would be
# the variance of $z$, which is 1. Read $l_{dec}$ as the share of the code that is *not* found.
#
# `generator.extraction_loss` is the same in one function, ready for the gradient. Its parameters
# are those of $G$ and $D$ in one flat vector. $M$ is not among them: the gradient flows *through*
# $M$ to $\hat x$, but no weight of $M$ moves.

# %%
loss = generator.extraction_loss(G, D, M.model, M.p, alpha=1.0)  # M.p: its arrays by name
step = value_and_grad(loss, G.layout, D.layout)
theta = np.concatenate([theta_G, theta_D])
value, gradient, (_, _, parts) = step(theta, state_G, state_D, y, z)
assert np.isclose(value, l_cls + l_dec, rtol=1e-4)
assert gradient.shape == theta.shape == (G.layout.size + D.layout.size,)

# %% [markdown]
# ### Training
#
# The next cells are `generator.extract` of the package, written out, with one thing more. After
# every epoch of 100 steps they take a *score*: the share of the samples' variance that lies
# inside the classes. Take from every row the mean of its class, and compare the variance that
# remains with the variance of all. At a share of 0 every class is one point. At 1 all classes
# have the same mean. We shall need it soon.

# %%
wanted = np.arange(2000) % K  # what every generator is asked for: each class as often, ...
codes = sampling.draw_z(np.random.default_rng(1), 2000, Z)  # ... with these codes
asked = generator.generator_input(codes, sampling.one_hot(wanted, K))  # (2000, Z + K)


# %%
def inner(x, y):
    """Rows less the mean of their class, (N, D)."""
    return x - np.stack([x[y == k].mean(axis=0) for k in range(K)])[y]


def share_inside(x, y):
    return inner(x, y).var(axis=0).sum() / x.var(axis=0).sum()


real, real_y = data.x_train, data.y_train
means = real - inner(real, real_y)  # variance = inside the classes + between them:
assert np.isclose(share_inside(real, real_y) + means.var(0).sum() / real.var(0).sum(), 1, rtol=1e-3)

# %% [markdown]
# The paper's schedule is 20,000 steps of 256 samples, learning rate $10^{-4}$, five generators.
# **Here it is 1,200 steps of 128 samples with $10^{-3}$, and two generators.** They start from
# different seeds and train side by side as a stack, each with a decoder of its own.

# %%
TWELVE = Schedule(lr=1e-3, batch=128, epochs=12)


def samples(run):
    """What the generators of a training give, in evaluation mode: (S, 2000, D)."""
    P, Q = G.layout.size, G.state_layout.size  # theta and state hold G's part, then D's
    return Network(G, run.theta[:, :P], run.state[:, :Q]).predict(asked)


def fresh(schedule=TWELVE):
    """Two untrained pairs of G and D: a stack of two."""
    rngs = sampling.seeded(2019, "generators", 2)
    pairs = [(G.init(rng), D.init(rng)) for rng in rngs]
    theta, state = (np.stack([np.concatenate([g[i], d[i]]) for g, d in pairs]) for i in (0, 1))
    return train.Training(theta, state, rngs, schedule)


# %%
def score(run):
    return np.array([share_inside(x, wanted) for x in samples(run)])


def learn(schedule=TWELVE, **settings):
    """Train both pairs; the settings are alpha, beta and teacher_dropout."""
    run_epoch = generator.extraction_epoch(G, D, M, batch=128, steps=100, **settings)
    return train.fit(fresh(schedule), run_epoch, score)


one_epoch = Schedule(lr=1e-3, batch=128, epochs=1)
_, _, run = generator.extract(M, generators=2, schedule=one_epoch)
assert np.array_equal(learn(one_epoch).theta, run.theta)

# %% [markdown]
# The assertion: after one epoch, `learn` and `generator.extract` have the very same parameters. Now
# the whole training.

# %%
runs = {"α = 1": learn(alpha=1.0)}
# the losses alone:
history = [{k: v for k, v in row.items() if k != "score"} for row in runs["α = 1"].history]
figure = plots.loss_curves({"generators": history})
figure.set_size_inches(6.4, 2.4)
figure

# %% [markdown]
# Both losses fall, and the two generators, one line each, agree (mind the log scale). To see what
# the losses mean, ask for 2,000 samples, let $M$ name them, and let $D$ read their codes.

# %%
run = runs["α = 1"]
x_hat = samples(run)  # (2, 2000, D)
named = M.predict(x_hat).argmax(axis=-1)  # (2, 2000)
P, Q = G.layout.size, G.state_layout.size
z_hat = Network(D, run.theta[:, P:], run.state[:, Q:]).predict(x_hat)  # (2, 2000, Z)
print(f"M gives {np.mean(named == wanted):.1%} of them the class asked for")
print(f"l_dec on them: {losses.reconstruction(z_hat[0], codes):.2f}")
assert np.mean(named == wanted) > 0.99
assert max(losses.reconstruction(z, codes) for z in z_hat) < 0.03

# %%
figure, axes = plt.subplots(1, 3, figsize=(6.2, 2.2), sharey=True)
for i, ax in enumerate(axes):
    ax.plot(codes[:, i], z_hat[0][:, i], ".", ms=1.5)
    ax.set(xlabel=f"z, number {i + 1}", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
axes[0].set_ylabel("D(x_hat)")
plt.show()

# %% [markdown]
# $M$ is content, and 97% of the code and more can be read off the sample: three of its ten
# numbers are shown. By the two losses this is as good as it gets. Now the samples themselves.


# %%
def of_every_class(x, n):
    """n samples of each class, from samples for `asked`: (n, K, D)."""
    return x[: n * K].reshape(n, K, -1)


gallery(of_every_class(x_hat[0], 4), ["made"] * 4, data.class_names)

# %% [markdown]
# Each stroke has a code of its own. The number above its column is the class that was asked for
# and that $M$ gives. You would hardly read one of them. We come back to that; first, what each
# loss is good for.
#
# ## Mode collapse: the decoder switched off
#
# Let $\alpha = 0$. Then nothing in $l = l_{cls}$ speaks of $z$. For each class there is a row
# that $M$ likes best, and $G$ may give it whatever the code is. A generator that makes few kinds
# of rows is said to suffer from *mode collapse*.

# %%
runs["α = 0"] = learn(alpha=0.0)
theta_D = fresh().theta[:, P:]
assert np.array_equal(runs["α = 0"].theta[:, P:], theta_D)  # D has no gradient: it never learns
assert (score(fresh()) > 0.8).all()  # of an untrained G nearly all variance is inside
assert score(runs["α = 0"]).max() < 0.85 * score(runs["α = 1"]).min()
assert (score(runs["α = 0"]) < 0.6 * score(fresh())).all()

# %%
figure, ax = plt.subplots(figsize=(5.5, 2.8))
for (name, run), colour in zip(runs.items(), ("C0", "C1"), strict=True):
    scores = np.array([score(fresh()), *np.reshape([r["score"] for r in run.history], (-1, 2))])
    ax.plot(100 * np.arange(len(scores)), scores, color=colour, label=[name, None])
ax.axhline(share_inside(real, real_y), color="0.5", ls=":", label="real rows")
ax.set(xlabel="steps", ylabel="share of variance inside classes", ylim=(0, 1))
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# Two lines for each setting are the two generators, and the dotted line is the real rows. At the
# start nearly all variance is inside the classes: an untrained $G$ mixes $z$ and $y$ at random, and
# $z$ is the larger part of its input. With $\alpha = 1$ the share soon settles. With $\alpha = 0$
# it falls further: the code is of no use, and it is pushed out little by little.
#
# It does not become zero: no loss asks for $z$, but none forbids it. This is a collapse in part,
# and the share alone does not show all of it. So count *directions* too. If the rows of a class
# vary in $d$ directions by the same amount, their covariance has $d$ equal eigenvalues
# $\lambda_i$ and zeros. For unequal ones the *effective number* is
#
# $$ d_{\text{eff}} = \frac{\big( \sum_i \lambda_i \big)^2}{\sum_i \lambda_i^2} . $$


# %%
def directions(x, y):
    """The effective number of directions in which rows vary inside their class."""
    eigenvalues = np.linalg.eigvalsh(np.cov(inner(x, y).T))
    return eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


three = np.random.default_rng(0).normal(size=(20000, 3)) * [1, 1, 0]
assert np.isclose(directions(three, np.arange(20000) % K), 2, rtol=0.05)  # two of the three


# %%
def dots(ax, measured, xlabel):
    """A line for each setting, a dot on it for each generator."""
    for i, values in enumerate(measured.values()):
        ax.plot(values, [i] * len(values), "o", ms=5, alpha=0.8)
    ax.set(xlabel=xlabel, yticks=range(len(measured)), yticklabels=list(measured))
    ax.set(xlim=(0, None), ylim=(len(measured) - 0.5, -0.5))
    ax.grid(axis="x", lw=0.4)


# %%
def compare(names):
    """The share inside and the number of directions: settings by name, and the real rows."""
    measured = {name: samples(runs[name]) for name in names}
    shares = {name: [share_inside(x, wanted) for x in xs] for name, xs in measured.items()}
    counts = {name: [directions(x, wanted) for x in xs] for name, xs in measured.items()}
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 0.35 * len(names) + 1), sharey=True)
    dots(axes[0], shares | {"real": [share_inside(real, real_y)]}, "share of variance inside")
    dots(axes[1], counts | {"real": [directions(real, real_y)]}, "directions d_eff")
    plt.show()
    return shares, counts


# %%
_, counts = compare(["α = 1", "α = 0"])
assert max(counts["α = 0"]) < min(counts["α = 1"])
assert not PEN or max(counts["α = 0"]) < 0.65 * min(counts["α = 1"])
assert 0.75 * Z < min(counts["α = 1"]) < 1.25 * Z

# %% [markdown]
# With the decoder, samples of a class vary in about as many directions as the code has numbers,
# $Z = 10$. Without it, in less than two thirds of them. This is what it looks like, 25 strokes of
# a class drawn over each other:


# %%
def overlay(named_rows, n=25):
    """Rows of axes by name, an axis for each class: n samples (x, y) on top of each other."""
    figure, axes = plt.subplots(len(named_rows), K, figsize=(6.4, 0.65 * len(named_rows) + 0.3))
    for (name, (x, y)), line in zip(named_rows.items(), axes, strict=True):
        line[0].set_ylabel(name, size=8, rotation=0, ha="right", va="center")
        for k, ax in enumerate(line):
            raw = x[y == k][:n] * data.scale + data.mean
            if PEN:
                ax.plot(raw[:, ::2].T, raw[:, 1::2].T, lw=0.6, color="C0", alpha=0.3)
                ax.set(xlim=(-50, 150), ylim=(-50, 150), aspect="equal")
            else:
                ax.imshow(raw.mean(axis=0).reshape(8, 8), cmap="gray_r")
            ax.set(xticks=[], yticks=[])
            ax.set_title(data.class_names[k] if name == "real" else "", size=8)
    plt.show()


# %%
first = {name: (samples(runs[name])[0], wanted) for name in ("α = 1", "α = 0")}
overlay({"real": (real, real_y)} | first)

# %% [markdown]
# Real strokes of a class follow each other. Those of $\alpha = 1$ fill the square. Those of
# $\alpha = 0$ leave more of it white, and of some classes a shape can be made out: the same
# strokes again and again.
#
# ## The diversity loss
#
# The paper has a third loss, with weight $\beta$. It asks that different codes give different
# rows. Take all $B^2$ pairs of a batch. Let $d_z(z_i, z_j)$ be the mean squared difference of two
# codes and $d_x(x_i, x_j)$ the mean absolute difference of two rows. Then
#
# $$ l_{div} = e^{-m}, \qquad m = \operatorname{mean}_{i, j} \; d_z(z_i, z_j) \, d_x(x_i, x_j), $$
#
# and $l = l_{cls} + \alpha \, l_{dec} + \beta \, l_{div}$. $l_{div}$ is small if rows whose codes
# are far apart are far apart themselves, and 1, its largest value, if all rows are the same.
#
# **Its gradient.** Row $i$ is in the pairs $(i, j)$ and $(j, i)$, and the derivative of $|u|$ is
# its sign. So
#
# $$ \frac{\partial l_{div}}{\partial x_{ik}} = - l_{div} \, \frac{2}{B^2 D} \sum_j d_z(z_i, z_j) \,
# \operatorname{sign}(x_{ik} - x_{jk}) . $$
#
# A step against it pushes $x_i$ away from every $x_j$. The push is strong where the *codes*
# differ, and it does not depend on how far the rows are apart already. A check by central
# differences:

# %%
rng = np.random.default_rng(2)
x, z, h = rng.normal(size=(6, 3)), rng.normal(size=(6, 4)), 1e-6
d_z = ((z[:, None] - z) ** 2).mean(axis=2)  # (B, B)
signs = np.sign(x[:, None] - x)  # (B, B, D)
by_hand = -losses.diversity(x, z) * 2 / (6 * 6 * 3) * (d_z[:, :, None] * signs).sum(axis=1)
for i, k in np.ndindex(x.shape):
    e = np.zeros_like(x)
    e[i, k] = h
    slope = (losses.diversity(x + e, z) - losses.diversity(x - e, z)) / (2 * h)
    assert np.isclose(by_hand[i, k], slope, rtol=1e-5, atol=1e-9)

# %% [markdown]
# **Its value.** Suppose that rows and codes have nothing to do with each other, and all numbers in
# them are standard normal. For two codes $z_i - z_j$ has variance 2, so $d_z$ is 2 on average. For
# two rows the difference is normal with variance 2 as well, and the mean of its absolute value is
# $\sqrt{2} \sqrt{2 / \pi} = 2 / \sqrt{\pi}$. So $m$ is near $4 / \sqrt{\pi}$, and $l_{div} \approx
# e^{-4 / \sqrt{\pi}} = 0.105$. That is near 0, though such a generator ignores the code altogether!

# %%
x, z = rng.normal(size=(1000, 16)), rng.normal(size=(1000, 10))
free = np.exp(-4 / np.sqrt(np.pi))
print(f"by the formula {free:.3f}, of 1,000 random rows {losses.diversity(x, z):.3f}")
assert np.isclose(losses.diversity(x, z), free, rtol=0.05)

# %% [markdown]
# **Exercise 5.2.** And a generator in full collapse? Let there be two classes, each half of a
# large batch. Every row of the first is $(1, 1, \dots, 1)$, every row of the second
# $(-1, -1, \dots, -1)$. So each feature has mean 0 and variance 1, as the batch-norm wants. The
# codes are standard normal. Which value does $l_{div}$ come near to?

# %%
# Exercise 5.2: your answer
answer_5_2 = None


# %%
def is_of_collapse(value):
    rng = np.random.default_rng(3)
    x = np.repeat([[1.0] * 5, [-1.0] * 5], 1000, axis=0)  # (2000, 5)
    return abs(value - losses.diversity(x, rng.normal(size=(2000, 10)))) < 0.003


check("5.2", answer_5_2, is_of_collapse, "which pairs have d_x = 0, and what is d_x of the others?")

# %% [markdown]
# <details><summary>Solution 5.2</summary>
#
# Half of the pairs have $d_x = 0$, the others $d_x = 2$: the mean is 1. $d_z$ is 2 on average, so
# $l_{div} = e^{-2} = 0.135$. If all rows were the same it would be 1. So it is much nearer to the
# 0.105 from above: the loss hardly notices this collapse.
#
# ```python
# answer_5_2 = np.exp(-2)
# ```
#
# </details>

# %% [markdown]
# So the batch-norm at the end of $G$ leaves $l_{div}$ little room: it fixes the size of the
# differences between rows, and $G$ can only choose *which* rows differ. The value tells next to
# nothing. But the gradient acts all the same. Here are $\beta = 1$ with the decoder and in place
# of it.

# %%
runs["α = 1, β = 1"] = learn(alpha=1.0, beta=1.0)
runs["α = 0, β = 1"] = learn(alpha=0.0, beta=1.0)
shares, counts = compare(["α = 1", "α = 0", "α = 1, β = 1", "α = 0, β = 1"])
assert np.mean(shares["α = 1, β = 1"]) > np.mean(shares["α = 1"])
assert np.mean(shares["α = 0, β = 1"]) > 1.2 * np.mean(shares["α = 0"])
assert max(counts["α = 0, β = 1"]) < 0.7 * min(counts["α = 1"])
for alpha in ("α = 1", "α = 0"):
    assert np.mean(counts[f"{alpha}, β = 1"]) < 1.1 * np.mean(counts[alpha])


# %%
def mean_diversity(run):
    return np.mean([losses.diversity(x[:1000], codes[:1000]) for x in samples(run)])


l_div = {name: mean_diversity(run) for name, run in runs.items()}
for name, value in l_div.items():
    print(f"{name:13} l_div {value:.3f}")
assert min(l_div.values()) > 0.075 and max(l_div.values()) < free
assert l_div["α = 1"] - l_div["α = 1, β = 1"] < 0.02

# %% [markdown]
# In all four settings $l_{div}$ is a little below the value of unrelated rows and codes, and with
# the decoder $\beta = 1$ lowers it by less than 0.02. Yet, left in the figure: more of the
# variance is inside the classes now, with and without a decoder. Right: it brings no more
# *directions*. Without a decoder the samples of a class lie far apart, but along few directions.
#
# The two losses measure different things. $l_{dec}$ asks whether the code *can* be read, and for
# that small differences will do, in as many directions as there are numbers in the code.
# $l_{div}$ asks for *large* differences, and one direction will do. The paper's tables were made
# with $\beta = 0$.
#
# ## A walk through the codes
#
# Take two codes $z_0$ and $z_1$ and go from one to the other on a straight line,
# $z(t) = (1 - t) \, z_0 + t \, z_1$, with the class unchanged. $G$ is continuous, so the strokes
# change little by little.

# %%
t = np.linspace(0, 1, 8)[:, None]


def walk(run, start, end):
    """G of the first generator along the line between two inputs (Z + K,): (8, D)."""
    return Network(G, run.theta[0, :P], run.state[0, :Q]).predict((1 - t) * start + t * end)


def ends(i):
    """Two inputs of the same class."""
    return asked[i], np.concatenate([codes[i + 1], asked[i, Z:]])


# %%
steps = [f"{v:.1f}" for v in t[:, 0]]
two_walks = np.stack([walk(runs[name], *ends(3)) for name in ("α = 1", "α = 0")])  # (2, 8, D)
gallery(two_walks, ["α = 1", "α = 0"], steps)


# %% tags=["varies"]
def length(x):
    return np.linalg.norm(np.diff(x, axis=0), axis=1).sum()


walks = {name: [walk(runs[name], *ends(i)) for i in range(100)] for name in ("α = 1", "α = 0")}
long, short = (np.mean([length(x) for x in walks[name]]) for name in walks)
kept = [M.predict(x).argmax(1) == y for x, y in zip(walks["α = 1"], wanted, strict=False)]
print(f"α = 1: {np.mean(kept):.0%} of the steps of 100 walks keep their class")
print(f"mean length of a walk: α = 1 {long:.1f}, α = 0 {short:.1f}")
assert np.mean(kept) > 0.98 and short < 0.9 * long

# %% [markdown]
# Above each column is $t$; the class is that of `wanted[3]`, a 3. With $\alpha = 1$ nearly every
# step of 100 such walks stays in its class: $M$ takes what lies between two samples for a sample,
# too. With $\alpha = 0$ the walks are shorter on average: the same way in $z$ leads less far in
# $x$.
#
# ## The teacher's dropout
#
# The paper says that $M$ is fixed while the generators learn. Its official program leaves $M$ in
# training mode, so that $M$'s dropout is on: in every step a random 15% of the hidden units are
# missing, and $G$ faces another *thinned* network, with masks $r$. $G$'s loss is then the mean of
# $-\log p_r(y \mid x)$ over $r$. By Jensen's inequality that is no less than $-\log$ of the mean
# probability, so it asks for more: not $M$ alone but nearly every thinned network must be sure.
# `teacher_dropout` is the option, off by default.

# %%
DROPPED = "α = 1, M's dropout"
runs[DROPPED] = learn(alpha=1.0, teacher_dropout=True)


def thinned_loss(x):
    """l_cls of samples for `asked` with M's dropout on, a new mask for every sample."""
    masks = M.model.draw_masks(np.random.default_rng(0), len(x))  # of each layer (2000, 100)
    logits, _ = M.model.apply(M.p, None, x, train=True, masks=masks)
    return losses.cross_entropy(logits, sampling.one_hot(wanted, K))


# %%
both = {name: samples(runs[name]) for name in ("α = 1", DROPPED)}
thinned = {name: [thinned_loss(x) for x in xs] for name, xs in both.items()}
inside = {name: [share_inside(x, wanted) for x in xs] for name, xs in both.items()}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 1.5), sharey=True)
dots(axes[0], thinned, "l_cls with M's dropout on")
dots(axes[1], inside, "share of variance inside")
plt.show()
assert max(thinned[DROPPED]) < min(thinned["α = 1"])
assert np.mean(inside[DROPPED]) < np.mean(inside["α = 1"])

# %% [markdown]
# Left: samples made for $M$ as it is are less sure when units drop out; samples made under
# dropout were trained for that, and are surer. Right, the price: the safe ground of a class is
# smaller, and its samples vary less. The option works in the direction opposite to $\beta$.
#
# ## How real are they?
#
# Time to open the drawer. Take samples, and for each the distance to the nearest of the training
# rows, as a root mean square over the features. For comparison, the same for real test rows and
# for normal noise.


# %%
def nearest(x, n=500):
    """The median distance of n rows to the nearest training row."""
    squares = (x[:n] ** 2).sum(1)[:, None] + (real**2).sum(1) - 2 * x[:n] @ real.T  # (n, N)
    return float(np.median(np.sqrt(np.maximum(squares, 0).min(axis=1) / data.features)))


# %%
noise = sampling.normal(data.features)(np.random.default_rng(0), 500)
distance = {"real test rows": [nearest(data.x_test)]}
distance |= {name: [nearest(x) for x in samples(run)] for name, run in runs.items()}
distance["normal noise"] = [nearest(noise)]
figure, ax = plt.subplots(figsize=(5.5, 2.6))
dots(ax, distance, "median distance to the nearest real row, standard deviations")
plt.show()
made = np.concatenate([distance[name] for name in runs])
assert made.min() > (3 if PEN else 1.5) * distance["real test rows"][0]
assert made.min() > 0.75 * distance["normal noise"][0]
assert losses.softmax(M.predict(x_hat)).max(axis=-1).mean() > 0.98

# %% [markdown]
# The samples are far from the data, whatever the setting, and about as far as noise. $M$ names
# them with a mean confidence of over 98% all the same (those of $\alpha = 1$ are the ones
# checked): a classifier is sure in a large part of space, and real rows fill little of it.
# Nothing in the losses knows where. That knowledge was $p(x)$, which Bayes' rule asked for and
# which we took to be flat.
#
# It is fair to ask whether such samples teach a student more than noise does. Tutorial 6 measures
# it.
#
# **Exercise 5.3.** Perhaps a better prior is at hand: standardised features have mean 0 and
# variance 1, so let $p(x)$ be the standard normal distribution, and add the batch's mean of
# $-\log p(\hat x)$ to the loss. The last batch-norm makes this idea pointless. Why? Which value
# does the term have for every batch that $G$ makes in training? Write it as a function of the
# number of features $D$.

# %%
# Exercise 5.3: your answer
answer_5_3 = None


# %%
def is_prior(f):
    rng = np.random.default_rng(4)
    for n in (2, 16, 64):
        x = rng.exponential(size=(200, n)) * rng.uniform(1, 9, size=n)  # any batch, ...
        x = (x - x.mean(axis=0)) / x.std(axis=0)  # ... after batch-norm
        if not np.isclose(f(n), -stats.norm.logpdf(x).sum(axis=1).mean()):
            return False
    return True


check("5.3", answer_5_3, is_prior, "what is the batch's mean of x², feature by feature?")

# %% [markdown]
# <details><summary>Solution 5.3</summary>
#
# $-\log p(x) = \frac{1}{2} \sum_k (x_k^2 + \log 2 \pi)$, and after the batch-norm the mean of
# each $x_k^2$ is 1. The term is a constant and has no gradient: to $G$, flat and normal are the
# same.
#
# ```python
# answer_5_3 = lambda D: D / 2 * (1 + np.log(2 * np.pi))
# ```
#
# </details>

# %% [markdown]
# ## Digits, in two calls
#
# With the package, to teach and to extract are two calls. Here they are for the embedded images
# of digits, 8 × 8 pixels, with one generator.

# %%
digits = data_loaders.load("digits")
rows, validation = (digits.x_train, digits.y_train), (digits.x_val, digits.y_val)
M_8, _ = teacher.teach(rows, validation, schedule=THIRTY)
G_8, _, _ = generator.extract(M_8, generators=1, schedule=Schedule(1e-3, 128, 10))


# %%
def images(zy):
    """Inputs (R, C, Z + K) of the generator as grey levels (R, C, 8, 8)."""
    x = G_8.member(0).predict(zy.reshape(-1, zy.shape[-1]).astype(np.float32))
    return (x * digits.scale + digits.mean).reshape(*zy.shape[:2], 8, 8)


# %%
eye, C = np.eye(10), 7
z = np.tile(sampling.draw_z(np.random.default_rng(5), C, Z), (10, 1, 1))  # a code for each column
made = images(generator.generator_input(z, np.repeat(eye[:, None], C, axis=1)))  # (10, C, 8, 8)
same_code, same_class = np.abs(np.diff(made, axis=0)).mean(), np.abs(np.diff(made, axis=1)).mean()
assert same_code < same_class  # mean difference of a pixel: down a column, along a row
first = [digits.x_train[digits.y_train == k][0] * digits.scale + digits.mean for k in range(10)]
table = np.concatenate([np.reshape(first, (10, 1, 8, 8)), np.clip(made, 0, 16)], axis=1)
lines, columns = [f"class {k}" for k in range(10)], ["real", *(f"z {i + 1}" for i in range(C))]
figure = plots.image_grid(table, lines, columns, "samples for each class")
figure

# %% [markdown]
# The left column is real. To the right are samples, a row for each class, a column for each code.
# They are no digits to us. Down a column, with one code and all ten classes, the images resemble
# each other more than along a row. What makes the class, to $M$, is a smaller change than what
# makes the code.
#
# The class can be walked, too. $G$ was trained with one-hot $y$ only, but nothing forbids $y(t) =
# (1 - t) \, e_1 + t \, e_7$, part 1 and part 7, at a fixed code. ($e_k$ is the one-hot $y$ of class
# $k$.) In the picture each row is a code, and below each column is its $t$.

# %%
y = (1 - t) * eye[1] + t * eye[7]  # (8, K)
z = np.repeat(sampling.draw_z(np.random.default_rng(6), 4, Z)[:, None], 8, axis=1)  # (4, 8, Z)
path = images(generator.generator_input(z, np.tile(y, (4, 1, 1))))  # (4, 8, 8, 8)
x = ((path.reshape(-1, 64) - digits.mean) / digits.scale).astype(np.float32)
p = losses.softmax(M_8.predict(x)).reshape(4, 8, 10)
assert p[:, 0, 1].min() > 0.8 and p[:, -1, 7].min() > 0.8
plots.image_grid(np.clip(path, 0, 16), [f"z {i + 1}" for i in range(4)], steps, "from 1 to 7")

# %%
figure, ax = plt.subplots(figsize=(5, 2.4))
for k, style in ((1, "C0-"), (7, "C1--")):
    ax.plot(t, p[:, :, k].T, style, label=[f"class {k}", *[None] * 3])
ax.set(xlabel="t", ylabel="M's probability")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# For each of the four codes, $M$'s answer changes from 1 to 7 on the way: a solid and a dashed line
# each.
#
# ## What you can now explain
#
# - How Bayes' rule becomes $l_{cls} + \alpha \, l_{dec}$, what $\alpha$ stands for, and which
#   factor, $p(x)$, is left out.
# - What goes wrong without the decoder, and how to see it: the share of variance inside the
#   classes, and the number of directions. What the diversity loss does, and why its value does
#   not show it.
# - Why samples that satisfy the teacher entirely need not look like data.
#
# Next: [6. Distilling with no data](06_distilling.ipynb)
