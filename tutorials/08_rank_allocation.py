# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Spend the rank where the data enters
#
# **What you will do.** Take the paper's student, which has the same rank in every layer, and move
# rank from its last layers to its first. The size stays the same. Measure what it brings, find out
# why, and let the package choose the ranks.
#
# **What you will learn.** What a layer of rank $r$ lets through, and why noise suffers more from it
# than real inputs do. How to fit a layer of rank $r$ to activations, in closed form. How short
# trials choose among candidates. And what no choice of ranks can mend.
#
# **What you need.** Tutorial 4 (the Tucker form, the SVD's best cut) and tutorial 6 (a student's
# loss). Covariance and its eigenvectors.
#
# Runs in about 90 seconds on one core.

# %%
from dataclasses import asdict
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from exercises import check

import data_loaders
from kegnet_np import generator, losses, metrics, ops, sampling, student, teacher, tucker
from kegnet_np.activations import elu
from kegnet_np.beyond import ranks, samplers, start
from kegnet_np.experiments import plots, settings
from kegnet_np.experiments.text import to_text
from kegnet_np.probes.samples import describe
from kegnet_np.train import Schedule

# %% [markdown]
# ## Two teachers
#
# The settings are those of tutorial 6, shortened again: the protocol "fair", two teachers of thirty
# epochs, and 1,600 updates for each student instead of 10,000. (Real rows are on this page to
# explain and to judge. Nothing is chosen by them.)

# %%
plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})
try:
    data = data_loaders.load("pendigits")
except (OSError, ValueError):
    data = data_loaders.load("digits")
    print("No Pendigits here: this runs on the embedded 8 × 8 images instead.")
PEN = data.name == "pendigits"
D, K, H = data.features, data.classes, 100  # H: the width of the hidden layers

# %%
config = settings.make({
    "dataset": data.name, "protocol": "fair", "teacher_epochs": 30, "students": 1,
    "generators": 2, "generator_lr": 1e-3, "generator_batch": 128, "generator_epochs": 6,
    "student_epochs": 16, "noise_epochs": 16, "pool_per_generator": 3200,
})
rows, validation = (data.x_train, data.y_train), (data.x_val, data.y_val)
noise = sampling.normal(D)  # every feature N(0, 1)
x_noise = noise(np.random.default_rng(1), 3000)  # held out: no student is trained on these
teachers = []
for seed in (0, 1):
    M, _ = teacher.teach(rows, validation, **config.teach.arguments(), seed=seed)
    p = losses.softmax(M.predict(x_noise))  # (N, K), M's answers to noise
    teachers.append(SimpleNamespace(seed=seed, M=M, p=p))
model, for_students = M.model, config.distill.arguments(watch=False)  # of `student.distill`
assert for_students["schedule"].epochs * for_students["pool"] / 64 == 1600

# %% [markdown]
# ## The same size in two shapes
#
# Tutorial 4 counted the student's parameters for one rank. Two of its factors add nothing: the
# first layer's $D \times D$ and the last one's $K \times K$ multiply with the core beside them.
# Where the package chooses ranks it leaves them out, the *lean* form of the same functions. With a
# rank $r_l$ for each of the twelve dense layers its parameters are
#
# $$ P_S = (D r_1 + r_1 H + H) \; + \; \sum_{l=2}^{11} (H r_l + r_l^2 + r_l H + H)
#    \; + \; (H r_{12} + r_{12} K + K) . $$
#
# Now lower the ranks of the deep layers below 5, and spend what is saved on the first ones. Such a
# form will be called a *taper*. This one was found by hand. Later the package will find its own.

# %%
UNIFORM = (5,) * 12
TAPER = (16, 10, 7, 5, 4, 3, 3, 3, 3, 3, 3, 4) if PEN else (10, 7, 6, 5, *[4] * 8)
for name, r in {"same rank": UNIFORM, "taper": TAPER}.items():
    print(f"{name:10}{ranks.n_params(model, r):,} parameters")
    print("   ranks", *r)
size = ranks.n_params(model, UNIFORM)
assert ranks.n_params(model, TAPER) < size
assert not PEN or (size, ranks.n_params(model, TAPER)) == (12490, 12450)

# %% [markdown]
# **Exercise 8.1.** What does one more rank cost? Write `answer_8_1(r, layer)`: how many parameters
# are added when the rank of that layer (1 to 12) goes from `r` to `r + 1`. `D`, `K` and `H` are
# there.

# %%
# Exercise 8.1: your answer
answer_8_1 = None


