"""Every operation against its reference, its VJP against autograd and central differences."""

import ast
import copy
import inspect
import sys
import textwrap

import numpy as np
import pytest
from autograd import grad
from checks import central_differences, check_operation, close

import kegnet_np.kdgan.operations  # both put their own into the registry
import kegnet_np.probes.operations  # noqa: F401
from kegnet_np import activations, losses, ops
from kegnet_np.activations import ACTIVATIONS, elu, identity, logistic, relu, tanh
from kegnet_np.autodiff import REGISTRY, Operation, make_primitive
from kegnet_np.params import Layout

B, D, H, R, N = 4, 3, 5, 2, 3  # rows, inputs, outputs, rank, draws
LAYERS = ("dense", "tucker_dense")  # the operations that take an activation
CASES = [
    *(pytest.param(name, None, id=name) for name in REGISTRY),
    *(pytest.param(n, f, id=f"{n} {f}") for n in LAYERS for f in ACTIVATIONS.values()),
]


def arguments(name, rng, x_lead=(), p_lead=(), activation=None):
    """Random arguments at O(1) scale; x_lead and p_lead are the stack axes of data and weights."""

    def draw(lead, *shape):
        return rng.standard_normal(lead + shape)

    x, a = draw(x_lead, B, D), draw(x_lead, B, H)
    factors = ((D, R), (R, R + 1), (R + 1, H), (1, H))
    tucker = (x, *(draw(p_lead, *shape) for shape in factors))
    scale = (draw(p_lead, 1, H) + 2, draw(p_lead, 1, H))
    made = {
        **{name: lambda: (a,) for name in ACTIVATIONS},
        "dense": lambda: (x, draw(p_lead, D, H), draw(p_lead, 1, H)),
        "tucker_dense": lambda: tucker,
        "batch_norm": lambda: (a, *scale) if x_lead else (a, *scale, np.empty((2, 1, H))),
        "batch_norm_eval": lambda: (a, *scale, draw(p_lead, 1, H), draw(p_lead, 1, H) ** 2 + 0.5),
        "dropout": lambda: (a, (rng.random(a.shape) > 0.3) / 0.7),
        "cross_entropy": lambda: (a, rng.random(a.shape) + 0.1),  # rows need not sum to 1
        "kl": lambda: (a, rng.random(a.shape) + 0.1),
        "reconstruction": lambda: (a, draw(x_lead, B, H)),
        "diversity": lambda: (x, draw(x_lead, B, H)),
        "chain": lambda: network(x, draw, p_lead),
        "log_sigmoid_loss": lambda: (a, rng.random(a.shape) + 0.1, rng.random(a.shape) + 0.1),
        "log_l2": lambda: (a, losses.log_softmax(draw(x_lead, B, H))),
        "concrete": lambda: (a, draw((N,), *x_lead, B, H), 0.7),
        "mean_reward": lambda: (draw((N,), *x_lead, B, H), a),
        "hint": lambda: (a, draw(x_lead, B, H)),
        "crd": lambda: (a, draw(x_lead, N, H), *rng.random((2, *x_lead, B, N)), 0.7, 0.3),
    }[name]()
    return made if activation is None else (*made, activation)


def network(x, draw, lead):
    """Arguments of `chain`: every kind of layer, parameters that lie in another order."""
    layout = Layout({"b": (1, H), "U": (H, R), "W": (D, H), "core": (R, R), "V": (R, H),
                     "c": (1, H), "gamma": (1, H), "beta": (1, H),
                     "of no layer": (1, 1)})  # fmt: skip
    layers = [
        (ops.dense, ("W", "b"), (tanh,)),
        (ops.batch_norm, ("gamma", "beta"), ()),
        (ops.dropout, (), (draw((), B, H) > -0.5,)),
        (ops.tucker_dense, ("U", "core", "V", "c"), (elu,)),
        (ops.tucker_dense, ("U", "core", "V", "c"), (tanh,)),  # the same parameters again
    ]
    theta = draw(lead, layout.size)
    return x, theta, layout.views(theta), layers


LEADS = {
    "one network": ((), ()),
    "a stack": ((2,), (2,)),
    "a stack on shared rows": ((), (2,)),
    "stacked rows in one network": ((2,), ()),
}


