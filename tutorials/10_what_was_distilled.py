# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10. What was distilled?
#
# **What you will do.** Take three students of one teacher that are about equally accurate, and
# find out what else they took from it: where it looks, where its boundaries lie, what it alone
# had seen, what fools it. One of the students never saw a row of data.
#
# **What you will learn.** Why accuracy does not tell who taught a network. Input gradients as
# *saliency*, and as *adversarial* examples. Why every such measure needs a control: an
# independent student, a foreign teacher, equal accuracy.
#
# **What you need.** Tutorials 1 (gradients) and 6 (a student's loss).
#
# Runs in about 10 seconds on one core.

# %%
import matplotlib.pyplot as plt
import numpy as np
from exercises import check

import data_loaders
from kegnet_np import sampling, teacher
from kegnet_np.experiments.text import to_text
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import gradients, knowledge, layers, pens
from kegnet_np.probes.distil import WAYS, Way, distil
from kegnet_np.train import Schedule

plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Four networks
#
# The pen strokes again: a row is eight points of a pen's track, $x_1, y_1, \dots, x_8, y_8$, each
# from 0 to 100. The teacher $T$ sees something that nobody else will: half of its rows are
# *turned*, by up to 40 degrees either way. `pens.transformed` turns a track about its centroid,
# and then stretches it to 0..100 again, as all rows of this set are.

# %%
data = data_loaders.load("pendigits")
rng = np.random.default_rng(10)


def turned(x, degrees):
    """Standardised rows, each turned by so many degrees."""
    return pens.transformed(x, data.mean, data.scale, degrees=degrees)


# %%
some = data.x_test[[3, 7, 12]]
figure, axes = plt.subplots(3, 4, figsize=(4.6, 3.4))
for column, degrees in zip(axes.T, (0, 15, 30, 45), strict=True):
    column[0].set_title(f"{degrees}°")
    for ax, track in zip(column, turned(some, degrees) * data.scale + data.mean, strict=True):
        ax.plot(*track.reshape(8, 2).T, ".-", ms=3)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
half = rng.random(len(data.x_train)) < 0.5
degrees = rng.uniform(-40, 40, len(data.x_train))
x_T = np.where(half[:, None], turned(data.x_train, degrees), data.x_train)
shape = {"widths": (60,) * 4, "dropout": 0.0}
T, _ = teacher.teach((x_T, data.y_train), (data.x_val, data.y_val), **shape,
                     schedule=Schedule(1e-3, 64, 25, patience=25), seed=10)
foreign, _ = teacher.teach((data.x_train, data.y_train), (data.x_val, data.y_val), **shape,
                           schedule=Schedule(1e-3, 64, 25, patience=25), seed=11)

# %% [markdown]
# (`foreign` is another teacher, of plain rows. No student sees it; we need it at the end.)
#
# Three students, all of one smaller shape, from the *same* random parameters, for as many steps:
#
# - **independent** learns the labels of the plain rows and knows no teacher;
# - **KL** learns the plain rows too, but mostly $T$'s softened answers: with the labels'
#   cross-entropy times $0.1$ and, times $0.9$, $-\tau^2 \sum_j \operatorname{softmax}(z_t /
#   \tau)_j \log \operatorname{softmax}(z_s / \tau)_j$ at $\tau = 8$;
# - **noise** learns $T$'s answers to normal noise, 20 fresh rows for each row of data, and
#   nothing else.

# %%
start = Network.random(MLP(16, 10, (40, 40), dropout=0.0), sampling.seeded(10, "start"))
noise = sampling.normal(16)(rng, 20 * len(data.x_train))
plan = Schedule(2e-3, 64, 20, cosine=True)
once = Schedule(2e-3, 64, 1)
rows = data.x_train, data.y_train
answers_alone = Way("kl", gamma=0.0, weight=1.0, temperature=1.0)
students = {
    "independent": distil(T, start, *rows, WAYS["independent"], students=1, schedule=plan)[0],
    "KL": distil(T, start, *rows, WAYS["kl"], students=1, schedule=plan)[0],
    "noise": distil(T, start, noise, None, answers_alone, students=1, schedule=once)[0]}