# %%
def prices_fit(answer):
    def added(r, layer):
        more = [r + (i == layer) for i in range(1, 13)]
        return ranks.n_params(model, more) - ranks.n_params(model, (r,))

    grid = [(r, layer) for r in (1, 4, 9) for layer in range(1, 13)]
    return all(answer(r, layer) == added(r, layer) for r, layer in grid)


check("8.1", answer_8_1, prices_fit, "take P_S at r + 1 less P_S at r: three cases");

# %% [markdown]
# <details><summary>Solution 8.1</summary>
#
# ```python
# def answer_8_1(r, layer):
#     if layer == 1:
#         return D + H
#     return H + K if layer == 12 else 2 * H + 2 * r + 1
# ```
#
# The first and the last layer have one mode that is cut, the hidden ones have two. So with 16
# features a direction in the first layer costs about half of what it costs further on.
# </details>

# %% [markdown]
# Both forms start from decompositions of the weights (`tucker.compress`), see the same normal
# noise, and get the same number of updates. A third student has the same rank everywhere, but sees
# real rows without their labels. We look at two numbers: the KL divergence from $M$ on *noise* that
# was held out, which needs no data, and the accuracy on test rows.

# %%
def distil(t, start, name, samples, **other):
    """A trained student of teacher t; the name seeds its samples."""
    own = for_students | other
    made, _ = student.distill(t.M, start, samples, **own, seed=t.seed, purpose=name)
    return made.member(0)


def kl_on_noise(t, network):
    return float(losses.kl(network.predict(x_noise), t.p))


def accuracy(network):
    return float(metrics.accuracy(network.predict(data.x_test), data.y_test))


# %%
real = data.x_train
for t in teachers:
    same, taper = (tucker.compress(t.M, r) for r in (UNIFORM, TAPER))
    t.students = {
        "same rank, noise": distil(t, same, "normal", noise),
        "taper, noise": distil(t, taper, "normal", noise),
        "same rank, real rows": distil(t, same, "real", real),
    }
    t.kl = {name: kl_on_noise(t, student) for name, student in t.students.items()}
    t.right = {name: accuracy(student) for name, student in t.students.items()}

# %% tags=["varies"]
lines = [["teacher, student", "KL on noise", "test accuracy"]]
for t in teachers:
    lines.append([f"{t.seed}, M itself", "0", f"{accuracy(t.M):.3f}"])
    for name, kl in t.kl.items():
        lines.append([f"{t.seed}, {name}", f"{kl:.2f}", f"{t.right[name]:.3f}"])
print(to_text(lines))

# %%
for t in teachers:
    same, taper, on_real = t.right.values()
    assert taper > same and on_real > same + (0.03 if PEN else 0)
    assert t.kl["taper, noise"] < 0.8 * t.kl["same rank, noise"]
    assert t.kl["same rank, real rows"] > t.kl["same rank, noise"]  # it never saw noise
gains = [t.right["taper, noise"] - t.right["same rank, noise"] for t in teachers]
assert np.mean(gains) > (0.02 if PEN else 0)

# %% [markdown]
# The two students on noise have the same size but for a few parameters, the same samples and the
# same schedule. The taper is nearer to $M$ on noise, and its accuracy is higher with either
# teacher, on Pendigits by more than two points in the mean. (On another processor, which rounds
# otherwise, the first teacher's gain was one point: two teachers show a direction, not a size.)
#
# The third student is the riddle. With real rows the *same rank everywhere* does well. (On noise it
# is far from $M$. It never saw any, and nobody will ask it.) So the form is not too small for the
# task. It is too small for noise.
#
# ## What a layer of rank r lets through
#
# A first layer of rank $r$ turns its input $x$ into $r$ numbers, $x P$ with $P$ of shape $(D, r)$.
# Everything that follows sees only them. How much of $x$ can be told from them? Let $\Sigma$ be the
# covariance of the inputs, and their mean 0. The best linear guess of $x$ is
#
# $$ \hat x = x P \, (P^\top \Sigma P)^{-1} P^\top \Sigma , $$
#
# which is least squares with $x P$ as inputs and $x$ as outputs. The share of the variance that is
# told is the variance of the guess divided by that of $x$:
#
# $$ \frac{\operatorname{tr}\left[ \Sigma P \, (P^\top \Sigma P)^{-1} P^\top \Sigma \right]}
#    {\operatorname{tr} \Sigma} . $$
#
# For normal noise, $\Sigma = I$, it is $r / D$, *whatever* the directions are: no feature tells
# anything of another. If the features are correlated, the numbers that pass also tell of those that
# do not. So let us look at the correlations, of noise, of real inputs, and of the samples of two
# generators that are trained briefly, 600 steps, for each teacher.

