# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. Gradients you can check
#
# **What you will do.** Differentiate one neuron by hand, then a layer. Write a small automatic
# differentiator. Test derivatives, and fool the test in three ways.
#
# **What you will learn.** What a vector-Jacobian product (VJP) is, how a tape chains VJPs, and
# what a test of a gradient must do before you may trust it.
#
# **What you need.** NumPy, and the chain rule.
#
# Runs in about 3 seconds on one core.

# %% [markdown]
# ## Where this leads
#
# *Knowledge distillation* trains a small network, the student, to do what a large one does, the
# teacher. It takes inputs on which the student can watch the teacher. KegNet (Yoo, Cho, Kim and
# Kang, NeurIPS 2019; "the paper" from here on) is a method for when all inputs are gone. It has
# four steps, and later tutorials explain each:
#
# 1. *Teach:* the teacher $M$ learns from real rows of numbers. Then the rows are gone.
# 2. *Extract:* a generator $G$ learns, from $M$ alone, to make rows that can stand in for them.
# 3. *Compress:* the weights of $M$ are cut down to those of a smaller student, $S$.
# 4. *Distil:* $S$ learns to answer as $M$ does, on the rows that $G$ makes.
#
# ![The method: teach, extract, compress, distil](../docs/method.png)
#
# What matters now: every network in it is trained by following a gradient back along the arrows. A
# wrong gradient does not crash. It trains a slightly worse network, and nobody notices. So we begin
# with gradients, and with how to catch a wrong one.

# %%
import matplotlib.pyplot as plt
import numpy as np
from autograd import grad, make_vjp
from autograd import numpy as anp
from exercises import check

import data_loaders
from kegnet_np import activations, losses, models, ops
from kegnet_np.autodiff import value_and_grad

rng = np.random.default_rng(1)
plt.rcParams.update({"figure.figsize": (6, 3.2), "figure.constrained_layout.use": True})

# %% [markdown]
# ## One neuron
#
# A neuron takes $D$ numbers $x$. It has weights $w$ and a bias $b$, and gives
#
# $$a = \sum_d w_d x_d + b, \qquad \hat z = \mathrm{elu}(a) =
# \begin{cases} a & a > 0 \\ e^a - 1 & \text{else.} \end{cases}$$
#
# ELU bends the line; without a bend, layers on top of one another would be one linear map. We want
# $\hat z$ to be some number $z$, and measure the miss by the loss $l = (\hat z - z)^2$.

# %%
x, z = np.array([0.5, -1.0, 2.0]), 0.3  # the input (D,) and the wanted output
w, b = np.array([0.4, 0.7, -0.5]), 0.1


def elu(a):
    return np.where(a > 0, a, np.expm1(np.minimum(a, 0)))


def neuron_loss(w, b):
    return (elu(w @ x + b) - z) ** 2


print(f"a = {w @ x + b:.2f}, z_hat = {elu(w @ x + b):.3f}, loss = {neuron_loss(w, b):.3f}")

# %% [markdown]
# How does $l$ change with each weight? Walk from the loss back to the weights, one step at a time.
# Write $g_u$ for $\partial l / \partial u$, for any quantity $u$ on the way:
#
# $$g_{\hat z} = 2(\hat z - z), \qquad
# g_a = g_{\hat z} \cdot \mathrm{elu}'(a), \quad \mathrm{elu}'(a) =
# \begin{cases} 1 & a > 0 \\ e^a & \text{else,} \end{cases}$$
#
# $$g_{w_d} = g_a \cdot x_d, \qquad g_b = g_a.$$
#
# Each step multiplies the $g$ that it receives by *one local slope*. No step needs to know what
# comes after it: that is all in the $g$.

# %%
a = w @ x + b
g_z = 2 * (elu(a) - z)
g_a = g_z * (1 if a > 0 else np.exp(a))
g_w, g_b = g_a * x, g_a
print("g_w =", g_w.round(4), " g_b =", g_b.round(4))

# %% [markdown]
# Is that right? A second opinion comes from the definition of a derivative. The *central
# difference* needs no calculus, only two evaluations for each number:
#
# $$\frac{\partial f}{\partial v_i} \approx \frac{f(v + h e_i) - f(v - h e_i)}{2h}.$$

