# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Fast NumPy: the same numbers in less time
#
# **What you will do.** Take a training step in the plain style of `kegnet_in_one_file.py`, find out
# where its time goes, and make it faster in four steps. After each step you check that the numbers
# are the same, and measure what was gained.
#
# **What you will learn.** How to time things on a machine that is busy. Fused primitives, one flat
# vector of parameters, stacks of networks, whole networks in one operation, and what each of them
# is worth.
#
# **What you need.** Tutorials 1 (the tape, the VJP), 2 (dense layers, ELU, dropout), 4 (the Tucker
# form) and 6 (KL). No data: random numbers will do.
#
# Runs in about 8 seconds on one core. The times on this page are those of the machine that made
# it. Yours will differ; the ratios should be alike.

# %%
import time
import tracemalloc

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
from autograd import core, make_vjp, tracer, util, value_and_grad
from exercises import check
from threadpoolctl import threadpool_limits

from kegnet_np import autodiff, losses, models, ops, train, tucker
from kegnet_np.activations import elu
from kegnet_np.network import Network
from kegnet_np.optim import Adam

# %% [markdown]
# Two settings come first, because they hold for everything that is compared. The matrix library may
# use one thread: for small matrices more threads cost time. And `train.hold_heap` lets the C
# library keep freed memory, where it would hand it back and ask for it again in every step.

# %%
threadpool_limits(1, user_api="blas")
train.hold_heap()
plt.rcParams.update({"font.size": 9, "figure.constrained_layout.use": True})

# %% [markdown]
# ## How to measure
#
# A time alone says little: the machine has other things to do, and its speed changes. Three habits
# help.
#
# - Count the time that the processor spends on *this program*, `time.process_time`. A clock on the
#   wall also counts the waiting while other programs have their turn. (Where the system keeps that
#   count too coarsely, we have to take the wall clock.)
# - Let the contenders A and B run in turns, A, B, A, B, and so on. A slow spell then meets both.
# - Divide within each round, and look at the median of these ratios and at their spread. Here the
#   spread is given as the two quartiles: half of the rounds lie between them.

# %%
fine = time.get_clock_info("process_time").resolution < 1e-5
clock = time.process_time if fine else time.perf_counter


def in_turns(contenders, rounds=15, repeats=10):
    """Seconds per call, (rounds,) for each name; a first round warms up and is not kept."""
    seconds = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name, run in contenders.items():
            start = clock()
            for _ in range(repeats):
                run()
            if i > 0:
                seconds[name].append((clock() - start) / repeats)
    return {name: np.array(s) for name, s in seconds.items()}


# %%
def report(seconds):
    """Print each contender's median time, and the first one's time by it: median and quartiles."""
    first, faster = next(iter(seconds.values())), {}
    print(f"{'ms':>32}  faster [quartiles]")
    for name, s in seconds.items():
        low, faster[name], high = np.quantile(first / s, [0.25, 0.5, 0.75])
        print(f"{name:25}{1e3 * np.median(s):7.3f}{faster[name]:7.2f} [{low:.2f}, {high:.2f}]")
    return faster


# %% [markdown]
# The first thing to measure is a function against itself. Each line of the table has the median
# time of a call in milliseconds, then how many times faster it is than the *first* line. A function
# is as fast as itself. What the table shows beyond that is the noise, and smaller differences are
# not worth talking about.

# %% tags=["varies"]
rng = np.random.default_rng(0)
square = rng.standard_normal((100, 100), np.float32)
same = {"A": lambda: square @ square, "A again": lambda: square @ square}
faster = report(in_turns(same, rounds=60, repeats=40))
assert 0.5 < faster["A again"] < 2

# %% [markdown]
# ## The plain step
#
# The network is the paper's classifier: $D = 16$, eleven hidden layers of 100, $K = 10$. A batch
# has $B = 64$ rows, the loss is KL to given probabilities, and dropout is off, so that we can
# compare results. The plain style has a list of layers, a layer is a list of arrays, and every
# operation is one of autograd's. `autodiff.REGISTRY` holds this *reference* form of each operation
# of the package. `dense` is a layer, and takes its activation as the last argument.