# %%
for t in teachers:
    G, _, _ = generator.extract(t.M, **config.extract.arguments(), seed=t.seed)
    t.kegnet = generator.generated(G, latent=10)

first = teachers[0]
clouds = {
    "normal noise": noise(np.random.default_rng(2), 6000),
    "KegNet": first.kegnet(np.random.default_rng(2), 6000),
    "real": data.x_train,
}
Sigma = {name: np.cov(x.T.astype(np.float64)) for name, x in clouds.items()}

# %%
fig, axes = plt.subplots(1, 3, figsize=(6.4, 2.4), sharey=True)
for ax, (name, matrix) in zip(axes, Sigma.items(), strict=True):
    extent = (0.5, D + 0.5, D + 0.5, 0.5)
    image = ax.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu", extent=extent)
    ax.set(title=name, xlabel="feature")
axes[0].set_ylabel("feature")
fig.colorbar(image, ax=axes, label="correlation", shrink=0.8)
plt.show()

# %% tags=["varies"]
seen = {name: describe(x, first.M, data.x_train) for name, x in clouds.items()}
lines = [[name, f"{m['dimensions']:.1f}", f"{m['likeness']:.2f}"] for name, m in seen.items()]
print(to_text([[f"D = {D}", "effective dimensions", "likeness"], *lines]))

# %%
assert seen["normal noise"]["dimensions"] > 0.95 * D > seen["KegNet"]["dimensions"]
assert seen["real"]["dimensions"] < 0.45 * D
assert seen["KegNet"]["likeness"] < 0.5

# %% [markdown]
# (All inputs are standardised, so the covariance is the correlation.) Real inputs are full of
# correlations: neighbouring points of a stroke, or neighbouring pixels. Noise has none. KegNet's
# samples have some, but not the real ones. The *effective dimensions*, $(\sum \lambda)^2 / \sum
# \lambda^2$ with the eigenvalues $\lambda$ of $\Sigma$, say over how many directions a cloud is
# spread. The *likeness* is tutorial 6's: it compares a picture with that of the real inputs cell by
# cell, off the diagonal. 1 is the same pattern, 0 is an unrelated one.
#
# Next, cut the first layer of the first teacher at every rank $r$. The directions that survive are
# the first $r$ left singular vectors of its weights. How much of each kind of input do they tell?

# %%
def told(P, S):
    """Share of the variance of inputs with covariance S (D, D) that x P tells, P (D, r)."""
    return np.trace(S @ P @ np.linalg.pinv(P.T @ S @ P) @ P.T @ S) / np.trace(S)


def directions(W, r):
    """The r input directions (D, r) that are left of W (D, H)."""
    return np.linalg.svd(W.astype(np.float64))[0][:, :r]


W_1 = first.M.p["W0"]
best = np.linalg.eigh(Sigma["real"])[1][:, ::-1]  # the largest first
every = range(1, D + 1)
curves = {name: [told(directions(W_1, r), S) for r in every] for name, S in Sigma.items()}
curves["real, best directions"] = [told(best[:, :r], Sigma["real"]) for r in every]

# %%
fig, ax = plt.subplots(figsize=(5, 2.8))
for (name, curve), style in zip(curves.items(), ("-", "-", "-", ":"), strict=True):
    ax.plot(every, curve, style, color="C2" if name.startswith("real") else None, label=name)
ax.axvline(5, color="0.6", lw=1, zorder=0)
ax.set(xlabel="rank of the first layer (grey: 5)", ylabel="share of the variance told", ylim=0)
ax.legend(fontsize=8)
plt.show()
assert np.mean(curves["real"]) > np.mean(curves["normal noise"]) + 0.05
for r in every:
    assert abs(curves["normal noise"][r - 1] - r / D) < 0.03  # the theory
    assert curves["real"][r - 1] <= curves["real, best directions"][r - 1] + 1e-6

# %% [markdown]
# Noise is on the straight line $r / D$. The curve of real inputs is above it: what passes also
# tells of what does not. The dotted line is the most that can be had, with the eigenvectors of
# $\Sigma$ as directions. It takes real rows to know them. Here are the numbers at rank 5, also for
# the students that were trained on noise and on real rows:

# %%
def first_layer(network):
    q = network.p
    return q["U_in0"] @ q["core0"] @ q["U_out0"]  # (D, H) of rank 5