def test_every_operation_is_in_the_registry():
    assert set(REGISTRY) == {
        "identity", "elu", "relu", "tanh", "logistic",
        "dense", "tucker_dense", "batch_norm", "batch_norm_eval", "dropout",
        "chain", "cross_entropy", "kl", "reconstruction", "diversity",
        "log_sigmoid_loss", "log_l2", "concrete", "mean_reward",
        "hint", "crd",
    }
    assert list(ACTIVATIONS) == ["identity", "elu", "relu", "tanh", "logistic"]
    assert [repr(f) for f in ACTIVATIONS.values()] == list(ACTIVATIONS)


@pytest.mark.parametrize("lead", LEADS.values(), ids=LEADS)
@pytest.mark.parametrize("name, activation", CASES)
def test_value_and_gradient_are_those_of_the_reference_and_of_differences(
    name, activation, lead, rng
):
    check_operation(REGISTRY[name], arguments(name, rng, *lead, activation), rng)


# --- mutants: every VJP broken on purpose must fail the check above -------------------------------


class Mutator(ast.NodeTransformer):
    """Counts the places where a VJP can be broken, and breaks the n-th."""

    def __init__(self, n):
        self.n, self.seen = n, 0

    def offer(self, node, *replacements):
        for replacement in replacements:
            if self.seen == self.n:
                self.seen += 1
                return ast.copy_location(replacement, node)
            self.seen += 1
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        flip = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if type(node.op) not in flip:
            return node
        flipped = ast.BinOp(node.left, flip[type(node.op)](), node.right)
        return self.offer(node, node.left, node.right, flipped)

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        return self.offer(node, ast.Pass())

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        return self.offer(node, node.operand) if isinstance(node.op, ast.USub) else node

    def visit_Return(self, node):
        self.generic_visit(node)
        several = isinstance(node.value, ast.Tuple)
        entries = node.value.elts if several else [node.value]
        for i, entry in enumerate(entries):
            value = entry.body if isinstance(entry, ast.IfExp) else entry
            if isinstance(value, ast.Constant) or (isinstance(value, ast.Call) and not several):
                continue  # None for a constant; all of another operation's VJP
            broken = [ast.BinOp(value, ast.Mult(), ast.Constant(c)) for c in (1.001, -1)]
            entries[i] = self.offer(entry, *broken)
        if not several:
            node.value = entries[0]
        return node

    def visit_Compare(self, node):
        return node  # which cotangents are wanted: no arithmetic

    def visit_Subscript(self, node):
        return node

    def visit_keyword(self, node):
        return node