students = {name: stack.member(0) for name, stack in students.items()}
networks = {"teacher": T} | students

# %% tags=["varies"]
x, y = data.x_test, data.y_test
right = {name: knowledge.right(network, x, y) for name, network in networks.items()}
lines = [[name, f"{e.mean:.3f} ± {e.half:.3f}"] for name, e in right.items()]
print(to_text([["network", "test rows right"], *lines]))
assert min(e.mean for e in right.values()) > 0.85

# %% [markdown]
# An `Estimate` is a mean over rows with half its 95 % interval. Whoever sees this table alone
# would not guess how differently these networks came about. So what else is there to see?
#
# ## Where does it look?
#
# Push every number of a row a little: which of them moves the answer? The answer to class $y$ is
# not the logit $z_y$ alone, for adding a constant to *all* logits changes no probability. So Ojha
# et al. (NeurIPS 2023) take out the mean, and the *saliency* of a row is
#
# $$ s(x) = \nabla_x \Big( z_y - \frac{1}{K} \sum_k z_k \Big) , $$
#
# a vector as long as the row.
#
# **Exercise 10.1.** Let a network be one dense layer, $z = x W + b$ with $W$ $(D, K)$. Write its
# saliency at labels `y` $(N,)$ as a function of `W` and `y`: an array $(N, D)$.

# %%
# Exercise 10.1: your answer
answer_10_1 = None


# %%
def is_saliency(answer):
    linear = Network.random(MLP(5, 4, (), dropout=0.0), np.random.default_rng(1))
    points, labels = np.ones((6, 5), np.float32), np.array([0, 3, 1, 2, 2, 0])
    found = np.asarray(answer(linear.p["W0"], labels))
    expected = gradients.saliency(linear, points, labels)
    return found.shape == (6, 5) and np.abs(found - expected).max() < 1e-6


check("10.1", answer_10_1, is_saliency, "column y of W, less the mean of all columns")

# %% [markdown]
# <details><summary>Solution 10.1</summary>
#
# $\partial z_k / \partial x = W_{:,k}$, the same for every row. So $s = W_{:,y}$ less the mean
# column.
#
# ```python
# def answer_10_1(W, y):
#     return W.T[y] - W.mean(axis=1)
# ```
#
# </details>

# %% [markdown]
# On a track, saliency is an arrow at each point: move the point that way, and the network is more
# sure of the label. Here is one row, as the four networks see it.

# %%
i = int(np.flatnonzero(y == 3)[5])
track = (x[i] * data.scale + data.mean).reshape(8, 2)
figure, axes = plt.subplots(1, 4, figsize=(6.8, 2.1), sharex=True, sharey=True)
for ax, (name, network) in zip(axes, networks.items(), strict=True):
    s = gradients.saliency(network, x[i : i + 1], y[i : i + 1]).reshape(8, 2)
    s = 30 * s / np.linalg.norm(s, axis=1).max()
    ax.plot(*track.T, ".-", color="lightgrey")
    ax.quiver(*track.T, *s.T, angles="xy", scale_units="xy", scale=1, color="C0", width=0.012)
    ax.set(title=name, xlim=(-35, 135), ylim=(-35, 135), xticks=[], yticks=[])
plt.show()

# %% [markdown]
# One row is an anecdote. $W$ counts them all: how often is the student's saliency nearer to the
# teacher's, by the cosine, than the *independent* student's is? An independent student of another
# start, in the student's place, gives ½ in the mean: there is nothing that it could share with
# $T$ beside the data.