P_5 = {
    "cut of the weights": directions(W_1, 5),
    "trained on noise": directions(first_layer(first.students["same rank, noise"]), 5),
    "trained on real rows": directions(first_layer(first.students["same rank, real rows"]), 5),
    "best for real inputs": best[:, :5],
}
at_5 = {label: {name: told(P, S) for name, S in Sigma.items()} for label, P in P_5.items()}

# %% tags=["varies"]
lines = [[label, *(f"{share:.2f}" for share in row.values())] for label, row in at_5.items()]
print(to_text([["five directions", *Sigma], *lines]))

# %%
for row in at_5.values():
    assert abs(row["normal noise"] - 5 / D) < 0.03
    assert row["real"] > row["KegNet"] + 0.03
assert min(row["real"] for row in at_5.values()) > 5 / D + 0.1
on_noise, on_real = at_5["trained on noise"]["real"], at_5["trained on real rows"]["real"]
assert abs(on_noise - on_real) < 0.15

# %% [markdown]
# Behind a first layer of rank 5 most of a noise input is gone, and no training can bring it back:
# the student has to guess what $M$ makes of the rest. Real inputs lose less, by *any* of these
# directions. The five that were trained on noise tell about as much of them as the five that were
# trained on real rows. So it is not that the student on noise has picked the wrong five. It is that
# for noise no five are enough. While there is no data, the way out is to let *all* directions in.
#
# **Exercise 8.2.** Make inputs that lose nothing. `answer_8_2` is an array of at least 100 rows and
# `D` features, each feature with a standard deviation above 0.1. The first five directions,
# `P_5["cut of the weights"]`, should tell all of their variance.

# %%
# Exercise 8.2: your answer
answer_8_2 = None


# %%
def loses_nothing(x):
    if x.shape[1] != D or len(x) < 100 or x.std(0).min() <= 0.1:
        return False
    return told(P_5["cut of the weights"], np.cov(x.T)) > 0.999


check("8.2", answer_8_2, loses_nothing, "in how many dimensions may they lie at most?");

# %% [markdown]
# <details><summary>Solution 8.2</summary>
#
# ```python
# rng = np.random.default_rng(0)
# answer_8_2 = rng.standard_normal((500, 5)) @ rng.standard_normal((5, D))
# ```
#
# Any five-dimensional cloud will do, for nearly any five directions. They need not be *its* five:
# what counts is that five numbers say where in the cloud a row is.
# </details>

# %% [markdown]
# ## What each layer needs
#
# Could rank 5 be too small for every layer, not only for the first? Cut one layer alone, leave the
# other eleven whole, train nothing, and take the KL divergence from $M$ on noise. Nothing real is
# needed.

# %%
RANKS = (1, 2, 3, 4, 5, 7, 10)


def cut_one(M, i, r):
    """M's arrays with dense layer i + 1 cut to rank r."""
    U_in, core, U_out = tucker.decompose(M.p[f"W{i}"], r, r)
    return {**M.p, f"W{i}": U_in @ core @ U_out}


def suffers(t, i, r):
    return float(losses.kl(model.apply(cut_one(t.M, i, r), None, x_noise)[0], t.p))


need = np.mean([[[suffers(t, i, r) for i in range(12)] for r in RANKS] for t in teachers], axis=0)

# %%
fig, ax = plt.subplots(figsize=(6.2, 3))
image = ax.imshow(np.log10(np.maximum(need, 1e-3)), cmap="viridis_r", aspect="auto", origin="lower")
for (j, i), value in np.ndenumerate(need):
    ax.text(i, j, f"{abs(value):.1f}", ha="center", va="center", size=8,
            color="white" if value > 0.08 else "black")
ax.set_xticks(range(12), range(1, 13))
ax.set_yticks(range(len(RANKS)), RANKS)
ax.set(xlabel="dense layer that is cut", ylabel="its rank")
ticks = (0.001, 0.01, 0.1, 1)
bar = fig.colorbar(image, ax=ax, label="KL from M on noise", ticks=np.log10(ticks))
bar.ax.set_yticklabels(ticks)
plt.show()

# %%
at = {r: need[RANKS.index(r)] for r in RANKS}
assert at[4][5:10].max() < at[7][0] / 2  # layers 6 to 10 at rank 4, the first at rank 7
assert at[7][5:].max() < 0.1 < at[10][0]
assert (need[1:].argmax(axis=1) <= 2).all()  # from rank 2 on, one of the first three needs most

