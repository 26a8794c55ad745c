"""A teacher that is a function is distilled by its answers to noise, and by nothing else."""

import copy

import numpy as np
import pytest
from networks import classifier

from kegnet_np import generator, losses, sampling, student, tucker
from kegnet_np.beyond import ranks, recipe, samplers
from kegnet_np.io.black_box import BlackBox
from kegnet_np.io.files import FormatError
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.train import Schedule


@pytest.fixture
def box():
    c = classifier(MLP(4, 3, (6,)), names=("a", "b", "c"))
    return BlackBox(c.predict_proba, 4, 3, c.mean, c.scale), c


def test_its_logits_are_those_of_its_probabilities_on_rows_in_raw_units(box, rng):
    M, c = box
    z = rng.standard_normal((2, 5, 4)).astype(np.float32)
    logits = M.predict(z)
    assert logits.shape == (2, 5, 3) and logits.dtype == np.float32
    expected = losses.softmax(c.network.predict(z.astype(float)))
    np.testing.assert_allclose(losses.softmax(logits), expected, atol=1e-6)
    certain = BlackBox(lambda x: np.eye(3)[[0, 2]], 4, 3).predict(z[0, :2])
    assert np.isfinite(certain).all()
    np.testing.assert_allclose(losses.softmax(certain), np.eye(3)[[0, 2]], atol=1e-30)


def test_a_student_learns_from_a_function_as_from_the_network_that_it_is(box):
    M, c = box
    start = Network.random(MLP(4, 3, (8,), dropout=0.0), np.random.default_rng(1))
    schedule = Schedule(1e-2, 64, 40)
    learnt = [student.distill(of, start, sampling.normal(4), students=2, pool=640,
                              schedule=schedule, held_out=None)[0] for of in (M, c.network)]
    x = np.random.default_rng(2).standard_normal((2000, 4)).astype(np.float32)
    right = c.network.predict(x).argmax(1)
    agreement = [(s.predict(x).argmax(-1) == right).mean(-1) for s in learnt]
    assert (np.array(agreement) > 0.9).all() and (start.predict(x).argmax(-1) == right).mean() < 0.8
    np.testing.assert_allclose(*agreement, atol=0.02)


def test_a_recipe_is_chosen_for_it(box):
    starts = [Network.random(MLP(4, 3, (4,) * depth), np.random.default_rng(1)) for depth in (1, 2)]
    found = recipe.choose(box[0], starts, sampling.normal(4), 64_000, students=2)
    assert np.isfinite(found.kl)


@pytest.mark.parametrize("use", [
    lambda M: generator.extract(M, generators=1),
    lambda M: tucker.compress(M, 2),
    lambda M: samplers.make("normal+energy", M),
    lambda M: ranks.allocate(M, 5000, sampling.normal(4)),
    lambda M: M.theta,
])
def test_what_needs_its_gradient_or_weights_is_refused_with_the_reason(box, use):
    with pytest.raises(FormatError) as caught:
        use(box[0])
    words = str(caught.value)
    assert words.startswith("the teacher is a function, which has no ")
    assert "distil a plain MLP from noise instead" in words


@pytest.mark.parametrize("answer, words", [
    (lambda x: [np.ones((len(x), 2))] * 2, "of shape (2, 5, 2) for 5 rows, expected (5, 3)"),
    (lambda x: np.ones(len(x)), "an array of shape (5,) for 5 rows, expected (5, 3)"),
    (lambda x: np.ones((len(x), 3)), "below 0, or do not add up to 1 in a row; pass probabilities"),
    (lambda x: np.array([[2, -1, 0]] * 5), "below 0, or do not add up"),
    (lambda x: np.full((len(x), 3), np.nan), "below 0, or do not add up"),
])
def test_answers_that_are_no_probabilities_are_refused(answer, words):
    with pytest.raises(FormatError) as caught:
        BlackBox(answer, 4, 3).predict(np.zeros((5, 4)))
    assert words in str(caught.value)


def test_it_is_copied_as_other_objects_are_and_has_no_other_attribute(box):
    assert copy.copy(box[0]).features == 4
    assert not hasattr(box[0], "depth") and box[0].member(3) is box[0]


def test_it_counts_as_the_papers_teacher_where_its_size_is_asked(box):
    assert box[0].size == (4 * 100 + 100) + 10 * (100 * 100 + 100) + (100 * 3 + 3)