# %%
M = Network.random(models.MLP(16, 10, dropout=0.0), rng)  # its theta: (P,), float32
x = rng.standard_normal((64, 16), np.float32)  # (B, D)
target = losses.softmax(rng.standard_normal((64, 10), np.float32))  # (B, K)


def as_layers(p, names=("W", "b")):
    return [[p[f"{name}{i}"] for name in names] for i in range(12)]


# %%
reference = {name: op.reference for name, op in autodiff.REGISTRY.items()}


def plain_loss(layers, x, target, dense=reference["dense"]):
    for layer in layers[:-1]:
        x = dense(x, *layer, elu)
    return reference["kl"](dense(x, *layers[-1]), target)


plain_gradient = value_and_grad(plain_loss)  # autograd's: in the first argument, a list of lists

# %% [markdown]
# Adam in the plain style goes from array to array. It keeps a running mean $m$ of the gradient $g$
# and a running mean $v$ of its square, and divides the one by the root of the other:
#
# $$ m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,
#    \qquad \theta \leftarrow \theta - \alpha \, \frac{\hat m}{\sqrt{\hat v} + \varepsilon} , $$
#
# with $\hat m = m / (1 - \beta_1^t)$ and $\hat v = v / (1 - \beta_2^t)$ at step $t$, because both
# start at 0. Here $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\varepsilon = 10^{-8}$, and $\alpha$ is the
# learning rate.