# %% [markdown]
# Each cell is the harm of one cut, the mean of both teachers. Cutting one of the layers 6 to 10 to
# rank 4 does less than half the harm of cutting the first to rank 7. From rank 2 on, the layer that
# suffers most is always one of the first three. Now go up each column until it gets light: that is
# about the rank which the layer needs. It falls over the first layers, as our taper does. (Where it
# rises again at the end, it stays below that of the first layer.)
#
# Why can the deep layers do with so little? Look at the inputs that each layer of $M$ gets, and
# count their effective dimensions.

# %%
def inputs_of_layers(M, x):
    """What each of the twelve dense layers of M gets: x, then hidden activations (N, H)."""
    inputs = [x]
    for i in range(11):
        inputs.append(ops.dense(inputs[-1], M.p[f"W{i}"], M.p[f"b{i}"], elu))
    return inputs


def dimensions(x):
    variances = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))
    return variances.sum() ** 2 / np.sum(variances**2)


# %%
spread = {
    name: [dimensions(a) for a in inputs_of_layers(first.M, x)] for name, x in clouds.items()
}
fig, ax = plt.subplots(figsize=(5, 2.8))
for name, line in spread.items():
    ax.plot(range(1, 13), line, ".-", label=name)
ax.axhline(K - 1, color="0.4", ls=":", lw=1, label="K − 1 = 9")
ax.set(xlabel="dense layer", ylabel="effective dimensions of its inputs", ylim=(0, None))
ax.set_xticks(range(1, 13))
ax.legend(fontsize=8)
plt.show()
assert spread["normal noise"][0] > 0.95 * D
assert all(max(line[4:]) < K - 1 for line in spread.values())
difference = np.subtract(spread["normal noise"], spread["real"])
assert difference[0] > 0.5 * D and np.abs(difference[4:]).max() < 3

# %% [markdown]
# Noise comes in with all its directions. $M$ itself folds them together, layer by layer, and from
# the fifth layer on noise fills hardly more of them than real inputs do. In the end it must be so:
# what leaves the network are the probabilities of $K$ classes, which have $K - 1$ degrees of
# freedom. $M$ makes up its mind early. The first layers have to *read*, the deep ones only pass on
# what was decided.
#
# ## Layers fitted to activations
#
# So the inputs of a deep layer fill few directions. The truncated SVD of its weights does not know
# that: it is the best cut if all directions count alike. We know better. Send noise through $M$ and
# through the student. Let $B$ be what a layer gets in the student, (N, D) for the first layer and
# (N, H) for a hidden one, and $Y$ (N, H) what it gives in $M$ before the ELU, both with their mean
# removed. Of all matrices of rank $r$, which one has the smallest $\lVert Y - B W' \rVert$? Three
# steps:
#
# 1. Without a limit on the rank it is least squares, $C = (B^\top B)^{-1} B^\top Y$. Its residual
#    $Y - B C$ is orthogonal to the columns of $B$. So by Pythagoras, for every $W'$,
#
# $$ \lVert Y - B W' \rVert^2 = \lVert Y - B C \rVert^2 + \lVert B C - B W' \rVert^2 . $$
#
# 2. The first term is fixed. In the second, $B W'$ has rank $r$ at most, and the best matrix of
#    rank $r$ for $B C$ is its truncated SVD (tutorial 4): $B C \, U U^\top$, where $U$ (H, r) holds
#    the first right singular vectors of $B C$.
# 3. This *is* of the form $B W'$, with $W' = C \, U U^\top$, a matrix of rank $r$. Done.
#
# That is *reduced-rank regression* (Izenman, 1975). In code:

# %%
def reduced_rank(B, Y, r):
    """The W' (D, H) of rank r with the smallest ‖Y − B W'‖."""
    C = np.linalg.lstsq(B, Y, rcond=None)[0]  # (D, H)
    U = np.linalg.svd(B @ C, full_matrices=False)[2][:r].T  # (H, r)
    return C @ U @ U.T


x_fit = noise(np.random.default_rng(3), 4096)
W = W_1.astype(np.float64)
B = x_fit - x_fit.mean(0, dtype=np.float64)  # (N, D)
ours = reduced_rank(B, B @ W, 5)
theirs = first_layer(start.fit_layers(first.M, UNIFORM, x_fit))
assert np.linalg.norm(ours - theirs) < 0.02 * np.linalg.norm(ours)

# %% [markdown]
# `start.fit_layers` does this from the first layer to the last. (It adds a small multiple of the
# identity to $B^\top B$, in case the samples leave a direction nearly empty, and it sets the biases
# so that the means are right.) $B$ is what the student fitted *so far* gives. So each layer also
# corrects what the layers before it have lost.
#
# Where does fitting help? Compare the error of a layer's outputs on held-out noise,
# $\lVert B (W - W') \rVert / \lVert B W \rVert$, for both ways to cut it to rank 4.

