"""KegNet in one file: train a small classifier from a large one, without a single data point.

J. Yoo, M. Cho, T. Kim and U Kang, "Knowledge Extraction with No Observable Data", NeurIPS 2019,
on 8 x 8 images of digits, with NumPy and autograd alone. Parameters are a list of layers, a layer
is a list of arrays. Rows are examples: B in a batch, D features, K classes, Z numbers in a code.
"""

import os
import time
from itertools import pairwise

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: more threads only cost

import autograd.numpy as np
from autograd import grad

# The paper's settings for tables; where a line says "paper", this one departs to save time.
H, LAYERS, DROPOUT = 100, 11, 0.15  # the teacher M: hidden units, hidden layers
Z, WIDTH, ALPHA, BETA = 10, 120, 1.0, 0.0  # hidden units of G and D; weights of l_dec and l_div
GENERATORS, SAMPLES = 5, 1280  # samples of each generator; paper: 6400
RANK = 3  # paper: 5 or 10; trained so briefly, M loses little at 5, where noise does as well
TEACHER_STEPS, TEACHER_LR, BATCH = 800, 1e-3, 64  # paper: 100 epochs or more
GENERATOR_STEPS, GENERATOR_LR, GENERATOR_BATCH = 240, 1e-3, 128  # paper: 20,000, 1e-4, 256
STUDENT_STEPS, STUDENT_LR = 1000, 1e-4  # paper: 100 epochs or more


def elu(x):
    # x if x > 0 else exp(x) − 1; the inner `where` keeps large x out of the exponential
    return np.where(x > 0, x, np.expm1(np.where(x > 0, 0, x)))


def dense(layer, x):
    # x W + b; W may be a product: (W, b) in the teacher, (U_in, core, U_outᵀ, b) in the student
    for W in layer[:-1]:
        x = x @ W
    return x + layer[-1]


def classifier(params, x, masks=None):
    """Logits M(x) (B, K) of x (B, D). Dropout masks (LAYERS, B, H) in training, else None."""
    for i, layer in enumerate(params[:-1]):
        x = elu(dense(layer, x))  # (B, H)
        x = x if masks is None else x * masks[i]
    return dense(params[-1], x)  # (B, K)


def batch_norm(h, running=None):
    # (h − μ) / √(σ² + ε), by the batch's moments in training, by running ones in evaluation
    mean, var = (np.mean(h, axis=0), np.var(h, axis=0)) if running is None else running
    return (h - mean) / np.sqrt(var + 1e-5), (mean, var)


def normalised_mlp(params, h, running=None):
    """Dense, ELU, batch-norm with learnt γ and β, repeated; then dense. And the norms' moments."""
    moments = []
    for i, (W, b, gamma, beta) in enumerate(params[:-1]):
        h, used = batch_norm(elu(h @ W + b), running and running[i])  # (B, WIDTH)
        h, moments = gamma * h + beta, [*moments, used]
    return dense(params[-1], h), moments


def generator(params, y, z, running=None):
    """x_hat = G(y, z) (B, D) of one-hot y (B, K) and z (B, Z); and the norms' moments."""
    h, moments = normalised_mlp(params, np.concatenate([z, y], axis=1), running)  # (B, D)
    x_hat, used = batch_norm(h, running and running[-1])  # no γ, β: standardised, as real x is
    return x_hat, [*moments, used]


def decoder(params, x):
    return normalised_mlp(params, x)[0]  # z_hat (B, Z) of x (B, D); D is only used in training


def init(rng, sizes, norm=False):
    """W (in, out) and b ~ U(−1/√in, 1/√in); with norm, γ = 1 and β = 0 in the hidden layers."""
    params = [[rng.uniform(-1, 1, s) / n**0.5 for s in ((n, m), m)] for n, m in pairwise(sizes)]
    for layer in params[:-1] if norm else []:
        layer += [np.ones_like(layer[1]), np.zeros_like(layer[1])]
    return params


def tucker(W, r_in, r_out):
    # W ≈ U_in · core · U_outᵀ, core = U_inᵀ · W · U_out; for a matrix the SVD gives the best U
    U, _, Vt = np.linalg.svd(W)
    U_in, U_out = U[:, :r_in], Vt[:r_out].T  # (in, r_in), (out, r_out)
    return [U_in, U_in.T @ W @ U_out, U_out.T]


def log_softmax(a):
    a = a - np.max(a, axis=1, keepdims=True)
    return a - np.log(np.sum(np.exp(a), axis=1, keepdims=True))


def cross_entropy(logits, y):
    # l_cls = mean_b −Σ_k y_bk log softmax(M(x_b))_k
    return -np.mean(np.sum(y * log_softmax(logits), axis=1))


def kl(logits, p):
    # KL(p ‖ softmax(S)) = mean_b Σ_k p_bk (log p_bk − log softmax(S(x_b))_k), with 0 log 0 = 0
    return np.mean(np.sum(p * (np.log(np.maximum(p, 1e-300)) - log_softmax(logits)), axis=1))


def reconstruction(z_hat, z):
    # l_dec = mean over B and Z of (D(x) − z)²
    return np.mean((z_hat - z) ** 2)