# %%
def central(f, v, h=1e-5):
    """The slope of a scalar f in every entry of the array v."""
    slopes = np.empty_like(v)
    for i in np.ndindex(v.shape):
        step = np.zeros_like(v)
        step[i] = h
        slopes[i] = (f(v + step) - f(v - step)) / (2 * h)
    return slopes


numeric = central(lambda w: neuron_loss(w, b), w)
print("central differences:", numeric.round(4))
assert np.abs(numeric - g_w).max() < 1e-8 * np.abs(g_w).max()
assert abs(central(lambda b: neuron_loss(w, b), np.array(b)) - g_b) < 1e-8 * abs(g_b)

# %% [markdown]
# ### Which step h?
#
# A Taylor series shows the error of the central difference: it is about $h^2 f'''/6$. The one-sided
# difference $(f(v + h) - f(v))/h$ has about $h f''/2$, which is much more. So take $h$ tiny? No:
# $f(v+h)$ and $f(v-h)$ then share almost all of their 16 digits, and their difference keeps only
# the noisy last ones. That error is about $10^{-16}/h$, and it *grows* as $h$ falls.

# %%
steps = 10.0 ** np.arange(-13, 0)
above, here, below = (
    np.array([neuron_loss(w + [s * h, 0, 0], b) for h in steps]) for s in (1, 0, -1)
)
one_sided = np.abs((above - here) / steps - g_w[0])
two_sided = np.abs((above - below) / (2 * steps) - g_w[0])

figure, ax = plt.subplots()
ax.loglog(steps, one_sided, "o-", label="one-sided")
ax.loglog(steps, two_sided, "s-", label="central")
ax.axvline(1e-5, color="0.7", zorder=0)
ax.set(xlabel="step h", ylabel="error of the slope")
ax.legend();

# %% [markdown]
# See the two valleys. On the right the formula errs: ten times the step costs one decade
# (one-sided) or two (central). On the left rounding errs, for both alike: blue lies under orange.
# The central difference has the deeper valley, and its floor is near the grey line, $h = 10^{-5}$.
# We use that step from here on, always in float64. The asserts say the same.

# %%
right_end = steps.searchsorted([0.9e-2, 0.9e-1])  # h = 0.01 and 0.1
for name, error, power in (("one-sided", one_sided, 1), ("central", two_sided, 2)):
    decades = np.diff(np.log10(error[right_end]))[0]
    print(f"{name:9}: {decades:.1f} decades, smallest error {error.min():.0e}")
    assert abs(decades - power) < 0.2
assert two_sided[steps.searchsorted(0.9e-5)] < one_sided.min()
assert two_sided[0] > 100 * two_sided[steps.searchsorted(0.9e-5)]  # h = 1e-13 is far too small

# %% [markdown]
# Differences cost two evaluations *per parameter*. That is no way to train the teacher of these
# tutorials. It is a way to test.

# %%
teacher = models.MLP(features=16, classes=10)
evaluations = 2 * teacher.layout.size  # size: how many parameters there are
print(f"{evaluations:,} evaluations for one gradient of a teacher")
assert evaluations == 207_420

# %% [markdown]
# ## A layer, and the vector-Jacobian product
#
# A dense layer is $H$ neurons on $B$ examples at once. Rows are examples:
#
# $$y = x W + b, \qquad y_{bh} = \sum_d x_{bd} W_{dh} + b_h,$$
#
# with $x$ $(B, D)$, $W$ $(D, H)$, $b$ $(1, H)$, $y$ $(B, H)$. (As an index $b$ counts the examples;
# $b_h$ is a bias.) Now the "local slope" is a table: the slope of every $y_{bh}$ in every $W_{dh}$.
# It is called the *Jacobian*, and it is large.

# %%
B, D, H = 64, 100, 100  # a hidden layer of the teacher, in training
print(f"y has {B * H:,} numbers, W has {D * H:,}")
print(f"their Jacobian has {B * H * D * H:,}")

# %% [markdown]
# Nobody builds it. All that the walk back needs is this: given $g = \partial l / \partial y$, an
# array of the shape of $y$, what is $\partial l / \partial W$? By the chain rule, sum over all that
# $W_{dh}$ touches, and that is only column $h$ of $y$:
#
# $$\frac{\partial l}{\partial W_{dh}} = \sum_b g_{bh} \frac{\partial y_{bh}}{\partial W_{dh}}
# = \sum_b g_{bh} x_{bd} = (x^\top g)_{dh}.$$
#
# In the same way
#
# $$\frac{\partial l}{\partial x} = g W^\top, \qquad
# \frac{\partial l}{\partial b_h} = \sum_b g_{bh}.$$
#
# The map from $g$ to these is the layer's **vector-Jacobian product**: $g$, read as one long
# vector, times the Jacobian, without the Jacobian. In code:

# %%
def dense(x, W, b):
    return x @ W + b


def dense_vjp(g, y, x, W, b):
    return g @ W.T, x.T @ g, g.sum(axis=0, keepdims=True)


# %% [markdown]
# In this project a VJP is called with $g$, then the output $y$, then the inputs. (Dense has no use
# for $y$. The next rule has.)
#
# Is it really vector times Jacobian? On a small layer we can afford the table, one row of it per
# entry of $y$, and multiply. Half of it is zeros: an output depends on one column of $W$ only.

# %%
x, W, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(1, 2))
y, g = dense(x, W, b), rng.normal(size=(4, 2))

rows = [central(lambda W, i=i: dense(x, W, b)[i], W).ravel() for i in np.ndindex(y.shape)]
J = np.array(rows)  # (8, 6): the slope of each of 8 outputs in each of 6 weights
by_table = (g.ravel() @ J).reshape(W.shape)
by_rule = dense_vjp(g, y, x, W, b)[1]
print("Jacobian", J.shape, "with", np.count_nonzero(np.abs(J) > 1e-9), "entries that are not zero")
assert np.abs(by_table - by_rule).max() < 1e-8 * np.abs(by_rule).max()

# %% [markdown]
# ## A tape in twenty lines
#
# Every operation now needs two functions: *forward*, and its *VJP*. The chain rule does the rest,
# and a program can do the chain rule:
#
# 1. While the loss is computed, write down each result, its *parents* (what it was computed from),
#    and its VJP. This list is the **tape**.
# 2. Give the loss $g = 1$. Walk the tape *backwards*. Each entry hands its $g$ through its VJP
#    to its parents. A parent with several children **adds up** what they hand it.
#
# When the walk comes to an entry, all of its children came before it, so its $g$ is complete.

# %%
TAPE = []


class Traced:
    def __init__(self, value, parents=(), pull=None):
        self.value, self.parents, self.pull, self.g = value, parents, pull, 0.0
        TAPE.append(self)


# %% [markdown]
# `traced` turns a forward function and its VJP into an operation that writes itself down. `pull` is
# the VJP with all but $g$ filled in. A constant is written down too, without a `pull`.

# %%
def traced(forward, vjp):
    def operation(*args):
        args = [a if isinstance(a, Traced) else Traced(a) for a in args]
        values = [a.value for a in args]
        y = forward(*values)
        return Traced(y, args, lambda g: vjp(g, y, *values))
    return operation


# %%
def gradients(loss, *values):
    TAPE.clear()
    leaves = [Traced(v) for v in values]
    loss(*leaves).g = 1.0
    for entry in reversed(TAPE):
        if entry.pull:
            for parent, g in zip(entry.parents, entry.pull(entry.g), strict=True):
                parent.g = parent.g + g
    return [leaf.g for leaf in leaves]


# %% [markdown]
# Two more operations, ELU and the mean squared miss (which is the paper's $l_{dec}$), make a
# network of two layers. Note ELU's VJP: the slope below zero is $e^a = y + 1$, so the *output*
# gives it and no exponential is computed again.

# %%
t_dense = traced(dense, dense_vjp)
t_elu = traced(elu, lambda g, y, a: (g * (np.minimum(y, 0) + 1),))
t_miss = traced(
    lambda z_hat, z: np.mean((z_hat - z) ** 2),
    lambda g, y, z_hat, z: (g * 2 * (z_hat - z) / z.size, 0.0),  # z is data: nobody asks for its g
)
x, z = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
theta = [rng.normal(size=shape) for shape in ((3, 5), (1, 5), (5, 2), (1, 2))]


def network(W0, b0, W1, b1):
    return t_miss(t_dense(t_elu(t_dense(x, W0, b0)), W1, b1), z)


# %% [markdown]
# The package *autograd* is the same idea, grown up. It knows NumPy's functions, so there we write
# the loss with plain operations. The two must agree, and both must agree with differences.