# %%
def errors(t, r=4):
    """The relative errors of the twelve layers at rank r, cut and fitted: (2, 12)."""
    rows = []
    inputs = zip(*(inputs_of_layers(t.M, x) for x in (x_fit, x_noise)), strict=True)
    for i, (given, held_out) in enumerate(inputs):
        W = t.M.p[f"W{i}"]
        B, held_out = given - given.mean(0), held_out - held_out.mean(0)
        U_in, core, U_out = tucker.decompose(W, r, r)
        off = [W - U_in @ core @ U_out, W - reduced_rank(B, B @ W, r)]
        rows.append([np.linalg.norm(held_out @ E) / np.linalg.norm(held_out @ W) for E in off])
    return np.transpose(rows)


cut, fitted = np.mean([errors(t) for t in teachers], axis=0)

# %%
fig, ax = plt.subplots(figsize=(5, 2.6))
layers = np.arange(1, 13)
ax.bar(layers - 0.2, cut, 0.4, label="cut: SVD of the weights")
ax.bar(layers + 0.2, fitted, 0.4, label="fitted to activations")
ax.set(xlabel="dense layer", ylabel="error on noise, rank 4", xticks=layers)
ax.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.2))
plt.show()
assert abs(fitted[0] / cut[0] - 1) < 0.03
assert (fitted[2:11] < 0.95 * cut[2:11]).all()

# %% [markdown]
# In the first layer it does not help at all. Its inputs *are* noise, $B^\top B \approx N I$, and
# then $C = W$ and the answer is the truncated SVD of $W$. From the third layer to the eleventh the
# fitted form is better, for the same parameters.
#
# Now whole students, both forms with both starts: KL on noise and accuracy on test rows untrained,
# and accuracy after the 1,600 updates. Each line begins with the teacher.

# %%
for t in teachers:
    t.grid = {}  # (form, start): KL on noise untrained, accuracy untrained, accuracy trained
    for form, r in {"same rank": UNIFORM, "taper": TAPER}.items():
        cut, fitted = tucker.compress(t.M, r), start.fit_layers(t.M, r, x_fit)
        t.right[f"{form}, fitted"] = accuracy(distil(t, fitted, "normal", noise))
        for begin, network in {"noise": cut, "fitted": fitted}.items():
            row = [kl_on_noise(t, network), accuracy(network), t.right[f"{form}, {begin}"]]
            t.grid[form, begin.replace("noise", "cut")] = row

# %% tags=["varies"]
lines = [["", "KL untr.", "test untr.", "trained"]]
for t in teachers:
    for (form, begin), (kl, before, after) in t.grid.items():
        name = f"{t.seed}, {form}, {begin}"
        lines.append([name, f"{kl:.2f}", f"{before:.3f}", f"{after:.3f}"])
print(to_text(lines))

# %%
for t in teachers:
    for form in ("same rank", "taper"):
        assert t.grid[form, "fitted"][0] < 0.85 * t.grid[form, "cut"][0]
        assert t.grid[form, "fitted"][1] > t.grid[form, "cut"][1]
gains = [t.grid["taper", begin][2] - t.grid["same rank", begin][2]
         for t in teachers for begin in ("cut", "fitted")]
assert min(gains) > 0 and np.mean(gains) > (0.02 if PEN else 0)

# %% [markdown]
# Untrained, the fitted students are nearer to $M$ on noise and right more often on test rows, in
# every pair. Do not count on that to last: training makes up for much of a bad start. What is left
# of the lead is in the last column, and it may be nothing, or less: which start ends higher changes
# with the teacher, and even with the last digits to which a processor rounds, so we assert nothing
# of it. But whatever the start, the taper ends above the same rank everywhere, on Pendigits by more
# than two points in the mean. A better start does not widen the first layer.
#
# ## Let trials decide
#
# The taper above was made by hand for one set. How steep should it be for another, or for another
# size? The picture of single cuts does not tell: cuts add up, and training repairs much of them.
# But a short training is cheap. So the package makes candidates, tries them, and goes on with the
# best ones. That is `ranks.allocate`. The candidates (`ranks.tapers`) fall geometrically,
#
# $$ r_l = \text{floor} + (\text{first} - \text{floor}) \, \rho^{\,l - 1} ,
#    \qquad 0 \le \rho \le 1 , $$
#
# rounded. *First* is the rank of the first layer, *floor* what the ranks fall to. There is a
# candidate for each of several pairs of these, with the largest $\rho$ that keeps within the given
# number of parameters. First = floor is the paper's form, the same rank everywhere.

