"""The ways to distil, held to their formulas; and what a linear teacher must give away."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from checks import close

from kegnet_np import tucker
from kegnet_np.autodiff import value_and_grad
from kegnet_np.losses import cross_entropy, softmax
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import knowledge, layers
from kegnet_np.probes.distil import WAYS, distil
from kegnet_np.probes.operations import hint
from kegnet_np.train import Schedule

N, K = 60, 3
ONCE = Schedule(1e-3, N, 1)  # one step on all rows
LABELLESS = replace(WAYS["kl"], gamma=0.0)


def random(model, seed=0, dtype=np.float32):
    return Network.random(model, np.random.default_rng(seed), dtype)


@pytest.fixture
def problem(rng):
    """A teacher whose answers are the labels but for a few, and students of either form."""
    model = MLP(4, K, (10, 8, 8, 8), dropout=0.0)
    teacher = Network(model, 3 * random(model, 5).theta)
    x = rng.standard_normal((N, 4)).astype(np.float32)
    labels = np.where(rng.random(N) < 0.1, 0, teacher.predict(x).argmax(-1))
    assert np.bincount(labels).min() > 5
    return SimpleNamespace(teacher=teacher, x=x, labels=labels, tucker=tucker.compress(teacher, 2),
                           small=random(MLP(4, K, (6,), dropout=0.0), 7))


def first_loss(problem, start, way, **options):
    """The loss before the first step, and theta then: the student's and the heads' parameters."""
    seen = []
    _, done = distil(problem.teacher, start, problem.x, problem.labels, way, students=2,
                     schedule=ONCE, hook=lambda training: seen.append(training.theta.copy()),
                     **options)
    return np.array([row["loss"] for row in done.history]), seen[0].astype(np.float64)


def by_hand(problem, start):
    """Logits and hidden layers of teacher and student in float64, cross-entropy with the labels."""
    x = problem.x.astype(np.float64)
    z_t, z_s = problem.teacher.predict(x), start.predict(x)
    log_p = z_s - np.log(np.exp(z_s).sum(1, keepdims=True))
    return (z_t, z_s, layers.activations(problem.teacher, x), layers.activations(start, x),
            -log_p[np.arange(N), problem.labels].mean())


def test_the_loss_of_kl_is_equation_1(problem):
    found, theta = first_loss(problem, problem.small, WAYS["kl"])
    z_t, z_s, _, _, ce = by_hand(problem, problem.small)
    soft = -64 * (softmax(z_t / 8) * np.log(softmax(z_s / 8))).sum(1).mean()
    close(found, np.full(2, 0.1 * ce + 0.9 * soft), 1e-5)
    assert theta.shape[1] == problem.small.size
    close(first_loss(problem, problem.small, WAYS["independent"])[0], np.full(2, ce), 1e-5)
    close(first_loss(problem, problem.small, LABELLESS)[0], np.full(2, 0.9 * soft), 1e-5)


def test_the_loss_of_hint_is_equation_2_with_an_adapter_where_widths_differ(problem):
    _, _, of_t, of_s, ce = by_hand(problem, problem.small)
    found, theta = first_loss(problem, problem.small, WAYS["hint"])
    assert theta.shape[1] == problem.small.size + 6 * 8 + 8
    W, b = theta[:, -56:-8].reshape(2, 6, 8), theta[:, None, -8:]
    assert np.abs(W[0] - W[1]).max() > 0.1
    apart = ((of_t[2] - of_s[0] @ W - b) ** 2).sum(-1).mean(-1) / 2
    close(found, ce + 2 * apart, 1e-5)
    _, _, of_t, of_s, ce = by_hand(problem, problem.tucker)  # which has the teacher's widths
    found, theta = first_loss(problem, problem.tucker, WAYS["hint"])
    assert theta.shape[1] == problem.tucker.size
    close(found, np.full(2, ce + ((of_t[2] - of_s[2]) ** 2).sum(1).mean()), 1e-5)


def test_the_loss_of_crd_is_equation_3(problem):
    way = replace(WAYS["crd"], projection=5, negatives=7, tau=0.5)
    _, _, of_t, of_s, ce = by_hand(problem, problem.small)
    found, theta = first_loss(problem, problem.small, way)
    W_s, b_s, W_t, b_t = np.split(theta[0, problem.small.size:], np.cumsum([30, 5, 40]))
    s, t = of_s[-1] @ W_s.reshape(6, 5) + b_s, of_t[-1] @ W_t.reshape(8, 5) + b_t
    cosines = (s @ t.T) / np.linalg.norm(s, axis=1)[:, None] / np.linalg.norm(t, axis=1)
    h = np.exp(cosines / 0.5) / (np.exp(cosines / 0.5) + 7 / N)
    other = problem.labels[:, None] != problem.labels
    total = [-np.log(h[i, i]) - 7 * np.log(1 - h[i, other[i]]).mean() for i in range(N)]
    close(found[0], ce + 0.1 * np.mean(total), 1e-5)


def test_smoothed_labels_are_spread_over_all_classes(problem):
    way, share = replace(WAYS["independent"], smoothing=0.3), 0.3
    _, done = distil(problem.teacher, problem.small, problem.x, problem.labels, way, students=1,
                     schedule=ONCE)
    soft = (1 - share) * np.eye(K)[problem.labels] + share / K
    expected = cross_entropy(problem.small.predict(problem.x), soft.astype(np.float32))
    close(done.history[0]["loss"], expected, 1e-5)


def test_students_differ_by_nothing_but_the_loss(problem):
    noisy = Network(replace(problem.small.model, dropout=0.3), problem.small.theta)
    ends = {}
    for name, way in WAYS.items():
        alone, done = distil(problem.teacher, noisy, problem.x, problem.labels,
                             replace(way, gamma=1.0, weight=0.0), schedule=Schedule(1e-2, 16, 3))
        ends[name] = alone.theta
        begin = []
        distil(problem.teacher, noisy, problem.x, problem.labels, way, schedule=ONCE,
               hook=lambda t, begin=begin: begin.append(t.theta[:, : noisy.size].copy()))
        assert np.array_equal(begin[0], np.stack([noisy.theta] * 3))
        assert 1e-4 < np.abs(begin[1] - begin[0]).max() < 1.1e-3  # Adam's first step
    for theta in ends.values():  # a term of weight 0: the same rows, order and dropout
        assert np.array_equal(theta, ends["independent"])
    assert np.abs(theta[0] - theta[1]).max() > 1e-3  # the members have orders of their own


@pytest.mark.parametrize("form", ["small", "tucker"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns_the_rows_in_any_form(form, way, problem):
    start = getattr(problem, form)
    trained, done = distil(problem.teacher, start, problem.x, problem.labels, WAYS[way], students=2,
                           schedule=Schedule(1e-2, 20, 200, cosine=True), seed=1)
    assert trained.theta.shape == (2, start.size) and trained.model == start.model
    before, after = (knowledge.consensus(problem.teacher, network, problem.x).mean
                     for network in (start.stack(2), trained))
    assert (after > before + 0.25).all()
    assert all(row["loss"] > 0 for row in done.history)
    assert done.history[-1]["loss"] < 0.95 * done.history[0]["loss"]
    for s in range(2):
        logits = trained.member(s).predict(problem.x), trained.predict(problem.x)[s]
        close(*(softmax(z) for z in logits), 1e-5)


@pytest.mark.parametrize("form", ["small", "tucker"])
@pytest.mark.parametrize("way", ["hint", "crd"])
def test_what_hint_and_crd_compare_comes_together(way, form, problem):
    _, done = distil(problem.teacher, getattr(problem, form), problem.x, problem.labels,
                     replace(WAYS[way], gamma=0.0), students=1, schedule=Schedule(1e-2, 20, 100))
    assert done.history[-1]["loss"] < done.history[0]["loss"] / 3


def test_with_hint_the_middle_layers_are_more_alike_than_without(problem):
    def likeness(way):
        trained, _ = distil(problem.teacher, problem.small, problem.x, problem.labels, WAYS[way],
                            schedule=Schedule(1e-2, 20, 60), students=4)
        pair = (layers.activations(net, problem.x) for net in (problem.teacher, trained))
        return [layers.cka(of_t[2], of_s[0]).mean for of_t, of_s in [pair]][0]

    assert likeness("hint").min() > likeness("independent").max() + 0.03


def test_without_labels_the_teacher_alone_is_copied(problem):
    start = tucker.compress(problem.teacher, 4)
    trained, labelled = (
        distil(problem.teacher, start, problem.x, labels, LABELLESS,
               schedule=Schedule(1e-2, 20, 150, cosine=True))[0]
        for labels in (None, 0 * problem.labels))
    assert np.array_equal(trained.theta, labelled.theta)  # labels are not looked at
    agreed = knowledge.consensus(problem.teacher, trained, problem.x).mean
    right = knowledge.right(trained, problem.x, problem.labels).mean
    assert agreed.min() > 0.95 and (agreed > right + 0.01).all()  # some labels have other answers


def test_a_stack_of_starts_trains_each_from_its_own_as_if_alone(problem):
    starts = Network(problem.small.model, np.stack([problem.small.theta, -problem.small.theta]))
    both, _ = distil(problem.teacher, starts, problem.x, problem.labels, WAYS["crd"],
                     schedule=Schedule(1e-2, 20, 5))
    alone, _ = distil(problem.teacher, problem.small, problem.x, problem.labels, WAYS["crd"],
                      students=1, schedule=Schedule(1e-2, 20, 5))
    assert len(both.theta) == 2
    close(both.theta[:1], alone.theta, 1e-4)
    assert np.abs(both.theta[1] - alone.theta[0]).max() > 0.1


def test_crd_has_no_negatives_where_a_batch_has_one_class_and_all_of_them_from_one_row(rng):
    s, t = rng.standard_normal((2, 3, 4))
    way, units = replace(WAYS["crd"], tau=1.0), [v / np.linalg.norm(v, axis=1)[:, None]
                                                 for v in (s, t)]
    h = np.exp(units[0] @ units[1].T)
    h /= h + 32 / 100
    alone = -np.log(h.diagonal()).mean()
    assert way.compare(s, t, np.eye(2)[[0, 0, 0]], 100) == pytest.approx(alone, rel=1e-12)
    far = np.log(1 - h)
    negatives = 32 * (far[0, 2] + far[1, 2] + (far[2, 0] + far[2, 1]) / 2) / 3
    found = way.compare(s, t, np.eye(2)[[0, 0, 1]], 100)
    assert found == pytest.approx(alone - negatives, rel=1e-12)


@pytest.mark.parametrize("wrong, words", [
    ({"term": "soft"}, "term is 'soft', expected one of kl, hint, crd"),
    ({"gamma": -1.0}, "gamma is -1.0 and weight 0.9, expected both to be at least 0"),
    ({"gamma": 0.0, "weight": 0.0}, "expected both to be at least 0 and one above 0"),
    ({"temperature": 0.0}, "temperature is 0.0, expected a positive number"),
    ({"tau": -0.1}, "tau is -0.1"), ({"negatives": 0}, "negatives is 0"),
    ({"projection": 0}, "projection is 0"), ({"smoothing": 1.0}, "smoothing is 1.0, expected"),
])
def test_ways_that_are_none_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        replace(WAYS["kl"], **wrong)


@pytest.mark.parametrize("change, words", [
    ({"teacher": random(MLP(4, 5, (6,)))}, r"features and classes \(4, 5\), expected .*\(4, 3\)"),
    ({"teacher": random(MLP(4, 3, (6,))).stack(2)}, r"theta \(2, 51\).*expected one network"),
    ({"labels": None}, r"labels is None, expected \(N,\)"),
    ({"labels": None, "way": replace(WAYS["crd"], gamma=0.0)}, "give gamma 0 and no crd"),
    ({"labels": np.zeros(3, int)}, r"x has shape \(60, 4\) and labels \(3,\)"),
    ({"labels": np.full(N, 3)}, r"labels are no class numbers 0\.\.2"),
    ({"start": random(MLP(4, 3, ())), "way": WAYS["hint"]}, r"widths are \(\) .*hidden layers in"),
    ({"teacher": random(MLP(4, 3, ())), "way": WAYS["crd"]}, r"the teacher's \(\), expected"),
    ({"schedule": Schedule(1e-3, 20, 2, patience=1)}, "patience is 1, expected None"),
])
def test_arguments_that_do_not_fit_are_named(change, words, problem):
    given = {"teacher": problem.teacher, "start": problem.small, "x": problem.x, "way": WAYS["kl"],
             "labels": problem.labels, **change}
    with pytest.raises(ValueError, match=words):
        distil(**given)


# --- a linear teacher (section 6) -----------------------------------------------------------------

m = 3
LINEAR = MLP(m, K, (), dropout=0.0)


def descended(loss, start, x, target, steps=4000):
    """A linear student after plain gradient descent on loss(logits, target)."""
    step = value_and_grad(lambda p: (loss(LINEAR.apply(p, None, x)[0], target), None),
                          LINEAR.layout)
    theta = start.theta.copy()
    for _ in range(steps):
        theta -= step(theta)[1]
    return Network(LINEAR, theta)


@pytest.fixture
def linear(rng):
    """A linear teacher, another network, m + 1 affinely independent points, and others."""
    points = np.concatenate([np.zeros((1, m)), np.eye(m)]) + 0.1 * rng.standard_normal((m + 1, m))
    teacher, start = random(LINEAR, 1, np.float64), random(LINEAR, 2, np.float64)
    return SimpleNamespace(teacher=teacher, start=start, points=points,
                           elsewhere=rng.standard_normal((50, m)))


def apart(student, teacher, x):
    return np.abs(student.predict(x) - teacher.predict(x)).max()


def test_a_linear_teacher_is_recovered_from_its_logits_at_m_plus_1_points_and_not_at_m(linear):
    for n in (m + 1, m):
        x = linear.points[:n]
        student = descended(hint, linear.start, x, linear.teacher.predict(x))
        assert apart(student, linear.teacher, x) < 1e-6  # matched they are, either way
        if n == m + 1:
            assert np.abs(student.theta - linear.teacher.theta).max() < 1e-5
        else:
            assert apart(student, linear.teacher, linear.elsewhere) > 0.1


def test_hard_labels_do_not_recover_it(linear):
    y = linear.teacher.predict(linear.points).argmax(-1)
    student = descended(cross_entropy, linear.start, linear.points, np.eye(K)[y])
    assert np.array_equal(student.predict(linear.points).argmax(-1), y)
    assert apart(student, linear.teacher, linear.elsewhere) > 0.1
    agreed = knowledge.consensus(linear.teacher, student, linear.elsewhere)
    assert agreed.mean < 0.95


def test_soft_labels_recover_it_up_to_a_shift_of_all_logits(linear):
    p = softmax(linear.teacher.predict(linear.points))
    student = descended(cross_entropy, linear.start, linear.points, p, steps=20000)
    z_s, z_t = (network.predict(linear.elsewhere) for network in (student, linear.teacher))
    assert np.abs(softmax(z_s) - softmax(z_t)).max() < 1e-5
    shift = z_s - z_t
    assert np.ptp(shift, axis=1).max() < 1e-4  # one for all classes of a row,
    assert np.ptp(shift[:, 0]) > 0.1  # another in every row


def test_a_linear_teacher_is_recovered_from_pure_noise(linear, rng):
    noise = rng.standard_normal((400, m)).astype(np.float32)
    teacher, start = random(LINEAR, 1), random(LINEAR, 2)
    student, _ = distil(teacher, start, noise, None, LABELLESS,
                        schedule=Schedule(3e-2, 50, 60, cosine=True))
    z_s, z_t = (net.predict(5 * noise[:50]) for net in (student, teacher))  # far from the noise too
    assert np.abs(softmax(z_s) - softmax(z_t)).max() < 1e-3
    assert np.abs(softmax(start.predict(noise)) - softmax(teacher.predict(noise))).max() > 0.3