# %%
def plain(W0, b0, W1, b1):
    a = anp.dot(x, W0) + b0
    y = anp.where(a > 0, a, anp.expm1(anp.minimum(a, 0)))
    return anp.mean((anp.dot(y, W1) + b1 - z) ** 2)


ours, theirs = gradients(network, *theta), grad(plain, argnum=(0, 1, 2, 3))(*theta)
for i, name in enumerate(("W0", "b0", "W1", "b1")):
    numeric = central(lambda v, i=i: plain(*theta[:i], v, *theta[i + 1 :]), theta[i])
    scale = np.abs(numeric).max()
    off = np.abs(ours[i] - numeric).max() / scale
    print(f"{name}: largest slope {scale:.2f}, all agree: {off < 1e-7}")
    assert np.abs(ours[i] - theirs[i]).max() < 1e-12 * scale and off < 1e-7

# %% [markdown]
# The package kegnet_np is built so: each operation in `kegnet_np/ops.py` is a fast forward function
# and a VJP derived by hand above it, and autograd keeps the tape. Here is its dense layer with the
# ELU in the same step. The rule is the one that we have just derived.

# %%
x, W, b = rng.normal(size=(16, 3)), rng.normal(size=(3, 5)), rng.normal(size=(1, 5))
g = rng.normal(size=(16, 5))
pull, y = make_vjp(ops.dense, 1)(x, W, b, activations.elu)  # for argument 1: W
g_a = g * (np.minimum(y, 0) + 1)  # first back through the ELU ...
assert np.allclose(pull(g), dense_vjp(g_a, None, x, W, b)[1])  # ... then through dense
print("dense, ELU:", x.shape, "to", y.shape, "and g back to W:", pull(g).shape)

# %% [markdown]
# ## How to test a VJP
#
# Choose an input and a random $g$. Then $\sum_i g_i f(v)_i$ is a scalar function of $v$, and its
# gradient is just what the VJP claims to give. So compare the VJP with central differences in
# *every* entry of $v$, and measure the error against the size of the gradient.

# %%
def compare(f, vjp, v, g):
    """The largest error of a VJP in one input v, and the largest true slope."""
    numeric = central(lambda v: np.sum(g * f(v)), v)
    error = np.abs(vjp(g, f(v), v) - numeric).max()
    return error, np.abs(numeric).max()


def good_test(f, vjp, v, g):
    error, scale = compare(f, vjp, v, g)
    assert 0.01 < scale < 100, f"slopes of {scale:.0e} prove nothing"
    return error < 1e-6 * scale


# %% [markdown]
# Two things in this may seem fussy: that the error is relative, and that the size of the slopes is
# asserted. And it does not say which `v` and `g` to choose. The next three sections are careless
# about one of these each, and a wrong VJP passes.

# %% [markdown]
# ### Lie 1: a tolerance that is larger than the gradient
#
# A classifier gives $K$ numbers for each example, the *logits* $a_b$. Softmax makes probabilities
# of them, and the *cross-entropy* is their loss against the true class, $y_b$ (a row with a 1 for
# the true class, else 0):
#
# $$\mathrm{softmax}(a)_k = \frac{e^{a_k}}{\sum_j e^{a_j}}, \qquad
# l_{cls} = -\frac{1}{B} \sum_{b,k} y_{bk} \log \mathrm{softmax}(a_b)_k, \qquad
# \frac{\partial l_{cls}}{\partial a} = \frac{\mathrm{softmax}(a) - y}{B}.$$
#
# (For the last: $\log \mathrm{softmax}(a)_k = a_k - \log \sum_j e^{a_j}$, and the slope of that
# logarithm in $a_j$ is $\mathrm{softmax}(a)_j$.)
#
# We flip the sign of that rule on purpose. It is the worst error there is: training with it climbs.
# Now test it as many tests do, "equal to within $10^{-6}$", on a network that is already right and
# sure of it: its logit for the true class is 25 above the others.

# %%
y = np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]]  # (B, K), one-hot


def l_cls(a):
    return losses.cross_entropy(a, y)


def wrong_rule(g, loss, a):
    return -g * (losses.softmax(a) - y) / len(a)