# %%
candidates = ranks.tapers(model, size)
for r in candidates:
    print(f"{ranks.n_params(model, r):,}:", *r)
assert UNIFORM in candidates and max(ranks.n_params(model, r) for r in candidates) <= size

# %% [markdown]
# On the command line it is `kegnet run --dataset pendigits --ranks auto --compression 8`. (Or
# `--params 12490`; or `--agreement 0.9` for the smallest student that agrees with $M$ on so many
# samples, by bisection over sizes: `ranks.smallest`.) In the settings, `()` stands for auto. They
# bring a protocol of their own, "beyond":

# %%
auto = settings.make({"dataset": data.name, "ranks": (), "compression": 8.0})
protocol, form, training = auto.every.protocol, auto.compress, auto.distill
print(f"protocol {protocol}, students start from {form.init}")
updates = training.noise_epochs * training.noise_pool // training.student_batch
print(f"samples {form.sampler}, {updates:,} updates")
assert (protocol, form.init, form.sampler) == ("beyond", "activations", "normal+noised")
assert settings.changes(auto) == {}

# %% [markdown]
# To compare like with like we stay with normal noise, our 1,600 updates and the size of rank 5.
# `ranks.allocate` chooses the ranks, `start.fit_layers` fits the layers.

# %%
for t in teachers:
    t.found = ranks.allocate(t.M, size, noise, seed=t.seed)
    x = noise(sampling.seeded(t.seed, "fit")[0], 4096)
    begin = start.fit_layers(t.M, t.found.ranks, x)
    t.right["auto, fitted"] = accuracy(distil(t, begin, "normal", noise))
figure = plots.ranks(first.found.ranks, [asdict(trial) for trial in first.found.trials])
figure.set_size_inches(6.2, 3)
figure

# %% [markdown]
# Each line is a candidate, the darker the nearer to $M$ after its first trial. The red one is the
# choice. These are the trials behind it, with the KL divergence from $M$ on noise after each:

# %% tags=["varies"]
short, long = (steps for _, steps in ranks.ROUNDS)
kl_after = {(trial.ranks, trial.steps): trial.kl for trial in first.found.trials}
for r in candidates:
    more = f"{kl_after[r, long]:9.3f}" if (r, long) in kl_after else ""
    print(f"{' '.join(map(str, r)):32}KL {kl_after[r, short]:.3f}{more}")
total = sum(trial.steps for trial in first.found.trials)
print(f"{total:,} updates; {len(candidates) * long:,} with long trials for all")

# %% [markdown]
# All candidates get 256 updates from the fitted start (the first number). The best quarter starts
# anew and gets 1,024 (the second number). The best of these wins. This is *successive halving*,
# here with a quarter: little time is spent on what is plainly bad. Neither end is good. The same
# rank everywhere starves the first layer. The steepest tapers starve the deep ones.

# %%
for t in teachers:
    kl = {trial.ranks: trial.kl for trial in t.found.trials if trial.steps == short}
    steepest = min(candidates, key=lambda r: r[-1] / r[0])
    assert t.found.n_params <= size and t.found.ranks[0] > t.found.ranks[-1]
    assert kl[t.found.ranks] < 0.8 * min(kl[UNIFORM], kl[steepest])
    assert sum(trial.steps for trial in t.found.trials) < 0.6 * len(candidates) * long

# %% tags=["varies"]
names = "same rank, noise", "taper, noise", "taper, fitted", "auto, fitted"
lines = [[name, *(f"{t.right[name]:.3f}" for t in teachers)] for name in names]
print(to_text([["student", *(f"teacher {t.seed}" for t in teachers)], *lines]))
for t in teachers:
    assert t.right["auto, fitted"] > t.right["same rank, noise"] + (0.03 if PEN else 0)
    assert t.right["auto, fitted"] > t.right["taper, fitted"] - 0.03

# %% [markdown]
# The choice was made without data, at the same size. It is not more than three points below the
# taper made by hand, with either teacher, and on Pendigits more than three points above the same
# rank everywhere.
#
# **Exercise 8.3.** Make a taper yourself, for a smaller student. `answer_8_3` is a tuple of twelve
# ranks with at most as many parameters as rank 4 everywhere. After 400 updates from the fitted
# start it should be nearer to $M$ on noise than rank 4 everywhere is after the same. (The check
# trains both, which takes a few seconds.)

# %%
# Exercise 8.3: your answer
answer_8_3 = None


