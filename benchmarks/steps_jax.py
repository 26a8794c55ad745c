"""The same training steps in JAX: one jit of a scan over the steps, vmap over the stack."""

import jax
import jax.numpy as jnp

from kegnet_np.generator import decoder, generator
from kegnet_np.models import MLP

jax.config.update("jax_platforms", "cpu")


def _adam(theta, m, v, t, gradient, lr):
    """Adam over trees; t is the number of this step, from 1 on."""
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    a, b = lr / (1 - 0.9**t), (1 - 0.999**t) ** -0.5
    theta = jax.tree.map(lambda p, m, v: p - a * m / (b * jnp.sqrt(v) + 1e-8), theta, m, v)
    return theta, m, v


def _init(layout, key):
    """Parameters of any sensible scale: the time does not depend on their values."""
    p = {}
    for i, (name, (_, _, shape)) in enumerate(layout.entries.items()):
        p[name] = 0.1 * jax.random.normal(jax.random.fold_in(key, i), shape)
    return p


def _mlp(model, p, x, masks=None):
    last = len(model.widths)
    for i in range(last + 1):
        if model.ranks is None:
            x = x @ p[f"W{i}"] + p[f"b{i}"]
        else:
            x = x @ p[f"U_in{i}"] @ p[f"core{i}"] @ p[f"U_out{i}"] + p[f"b{i}"]
        if i < last:
            x = jax.nn.elu(x)
            if masks is not None:
                x = x * masks[i]
    return x


def _normalised(model, p, x):
    moments = []

    def norm(x):
        mean, variance = x.mean(0), x.var(0)
        moments.append((mean, variance))
        return (x - mean) / jnp.sqrt(variance + 1e-5)

    for i in range(model.depth):
        x = jax.nn.elu(x @ p[f"W{i}"] + p[f"b{i}"])
        x = p[f"gamma{i}"] * norm(x) + p[f"beta{i}"]
    x = x @ p[f"W{model.depth}"] + p[f"b{model.depth}"]
    return (norm(x) if model.adjust else x), moments


def generator_step(steps, stack, D, K, Z, B):
    """Joint steps of G and D of a stack of generators against one teacher."""
    G, dec, M = generator(Z, K, D), decoder(D, Z), MLP(D, K)
    p_M = _init(M.layout, jax.random.key(1))

    def loss(p, y, z):
        x, of_G = _normalised(G, p[0], jnp.concatenate([z, y], 1))
        logits = jax.nn.log_softmax(_mlp(M, p_M, x))
        z_hat, of_D = _normalised(dec, p[1], x)
        l_cls, l_dec = -(y * logits).sum(1).mean(), ((z_hat - z) ** 2).mean()
        return l_cls + l_dec, (of_G + of_D, l_cls, l_dec)

    def one(carry, t):
        p, m, v, state, key = carry
        key, of_y, of_z = jax.random.split(key, 3)
        y = jax.nn.one_hot(jax.random.randint(of_y, (B,), 0, K), K)
        z = jax.random.normal(of_z, (B, Z))
        gradient, (moments, *parts) = jax.grad(loss, has_aux=True)(p, y, z)
        state = jax.tree.map(lambda s, new: 0.9 * s + 0.1 * new, state, moments)
        return (*_adam(p, m, v, t, gradient, 1e-4), state, key), jnp.stack(parts)

    def start(key):
        p = (_init(G.layout, key), _init(dec.layout, key))
        zeros = jax.tree.map(jnp.zeros_like, p)
        _, (moments, _, _) = loss(p, jnp.ones((B, K)), jnp.ones((B, Z)))
        return p, zeros, zeros, moments, key

    return _runner(start, one, steps, stack)


def student_step(steps, stack, D, K, batch, ranks, dropout, rows):
    """Steps of a stack of Tucker students, each through its own shuffled pool of rows (N, D)."""
    model = MLP(D, K, ranks=ranks, dropout=0.15 if dropout else 0.0)
    rows = jnp.asarray(rows)
    target = jax.nn.softmax(rows[:, :K])
    N = steps * batch

    def loss(p, x, y, masks):
        log_q = jax.nn.log_softmax(_mlp(model, p, x, masks))
        return (jax.scipy.special.xlogy(y, y) - y * log_q).sum(1).mean()

    def one(carry, at):
        p, m, v, t, key = carry
        key, of_masks = jax.random.split(key)
        masks = None
        if dropout:
            kept = jax.random.bernoulli(of_masks, 0.85, (len(model.widths), batch, 100))
            masks = kept / 0.85
        value, gradient = jax.value_and_grad(loss)(p, rows[at], target[at], masks)
        return (*_adam(p, m, v, t, gradient, 1e-4), t + 1, key), value

    def start(key):
        p = _init(model.layout, key)
        zeros = jax.tree.map(jnp.zeros_like, p)
        return p, zeros, zeros, 1, key

    def epoch(carry):
        key, of_order = jax.random.split(carry[-1])
        order = jax.random.permutation(of_order, N).reshape(steps, batch)
        return jax.lax.scan(one, (*carry[:-1], key), order)

    keys = jax.random.split(jax.random.key(0), stack)
    return _run(jax.jit(jax.vmap(epoch)), jax.vmap(start)(keys))


def _runner(start, one, steps, stack):
    def epoch(carry):
        return jax.lax.scan(one, carry, jnp.arange(1, steps + 1))

    keys = jax.random.split(jax.random.key(0), stack)
    return _run(jax.jit(jax.vmap(epoch)), jax.vmap(start)(keys))


def _run(epoch, carry):
    held = [carry]

    def run():
        held[0], values = epoch(held[0])
        jax.block_until_ready((held[0], values))

    return run
