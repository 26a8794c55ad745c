"""A classifier as it travels: raw units in, probabilities out, and nothing that does not fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import SETTINGS, classifier, classifiers, layouts, rows

from kegnet_np import losses
from kegnet_np.io.classifier import Classifier, from_layers, largest_difference
from kegnet_np.io.files import FormatError
from kegnet_np.io.units import of_numbers
from kegnet_np.models import MLP
from kegnet_np.network import Network


def test_raw_rows_are_standardised_before_the_network_sees_them(rng):
    c = classifier(MLP(4, 3, (6,)))
    z = rng.standard_normal((5, 4))
    expected = losses.softmax(c.network.predict(z))
    np.testing.assert_allclose(c.predict_proba(z * c.scale + c.mean), expected, rtol=1e-12)
    plain = Classifier(c.network)
    assert plain.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(plain.predict_proba(z), expected)


@SETTINGS
@given(classifiers())
def test_the_layers_alone_give_the_networks_outputs(c):
    x = rows(c, 20).astype(np.float64)
    y = (x - c.mean) / c.scale
    functions = {
        "identity": lambda a: a, "relu": lambda a: np.maximum(a, 0), "tanh": np.tanh,
        "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
        "logistic": lambda a: 1 / (1 + np.exp(-a)),
    }
    for W, b, activation in c.layers:
        y = functions[activation](y @ W + (0 if b is None else b))
    np.testing.assert_allclose(c.logits(x), y, rtol=1e-9, atol=1e-9)
    assert len(c.layers) == len(c.network.model.sizes) * (3 if c.network.model.ranks else 1)


@SETTINGS
@given(classifiers(), st.integers(0, 6))
def test_layers_in_any_memory_layout_become_the_same_network(c, k):
    if c.network.model.ranks:
        return
    weights, biases, activations = zip(*c.layers, strict=True)
    made = from_layers([layouts(W)[k] for W in weights], [layouts(b)[k] for b in biases],
                       activations[0], c.mean, c.scale, c.class_names)
    assert made.network.theta.tobytes() == c.network.theta.tobytes()
    assert made.network.theta.dtype == c.network.theta.dtype
    assert made.class_names == c.class_names and (made.scale == c.scale).all()


def test_one_column_is_the_logit_of_the_second_class(rng):
    W, b = rng.standard_normal((4, 1)), rng.standard_normal(1)
    x = rng.standard_normal((10, 4))
    p = from_layers([W], [b], class_names=("no", "yes")).predict_proba(x)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-(x @ W + b)[:, 0])), rtol=1e-12)
    with pytest.raises(FormatError, match="class_names has 3 names, expected 2"):
        from_layers([W], [b], class_names="abc")


def test_a_missing_bias_is_zero_and_narrow_numbers_are_welcome():
    made = from_layers([np.eye(3, dtype=np.float16), np.eye(3, 2, dtype=np.int8)], [None] * 2,
                       "relu")
    assert made.network.theta.dtype == np.float32 and made.network.model.dropout == 0
    np.testing.assert_array_equal(made.logits([[1, -2, 3]]), [[1, 0]])


def test_the_largest_difference_is_that_of_a_probability_on_rows_in_raw_units():
    c = classifier(MLP(4, 3, (6,)))
    assert largest_difference(c, c.predict_proba) == 0
    off = largest_difference(c, lambda x: c.predict_proba(x) + [0, 0, 0.25])
    assert off == pytest.approx(0.25, rel=1e-12)
    with pytest.raises(ValueError, match=r"gives \(1000,\) for x \(1000, 4\), expected \(1000, 3"):
        largest_difference(c, lambda x: x[:, 0])
    seen = []
    largest_difference(c, lambda x: seen.append(x) or c.predict_proba(x))
    np.testing.assert_allclose(seen[0].std(0), 3 * c.scale, rtol=0.1)


W, b = np.ones((4, 3)), np.ones(3)


@pytest.mark.parametrize("given, words", [
    (([], []), "weights has 0 arrays and biases 0, expected as many of both"),
    (([W], []), "weights has 1 arrays and biases 0"),
    (([b], [b]), "weights[0] has shape (3,), expected (3, H)"),
    (([np.ones((0, 3))], [b]), "weights[0] has shape (0, 3), expected (D, H)"),
    (([W, W], [b, b], "relu"), "weights[1] has shape (4, 3), expected (3, H), inputs × outputs"),
    (([W], [np.ones(4)]), "biases[0] has shape (4,), expected (3,)"),
    (([W], [np.ones((1, 3))]), "biases[0] has shape (1, 3), expected (3,)"),
    (([W * np.nan], [b]), "weights[0] holds numbers that are not finite, or beyond float32"),
    (([W * 1e39], [b]), "weights[0] holds numbers that are not finite, or beyond float32"),
    (([W], [b * -np.inf]), "biases[0] holds numbers that are not finite"),
    (([W.astype(str)], [b]), "weights[0] is <U32, expected numbers"),
    (([W > 0], [b]), "weights[0] is bool, expected numbers"),
    (([W, W.T], [b, None]), "activation is None, expected one of identity, elu, relu, tanh, logi"),
    (([W], [b], "gelu"), "activation is 'gelu', expected one of identity"),
    (([W], [b], None, np.ones(3)), "mean has shape (3,), expected (4,), a number for each feat"),
    (([W], [b], None, None, 0 * W[:, 0]), "scale holds 0, expected positive numbers"),
    (([W], [b], None, None, 1e-40 * W[:, 0]), "scale holds 1e-40, expected positive numbers"),
    (([W], [b], None, [np.nan] * 4), "mean holds numbers that are not finite"),
    (([W], [b], None, None, None, "aab"), "class_names has 2 different names, expected 3"),
    (([W], [b], None, None, None, ("a", "b", "")), "class_names holds '', expected text of 1 to"),
    (([W], [b], None, None, None, ("a", "b", "c\0")), "class_names holds 'c\\x00', expected"),
    (([W], [b], None, None, None, ("a", "b", "\ud800")), "class_names holds '\\ud800', exp"),
    (([W], [b], None, None, None, ("a", "b", "c" * 1001)), "of 1 to 1,000 characters"),
    (([W], [b], None, None, None, "ab"), "class_names has 2 names, expected 3"),
])
def test_what_does_not_fit_is_refused_by_name(given, words):
    with pytest.raises(FormatError) as caught:
        from_layers(*given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_stack_another_network_and_rows_of_another_width_are_refused(rng):
    stack = Network.random(MLP(4, 3), [rng])
    with pytest.raises(FormatError, match="class_names holds '3', expected text"):
        of_numbers(4, 3, class_names=("a", "b", 3))
    with pytest.raises(FormatError, match="has 4 inputs and 3 classes, but describes 5 and 2"):
        Classifier(stack.member(0), of_numbers(5, 2))
    for network in (stack, Network.random(MLP(4, 1), rng)):
        with pytest.raises(FormatError, match="expected one MLP of two classes or more"):
            Classifier(network)
    with pytest.raises(ValueError, match=r"x has shape \(2, 5\), expected \(N, 4\)"):
        Classifier(stack.member(0)).logits(np.ones((2, 5)))