# %% tags=["varies"]
Ind = students["independent"]
W = {name: gradients.looks_alike(T, students[name], Ind, x, y) for name in ("KL", "noise")}
print(", ".join(f"W of {name}: {e.mean:.3f} ± {e.half:.3f}" for name, e in W.items()))
assert min(e.mean for e in W.values()) > 0.6

# %% [markdown]
# Both look where $T$ looks, more than the independent student does. For the student of noise this
# is remarkable: it has never seen the row, nor any track at all.
#
# ## Where does it draw the line?
#
# Three rows span a plane. Paint its points by the class that a network gives them, a little
# beyond the three as well: a picture of the boundaries.

# %%
def paint(on, title):
    """The four networks' classes on a plane (P, D) of `layers.planes`."""
    side = int(len(on) ** 0.5)
    figure, axes = plt.subplots(1, 4, figsize=(6.8, 2.0))
    for ax, (name, network) in zip(axes, networks.items(), strict=True):
        seen = knowledge.answers(network, on).reshape(side, side)
        ax.imshow(seen, cmap="tab10", vmin=0, vmax=9, origin="lower")
        ax.set(title=name, xticks=[], yticks=[])
    axes[0].set_ylabel(title)
    plt.show()


# %%
of_rows = layers.planes(x, np.random.default_rng(3), triplets=30)
of_noise = layers.planes(noise[:500], np.random.default_rng(3), triplets=30)
paint(of_rows[0], "through rows")
paint(of_noise[0], "through noise")

# %% [markdown]
# To count, compare two pictures class by class: *IoU*, intersection over union, is the number of
# pixels that have the class in both, by the number of those that have it in either. The mean is
# over the classes that occur in either.
#
# **Exercise 10.2.** Write it for two arrays of class numbers `a` and `b`, of one shape.

# %%
# Exercise 10.2: your answer
answer_10_2 = None


# %%
def is_iou(answer):
    a, b = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 5])
    return abs(answer(a, b) - (1 / 2 + 2 / 3 + 1 / 2 + 0) / 4) < 1e-9 and answer(a, a) == 1


check("10.2", answer_10_2, is_iou, "a class that only one of them has counts as 0")

# %% [markdown]
# <details><summary>Solution 10.2</summary>
#
# ```python
# def answer_10_2(a, b):
#     classes = np.union1d(a, b)
#     both = [np.sum((a == k) & (b == k)) for k in classes]
#     either = [np.sum((a == k) | (b == k)) for k in classes]
#     return np.mean(np.divide(both, either))
# ```
#
# </details>

# %% tags=["varies"]
lines = []
for name, network in students.items():
    cells = (layers.boundary(T, network, on)["iou"] for on in (of_rows, of_noise))
    lines.append([name, *(f"{e.mean:.2f} ± {e.half:.2f}" for e in cells)])
print(to_text([["IoU with T on planes", "through rows", "through noise"], *lines]))
found = {line[0]: [float(cell[:4]) for cell in line[1:]] for line in lines}
assert found["noise"][1] > found["KL"][1] > found["independent"][1]

# %% [markdown]
# Far from the data the independent student has boundaries of its own: nothing ever told it what
# to do there. The student of noise has the teacher's.
#
# ## Does it know what only the teacher saw?
#
# No student saw a turned track. Turn the test rows and count how often a network keeps the answer
# that it gives to the row upright: its *invariance* $A$.

# %%
angles = np.arange(0, 61, 10)
A = {name: np.array([knowledge.invariance(network, x, turned(x, float(d))).mean
                     for d in angles]) for name, network in networks.items()}
figure, ax = plt.subplots(figsize=(4.6, 2.8))
for name, kept in A.items():
    ax.plot(angles, 100 * kept, "o-", ms=3, label=name)
ax.set(xlabel="degrees", ylabel="same answer, %", title="turned tracks")
ax.legend()
plt.show()
assert A["teacher"][4] > A["independent"][4] + 0.05