# %%
def plain_adam(layers, lr=1e-3):
    slots = [[a, np.zeros_like(a), np.zeros_like(a)] for layer in layers for a in layer]
    t = 0

    def step(gradients):
        nonlocal t
        t += 1
        for (a, m, v), g in zip(slots, sum(gradients, []), strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            a -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return step


# %%
def trainer(gradient, layers):
    """A function that does one training step on its own copy of the layers."""
    layers = [[a.copy() for a in layer] for layer in layers]
    update = plain_adam(layers)
    return lambda: update(gradient(layers, x, target)[1])


layers = as_layers(M.p)
plain_step = trainer(plain_gradient, layers)

# %% [markdown]
# ## Where the time goes
#
# What must be computed? The matrix products: for each layer one forward, $x W$, and two backward,
# $g W^\top$ and $x^\top g$. Each takes $B H^2$ multiplications in a hidden layer, while ELU looks
# at $B H$ entries, a hundredth of that. So the time of the products alone is a floor to compare
# with. (The first layer needs no $g W^\top$; it is small, so we do not mind.) Here is the plain
# step, bit by bit. A part that is ten times "faster" than the step is a tenth of it.

# %%
def products():
    """The matrix products of one step and nothing else."""
    for W, _ in layers:
        h, g = inputs[W.shape]
        h @ W, g @ W.T, h.T @ g


inputs = {W.shape: (np.ones((64, W.shape[0]), "f4"), np.ones((64, W.shape[1]), "f4"))
          for W, _ in layers}
gradients = plain_gradient(layers, x, target)[1]
update = plain_adam([[a.copy() for a in layer] for layer in layers])

# %% tags=["varies"]
seconds = in_turns({
    "the plain step": plain_step,
    "  forward, without a tape": lambda: plain_loss(layers, x, target),
    "  forward and backward": lambda: plain_gradient(layers, x, target),
    "  Adam": lambda: update(gradients),
    "the products alone": products,
}, repeats=5)
faster = report(seconds)
there, both = seconds["  forward, without a tape"], seconds["  forward and backward"]
assert faster["the products alone"] > 3 and np.median((both - there) / there) > 2.5

# %% [markdown]
# The products are a small part. Backward has twice the products of forward, so it should take twice
# the time. Take the line "forward" from the one below it: it takes clearly more than twice. What
# fills it are nodes, temporary arrays, and many small calls where a few would do. Mathematics asks
# for none of this. So it can go, without changing a number.
#
# ## Step one: fused primitives
#
# How many nodes does one hidden layer put on autograd's tape? We can count them.

# %%
def nodes(f, x):
    """The number of operations on the tape of f(x)."""
    _, end = tracer.trace(core.VJPNode.new_root(), f, x)  # f(x), and the tape's last node
    return len(list(util.toposort(end))) - 1  # x itself is a node too


W, b = layers[5]
h = rng.standard_normal((64, 100), np.float32)
counts = [nodes(lambda h: reference["dense"](h, W, b, elu), h),
          nodes(lambda h: elu(ops.dense(h, W, b)), h),
          nodes(lambda h: ops.dense(h, W, b, elu), h)]
print("nodes: plain {}, one primitive each {}, fused {}".format(*counts))
assert counts == [5, 2, 1]

# %% [markdown]
# In the plain form the layer is a product, a sum, a `where` within an `expm1` within a `where`.
# Each keeps its result, and each has its own function to walk back through. But we know the whole
# derivative. With $a = x W + b$ and $y = \mathrm{elu}(a)$,
#
# $$ \frac{\partial l}{\partial a} = g \odot \mathrm{elu}'(a), \qquad
#    \mathrm{elu}'(a) = \begin{cases} 1 & a > 0 \\ e^a = y + 1 & \text{else} \end{cases}
#    \; = \; \min(y, 0) + 1 , $$
#
# with $\odot$ for the product entry by entry, and then the rules of a dense layer. The slope comes
# from the *output*, so $a$ need not be kept. `autodiff.make_primitive` puts a NumPy function and
# its VJP on the tape as one node. The function gives $y$, and what its VJP will need of the way
# forward: here $y$ again. (`need` comes later.)

# %%
def forward(x, W, b):
    a = x @ W
    a += b  # in place: no new array
    y = np.exp(np.minimum(a, 0))
    y -= 1
    return np.maximum(a, y, out=y), y  # e^a − 1 ≥ a, so the larger is the right branch


def vjp(need, g, y, x, W, b):
    pull = np.minimum(y, 0) + 1
    pull *= g  # ∂loss/∂a
    return pull @ W.T, x.T @ pull, pull.sum(0, keepdims=True)  # of x, W and b


our_layer = autodiff.make_primitive(forward, vjp, "our_layer")

# %% [markdown]
# First the numbers, in float64, where rounding is far below what an error would make. (What a VJP
# gives for an input is called the *cotangent* of that input: its part of the gradient.)

# %%
h64, W64, b64, g64 = (rng.standard_normal(s) for s in ((64, 100), (100, 100), (1, 100), (64, 100)))


def pull_back(f, x=h64, W=W64, b=b64, g=g64):
    """y and the cotangents of x, W and b."""
    back, y = make_vjp(f, (0, 1, 2))(x, W, b)
    return [y, *back(g)]


forms = {
    "plain": lambda x, W, b: reference["dense"](x, W, b, elu),
    "one primitive each": lambda x, W, b: elu(ops.dense(x, W, b)),
    "our fused primitive": our_layer,
    "ops.dense with elu": lambda x, W, b: ops.dense(x, W, b, elu),
}


# %%
for f in forms.values():
    for ours, expected in zip(pull_back(f), pull_back(forms["plain"]), strict=True):
        assert np.allclose(ours, expected, rtol=1e-10, atol=1e-10)
print("value and three gradients agree")

# %% [markdown]
# Then the time, forward and backward through one layer:

# %% tags=["varies"]
g = rng.standard_normal((64, 100), np.float32)
runs = {name: lambda f=f: pull_back(f, h, W, b, g) for name, f in forms.items()}
faster = report(in_turns(runs, repeats=50))
assert min(faster["our fused primitive"], faster["ops.dense with elu"]) > 1.2
assert faster["ops.dense with elu"] > 0.7 * faster["one primitive each"]

# %% [markdown]
# The large gain is from the plain form to primitives. To fuse the two saves little more time. What
# it saves for sure is the array $a$, which would be kept for the way back.
#
# Two details in the functions themselves. The reference of ELU evaluates both branches and chooses;
# `minimum`, `exp`, `-= 1`, `maximum` do it in place. (`exp` and not `expm1`, which is more precise
# near 0: in float32 NumPy's `exp` uses the vector instructions of most processors, `expm1` only
# those of the newest, and is several times slower on the others.) And the sum over the batch, for
# the bias, is faster as a matrix product with a row of ones than as a sum.

# %% tags=["varies"]
ones = np.ones((1, 64), np.float32)
elus = {"ELU, reference": lambda: elu.reference(h), "ELU, in place": lambda: elu.value(h)}
sums = {"sum over rows": lambda: h.sum(0, keepdims=True), "ones times h": lambda: ones @ h}
assert np.allclose(elu.value(h), elu.reference(h), atol=1e-6)
assert np.allclose(ones @ h, h.sum(0), rtol=1e-4, atol=1e-4)
assert report(in_turns(elus, repeats=200))["ELU, in place"] > 1.2
assert report(in_turns(sums, repeats=400))["ones times h"] > 1

# %% [markdown]
# A third one is `need`. When the generator learns, the teacher M is frozen: gradients run through
# it, and nobody asks for those of its weights. The VJP is told which arguments are wanted, and
# leaves the product $x^\top g$ out.

# %% tags=["varies"]
op, y = autodiff.REGISTRY["dense"], ops.dense(h, W, b, elu)
faster = report(in_turns({
    "backward, x, W and b": lambda: op.vjp((0, 1, 2), g, y, h, W, b, elu),
    "backward, x alone": lambda: op.vjp((0,), g, y, h, W, b, elu),
}, repeats=100))
assert faster["backward, x alone"] > 1.1
assert op.vjp((0,), g, y, h, W, b, elu)[1:3] == (None, None)  # of W and b

# %% [markdown]
# **Exercise 7.1.** Write the VJP of a fused dense layer with tanh, $y = \tanh(x W + b)$. Take the
# slope from the output. The check compares with finite differences.

# %%
# Exercise 7.1: your answer
answer_7_1 = None  # a function (need, g, y, x, W, b) -> three cotangents


# %%
def right_7_1(vjp):
    r = np.random.default_rng(1)
    args = [r.standard_normal(s) for s in ((4, 3), (3, 5), (1, 5))]
    g, step = r.standard_normal((4, 5)), [1e-6 * r.standard_normal(a.shape) for a in args]

    def f(s):
        x, W, b = (a + s * d for a, d in zip(args, step, strict=True))
        return np.tanh(x @ W + b)  # (4, 5)

    told = vjp((0, 1, 2), g, f(0), *args)
    assert [c.shape for c in told] == [a.shape for a in args], "a cotangent has its input's shape"
    return np.isclose(np.vdot(g, f(1) - f(-1)) / 2, sum(map(np.vdot, told, step)), rtol=1e-6)


check("7.1", answer_7_1, right_7_1, "d tanh(a) / da = 1 − tanh(a)²");

# %% [markdown]
# <details><summary>Solution 7.1</summary>
#
# ```python
# def answer_7_1(need, g, y, x, W, b):
#     pull = g * (1 - y**2)  # ∂loss/∂a
#     return pull @ W.T, x.T @ pull, pull.sum(0, keepdims=True)
# ```
# </details>
#
# ## Step two: one flat vector
#
# A network has many arrays, and the plain step pays for each: a few NumPy calls in Adam, and a node
# on the tape for taking it out of its list. Let all parameters be one vector $\theta$ (P,). A
# `Layout` says where each array lies in it. Its `views` cut it up *without a copy*: a view is
# another way to look at the same numbers. A `Network` has them as `p`.

# %%
model, theta, p = M.model, M.theta, M.p
print(f"P = {M.size:,}, and W5 lies at", model.layout.entries["W5"][:2])
assert all(np.shares_memory(view, theta) for view in p.values())
start, stop, shape = model.layout.entries["W5"]
assert np.array_equal(theta[start:stop].reshape(shape), p["W5"])
assert sum(view.size for view in p.values()) == theta.size

# %% [markdown]
# The optimiser sees one long vector: `optim.Adam` updates it with the same dozen NumPy calls
# whatever the number of arrays, and in place. NumPy tells Python's `tracemalloc` of every array
# that it makes, so we can see that Adam makes none.

# %%
def peak(f):
    """The most memory in bytes that f held at one time beyond what was there."""
    tracemalloc.start()
    f()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


big_theta, g_flat, v = theta.copy(), np.full_like(theta, 0.1), np.zeros_like(theta)
big_adam, size = Adam(theta, lr=1e-3), theta.nbytes
made = peak(lambda: big_adam.step(big_theta, g_flat))
print(f"theta has {size / 1e6:.1f} MB, a step makes {made / 1e6:.1f} MB of arrays")
assert made < 0.1 * size
assert peak(lambda: v + 0.001 * (g_flat * g_flat - v)) > 0.9 * size  # one line of the plain Adam

# %% [markdown]
# The gain is largest where there are many small arrays. The student in Tucker form has four arrays
# in each layer, and an eighth of the numbers.

# %%
student = tucker.compress(M, ranks=5)
theta_S = student.theta  # (P',)
small_p = student.model.layout.views(theta_S.copy())
small_layers = as_layers(small_p, ("U_in", "core", "U_out", "b"))
ones_like = [[np.ones_like(a) for a in layer] for layer in small_layers]
small_update, small_adam = plain_adam(small_layers), Adam(theta_S, lr=1e-3)
small_theta, small_g = theta_S.copy(), np.ones_like(theta_S)
print(f"{len(sum(layers, []))} arrays in M, {len(sum(small_layers, []))} in the student")
assert 7.5 < M.size / student.size < 8.5

# %% tags=["varies"]
faster = report(in_turns({"M, array by array": lambda: update(gradients),
                          "M, flat": lambda: big_adam.step(big_theta, g_flat)}))
assert faster["M, flat"] > 1.2
faster = report(in_turns({"student, array by array": lambda: small_update(ones_like),
                          "student, flat": lambda: small_adam.step(small_theta, small_g)},
                         repeats=50))
assert faster["student, flat"] > 3

# %% [markdown]
# The gradient has to become flat too. The obvious way does not help: slice $\theta$ inside the
# loss, and let autograd differentiate that. Then every slice is a node, and its VJP makes an array
# as long as $\theta$, zero but for the slice; all of them are added up.
#
# `autodiff.value_and_grad` puts the views themselves on the tape, as its first nodes (its
# *leaves*), when the loss asks for them by name. When the way back is done, each leaf's gradient is
# written to its place in one flat vector. (`dict(p)` asks for all of them; step four does without.)

# %%
def listed(layer):
    """Autograd's gradient in a list of lists, with `layer` for a hidden layer."""
    def loss(layers, x, target):
        for arrays in layers[:-1]:
            x = layer(x, *arrays)
        return losses.kl(ops.dense(x, *layers[-1]), target)

    return value_and_grad(loss)


primitives, fused = listed(forms["one primitive each"]), listed(forms["ops.dense with elu"])


# %%
def loss(p, x, target):
    logits, _ = model.apply(p, None, x)  # dense with elu eleven times, then without
    return losses.kl(logits, target)


def sliced_loss(theta, x, target):
    entries = model.layout.entries.items()
    return loss({k: anp.reshape(theta[i:j], shape) for k, (i, j, shape) in entries}, x, target)


sliced = value_and_grad(sliced_loss)  # autograd's
flat = autodiff.value_and_grad(lambda p, *args: (loss(dict(p), *args), None), model.layout)  # ours

# %% [markdown]
# The numbers, in float64: against the plain step's gradient, and after ten steps of Adam.

# %%
theta_64, x_64, target_64 = (a.astype(np.float64) for a in (theta, x, target))
layers_64 = as_layers(model.layout.views(theta_64.copy()))
value, gradient, _ = flat(theta_64, x_64, target_64)
expected_value, expected = plain_gradient(layers_64, x_64, target_64)
found = as_layers(model.layout.views(gradient))
assert np.isclose(value, expected_value, rtol=1e-10)
for ours, theirs in zip(sum(found, []), sum(expected, []), strict=True):
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
assert np.allclose(sliced(theta_64, x_64, target_64)[1], gradient, rtol=1e-9, atol=1e-12)

# %%
ours, adam, plain_update = theta_64.copy(), Adam(theta_64, lr=1e-3), plain_adam(layers_64)
for _ in range(10):
    adam.step(ours, flat(ours, x_64, target_64)[1])
    plain_update(plain_gradient(layers_64, x_64, target_64)[1])  # layers_64 change in place
moved = np.abs(ours - theta_64).max()
theirs = model.layout.pack({f"{n}{i}": a for i, layer in enumerate(layers_64)
                            for n, a in zip("Wb", layer, strict=True)})
print(f"ten steps moved a parameter by up to {moved:.3f}")
assert moved > 0.005 and np.abs(ours - theirs).max() < 1e-7

# %% tags=["varies"]
faster = report(in_turns({
    "autograd, slices of theta": lambda: sliced(theta, x, target),
    "autograd, list of lists": lambda: fused(layers, x, target),
    "autodiff.value_and_grad": lambda: flat(theta, x, target),
}))
assert faster["autodiff.value_and_grad"] > 1.3 and faster["autograd, list of lists"] > 0.7

# %% [markdown]
# The slices are no better than the lists; the leaves are. Now the whole step, gradient and Adam,
# with one change at a time. The dotted line is the floor, the products alone.

# %%
def flat_step(f, theta, x, target):
    theta, adam = theta.copy(), Adam(theta, lr=1e-3)
    return lambda: adam.step(theta, f(theta, x, target)[1])


steps = {
    "plain": plain_step,
    "primitives": trainer(primitives, layers),
    "fused": trainer(fused, layers),
    "flat vector": flat_step(flat, theta, x, target),
    "products alone": products,
}

# %% tags=["varies"]
seconds = in_turns(steps, repeats=5)
faster = report(seconds)
assert faster["primitives"] > 1.3 and faster["flat vector"] > 2
assert np.median(seconds["fused"] / seconds["flat vector"]) > 1.2
left = np.median(seconds["flat vector"] / seconds["products alone"])
print(f"flat vector: {left:.1f} times the products alone")
assert 1 < left < 6

# %% tags=["varies"]
ms = {name: 1e3 * s for name, s in seconds.items()}
floor = np.median(ms.pop("products alone"))
low, middle, high = (np.quantile(list(ms.values()), q, axis=1) for q in (0.25, 0.5, 0.75))
fig, ax = plt.subplots(figsize=(6, 2.2))
ax.barh(list(ms), middle, xerr=[middle - low, high - middle], height=0.6)
ax.axvline(floor, color="0.2", ls=":", label="products alone")
ax.invert_yaxis()
ax.set(xlabel="ms per step: median, quartiles of the rounds")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# Each bar is shorter than the one above it, but for primitives and fused, which are close. Between
# the last bar and the dotted line lie ELU, the sums, Adam, and the calls. No trick with the tape
# goes below that line. So the factor that was printed last is the most that is left to gain.
#
# **Exercise 7.2.** Momentum is the update $v \leftarrow 0.9 \, v + g$, $\theta \leftarrow \theta -
# \alpha v$. Write it in place, as `momentum(theta, g, v, scratch, lr)`, without making a new array.
# `lr` is $\alpha$. `scratch` is an array like $\theta$ whose contents nobody needs; $g$ is to stay
# as it is.

# %%
# Exercise 7.2: your answer
answer_7_2 = None


# %%
def right_7_2(momentum):
    r = np.random.default_rng(2)
    theta, g, v, scratch = r.standard_normal((4, 100_000))
    new_v = 0.9 * v + g
    new_theta, old_g = theta - 0.01 * new_v, g.copy()
    if peak(lambda: momentum(theta, g, v, scratch, 0.01)) > theta.nbytes / 2:
        raise MemoryError("a new array was made")
    return np.allclose(theta, new_theta) and np.allclose(v, new_v) and np.array_equal(g, old_g)


check("7.2", answer_7_2, right_7_2, "v *= 0.9, and np.multiply(a, b, out=c)");

# %% [markdown]
# <details><summary>Solution 7.2</summary>
#
# ```python
# def answer_7_2(theta, g, v, scratch, lr):
#     v *= 0.9
#     v += g
#     np.multiply(v, lr, out=scratch)
#     theta -= scratch
# ```
# </details>
#
# ## Step three: stacks of networks
#
# KegNet trains five generators and five students, which differ in their seeds. The student's
# matrices are small, so much of its time must go into calls. Let one call do the work of all five.
# Give every array a leading axis $S$: $\theta$ (S, P), $x$ (S, B, D), and $W$ (S, D, H). A matrix
# product in NumPy works on the last two axes, and does the same for each entry of the first. The
# one thing to mind is the transpose. `W.T` turns round *all* axes; `W.mT` only the last two.

# %%
def student_loss(p, x, target):
    logits, _ = student.model.apply(dict(p), None, x)  # (S, B, K)
    return losses.kl(logits, target), None  # (S,), one loss for each


stacked = autodiff.value_and_grad(student_loss, student.model.layout)
S = 5
xs = rng.standard_normal((S, 64, 16))  # a batch for each member
targets = losses.softmax(rng.standard_normal((S, 64, 10)))
stack = theta_S + 0.1 * rng.standard_normal((S, theta_S.size))  # (S, P), float64: five students
values, gradient, _ = stacked(stack, xs, targets)
print("losses", values.shape, "gradient", gradient.shape)

# %% [markdown]
# The members do not know of each other. Each has the loss and the gradient that it would have
# alone:

# %%
for s in range(S):
    value, alone, _ = stacked(stack[s], xs[s], targets[s])
    assert np.isclose(values[s], value, rtol=1e-10)
    assert np.allclose(gradient[s], alone, rtol=1e-9, atol=1e-12)
other = xs.copy()
other[0] += 1  # another batch for the first: the others' gradients stay
assert np.allclose(stacked(stack, other, targets)[1][1:], gradient[1:], rtol=1e-9, atol=1e-12)
assert not np.allclose(stacked(stack, other, targets)[1][0], gradient[0], rtol=0.01)

# %% [markdown]
# How much a stack gains depends on the size of its matrices. We time steps of stacks of 1, 2, 3, 5
# and 8, and divide by $S$ and by the time of one network alone: for the student, and for the
# classifier with its 100 × 100 matrices.

# %%
SIZES = (1, 2, 3, 5, 8)


def stack_step(f, theta, S):
    return flat_step(f, np.stack([theta] * S), np.stack([x] * S), np.stack([target] * S))


stacks = {("student", S): stack_step(stacked, theta_S, S) for S in SIZES}
stacks |= {("classifier", S): stack_step(flat, theta, S) for S in SIZES}

# %% tags=["varies"]
seconds = in_turns(stacks, rounds=15, repeats=4)
fig, ax = plt.subplots(figsize=(5, 2.6))
relative = {name: [seconds[name, S] / S / seconds[name, 1] for S in SIZES]  # (5, 15) each
            for name in ("classifier", "student")}
for name, each in relative.items():
    low, middle, high = np.quantile(each, [0.25, 0.5, 0.75], axis=1)
    ax.errorbar(SIZES, middle, [middle - low, high - middle], marker="o", capsize=3, label=name)
    print(f"{name:10}", *(f"{S}: {m:.2f}" for S, m in zip(SIZES, middle, strict=True)))
five = {name: np.median(each[3]) for name, each in relative.items()}
assert five["student"] < 0.85 and five["student"] < five["classifier"] + 0.1
ax.set(xlabel="networks S in the stack", ylabel="time per network, alone = 1", xticks=SIZES)
ax.set_ylim(0, 1.3)
ax.legend()
plt.show()

# %% [markdown]
# The student's line falls: much of its time was calls, and a stack shares them. The classifier
# gains less, because more of its time is products, and those must be done for each network.
#
# **Exercise 7.3.** One batch $x$ (B, D) may be shared by all members, as when five students see the
# same rows. Then $y_s = x W_s$, with $W$ (S, D, H) and $g$ (S, B, H). Write the cotangent of the
# shared $x$ as a function of `g` and `W`; it has the shape of $x$.

# %%
# Exercise 7.3: your answer
answer_7_3 = None


# %%
def right_7_3(cotangent):
    r = np.random.default_rng(3)
    d, W, g = r.standard_normal((4, 3)), r.standard_normal((5, 3, 2)), r.standard_normal((5, 4, 2))
    c = cotangent(g, W)
    change = sum(np.sum(g[s] * (d @ W[s])) for s in range(5))  # of Σ g y when x moves by d
    return c.shape == d.shape and np.isclose(np.sum(c * d), change)


check("7.3", answer_7_3, right_7_3, "each member pulls on the same x: add up");

# %% [markdown]
# <details><summary>Solution 7.3</summary>
#
# ```python
# def answer_7_3(g, W):
#     return (g @ W.mT).sum(0)  # (S, B, D) -> (B, D)
# ```
#
# What is shared gets the sum of the gradients. `autodiff` does this for every operation.
# </details>
#
# ## Step four: a network as one operation
#
# What is left of the tape? A student has twelve layers with four arrays each: for every layer a
# node, for every array a leaf, and their gradients one by one. But a network is a fixed chain of
# operations $x_i = f_i(x_{i-1}; p_i)$, and we have the VJP of each. So the chain has a VJP of its
# own, a loop from the last layer to the first: $f_i$'s takes $g_i = \partial l / \partial x_i$ to
# $g_{i-1}$ and to $\partial l / \partial p_i$. That is all of `kegnet_np/chain.py`. On the tape
# there are then a node for the network and *one* leaf, $\theta$. A model's `apply` does this by
# itself when it gets `p` as it comes from `value_and_grad`, where `dict(p)` above took it apart.

# %%
def chained_loss(p, x, target):
    return losses.kl(student.model.apply(p, None, x)[0], target), None


chained = autodiff.value_and_grad(chained_loss, student.model.layout)
for ours, layer_by_layer in zip(chained(stack, xs, targets)[:2], (values, gradient), strict=True):
    assert np.array_equal(ours, layer_by_layer)  # to the last bit
print("the same loss and gradient")

# %% tags=["varies"]
many = [np.stack([a] * S) for a in (theta_S, x, target)]
faster = report(in_turns({
    "layer by layer": flat_step(stacked, *many),
    "one operation": flat_step(chained, *many),
}))
assert faster["one operation"] > 1.05

# %% [markdown]
# The gain is what the nodes and leaves had cost, and not more: the products, ELU and Adam are as
# before. Whoever compiles the step goes on from here, and puts several passes over an array into
# one. With NumPy alone each operation is a pass of its own.
#
# ## All together
#
# Five students in the plain style, one after another, against a stack of five:

# %%
plain_student = value_and_grad(lambda *args: plain_loss(*args, reference["tucker_dense"]))
plain_student_step = trainer(plain_student, small_layers)
stack_of_five = flat_step(chained, *many)

# %% tags=["varies"]
faster = report(in_turns({
    "five students, plain": lambda: [plain_student_step() for _ in range(5)],
    "a stack of five": stack_of_five,
}, repeats=2))
assert faster["a stack of five"] > 4

# %% [markdown]
# And where does the time go now? In real training a step also draws dropout masks, for each student
# from a random generator of its own.

# %%
with_dropout = models.MLP(16, 10, ranks=(5,))  # the student's model, with dropout 0.15
thetas, x5, target5 = (np.stack([a] * 5) for a in (theta_S, x, target))
rngs = [np.random.default_rng(seed) for seed in range(5)]
masks = with_dropout.draw_masks(rngs, 64)  # (S, B, 100) for each hidden layer


def training_loss(p, x, target, masks):
    logits, _ = with_dropout.apply(p, None, x, train=True, masks=masks)
    return losses.kl(logits, target), None


gradient_of = autodiff.value_and_grad(training_loss, with_dropout.layout)
p5, adam5, g5 = with_dropout.layout.views(thetas), Adam(thetas, 1e-3), np.ones_like(thetas)

# %% tags=["varies"]
seconds = in_turns({
    "masks": lambda: with_dropout.draw_masks(rngs, 64),
    "forward": lambda: training_loss(p5, x5, target5, masks),
    "forward and backward": lambda: gradient_of(thetas, x5, target5, masks),
    "Adam": lambda: adam5.step(thetas, g5),
})
parts = {name: 1e3 * np.median(s) for name, s in seconds.items()}
parts["backward"] = parts.pop("forward and backward") - parts["forward"]
for name, ms in parts.items():
    print(f"{name:10}{ms:6.2f} ms")
assert parts["backward"] + parts["forward"] > parts["masks"] + parts["Adam"]

# %% [markdown]
# Most of the step is the gradient itself, forward and backward, and that is where it belongs.
# `benchmarks/bench_steps.py` measures whole steps in the same way, against PyTorch.
#
# ## What you can now explain
#
# - Why the plain step is slow: not the products, but nodes, temporary arrays and small calls.
# - Why the parameters are one vector, and what a view, a leaf and a fused primitive are.
# - When a stack of networks pays, and how to show a gain on a machine that is busy.
#
# Next: [8. Spend the rank where the data enters](08_rank_allocation.ipynb)