sure = rng.normal(size=y.shape) + 25 * y
error, scale = compare(l_cls, wrong_rule, sure, 1.0)
print(f"error below 1e-6: {error < 1e-6}, slopes below 1e-9: {scale < 1e-9}")
assert error < 1e-6 and scale < 1e-9

# %% [markdown]
# The wrong rule passes, because at this point *every* small rule passes: $10^{-6}$ is large beside
# the gradient. Two things help, and `good_test` has both: measure the error relative to the size of
# the gradient, and refuse inputs where that size is not near 1.

# %%
try:
    good_test(l_cls, wrong_rule, sure, 1.0)
    refused = False
except AssertionError as reason:
    refused = True
    print("refused:", reason)
assert refused

unsure = rng.normal(size=y.shape)
assert not good_test(l_cls, wrong_rule, unsure, 1.0)
assert good_test(l_cls, lambda g, loss, a: -wrong_rule(g, loss, a), unsure, 1.0)
print("unsure logits: only the wrong rule is refused")

# %% [markdown]
# ### Lie 2: ties at a kink
#
# $|v|$ has a kink at 0: its slope jumps from $-1$ to $1$. So has $\max(v, 0)$: from 0 to 1. What
# does the central difference make of a kink? It is the mean slope over $[v - h, v + h]$, and so it
# sees both sides.

# %%
h, v = 1e-5, np.linspace(-3e-5, 3e-5, 121)
figure, axes = plt.subplots(1, 2, sharex=True)
for ax, name, f, left in (
    (axes[0], "|v|", np.abs, -1),
    (axes[1], "max(v, 0)", lambda v: np.maximum(v, 0), 0),
):
    ax.plot(v / h, (f(v + h) - f(v - h)) / (2 * h), lw=3, alpha=0.5, label="central\ndifference")
    ax.plot([-3, 0], [left, left], "k:", label="true slope")
    ax.plot([0, 3], [1, 1], "k:")
    ax.set(title=name, xlabel="v, in steps h", ylabel="slope")
axes[0].legend(loc="upper left", fontsize=8);

# %% [markdown]
# See the ramp: within one step of the kink the difference is neither slope but a mixture, and *at*
# the kink it is their mean, 0 and 1/2. That does harm in two ways.
#
# **A right rule is refused.** For $\max(v, 0)$ a program may choose the slope 0 at $v = 0$, as on
# the left. The test says 1/2, and somebody "mends" the rule, or loosens the tolerance.
#
# **A wrong rule passes.** The paper's diversity loss is built of $|x_{ik} - x_{jk}|$ for pairs of
# rows. In a column of equal numbers every pair sits on the kink, and the difference says 0. So does
# a rule that has forgotten that column. Real data have such columns: pixels that are always blank.

# %%
x, z = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
blank = x.copy()
blank[:, 1:] = 0.7  # two columns of equal numbers
n_blank = np.sum(np.ptp(data_loaders.load("digits").x_train, axis=0) == 0)
print(f"in images of digits {n_blank} of 64 pixels are always blank")
assert n_blank > 0


def l_div(x):
    return losses.diversity(x, z)


def forgets(g, loss, x):
    """Right for the first column of x, zero for the others."""
    return g * grad(losses.diversity)(x, z) * [1, 0, 0]


# %%
on_ties, off_ties = good_test(l_div, forgets, blank, 1.0), good_test(l_div, forgets, x, 1.0)
print("a rule for one column of three passes")
print(f"on ties: {on_ties}, on other inputs: {off_ties}")
assert on_ties and not off_ties
assert good_test(l_div, lambda g, loss, x: g * grad(losses.diversity)(x, z), x, 1.0)

# %% [markdown]
# Even `good_test` was taken in: the first column alone made the gradient large enough. So draw test
# inputs from a continuous distribution, where ties do not happen, and never from zeros, ones or
# rounded data. What a rule does *on* a kink is a convention (here $\mathrm{sign}(0) = 0$): state
# it, and test it on its own.

# %% [markdown]
# ### Lie 3: values that were never tested
#
# A test proves something about the values that it visits, and nothing about others. `rng.random`
# gives numbers in $[0, 1)$. An ELU that is tested on those never sees a number below zero.

# %%
def slope_one(g, y, a):
    return g  # a wrong rule: no bend at all