def diversity(x, z):
    # l_div = exp(−mean_ij d_z(z_i, z_j) d_x(x_i, x_j)): different codes, different samples
    d_x = np.mean(np.abs(x[:, None] - x), axis=2)  # (B, B)
    d_z = np.mean((z[:, None] - z) ** 2, axis=2)  # (B, B)
    return np.exp(-np.mean(d_z * d_x))


def extraction_loss(theta, teacher, y, z):
    # l = l_cls + α l_dec + β l_div. By Bayes' rule with a flat p(x), the x sought for (y, z) is
    # argmax_x p(x | y, z) = argmax_x [log p(y | x) + log p(z | x)]: G gives x, D is p(z | x),
    # and M, fixed and in evaluation mode, is p(y | x).
    x_hat, _ = generator(theta[:3], y, z)  # theta: the layers of G, then those of D
    l_cls = cross_entropy(classifier(teacher, x_hat), y)
    l_dec = reconstruction(decoder(theta[3:], x_hat), z)
    return l_cls + ALPHA * l_dec + (BETA * diversity(x_hat, z) if BETA else 0.0)


def adam(loss, params, lr, batches):
    """A step of Adam, in place, on loss(params, *batch) for every batch."""
    slots = [(p, np.zeros_like(p), np.zeros_like(p)) for layer in params for p in layer]
    for t, batch in enumerate(batches, start=1):
        for (p, m, v), g in zip(slots, sum(grad(loss)(params, *batch), []), strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def fit(rng, loss, params, x, target, steps, lr):
    """Train a classifier in place, with dropout, on random rows of x (N, D) and target (N, K)."""
    masks = ((rng.random((LAYERS, BATCH, H)) >= DROPOUT) / (1 - DROPOUT) for _ in range(steps))
    batches = ((m, rng.integers(len(x), size=BATCH)) for m in masks)
    adam(lambda p, m, rows: loss(classifier(p, x[rows], m), target[rows]), params, lr, batches)


def extract(rng, teacher, D, K):
    """Samples (SAMPLES, D) of a generator that is trained, beside its decoder, with M alone."""
    theta = init(rng, [Z + K, WIDTH, WIDTH, D], norm=True)
    theta += init(rng, [D, WIDTH, WIDTH, WIDTH, Z], norm=True)
    running = [np.stack([np.zeros(n), np.ones(n)]) for n in (WIDTH, WIDTH, D)]  # means, variances

    def draw(n):  # y_hat ~ uniform over the classes (n, K), z_hat ~ N(0, I) (n, Z)
        return np.eye(K)[rng.integers(K, size=n)], rng.normal(size=(n, Z))

    def batches(n):
        for _ in range(GENERATOR_STEPS):
            y, z = draw(n)
            for r, (mean, var) in zip(running, generator(theta[:3], y, z)[1], strict=True):
                r += 0.1 * (np.stack([mean, var * n / (n - 1)]) - r)  # unbiased
            yield teacher, y, z

    adam(extraction_loss, theta, GENERATOR_LR, batches(GENERATOR_BATCH))
    return generator(theta[:3], *draw(SAMPLES), running)[0]


def main():
    start, rng = time.time(), np.random.default_rng(2019)
    # 0. Data: split 7:1:2, standardised by the training rows; a constant pixel stays at zero.
    digits = np.load(os.path.join(os.path.dirname(__file__), "../kegnet_np/digits.npz"))
    x, y = digits["x"].astype(float), digits["y"]  # (1797, 64) in 0..16, (1797,) in 0..9
    D, K = x.shape[1], 10
    train, _, test = np.split(np.random.RandomState(2019).permutation(len(x)), [1257, 1436])
    std = x[train].std(axis=0)
    x = (x - x[train].mean(axis=0)) / np.where(std > 0, std, 1)

    def report(name, params):
        size = sum(p.size for layer in params for p in layer)
        right = np.mean(np.argmax(classifier(params, x[test]), axis=1) == y[test])
        print(f"{name:26}{size:8,} parameters{right:8.1%} of test{time.time() - start:6.0f} s")

    # 1. A teacher M, trained on real data. The method is given M, and nothing else.
    teacher = init(rng, [D] + [H] * LAYERS + [K])
    fit(rng, cross_entropy, teacher, x[train], np.eye(K)[y[train]], TEACHER_STEPS, TEACHER_LR)
    report("teacher", teacher)

    # 2. Generators, each trained with M alone. Their samples stand in for the data.
    samples = np.concatenate([extract(rng, teacher, D, K) for _ in range(GENERATORS)])

    # 3. M in Tucker form, its inputs and outputs uncut: first in-rank D, last out-rank K.
    ranks = pairwise([D] + [RANK] * LAYERS + [K])
    compressed = [[*tucker(W, *r), b] for (W, b), r in zip(teacher, ranks, strict=True)]
    report("Tucker, not trained", compressed)

    # 4. Students start there and learn M's softmax. The last is the ceiling: it saw the data.
    noise = rng.normal(size=samples.shape)
    for name, pool in ("normal noise", noise), ("KegNet", samples), ("real inputs", x[train]):
        student = [[p.copy() for p in layer] for layer in compressed]
        target = np.exp(log_softmax(classifier(teacher, pool)))  # (N, K)
        fit(rng, kl, student, pool, target, STUDENT_STEPS, STUDENT_LR)
        report(f"student on {name}", student)


if __name__ == "__main__":
    main()
