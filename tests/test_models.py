"""Networks, Tucker form, optimiser, sampling: facts about numbers."""

import numpy as np
import pytest
from checks import close

from kegnet_np import losses, models, sampling, tucker
from kegnet_np.models import Classifier
from kegnet_np.optim import Adam

COUNTS = [  # features, classes, M, student of rank 5, of rank 10 (spec: parameter counts)
    (9, 7, 102_707, 12_567, 24_397),
    (16, 10, 103_710, 12_846, 24_726),
    (16, 26, 105_326, 13_518, 25_478),
]


@pytest.mark.parametrize("D, K, n_M, n_5, n_10", COUNTS)
def test_parameter_counts_are_those_of_the_paper(D, K, n_M, n_5, n_10):
    assert Classifier(D, K).layout.size == n_M
    assert Classifier(D, K, ranks=(5,)).layout.size == n_5
    assert Classifier(D, K, ranks=(10,)).layout.size == n_10


def test_ten_hidden_layers_would_not_give_the_papers_ratio():
    ratio = {d: Classifier(16, 10, depth=d).layout.size / Classifier(
        16, 10, depth=d, ranks=(5,)).layout.size for d in (10, 11)}  # fmt: skip
    assert round(ratio[11], 2) == 8.07 and round(ratio[10], 2) != 8.07


def test_every_layer_takes_its_own_rank_and_a_short_list_repeats_its_last():
    model = Classifier(4, 3, hidden=8, depth=4, ranks=(6, 5, 2))
    assert model.rank_pairs(model.ranks) == [(4, 6), (5, 5), (2, 2), (2, 2), (2, 3)]
    shapes = {name: shape for name, (_, _, shape) in model.layout.entries.items()}
    assert shapes["U_in0"] == (4, 4) and shapes["core0"] == (4, 6) and shapes["U_out4"] == (3, 3)


def test_weights_start_uniform_within_one_over_root_fan_in(rng):
    model = models.generator(10, 10, 16)
    theta, state = model.init(rng)
    p = model.layout.views(theta)
    for i, fan_in in enumerate((20, 120, 120)):
        bound = fan_in**-0.5
        for name in (f"W{i}", f"b{i}"):
            assert 0.9 * bound < np.abs(p[name]).max() <= bound
            if name[0] == "W":  # a uniform variable on ±bound has the deviation bound / √3
                assert p[name].std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert (p["gamma0"] == 1).all() and (p["beta1"] == 0).all()
    norms = model.state_layout.views(state)
    assert set(norms) == {"norm0", "norm1", "norm2"} and norms["norm2"].shape == (2, 1, 16)
    assert (norms["norm1"][0] == 0).all() and (norms["norm1"][1] == 1).all()


def test_dropout_masks_keep_the_mean_and_are_off_in_evaluation(rng):
    model = Classifier(3, 2, dropout=0.15)
    masks = model.draw_masks([rng], 500)[0]
    assert masks.shape == (11, 500, 100) and masks.dtype == np.float32
    assert np.unique(masks) == pytest.approx([0, 1 / 0.85], rel=1e-5)
    assert masks.mean() == pytest.approx(1, abs=0.005)
    theta, state = model.init(rng)
    x, p = rng.standard_normal((4, 3), np.float32), model.layout.views(theta)
    plain = model.apply(p, state, x)[0]
    ones = np.ones((11, 4, 100), np.float32)
    assert np.array_equal(model.apply(p, state, x, train=True, masks=ones)[0], plain)
    assert not np.array_equal(model.apply(p, state, x, train=True, masks=masks[:, :4])[0], plain)
    with pytest.raises(ValueError, match="masks is None in training mode"):
        model.apply(p, state, x, train=True)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.SFC64])
def test_masks_have_the_rate_of_dropout_for_every_bit_generator(bits):
    masks = Classifier(3, 2).draw_masks([np.random.Generator(bits(1))], 500)
    assert (masks == 0).mean() == pytest.approx(0.15, abs=0.003)


def test_running_statistics_follow_the_batches_with_momentum_and_unbiased_variance(rng):
    model = models.NormalisedMLP(3, 2, hidden=4, depth=1, adjust=True)
    theta, state = model.init(rng, np.float64)
    x = rng.standard_normal((6, 3))
    p = model.layout.views(theta)
    out, new = model.apply(p, state, x, train=True)
    a = x @ p["W0"] + p["b0"]
    h = np.where(a > 0, a, np.expm1(np.minimum(a, 0)))
    norm = model.state_layout.views(new)["norm0"]
    close(norm[0, 0], 0.1 * h.mean(0), 1e-12)
    close(norm[1, 0], 0.9 + 0.1 * h.var(0, ddof=1), 1e-12)
    again, kept = model.apply(p, new, x)
    assert kept is new and not np.allclose(again, out)