# %%
def kl_of_short_trial(r):
    begin = start.fit_layers(first.M, r, x_fit)
    short = Schedule(lr=1e-3, batch=64, epochs=4, cosine=True)
    return kl_on_noise(first, distil(first, begin, "normal", noise, schedule=short))


def beats_rank_4(r):
    if len(r) != 12 or ranks.n_params(model, r) > ranks.n_params(model, (4,)):
        return False
    return kl_of_short_trial(r) < kl_of_short_trial((4,) * 12)


check("8.3", answer_8_3, beats_rank_4, "rank 3 in the deep layers pays for 8 in the first");

# %% [markdown]
# <details><summary>Solution 8.3</summary>
#
# ```python
# answer_8_3 = (8, 6, 5, 4, 4, 3, 3, 3, 3, 3, 3, 3)
# ```
#
# By exercise 8.1, lowering a hidden layer from 4 to 3 pays for nearly two ranks of the first.
# </details>

# %% [markdown]
# ## What this does not solve
#
# Now make the student smaller still, on Pendigits by half. With ranks 4, 3, 2, 2, … there is
# nothing left to move: no layer lets all of the noise in. Which directions to keep is then the
# whole question, and only the samples can answer it. Three students of each teacher, all from the
# same start: on noise; on a mixture; on real rows. The mixture is half noise. The other half,
# "noised", lies on the way from one of KegNet's samples $\hat x$ to noise $\epsilon$,
#
# $$ x = \sqrt{1 - s^2} \; \hat x + s \, \epsilon , \qquad s \sim U(0, 1) . $$

# %%
SMALL = (4, 3, *[2] * 10)
for t in teachers:
    begin = start.fit_layers(t.M, SMALL, x_fit)
    mixed = samplers.make("normal+noised", t.M, t.kegnet)
    sources = {"normal": noise, "normal+noised": mixed, "real": real}
    t.small = {name: accuracy(distil(t, begin, name, x)) for name, x in sources.items()}

# %% tags=["varies"]
n = ranks.n_params(model, SMALL)
assert n < size / (2 if PEN else 1.5)
print(f"{n:,} parameters, {first.M.size / n:.1f} times smaller than M")
lines = [[name, *(f"{t.small[name]:.2f}" for t in teachers)] for name in first.small]
print(to_text([["student on", *(f"teacher {t.seed}" for t in teachers)], *lines]))

# %%
for t in teachers:
    on_noise, on_mixture, on_real = t.small.values()
    assert on_real > on_mixture + 0.03 and on_real < accuracy(t.M) - 0.05
    assert t.right["auto, fitted"] - on_noise > 0.1
gains = [t.small["normal+noised"] - t.small["normal"] for t in teachers]
assert np.mean(gains) > 0.03

# %% [markdown]
# On noise the small student is far below the one of rank 5's size. On the mean of the two teachers
# the mixture helps, though the generators were trained only briefly. Real rows help a good deal
# more, and even they do not make up for the size. So ranks are one half of the matter: they decide
# how much a student *can* tell apart. The samples are the other half: they decide what it *learns*
# to tell apart. At the size of rank 5 the students on noise lacked mostly rank. At smaller sizes
# the samples decide.
#
# And mind what this page is: one set, two teachers, one student of each kind, short schedules. One
# teacher is no evidence, and two are not much. `kegnet frontier` does all this in full: accuracy
# against parameters, by sampler, with ranks chosen anew for each of three teachers, beside the
# plain rival, an ordinary smaller network. What came out over three teachers is in
# `docs/results.md`.
#
# The trials that chose ranks here can choose more. `beyond.recipe.choose` has them choose the depth
# of that plain rival, its learning rate and its batch, again by the KL divergence on held-out
# samples: `kegnet run --dataset pendigits --compression 12`. So trained, it does what no Tucker
# student on this page does: on noise alone it comes within a point of its teacher, at a fortieth
# of its size and less (`docs/results.md`). What the small student
# here lacked was not only rank and samples; it was also a form and a training that suit its size.
#
# ## What you can now explain
#
# - Why rank 5 does well on real inputs and not on noise, and where the missing rank has to go.
# - How a layer of given rank is fitted to activations, and why that is no use in the first layer.
# - How short trials choose the ranks without data, and why small students need better samples.
#
# This was all of the paper, and what lies beyond it: the [README](../README.md) says what the
# package found and in which order to read its code, and
# [kegnet_in_one_file.py](kegnet_in_one_file.py) has the whole paper in one flat script.
#
# Next, the other way to distil, with labels: [9. From GAN to KDGAN](09_kdgan.ipynb)
