# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. A teacher for pen strokes
#
# **What you will do.** Draw digits as the strokes of a pen, train the network that the other
# tutorials take apart, and look at its answers: which are right, how sure it is, and whether it
# should be.
#
# **What you will learn.** What the teacher $M$ of KegNet is and how it is trained, what
# "calibrated" means and how to see it, and why rows from other writers are another matter than
# held-out rows from the same writers.
#
# **What you need.** Tutorials 1 and 2: a gradient, a dense layer, ELU, dropout. Mean and standard
# deviation.
#
# Runs in about 9 seconds on one core.

# %%
import matplotlib.pyplot as plt
import numpy as np
from exercises import check
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

import data_loaders
from kegnet_np import losses, metrics, models, sampling, teacher
from kegnet_np.experiments import plots
from kegnet_np.network import Network
from kegnet_np.train import Schedule

plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})

# %% [markdown]
# ## Eight points of a pen
#
# Pendigits is a set of handwritten digits, written on a tablet that recorded where the pen was.
# Of the pen's path eight points are kept, in the order of writing. So a row is
# $x_1, y_1, x_2, y_2, \dots, x_8, y_8$: $D = 16$ numbers. There are $K = 10$ classes.
#
# The set comes in two files. By its description, 30 people wrote the first and 14 *others* the
# second. The first file is cut here into training and validation rows. The second one is the
# test.

# %%
try:
    data = data_loaders.load("pendigits")
except (OSError, ValueError):
    data = data_loaders.load("digits")
    print("No Pendigits here: this runs on the embedded 8 × 8 images instead.")
PEN = data.name == "pendigits"  # some claims below are about pens only
SPLITS = (
    ("training", data.x_train, data.y_train),
    ("validation", data.x_val, data.y_val),
    ("test", data.x_test, data.y_test),
)
print(f"{data.name}: D = {data.features}, K = {data.classes}")
for name, x, _ in SPLITS:
    print(f"{name:10} {len(x):6,} rows")

# %% [markdown]
# The loader gives *standardised* rows: from every feature its mean $\mu$ is taken, and the result
# is divided by its standard deviation $s$. To draw a row, undo that.
#
# In the units of the file a stroke lies in a square from 0 to 100, and it was stretched until it
# touches all four sides. Small and large writing look alike, and a thin 1 is as wide as a 0.

# %%
raw = data.x_train * data.scale + data.mean  # (N, D), in the units of the file
assert raw.min() > -0.01 and raw.max() < 100.01
if PEN:
    points = raw.reshape(-1, 8, 2)  # (N, points, x and y)
    assert np.allclose(points.min(axis=1), 0, atol=0.01)  # all touch the left and the lower side
    assert np.allclose(points.max(axis=1), 100, atol=0.01)  # and the right and the upper one


# %%
def draw(ax, raw_row, title):
    """A stroke from its dark first point to its light last one; or an image."""
    if PEN:
        points = raw_row.reshape(8, 2)  # rows (x, y)
        ax.plot(*points.T, lw=1.2, color="0.5")
        ax.scatter(*points.T, c=range(8), cmap="plasma", s=14, zorder=2)
        ax.set(xlim=(-12, 112), ylim=(-12, 112), aspect="equal")
    else:
        ax.imshow(raw_row.reshape(8, 8), cmap="gray_r")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size=8)


