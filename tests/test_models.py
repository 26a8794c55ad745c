"""The networks: sizes, starts, masks, running statistics."""

import numpy as np
import pytest
from checks import close

from kegnet_np.activations import ACTIVATIONS
from kegnet_np.generator import decoder, generator, generator_input
from kegnet_np.models import MLP, NormalisedMLP

COUNTS = [  # features, classes, M, student of rank 5, of rank 10 (spec: parameter counts)
    (9, 7, 102_707, 12_567, 24_397),
    (16, 10, 103_710, 12_846, 24_726),
    (16, 26, 105_326, 13_518, 25_478),
]


@pytest.mark.parametrize("D, K, n_M, n_5, n_10", COUNTS)
def test_parameter_counts_are_those_of_the_paper(D, K, n_M, n_5, n_10):
    assert MLP(D, K).layout.size == n_M
    assert MLP(D, K, ranks=(5,)).layout.size == n_5
    assert MLP(D, K, ranks=(10,)).layout.size == n_10


def test_ten_hidden_layers_would_not_give_the_papers_ratio():
    ratio = {}
    for depth in (10, 11):
        plain, tucker = (MLP(16, 10, (100,) * depth, ranks=r) for r in (None, (5,)))
        ratio[depth] = plain.layout.size / tucker.layout.size
    assert round(ratio[11], 2) == 8.07 and round(ratio[10], 2) != 8.07


def test_the_defaults_are_the_papers_teacher():
    model = MLP(2, 2)
    assert model.widths == (100,) * 11
    assert (model.activation, model.dropout, model.ranks) == ("elu", 0.15, None)


def test_every_layer_takes_its_own_rank_and_a_short_list_repeats_its_last():
    model = MLP(4, 3, (8,) * 4, ranks=(6, 5, 2))
    assert model.rank_pairs(model.ranks) == [(4, 6), (5, 5), (2, 2), (2, 2), (2, 3)]
    shapes = {name: shape for name, (_, _, shape) in model.layout.entries.items()}
    assert shapes["U_in0"] == (4, 4) and shapes["core0"] == (4, 6) and shapes["U_out4"] == (3, 3)


def test_a_rank_stops_at_the_size_of_its_mode():
    model = MLP(4, 3, (9, 2, 6), ranks=(7, 5))
    assert model.rank_pairs(model.ranks) == [(4, 7), (5, 2), (2, 5), (5, 3)]
    for i, (D, H) in enumerate(model.sizes):
        shapes = [model.layout.entries[f"{name}{i}"][2] for name in ("U_in", "core", "U_out", "b")]
        r_in, r_out = model.rank_pairs(model.ranks)[i]
        assert shapes == [(D, r_in), (r_in, r_out), (r_out, H), (1, H)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(5, 2, 7), (4,), ()], ids=str)
def test_a_network_of_any_widths_is_its_layers_one_after_another(widths, activation, rng):
    model = MLP(3, 4, widths, activation, dropout=0.4)
    ends = [3, *widths, 4]
    assert model.sizes == list(zip(ends, ends[1:], strict=False))
    assert model.layout.size == sum((D + 1) * H for D, H in model.sizes)
    theta, state = model.init(rng, np.float64)
    p, x = model.layout.views(theta), rng.standard_normal((6, 3))
    masks = model.draw_masks(rng, 6, np.float64)
    assert [mask.shape for mask in masks] == [(6, H) for H in widths]
    for train in (False, True):
        h = x
        for i in range(len(widths)):
            h = ACTIVATIONS[activation].value(h @ p[f"W{i}"] + p[f"b{i}"])
            h = h * masks[i] if train else h
        expected = h @ p[f"W{len(widths)}"] + p[f"b{len(widths)}"]
        close(model.apply(p, state, x, train=train, masks=masks)[0], expected, 1e-14)


def test_a_list_of_widths_and_of_ranks_is_welcome():
    model = MLP(3, 4, [5, 6], ranks=[2, 3])
    assert model == MLP(3, 4, (5, 6), ranks=(2, 3)) and hash(model) == hash(model)


def test_weights_start_uniform_within_one_over_root_fan_in(rng):
    model = generator(10, 10, 16)
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


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_masks_keep_the_mean_and_are_off_in_evaluation(rng):
    model = MLP(3, 2, dropout=0.15)
    masks = model.draw_masks(rng, 500)
    units = np.stack(masks)
    assert units.shape == (11, 500, 100) and units.dtype == np.float32
    assert np.unique(units) == pytest.approx([0, 1 / 0.85], rel=1e-5)
    assert units.mean() == pytest.approx(1, abs=0.005)
    theta, state = model.init(rng)
    x, p = rng.standard_normal((4, 3), np.float32), model.layout.views(theta)
    plain = model.apply(p, state, x)[0]
    ones, some = [np.ones((4, 100), np.float32)] * 11, [mask[:4] for mask in masks]
    assert np.array_equal(model.apply(p, state, x, train=True, masks=ones)[0], plain)
    assert not np.array_equal(model.apply(p, state, x, train=True, masks=some)[0], plain)
    with pytest.raises(ValueError, match="masks is None in training mode"):
        model.apply(p, state, x, train=True)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.SFC64])