positive, both = rng.random((4, 5)) + 0.01, rng.normal(size=(4, 5))
g = rng.choice([-1, 1], (4, 5)) * rng.uniform(0.5, 1.5, (4, 5))
print("positive inputs:", good_test(elu, slope_one, positive, g))
print("inputs of both signs:", good_test(elu, slope_one, both, g))
assert good_test(elu, slope_one, positive, g) and not good_test(elu, slope_one, both, g)

# %% [markdown]
# A tool that counts executed lines reports 100 % for both tests, for NumPy's one line holds both
# branches. The same lie has other faces: a loss term whose weight is 0 by default, dropout that is
# off, a $g$ of all ones instead of a random one (tutorial 2 has a rule that passes only there).

# %% [markdown]
# ## Test the test
#
# Here, then, is the method of this project: *break the rule on purpose, and see that the test finds
# it*. Four broken rules for ELU meet four tests, three that each tell one of the lies, and the good
# one. (The test at 0 had to be loosened, or it would refuse the right rule: ELU's slope has a kink
# there.)

# %%
rules = {
    "right": lambda g, y, a: g * (np.minimum(y, 0) + 1),
    "slope 1": lambda g, y, a: g,
    "forgot the + 1": lambda g, y, a: g * np.where(a > 0, 1, y),
    "flipped sign": lambda g, y, a: -g * (np.minimum(y, 0) + 1),
    "0.1 % too large": lambda g, y, a: g * (np.minimum(y, 0) + 1) * 1.001,
}
tests = {
    "tiny g": lambda rule: compare(elu, rule, both, g * 1e-7)[0] < 1e-6,
    "at 0": lambda rule: compare(elu, rule, np.zeros((4, 5)), g)[0] < 1e-2,
    "positive": lambda rule: good_test(elu, rule, positive, g),
    "good": lambda rule: good_test(elu, rule, both, g),
}

# %%
passed = {rule: [test(rules[rule]) for test in tests.values()] for rule in rules}
print(f"{'rule':16}" + "".join(f"{test:>9}" for test in tests))
for rule, row in passed.items():
    print(f"{rule:16}" + "".join(f"{'passes' if ok else '-':>9}" for ok in row))
verdicts = np.array(list(passed.values()))  # (rules, tests)
assert verdicts[0].all() and not verdicts[1:, 3].any()  # the good test: only the right rule
assert verdicts[1:, :3].any(axis=0).all()  # each lie lets at least one wrong rule pass

# %% [markdown]
# Read the table by columns. With a tiny $g$ everything passes. At 0 and on positive inputs a
# missing bend passes. Only the last column refuses every broken rule.
#
# The project's tests do this with every VJP of the package: a program breaks each rule in every
# place where it can be broken, and the test must find each break (`tests/test_ops.py`).

# %% [markdown]
# ## A whole network
#
# If every VJP is right and the tape is right, the gradient of a whole network is right. Check it
# all the same. A network's parameters are one flat vector $\theta$, and `layout.views` cuts it into
# named arrays, `p`. `value_and_grad` takes a loss of `p`, and gives the gradient in *all* of
# $\theta$. Here is a small classifier with three classes. (`None` stands where a loss may hand on
# by-products. The `state` is empty; tutorial 2 has one that is not.)

# %%
M = models.MLP(features=3, classes=3, widths=(6, 6), dropout=0.0)  # 2 hidden layers
theta, state = M.init(rng, np.float64)
x, y = rng.normal(size=(20, 3)), np.eye(3)[rng.integers(3, size=20)]


def loss(p):
    return losses.cross_entropy(M.apply(p, state, x)[0], y), None


value, gradient, _ = value_and_grad(loss, M.layout)(theta)
numeric = central(lambda v: loss(M.layout.views(v))[0], theta)
off = np.abs(gradient - numeric).max() / np.abs(numeric).max()
print(f"{theta.size} parameters, loss {value:.3f}, all slopes agree: {off < 1e-7}")
assert off < 1e-7 and np.abs(numeric).max() > 0.01

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None` (where a function is asked for, define one of that name). Run
# the cell, then the check below it.
#
# **Exercise 1.1.** The sigmoid is $y = 1 / (1 + e^{-a})$. Write its VJP *from the output*, as we
# did for ELU: a function `answer_1_1(g, y)` that gives $\partial l / \partial a$ and never sees
# $a$.

# %%
# Exercise 1.1: your answer
answer_1_1 = None


# %%
def sigmoid_is_right(answer):
    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    a, g = np.random.default_rng(5).normal(size=(2, 4, 3))
    return good_test(sigmoid, lambda g, y, a: answer(g, y), a, g)


check("1.1", answer_1_1, sigmoid_is_right, "y' = e^-a / (1 + e^-a)^2. Where are y and 1 - y in it?")

# %% [markdown]
# <details><summary>Solution 1.1</summary>
#
# $$y' = \frac{e^{-a}}{(1 + e^{-a})^2} = \frac{1}{1 + e^{-a}} \cdot \frac{e^{-a}}{1 + e^{-a}}
# = y (1 - y).$$
#
# ```python
# def answer_1_1(g, y):
#     return g * y * (1 - y)
# ```
#
# </details>