# %% [markdown]
# The teacher is far better at it, as it should be. What of that did a student get? Not its $A$
# alone, for the independent student, which got nothing, is not at zero either.
#
# **Exercise 10.3.** Write the share that passed, $TF$, as a function of `A_S`, `A_T` and `A_Ind`:
# 0 for a student that is as the independent one, 1 for one that is as the teacher.

# %%
# Exercise 10.3: your answer
answer_10_3 = None


# %%
def is_share(answer):
    return (abs(answer(0.7, 0.9, 0.7)) < 1e-9 and abs(answer(0.9, 0.9, 0.7) - 1) < 1e-9
            and abs(answer(0.8, 0.9, 0.5) - 0.75) < 1e-9)


check("10.3", answer_10_3, is_share, "what S has beyond Ind, by what T has beyond Ind")

# %% [markdown]
# <details><summary>Solution 10.3</summary>
#
# ```python
# def answer_10_3(A_S, A_T, A_Ind):
#     return (A_S - A_Ind) / (A_T - A_Ind)
# ```
#
# </details>

# %% tags=["varies"]
at_40 = turned(x, 40.0)
kept = {name: knowledge.invariance(network, x, at_40) for name, network in networks.items()}
for name in ("KL", "noise"):
    share = knowledge.transfer(kept["teacher"], kept[name], kept["independent"])
    print(f"at 40°, {name}: {share.mean:.2f} ± {share.half:.2f} of it passed")

# %% [markdown]
# ## Is it fooled by the same?
#
# An adversarial row is the row, moved by at most $\varepsilon$ in every feature so that the loss
# of a network rises (five steps along the sign of $\nabla_x J$). We choose $\varepsilon$ so that
# $T$ is fooled on 85 % of the rows, and look who else falls for them. The controls: noise of the
# same size, and the adversarial rows of the *foreign* teacher, which no student knows.

# %%
few, their = x[:800], y[:800]


def made_for(teacher):
    """Rows that fool a teacher, on which of them they do, and ε."""
    eps = gradients.size_that_fools(teacher, few, their)
    moved = gradients.adversarial(teacher, few, their, eps)
    return moved, gradients.is_fooled(teacher, few, moved), eps


moved, on, eps = made_for(T)
moved_f, on_f, _ = made_for(foreign)
shaken = gradients.noise(few, eps, rng)

# %% tags=["varies"]
lines = []
for name, network in students.items():
    rates = (gradients.fooling_rate(network, few, *pair)
             for pair in ((moved, on), (moved_f, on_f), (shaken, on)))
    lines.append([name, *(f"{100 * rate.mean:.0f}" for rate in rates)])
print(to_text([["fooled by, %", "T's rows", "foreign", "noise"], *lines]))
beyond = {line[0]: int(line[1]) - int(line[2]) for line in lines}
assert min(beyond["KL"], beyond["noise"]) > beyond["independent"]

# %% [markdown]
# Without the foreign teacher the first column would mislead: adversarial rows of *any* teacher
# fool *any* network of these data rather well. What tells who taught a student is the difference
# of the first two columns, beyond that of the independent student.
#
# And mind the trap that is left. A student that is *worse* is less like its teacher in
# everything. Whoever compares two students must compare them at equal accuracy, for instance with
# one that was stopped early. Mind also what this is: one teacher, one student of each kind. It is
# a picture, not evidence. `kegnet probe` asks all this of five teachers and three students of
# each kind, with paired intervals, and `kegnet probe --crossed` of students that never saw data.
#
# ## What you can now explain
#
# - What saliency is, and why the mean logit is taken out of it.
# - What a student can take from a teacher that its accuracy does not show, and that answers to
#   noise are enough for much of it.
# - Why fooling rates need a foreign teacher, invariance an independent student, and all of them
#   equal accuracy.
#
# Next, the way in and out for a model of your own:
# [11. Bring your own teacher](11_bring_your_own_teacher.ipynb)