# %%
figure, axes = plt.subplots(4, 5, figsize=(4.8, 4.4))
for i, ax in enumerate(axes.flat):
    k = i % 5 + 5 * (i // 10)  # 0 to 4, once more 0 to 4, then 5 to 9
    draw(ax, raw[data.y_train == k][i // 5 % 2], f"{data.class_names[k]}")
figure.supxlabel("x of the pen", size=8)
figure.supylabel("y of the pen", size=8)
plt.show()

# %% [markdown]
# Each digit twice. The dark point is where the pen touched down, the light one is where it ended.
# Two people can write the same figure in another order, and then the rows differ. Where a pen is
# lifted and put down again, as for the bar of a 4, the row has no gap: the points run on.
#
# ### Whose mean?
#
# $\mu$ and $s$ are those of the *training* rows, for every split. The test rows come out off
# centre, because other people wrote them.

# %%
for name, x, _ in SPLITS:
    print(f"{name:10} largest |mean| of a feature: {np.abs(x.mean(axis=0)).max():.2f}")
assert np.abs(data.x_train.mean(axis=0)).max() < 1e-3
assert np.abs(data.x_test.mean(axis=0)).max() > 0.1

# %% [markdown]
# That is not an error to mend. A network in use gets one row at a time. It has no other test rows
# from which to take a mean.
#
# ## The network and its loss
#
# The teacher $M$ is plain: $D \to 100$, then ten times $100 \to 100$, then $100 \to K$. After
# each of the eleven hidden layers come ELU and dropout. Nothing in it knows that numbers 1 and 2
# of a row are one point of the plane. Its $K$ outputs $a = M(x)$ are called *logits*. They become
# probabilities by
#
# $$ p_k = \operatorname{softmax}(a)_k = \frac{e^{a_k}}{\sum_j e^{a_j}}, $$
#
# and the loss is the cross-entropy with the one-hot label $y$,
#
# $$ l = \operatorname{mean}_b \; - \sum_k y_{bk} \log p_{bk}. $$
#
# Of the sum only the right class remains: the loss is the mean surprise, $-\log p$, at the right
# answer. It is 0 if every right answer has probability 1.

# %%
model = models.MLP(data.features, data.classes)
untrained = Network.random(model, np.random.default_rng(0))  # the model with parameters (P,)
logits = untrained.predict(data.x_val)  # (N, K)
y_val = sampling.one_hot(data.y_val, data.classes)
loss_0 = losses.cross_entropy(logits, y_val)
print(f"{untrained.size:,} parameters; the loss before training: {loss_0:.2f}")
assert not PEN or untrained.size == 103_710
assert losses.softmax(logits).max() < 0.15  # every class has about the same probability

# %% [markdown]
# **Exercise 3.1.** Before training every class has about the same probability, and the loss is
# about 2.3. Why this number? Write the loss of a network that gives exactly the same probability
# to each of $K$ classes, as a function of $K$.

# %%
# Exercise 3.1: your answer
answer_3_1 = None


# %%
def is_loss_of_equals(f):
    one_for_each = {K: losses.cross_entropy(np.zeros((K, K)), np.eye(K)) for K in (2, 7, 10, 26)}
    return all(np.isclose(f(K), loss) for K, loss in one_for_each.items())


check("3.1", answer_3_1, is_loss_of_equals, "put p_k = 1/K into the loss")

# %% [markdown]
# <details><summary>Solution 3.1</summary>
#
# Every term is $-\log(1/K) = \log K$, whatever the labels are.
#
# ```python
# answer_3_1 = lambda K: np.log(K)
# ```
#
# </details>

# %% [markdown]
# ## Training
#
# `teacher.teach` does what the command `kegnet teach` does: Adam, learning rate $10^{-3}$, batches
# of 64 rows in random order, dropout 0.15. (Adam goes down the gradient with a step of its own for
# every parameter; tutorial 7 writes it out.) After each epoch (one pass over the training rows) it
# takes the accuracy on the validation rows, and in the end it gives the parameters of the best
# epoch.
#
# The paper's schedule is at least 100 epochs, and then goes on until 20 have passed without a
# better one. **Here it is 30 epochs in all**, to save your time.

# %%
schedule = Schedule(lr=1e-3, batch=64, epochs=30, patience=20, min_epochs=100)
rows, validation = (data.x_train, data.y_train), (data.x_val, data.y_val)
M, training = teacher.teach(rows, validation, schedule=schedule)  # a network, and its history
best = max(row["score"] for row in training.history)
assert training.kept_score[0] == best
assert not PEN or all(row["score"] > best - 0.02 for row in training.history[19:])
figure = plots.loss_curves({"teacher": training.history})
figure.set_size_inches(6.4, 2.4)
figure

# %% [markdown]
# Left, the loss falls fast and then slowly. Right, the accuracy on the validation rows, which
# decides what is kept: from epoch 20 on it is within two points of its best.
#
# The left curve is higher than the network deserves. It was taken *during* training, with dropout
# on. In evaluation mode, with all units there, the loss on the same rows is much lower:

# %%
y_train = sampling.one_hot(data.y_train, data.classes)
loss = losses.cross_entropy(M.predict(data.x_train), y_train)
print(f"dropout on: {training.history[-1]['loss']:.2f}, in evaluation: {loss:.2f}")
assert loss < 0.75 * training.history[-1]["loss"]

# %% [markdown]
# ## Other writers
#
# A share $q$ of right answers among $N$ independent rows has the standard error
# $\sqrt{q(1-q)/N}$. A difference of less than two or three of those means little.

# %%
answers = {name: M.predict(x) for name, x, _ in SPLITS}  # (N, K) each
right = {name: answers[name].argmax(axis=1) == y for name, _, y in SPLITS}
share = {name: r.mean() for name, r in right.items()}
error = {name: np.sqrt(q * (1 - q) / len(right[name])) for name, q in share.items()}
for name, q in share.items():
    print(f"{name:10} {q:.3f} right, standard error {error[name]:.3f}")
if PEN:
    assert share["validation"] - share["test"] > 3 * np.hypot(error["validation"], error["test"])
    assert abs(share["training"] - share["validation"]) < 3 * error["validation"]

# %% [markdown]
# On Pendigits the validation rows, which $M$ was not trained on, do as well as the training rows.
# So $M$ has not learnt its rows by heart. The test rows do worse by many standard errors. They
# are digits by people that $M$ has never met.
#
# What has it learnt, then: figures, or movements? Let the pen run backwards. The ink is the same,
# the eight points come in reverse order. (With images: upside down.)


# %%
def other_way(x):
    """Standardised rows of the same ink, its points in reverse order (N, D)."""
    raw = x * data.scale + data.mean
    turned = raw.reshape(len(x), 8, -1)[:, ::-1].reshape(x.shape)  # points, or rows of pixels
    return ((turned - data.mean) / data.scale).astype(np.float32)


backwards = other_way(data.x_test)
assert np.allclose(other_way(backwards), data.x_test, atol=1e-3)  # twice: as it was
share_backwards = metrics.accuracy(M.predict(backwards), data.y_test)
assert share_backwards < 0.5 * share["test"]

# %%
bars = share | {"test, backwards": share_backwards}
figure, ax = plt.subplots(figsize=(6.2, 1.8))
ax.bar_label(ax.barh(list(bars), list(bars.values()), 0.6), fmt="%.2f", padding=2, size=8)
ax.set(xlabel="share of right answers", xlim=(0, 1.1), ylim=(3.6, -0.6))
plt.show()

# %% [markdown]
# Movements. $M$ reads less than half as many strokes when they are written backwards, though on
# paper nobody could tell. Keep this in mind for tutorial 5, where rows are made that $M$ takes
# for digits.
#
# ## How sure, and is it right to be?
#
# The *confidence* of an answer is its probability, $c = \max_k p_k$. $M$ is **calibrated** if, of
# all the rows that it answers with confidence $c$, the share $c$ is answered right:
#
# $$ P(\text{right} \mid c) = c. $$
#
# Why should it be? Take one point $x$, and let $q_k$ be the true share of class $k$ among the
# rows that look so. There the expected loss is $-\sum_k q_k \log p_k$. Make it small under
# $\sum_k p_k = 1$: with a Lagrange multiplier $\lambda$, $-q_k / p_k + \lambda = 0$, so $p_k$ is
# proportional to $q_k$, and since both sum to one, $p = q$. So cross-entropy asks for the true
# shares, on the rows that it is trained on. A numerical check: with every other $p$ the loss is
# higher.

# %%
rng = np.random.default_rng(0)
q = np.array([0.7, 0.2, 0.1])
others = rng.dirichlet(np.ones(3), size=1000)  # (1000, 3), each row sums to one
assert (-(q * np.log(others)).sum(axis=1) > -(q * np.log(q)).sum()).all()

# %% [markdown]
# To see whether $M$ is calibrated, sort the rows into bins by their confidence, and compare in
# every bin the mean confidence with the share of right answers. This is the *reliability
# diagram*. The gaps, weighted by the rows of the bins, sum up to the *expected calibration
# error*,
#
# $$ \mathrm{ECE} = \sum_i \frac{n_i}{N} \, \lvert r_i - c_i \rvert , $$
#
# with $n_i$ the rows of bin $i$, $r_i$ the share of them that is right and $c_i$ their mean
# confidence.

# %%
EDGES = np.array([0.6, 0.8, 0.9, 0.95, 0.99])  # six bins; most rows are in the last


def reliability(logits, labels):
    """Rows, mean confidence and share right of each bin, and ECE."""
    p = losses.softmax(logits)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    bins = np.digitize(confidence, EDGES)
    n, c, r = (np.bincount(bins, w, len(EDGES) + 1) for w in (None, confidence, right))
    ece = np.abs(r - c).sum() / len(labels)  # n_i cancels
    return n, c / np.maximum(n, 1), r / np.maximum(n, 1), ece


# Always sure and half of the time right: ECE is a half.
assert np.isclose(reliability(np.array([[99.0, 0], [99, 0]]), [0, 1])[3], 0.5)


# %%
def reliability_diagram(ax, logits, labels, title):
    n, c, r, ece = reliability(logits, labels)
    full = n > 0
    n, c, r = n[full], c[full], r[full]
    counts = zip(np.rint(r * n).astype(int), n, strict=True)
    low, high = np.array([binomtest(k, m).proportion_ci(method="wilson") for k, m in counts]).T
    ax.plot([0, 1], [0, 1], color="0.6", lw=1)
    ax.errorbar(c, r, (r - low, high - r), fmt="o", ms=4, capsize=2)
    ax.set(xlabel="confidence", xlim=(0.35, 1.03), ylim=(0.0, 1.05))
    ax.set_title(f"{title}: ECE {ece:.3f}", size=9)


# %%
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
for ax, (name, _, y) in zip(axes, SPLITS[1:], strict=True):
    reliability_diagram(ax, answers[name], y, name)
axes[0].set_ylabel("share of right answers")
plt.show()

# %% [markdown]
# Each point is a bin, its bar a 95% interval for the share. On the grey line confidence and share
# agree. Left, few validation rows are unsure, so the bars are long. Right, with other writers,
# the points lie below the line: $M$ is right less often than it says.
#
# The mean confidence against the share of right answers says it in two numbers:

# %%
for name in ("validation", "test"):
    c = losses.softmax(answers[name]).max(axis=1).mean()
    print(f"{name:10} mean confidence {c:.1%}, right {share[name]:.1%}")
    if PEN and name == "validation":
        assert abs(c - share[name]) < 3 * error[name]
    else:
        assert c > share[name]
    assert not PEN or name != "test" or c - share[name] > 3 * error[name]

# %% [markdown]
# With the writers it knows, $M$ is about as often right as it says. With others it is too sure.
# The derivation above spoke of rows like those in training, and these are not.
#
# ### One number that makes it humbler
#
# Multiply the logits by $u > 0$ before the softmax. $T = 1/u$ is called the temperature. No
# answer changes, because the largest logit stays the largest. Only the confidence does: it falls
# for $u < 1$. Choose $u$ so that the cross-entropy of some rows with labels is smallest,
#
# $$ L(u) = \operatorname{mean}_b \Big( \log \sum_k e^{u a_{bk}} - u \, a_{b y_b} \Big), $$
#
# with $a_{b y_b}$ the logit of the right class. $L$ is convex, so one minimum is all there is.


# %%
def L(u, logits, labels):
    return float(losses.cross_entropy(u * logits, sampling.one_hot(labels, logits.shape[1])))


def best_u(logits, labels):
    return minimize_scalar(L, bounds=(0.05, 5), args=(logits, labels), method="bounded").x


# %% tags=["varies"]
test, y_test = answers["test"].astype(np.float64), data.y_test
known = best_u(answers["validation"].astype(np.float64), data.y_val)
new = best_u(test[::2], y_test[::2])  # every other test row; those between are left to judge it
assert (test.argmax(axis=1) == (new * test).argmax(axis=1)).all()
if PEN:
    assert abs(known - 1) < 0.2 and new < 0.85
    rest, y_rest = test[1::2], y_test[1::2]
    assert L(new, rest, y_rest) < 0.95 * L(1, rest, y_rest)
    gap = {v: losses.softmax(v * rest).max(1).mean() - right["test"][1::2].mean() for v in (1, new)}
    assert abs(gap[new]) < 0.6 * abs(gap[1])
    for v in (1, new):
        ece = reliability(v * rest, y_rest)[3]
        print(f"u = {v:.2f}: L {L(v, rest, y_rest):.2f}, gap {gap[v]:+.3f}, ECE {ece:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.6))
u = np.linspace(0.3, 1.6, 40)
ends = ("validation", known, answers["validation"], data.y_val), ("test", new, test, y_test)
for name, least, logits, y in ends:
    (line,) = axes[0].plot(u, [L(v, logits, y) for v in u], label=name)
    axes[0].plot(least, L(least, logits, y), "o", color=line.get_color())
axes[0].set(xlabel="u", ylabel="cross-entropy L(u)", ylim=(0, None))
axes[0].legend(fontsize=8)
reliability_diagram(axes[1], new * test[1::2], y_test[1::2], "rest of the test, humbler")
axes[1].set_ylabel("share of right answers")
plt.show()

# %% [markdown]
# Left, $L$ and its least value (the dot). For writers that $M$ knows the best $u$ is about 1:
# there is nothing to mend. For the others it is clearly smaller.
#
# Right, the test rows that had no part in the choice, with their logits multiplied by it. The print
# compares them with $u = 1$: their cross-entropy $L$ is lower, and the mean confidence is nearer to
# the share of right answers (the gap). But ECE hardly moves. One number serves all rows, and the
# surest are now too humble: their points, near the upper right corner, do not lie below the line.
#
# And this $u$ came from labelled rows *of the new writers*. From the validation rows it could not
# be known. Calibration is measured on some kind of rows, and holds for that kind.
#
# **Exercise 3.2.** Take the derivative of $L(u)$. Write `answer_3_2(u, a, labels)`, a function of
# $u$, the logits (B, K) and the labels (B,), class numbers, that gives $dL/du$.

# %%
# Exercise 3.2: your answer
answer_3_2 = None


# %%
def is_slope(f, h=1e-5):
    rng = np.random.default_rng(1)
    a, y = rng.normal(size=(50, 6)), rng.integers(6, size=50)
    slope = {u: (L(u + h, a, y) - L(u - h, a, y)) / (2 * h) for u in (0.5, 1.0, 3.0)}
    return all(np.isclose(f(u, a, y), d, atol=1e-7) for u, d in slope.items())


check("3.2", answer_3_2, is_slope, "d/du log Σ exp(u a_k) is a mean of the a_k, weighted by p_k")

# %% [markdown]
# <details><summary>Solution 3.2</summary>
#
# $dL/du = \operatorname{mean}_b \big( \sum_k p_{bk} a_{bk} - a_{b y_b} \big)$ with
# $p = \operatorname{softmax}(u a)$. At the least $L$ the logit that $M$ expects is, on average,
# the right class's.
#
# ```python
# def answer_3_2(u, a, labels):
#     expected = (losses.softmax(u * a) * a).sum(axis=1)
#     return np.mean(expected - a[np.arange(len(a)), labels])
# ```
#
# </details>

# %% [markdown]
# ## Its mistakes
#
# Here are the test rows that $M$ gets wrong and is surest about. Above each is what the label
# says and what $M$ says.

# %%
confidence = losses.softmax(answers["test"]).max(axis=1)  # (N,)
said = answers["test"].argmax(axis=1)
wrong = np.flatnonzero(~right["test"])
worst = wrong[np.argsort(-confidence[wrong])][:12]
figure, axes = plt.subplots(3, 4, figsize=(4.8, 4.2))
for ax, i in zip(axes.flat, worst, strict=False):
    is_, says = data.class_names[data.y_test[i]], data.class_names[said[i]]
    draw(ax, data.x_test[i] * data.scale + data.mean, f"is {is_}, M: {says}")
figure.supxlabel("x of the pen", size=8)
figure.supylabel("y of the pen", size=8)
plt.show()

# %%
counts = np.zeros((data.classes, data.classes), int)  # label, answer
np.add.at(counts, (data.y_test, said), 1)
mistakes = counts - np.diag(np.diag(counts))
if PEN:
    assert np.sort(mistakes, axis=None)[-5:].sum() > 0.4 * len(wrong)
    assert mistakes.T.flat[mistakes.argmax()] < 0.5 * mistakes.max()
    assert mistakes.sum(axis=1).argmax() == 7 and mistakes[7].sum() > 0.2 * len(wrong)
figure = plots.confusion(data.y_test, said, data.class_names)
figure.axes[0].set(xlabel="M's answer", ylabel="label", title="test rows")
figure.set_size_inches(4.9, 4.2)
figure

# %% [markdown]
# Each row is a label, each column an answer, and off the diagonal are the mistakes. Of the 90
# cells there, five hold more than 40% of them. The table is not symmetric: the commonest mistake
# is more than twice as frequent as its mirror image.
#
# More than a fifth are 7s. Look at the strokes again: most 7s that $M$ takes for a 1, a 2 or a 4
# have no bar. The pen goes down and ends there. Most 7s of the set end with the bar through the
# stem, half-way up. So sort the 7s by the height $y_8$ of their last point, and count.

# %%
if PEN:
    seven = {name: y == 7 for name, _, y in SPLITS}
    y_8 = {name: (x * data.scale + data.mean)[:, 15] for name, x, _ in SPLITS}
    no_bar = {name: seven[name] & (y_8[name] < 15) for name in seven}
    bar = {name: seven[name] & ~no_bar[name] for name in seven}
    for name in ("training", "test"):
        part = no_bar[name].sum() / seven[name].sum()
        print(f"{name:8}: {part:.2f} of the 7s end low", end="; ")
        print(f"others right {right[name][bar[name]].mean():.2f}")
        assert 0.1 < part < 0.2 and right[name][bar[name]].mean() > 0.95
    assert right["training"][no_bar["training"]].mean() > 0.9
    assert right["test"][no_bar["test"]].mean() < 0.6
    assert (~right["test"] & no_bar["test"]).sum() > 0.15 * len(wrong)

# %%
if PEN:
    seen = data.x_train[no_bar["training"]][:5]
    missed = data.x_test[no_bar["test"] & ~right["test"]][:5]
    figure, axes = plt.subplots(2, 5, figsize=(4.8, 2.3))
    for strokes, row in zip((seen, missed), axes, strict=True):
        for stroke, ax in zip(strokes, row, strict=False):
            draw(ax, stroke * data.scale + data.mean, "")
    axes[0, 0].set_ylabel("training", size=8)
    axes[1, 0].set_ylabel("test, missed", size=8)
    figure.supxlabel("x of the pen", size=8)
    plt.show()

# %% [markdown]
# With a bar, a 7 is read nearly as well on the test rows as on the training rows. Without one,
# more than nine in ten training rows are right, but fewer than six in ten test rows. These few
# strokes are more than one in seven of *all* mistakes on the test rows.
#
# So it is not that $M$ never saw a 7 without a bar. Compare the two rows of the figure: in most of
# the missed strokes the pen touches down lower and begins with a hook. That is not all of it, for
# most of those that $M$ reads begin low as well.

# %%
if PEN:
    y_1 = {name: (x * data.scale + data.mean)[:, 1] for name, x, _ in SPLITS}
    low = {name: y_1[name] < 90 for name in y_1}  # of 100
    assert low["training"][no_bar["training"]].mean() < 0.3
    assert low["test"][no_bar["test"] & ~right["test"]].mean() > 0.6
    assert low["test"][no_bar["test"] & right["test"]].mean() > 0.5

# %% [markdown]
# **Exercise 3.3.** A network may decline to answer. Choose a threshold for the confidence so
# that, of the test rows with at least that confidence, 98% or more are answered right. But at
# least 80% of the test rows must be answered. `confidence` and `right["test"]` are there.

# %%
# Exercise 3.3: your answer
answer_3_3 = None


# %%
def is_threshold(c):
    kept = confidence >= float(c)
    return kept.mean() >= 0.8 and right["test"][kept].mean() >= 0.98


check("3.3", answer_3_3, is_threshold, "np.quantile(confidence, q) declines the share q")

# %% [markdown]
# <details><summary>Solution 3.3</summary>
#
# Decline the least sure 15%; many other thresholds do as well. Note that this one, too, was
# chosen on rows of the new writers.
#
# ```python
# answer_3_3 = np.quantile(confidence, 0.15)
# ```
#
# </details>

# %% [markdown]
# ## What you can now explain
#
# - What the teacher is, what its loss measures, and why the loss starts at $\log K$.
# - What a reliability diagram shows, why cross-entropy asks for calibration, and for which rows
#   it gets it.
# - Why rows held out from the same writers promise more than other writers' rows keep.
#
# From here on the data is taken away, and $M$ is all there is. Its $K$ probabilities for a row,
# right or wrong, sure or not, are what a student will be taught.
#
# Next: [4. Tucker: a smaller network from the same weights](04_tucker.ipynb)