def test_masks_have_the_rate_of_dropout_for_every_bit_generator(bits):
    masks = MLP(3, 2).draw_masks([np.random.Generator(bits(1))], 500)
    assert (np.stack(masks) == 0).mean() == pytest.approx(0.15, abs=0.003)


@pytest.mark.parametrize("widths", [(6, 6, 6), (7, 1, 4), (5,)], ids=str)
@pytest.mark.parametrize("batch", [5, 8])
def test_masks_are_one_draw_of_16_bits_a_unit_cut_into_layers(widths, batch):
    """Old seeds keep their masks: for equal widths this is one array (S, depth, B, H)."""
    masks = MLP(3, 2, widths, dropout=0.3).draw_masks(
        [np.random.default_rng(s) for s in (1, 2)], batch, np.float64
    )
    drop, units = round(0.3 * 2**16), batch * sum(widths)
    for s, seed in enumerate((1, 2)):
        rng = np.random.default_rng(seed)
        words = rng.integers(2**64 - 1, size=-(-units // 4), dtype=np.uint64, endpoint=True)
        drawn = (words.view(np.uint16)[:units] >= drop) / (1 - drop / 2**16)
        if len(set(widths)) == 1:
            one_array = drawn.reshape(len(widths), batch, widths[0])
            assert all(np.array_equal(m[s], a) for m, a in zip(masks, one_array, strict=True))
        assert np.array_equal(np.concatenate([m[s].ravel() for m in masks]), drawn)
        alone = MLP(3, 2, widths, dropout=0.3).draw_masks(
            np.random.default_rng(seed), batch, np.float64
        )
        assert all(np.array_equal(m[s], a) for m, a in zip(masks, alone, strict=True))


def test_a_unit_is_dropped_by_exactly_the_share_p_of_its_65536_values():
    word = int(np.random.default_rng(4).integers(2**64 - 1, dtype=np.uint64, endpoint=True))
    first = word % 2**16
    for drop, kept in ((first, True), (first + 1, False)):
        (mask,) = MLP(3, 2, (1,), dropout=drop / 2**16).draw_masks(np.random.default_rng(4), 1)
        assert (mask[0, 0] > 0) == kept


def test_a_network_without_hidden_layers_has_no_masks(rng):
    assert MLP(3, 2, ()).draw_masks([rng, rng], 5) == [] == MLP(3, 2, ()).draw_masks(rng, 5)


# --- batch-norm -----------------------------------------------------------------------------------


def test_running_statistics_follow_the_batches_with_momentum_and_unbiased_variance(rng):
    model = NormalisedMLP(3, 2, hidden=4, depth=1, adjust=True)
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
    model = generator(4, 3, 5)
    theta, state = model.init(rng, np.float64)
    zy = generator_input(rng.standard_normal((64, 4)), np.eye(3)[rng.integers(3, size=64)])
    x, _ = model.apply(model.layout.views(theta), state, zy, train=True)
    assert np.abs(x.mean(0)).max() < 1e-12 and x.std(0) == pytest.approx(np.ones(5), abs=1e-3)


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MLP(0, 2), "features is 0, expected a positive integer"),
        (lambda: MLP(3, 2.0), "classes is 2.0, expected a positive integer"),
        (lambda: MLP(3, 2, (4, 0)), "widths is 0, expected a positive integer"),
        (lambda: MLP(3, 2, (4.0,)), "widths is 4.0, expected a positive integer"),
        (lambda: MLP(3, 2, activation="swish"), "activation is 'swish', expected one of identity"),
        (lambda: MLP(3, 2, dropout=1.0), "dropout is 1.0, expected a share in"),
        (lambda: MLP(3, 2, ranks=(101,)), "ranks holds 101, expected integers from 1 to"),
        (lambda: MLP(3, 2, (4, 9, 5), ranks=(10,)), "ranks holds 10, .* 1 to the width, 9"),
        (lambda: MLP(3, 2, ranks=(0,)), "ranks holds 0"),
        (lambda: MLP(3, 2, ranks=()), "ranks has 0 entries, expected 1 to 12"),
        (lambda: MLP(3, 2, ranks=(5,) * 13), "ranks has 13 entries"),
        (lambda: MLP(3, 2).apply({}, None, np.ones((4, 5))), r"x has shape \(4, 5\), expec"),
        (lambda: decoder(3, 0), "outputs is 0"),
        (lambda: decoder(3, 2).apply({}, None, np.ones((1, 3)), train=True), "x has 1 row"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