def test_the_generators_output_has_mean_zero_and_deviation_one_per_feature(rng):
    model = models.generator(4, 3, 5)
    theta, state = model.init(rng, np.float64)
    zy = models.generator_input(rng.standard_normal((64, 4)), np.eye(3)[rng.integers(3, size=64)])
    x, _ = model.apply(model.layout.views(theta), state, zy, train=True)
    assert np.abs(x.mean(0)).max() < 1e-12 and x.std(0) == pytest.approx(np.ones(5), abs=1e-3)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Classifier(0, 2), "features is 0, expected a positive integer"),
        (lambda: Classifier(3, 2.0), "classes is 2.0, expected a positive integer"),
        (lambda: Classifier(3, 2, dropout=1.0), "dropout is 1.0, expected a share in"),
        (lambda: Classifier(3, 2, ranks=(101,)), "ranks holds 101, expected integers from 1 to"),
        (lambda: Classifier(3, 2, ranks=(0,)), "ranks holds 0"),
        (lambda: Classifier(3, 2, ranks=()), "ranks has 0 entries, expected 1 to 12"),
        (lambda: Classifier(3, 2, ranks=(5,) * 13), "ranks has 13 entries"),
        (lambda: models.decoder(3, 0), "outputs is 0"),
        (lambda: Classifier(3, 2).apply({}, None, np.ones((4, 5))), r"x has shape \(4, 5\), expec"),
        (lambda: models.decoder(3, 2).apply({}, None, np.ones((1, 3)), train=True), "x has 1 row"),
        (lambda: Adam(np.ones(3), -1e-3), "lr is -0.001, expected a positive learning rate"),
        (lambda: sampling.seeded(-1, "x"), "seed is -1, expected an integer of at least 0"),
        (lambda: tucker.decompose(np.ones((3, 4)), 4, 1), "rank_in is 4, expected 1 to 3"),
        (lambda: tucker.decompose(np.ones((3, 4)), 1, 0), "rank_out is 0, expected 1 to 4"),
        (lambda: tucker.decompose(np.full((3, 4), np.nan), 1, 1), "expected a finite matrix"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- Tucker ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [(3, 3), (8, 3), (3, 6), (1, 1), (8, 6)])
def test_tucker_of_a_matrix_is_the_truncated_svd(ranks, rng):
    W = rng.standard_normal((8, 6))
    U_in, core, U_out = tucker.decompose(W, *ranks)
    assert U_in.shape == (8, ranks[0]) and core.shape == ranks and U_out.shape == (ranks[1], 6)
    u, s, v = np.linalg.svd(W, full_matrices=False)
    r = min(ranks)
    close(U_in @ core @ U_out, (u[:, :r] * s[:r]) @ v[:r], 1e-9)
    close(U_in.T @ U_in, np.eye(ranks[0]), 1e-9)


def test_compression_is_the_same_every_time_even_where_a_factor_is_rank_deficient(rng):
    teacher = Classifier(7, 6, hidden=8, depth=2)
    theta, _ = teacher.init(rng)
    first, second = (tucker.compress(teacher, theta, 2)[1] for _ in range(2))
    assert np.array_equal(first, second) and first.dtype == np.float32


def test_at_full_rank_the_tucker_student_is_the_teacher(rng):
    teacher = Classifier(4, 3, hidden=6, depth=2)
    theta, state = teacher.init(rng, np.float64)
    student, theta_S = tucker.compress(teacher, theta, 6)
    x = rng.standard_normal((5, 4))
    ours = student.apply(student.layout.views(theta_S), state, x)[0]
    close(ours, teacher.apply(teacher.layout.views(theta), state, x)[0], 1e-9)
    with pytest.raises(ValueError, match="in Tucker form already"):
        tucker.compress(student, theta_S, 3)


# --- Adam, samples --------------------------------------------------------------------------------


def test_adam_follows_its_equations(rng):
    theta, m, v = rng.standard_normal(6), np.zeros(6), np.zeros(6)
    expected, adam = theta.copy(), Adam(theta, 0.01)
    for t in range(1, 6):
        g = rng.standard_normal(6)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step(theta, g)
        close(theta, expected, 1e-12)


def test_labels_codes_and_noise_have_the_distributions_of_the_paper(rng):
    n = 20_000
    y = sampling.draw_y(rng, n, 4)
    assert y.shape == (n, 4) and (y.sum(1) == 1).all() and abs(y.mean(0) - 0.25).max() < 0.02
    z = sampling.draw_z(rng, n, 3)
    assert abs(z.mean(0)).max() < 0.03 and abs(z.std(0) - 1).max() < 0.03
    x = sampling.uniform(3)(rng, n)
    assert x.dtype == np.float32 and -1 <= x.min() < -0.99 and 0.99 < x.max() <= 1
    assert abs(x.std(0) - 3**-0.5).max() < 0.01
    assert abs(sampling.normal(3)(rng, n).std(0) - 1).max() < 0.03


def test_generated_samples_come_in_equal_shares_in_evaluation_mode(rng):
    G = models.generator(2, 3, 4, hidden=5)
    pairs = [G.init(r) for r in sampling.seeded(1, "G", 3)]
    theta, state = (np.stack(a) for a in zip(*pairs, strict=True))
    output_bias = G.layout.entries["b2"]
    for s in range(3):  # generator s writes about 10 s into every feature
        theta[s, output_bias[0] : output_bias[1]] = 10 * s
    x = sampling.generated(G, theta, state, 2)(rng, 10)
    assert x.shape == (10, 4) and x.dtype == np.float32
    shares = np.bincount(np.rint(x.mean(1) / 10).astype(int), minlength=3)
    assert shares.sum() == 10 and shares.min() >= 2 and shares.max() <= 4


def test_streams_of_different_purposes_and_members_differ_and_repeat():
    draws = [r.random() for p in ("a", "b") for r in sampling.seeded(7, p, 2)]
    assert len(set(draws)) == 4
    assert draws == [r.random() for p in ("a", "b") for r in sampling.seeded(7, p, 2)]


def test_softmax_sums_to_one_for_any_finite_logits():
    p = losses.softmax(np.array([[1e3, -1e3, 0.0], [0.0, 0.0, 0.0]]))
    assert p.sum(1).tolist() == [1.0, 1.0] and p[1, 0] == pytest.approx(1 / 3)