# %% [markdown]
# **Exercise 1.2.** Tutorial 4 replaces a matrix by a product of thin ones: $y = x\,U V$ with
# $U$ $(D, r)$ and $V$ $(r, H)$. Write its VJP for both factors: a function `answer_1_2(g, x, U, V)`
# that gives the pair $\partial l / \partial U$, $\partial l / \partial V$.

# %%
# Exercise 1.2: your answer
answer_1_2 = None


# %%
def thin_is_right(answer):
    r = np.random.default_rng(6)
    x, U, V, g = (r.normal(size=s) for s in ((5, 4), (4, 2), (2, 3), (5, 3)))
    dU, dV = answer(g, x, U, V)
    assert dU.shape == U.shape and dV.shape == V.shape, "a gradient has the shape of its input"
    good_U = good_test(lambda U: x @ U @ V, lambda g, y, U: dU, U, g)
    return good_U and good_test(lambda V: x @ U @ V, lambda g, y, V: dV, V, g)


check("1.2", answer_1_2, thin_is_right, "name u = x U. Then y = u V: two dense layers in a row.")

# %% [markdown]
# <details><summary>Solution 1.2</summary>
#
# With $u = x U$, the layer $y = u V$ gives $\partial l / \partial V = u^\top g$ and
# $\partial l / \partial u = g V^\top$. The layer $u = x U$ takes that as its own $g$.
#
# ```python
# def answer_1_2(g, x, U, V):
#     return x.T @ (g @ V.T), (x @ U).T @ g
# ```
#
# </details>

# %% [markdown]
# **Exercise 1.3.** The function cuts off numbers beyond $-1$ and $1$. Its rule below forgets the
# lower cut, and passes `good_test` at `0.3 * rng.normal(size=(1, 4))`. Find an input that gives it
# away: set `answer_1_3` to an array of the shape (1, 4) where `good_test` refuses this rule, and
# still accepts the right one.

# %%
def cut(v):
    return np.clip(v, -1, 1)


def forgetful(g, y, v):
    return g * (v < 1)


inside = 0.3 * np.random.default_rng(7).normal(size=(1, 4))
print("passes:", good_test(cut, forgetful, inside, np.ones((1, 4))))

# %%
# Exercise 1.3: your answer
answer_1_3 = None


# %%
def reveals(v):
    g, v = np.array([[1.0, -0.7, 1.3, 0.8]]), np.asarray(v, float)
    assert v.shape == (1, 4), f"the shape is {v.shape}, expected (1, 4)"
    right = good_test(cut, lambda g, y, v: g * (np.abs(v) < 1), v, g)
    return right and not good_test(cut, forgetful, v, g)


check("1.3", answer_1_3, reveals, "which numbers does it treat wrongly? Not -1 itself: a kink.")

# %% [markdown]
# <details><summary>Solution 1.3</summary>
#
# One entry below $-1$ shows the missing cut. One entry must lie inside, or all slopes are 0 and
# the test rightly says that it proves nothing.
#
# ```python
# answer_1_3 = np.array([[-2.0, 0.5, 0.1, 3.0]])
# ```
#
# </details>

# %% [markdown]
# ## What you can now explain
#
# - What a VJP is, and why nobody builds a Jacobian.
# - How a tape chains VJPs into the gradient of any program, and why it adds up.
# - What a test of a gradient needs: slopes near 1, no kinks, every branch, a random $g$, and a
#   broken rule that it has caught.
#
# Next: [Layers](02_layers.ipynb), where the VJPs of dropout and batch-norm are derived.