def tree_of(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree.body[0].decorator_list = []  # it would enter the mutant in the registry
    return tree


def rebuilt(function, tree=None, **names):
    """The function made again from its source or a changed tree; ``names`` are what it calls."""
    module = sys.modules[function.__module__]
    namespace = {**vars(module), **inspect.getclosurevars(function).nonlocals, **names}
    tree = tree or tree_of(function)
    exec(compile(tree, "mutant", "exec"), namespace)
    return namespace[tree.body[0].name]


def mutants(function):
    """(text, function) for every way in which the function can be broken."""
    n = 0
    while True:
        mutator = Mutator(n)
        tree = ast.fix_missing_locations(mutator.visit(tree_of(function)))
        if mutator.seen <= n:
            return
        yield ast.unparse(tree), rebuilt(function, tree)
        n += 1


def with_vjp(op, vjp, forward=None):
    forward = forward or op.forward
    fast = make_primitive(forward, vjp, op.name)
    return Operation(op.name, op.reference, forward, vjp, fast, op.inputs)


def passes(op, activation=None):
    """Whether an operation stands the check above; a crash finds a mutant out as well."""
    try:
        with np.errstate(all="ignore"):
            for i, lead in enumerate(LEADS.values()):
                rng = np.random.default_rng(i)
                check_operation(op, arguments(op.name, rng, *lead, activation), rng)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name, activation", CASES)
def test_every_broken_vjp_fails_the_check(name, activation):
    op = REGISTRY[name]
    assert passes(with_vjp(op, rebuilt(op.vjp)), activation)  # what is not broken does not fail
    broken = list(mutants(op.vjp))
    survivors = [text for text, vjp in broken if passes(with_vjp(op, vjp), activation)]
    assert len(broken) >= 2 and not survivors, "\n\n".join(survivors)


@pytest.mark.parametrize(
    "name, activation",  # to a layer without slope, or with one from |y|, some mutants are equal
    [(name, None) for name in REGISTRY if name not in (*ACTIVATIONS, *LAYERS)]
    + [(name, f) for name in LAYERS for f in (elu, logistic)],
)
def test_every_broken_forward_pass_fails_the_check_of_value_or_vjp(name, activation):
    op = REGISTRY[name]
    assert passes(with_vjp(op, op.vjp, rebuilt(op.forward)), activation)
    broken = list(mutants(op.forward))
    survivors = [t for t, forward in broken if passes(with_vjp(op, op.vjp, forward), activation)]
    assert broken and not survivors, "\n\n".join(survivors)


def users(f):
    """(operation, activation) for all that take the slope of f: f itself and the layers."""
    own = REGISTRY[f.name]
    yield with_vjp(own, rebuilt(own.vjp, self=f)), None
    for name in LAYERS:
        yield REGISTRY[name], f


def with_slope(f, slope):
    changed = copy.copy(f)
    changed.slope = slope
    return changed


def broken_slopes(f):
    yield "scaled", lambda y: 1.001 * f.slope(y)
    yield "negated", lambda y: -f.slope(y)
    yield "shifted", lambda y: f.slope(y) + 0.001
    for other in ACTIVATIONS.values():
        if other is not f:
            yield f"that of {other}", other.slope
    if inspect.getmodule(f.slope) is activations:
        yield from mutants(f.slope)


@pytest.mark.parametrize("f", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_every_broken_slope_fails_the_check_of_the_activation_and_of_the_layers(f):
    assert all(passes(op, g) for op, g in users(with_slope(f, f.slope)))
    survivors, n_mutants = [], 0
    for text, slope in broken_slopes(f):
        for op, g in users(with_slope(f, slope)):
            n_mutants += 1
            if passes(op, g):
                survivors.append(f"{op.name}: {text}")
    assert n_mutants >= 18 and not survivors, "\n\n".join(survivors)


def test_every_broken_way_through_an_activation_fails_the_check():
    ways = [("itself", [(REGISTRY[f.name], None) for f in ACTIVATIONS.values()])]
    ways += [(name, [(REGISTRY[name], f) for f in ACTIVATIONS.values()]) for name in LAYERS]
    broken = list(mutants(activations.through))
    for way, pairs in ways:
        for text, through in broken:
            outcomes = [
                passes(with_vjp(op, rebuilt(op.vjp, through=through)), f) for op, f in pairs
            ]
            assert not all(outcomes), f"{way}: {text}"
    assert len(broken) >= 5


# --- values and edges -----------------------------------------------------------------------------


@pytest.mark.parametrize("f", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_the_slope_from_the_output_is_the_derivative_in_the_input(f, rng):
    a = rng.standard_normal((6, 8))
    kept = a.copy()
    y = f(a)
    assert np.array_equal(a, kept) and np.array_equal(y, f.value(a))
    slope = f.slope(y)
    assert slope is not y
    close(slope, central_differences(lambda: f.value(a).sum(), a), 1e-6)


def test_elu_is_exact_at_zero_and_finite_far_out():
    a = np.array([[-1e3, -1.0, -0.0, 0.0, 1.0, 800.0]])
    assert elu(a).tolist() == [[-1.0, np.expm1(-1.0), 0.0, 0.0, 1.0, 800.0]]
    slope = grad(lambda v: elu(v).sum())(a)
    close(slope, np.array([[0.0, np.exp(-1.0), 1.0, 1.0, 1.0, 1.0]]), 1e-15)


def test_the_other_activations_have_their_values_and_slopes_at_zero_and_far_out():
    a = np.array([[-1e3, -1.0, -0.0, 0.0, 1.0, 800.0]])
    t, p = np.tanh(1.0), 1 / (1 + np.exp(-1.0))
    for f, values, slopes in (
        (identity, a[0], [1, 1, 1, 1, 1, 1]),
        (relu, [0, 0, 0, 0, 1, 800], [0, 0, 0, 0, 1, 1]),  # 0 at 0 by convention
        (tanh, [-1, -t, 0, 0, t, 1], [0, 1 - t * t, 1, 1, 1 - t * t, 0]),
        (logistic, [0, 1 - p, 0.5, 0.5, p, 1], [0, p - p * p, 0.25, 0.25, p - p * p, 0]),
    ):
        assert np.abs(f(a) - values).max() <= 1e-15
        close(grad(lambda v, f=f: f(v).sum())(a), np.array([slopes], float), 1e-15)


@pytest.mark.parametrize("scale", [1e3, 1e-3])
@pytest.mark.parametrize("name, activation", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_inputs_give_finite_values_and_gradients_in_their_own_type(
    name, activation, scale, dtype, rng
):
    args = [
        np.asarray(a, dtype) if isinstance(a, np.ndarray) else a
        for a in arguments(name, rng, activation=activation)
    ]
    args[0] *= dtype(scale)
    op = REGISTRY[name]
    value = op.fast(*args)
    assert value.dtype == dtype and np.isfinite(value).all()
    for i in op.inputs:
        gradient = grad(lambda *a: op.fast(*a).sum(), i)(*args)
        assert gradient.dtype == dtype and np.isfinite(gradient).all()


def test_a_layer_without_an_activation_is_the_affine_map(rng):
    x, W, b = arguments("dense", rng)
    assert np.array_equal(ops.dense(x, W, b), x @ W + b)
    assert np.array_equal(ops.dense(x, W, b, elu), elu(x @ W + b))
    x, *factors, b = arguments("tucker_dense", rng)
    y = ops.tucker_dense(x, *factors, b)
    assert np.array_equal(y, x @ factors[0] @ factors[1] @ factors[2] + b)
    assert np.array_equal(ops.tucker_dense(x, *factors, b, tanh), tanh(y))


def test_logits_of_a_thousand_give_exact_losses():
    a = np.array([[1e3, -1e3], [-1e3, 1e3]])
    y = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert losses.cross_entropy(a, y) == 1000.0  # 0 and 2000
    assert losses.kl(a, np.eye(2)) == 0.0
    close(grad(losses.cross_entropy)(a, y), np.array([[0.0, 0.0], [-0.5, 0.5]]), 1e-12)


def test_softmax_sums_to_one_for_any_finite_logits():
    p = losses.softmax(np.array([[1e3, -1e3, 0.0], [0.0, 0.0, 0.0]]))
    assert p.sum(1).tolist() == [1.0, 1.0] and p[1, 0] == pytest.approx(1 / 3)


def test_a_class_that_is_absent_gets_the_gradient_of_its_softmax_alone(rng):
    a, y = rng.standard_normal((4, 3)), np.eye(3)[[0, 1, 0, 1]]
    close(grad(losses.cross_entropy)(a, y)[:, 2], losses.softmax(a)[:, 2] / 4, 1e-12)


def test_kl_is_zero_only_at_the_target_and_takes_zero_probabilities(rng):
    a = rng.standard_normal((4, 3))
    p = losses.softmax(a)
    assert abs(losses.kl(a, p)) < 1e-15 and losses.kl(a + [1, 0, 0], p) > 0.01
    assert np.isfinite(losses.kl(a, np.eye(3)[[0, 1, 2, 0]]))


def test_batch_norm_of_two_rows_and_of_a_constant_feature_is_finite():
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    one, zero = np.ones((1, 2)), np.zeros((1, 2))
    y = ops.batch_norm(x, one, zero)
    root = 1 / np.sqrt(1 + ops.EPS)  # deviation 1 in the first feature, 0 in the second
    close(y, np.array([[-root, 0.0], [root, 0.0]]), 1e-15)
    gradient = grad(lambda v: (ops.batch_norm(v, one, zero) * [[1.0, 2.0], [3.0, 4.0]]).sum())(x)
    assert np.isfinite(gradient).all() and np.abs(gradient[:, 1]).max() > 1  # 1/√ε is large


def test_batch_norm_writes_the_mean_and_the_biased_variance(rng):
    x, gamma, beta = arguments("batch_norm", rng, (2,), (2,))
    moments = np.empty((2, 2, 1, H))
    y = ops.batch_norm(x, gamma, beta, moments)
    close(moments[:, 0, 0], x.mean(1), 1e-12)
    close(moments[:, 1, 0], x.var(1), 1e-12)
    assert np.array_equal(y, ops.batch_norm(x, gamma, beta))


@pytest.mark.parametrize("name, activation", CASES)
def test_what_was_not_asked_for_is_not_computed_and_constants_refuse(name, activation, rng):
    op, args = REGISTRY[name], arguments(name, rng, activation=activation)
    arrays = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]
    for i in set(arrays) - set(op.inputs):
        with pytest.raises(TypeError, match=f"{name} cannot be differentiated in its argument {i}"):
            grad(lambda *a: op.fast(*a).sum(), i)(*args)
    if name in LAYERS:  # a frozen layer: its weights' gradient is not computed
        y, kept = op.forward(*args)
        cotangents = op.vjp((0,), np.ones_like(y), kept, *args)
        assert [c is None for c in cotangents] == [False] + [True] * (len(op.inputs))


def test_diversity_is_one_for_equal_samples_and_falls_as_they_spread(rng):
    z = rng.standard_normal((6, 3))
    x = rng.standard_normal((6, 2))
    assert losses.diversity(np.zeros((6, 2)), z) == 1.0

    def d2(a, b):
        return np.mean((a - b) ** 2)

    by_hand = np.mean(
        [[d2(z[i], z[j]) * np.mean(abs(x[i] - x[j])) for i in range(6)] for j in range(6)]
    )
    assert losses.diversity(x, z) == pytest.approx(np.exp(-by_hand), rel=1e-12)
    assert losses.diversity(3 * x, z) < losses.diversity(x, z) < 1


def test_a_second_derivative_is_refused():
    with pytest.raises(TypeError, match="elu has a first derivative only"):
        grad(lambda a: grad(lambda b: elu(b * a).sum())(a).sum())(np.ones((1, 2)))
    x, W, b = np.ones((4, 2)), np.ones((2, 3)), np.ones((1, 3))
    for mixed in (  # the two gradients go through different arguments
        lambda: grad(lambda W: grad(lambda v: (ops.dense(v, W, b) ** 2).sum())(x).sum())(W),
        lambda: grad(lambda v: grad(lambda W: (ops.dense(v, W, b) ** 2).sum())(W).sum())(x),
    ):
        with pytest.raises(TypeError, match="dense has a first derivative only"):
            mixed()


def test_a_stack_axis_of_one_is_shared_too(rng):
    x, W, b = rng.standard_normal((1, 4, 2)), rng.standard_normal((5, 2, 3)), np.zeros((1, 3))
    gradient = grad(lambda x: ops.dense(x, W, b).sum())(x)
    assert gradient.shape == x.shape
    close(gradient, W.sum((0, 2)) + np.zeros((1, 4, 2)), 1e-12)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.kl, losses.reconstruction])
def test_a_target_of_another_shape_is_refused_and_not_broadcast(loss):
    with pytest.raises(ValueError, match=r"has \(1, 3\) as its last two axes, expected \(4, 3\)"):
        loss(np.ones((4, 3)), np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"z has \(5, 2\) as its last two axes, expected \(4, 2\)"):
        losses.diversity(np.ones((4, 3)), np.ones((5, 2)))


def test_an_inner_dimension_of_one_does_not_broadcast_against_another():
    with pytest.raises(ValueError, match="matmul"):
        ops.dense(np.ones((4, 1)), np.ones((3, 5)), np.zeros((1, 5)))


def test_a_loss_divides_by_the_rows_whatever_the_type_of_its_target(rng):
    a, labels = rng.standard_normal((300, 3)), rng.integers(3, size=300)
    expected = losses.cross_entropy(a, np.eye(3)[labels])
    for dtype in (bool, np.uint8, np.int64, np.float16):
        y = np.eye(3, dtype=dtype)[labels]
        assert losses.cross_entropy(a, y) == pytest.approx(expected, rel=1e-12)
