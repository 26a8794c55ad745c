"""Turned and shaken pens."""

import os

import checks
import numpy as np
import pytest

import data_loaders
from kegnet_np.probes import pens


def close(found, expected, tolerance):
    """Within tolerance, in units of a hundred."""
    checks.close(np.divide(found, 100), np.divide(expected, 100), tolerance)


@pytest.fixture
def strokes(rng):
    """Eight points that go from 0 to 100 on both axes, (N, 8, 2), as those of the files do."""
    points = rng.integers(0, 101, (30, 8, 2)).astype(float)
    points[:, 1], points[:, 5] = 0, 100
    return points


@pytest.fixture
def rows(strokes):
    """The same, standardised, with the mean and the scale."""
    flat = strokes.reshape(30, 16)
    mean, scale = flat.mean(0).astype(np.float32), (flat.std(0) + 1).astype(np.float32)
    return ((flat - mean) / scale).astype(np.float32), mean, scale


@pytest.mark.parametrize("degrees", [0, 360, -360, np.full(30, 720)])
def test_a_rotation_by_0_and_by_360_is_the_identity(degrees, strokes, rows):
    close(pens.rotate(strokes, degrees), strokes, 1e-12)
    close(pens.transformed(*rows, degrees=degrees), rows[0], 1e-6)


def test_a_quarter_turn_goes_counter_clockwise_about_the_centroid():
    points = np.array([[2.0, 1], [4, 1], [3, 4]])  # its centroid is (3, 2)
    close(pens.rotate(points, 90), np.array([[4.0, 1], [4, 3], [1, 2]]), 1e-12)


def test_a_rotation_keeps_the_centroid_and_all_distances_and_adds_up(strokes, rng):
    angles = rng.uniform(-60, 60, 30)
    turned = pens.rotate(strokes, angles)
    close(turned.mean(1), strokes.mean(1), 1e-12)
    apart = [np.linalg.norm(p[:, None] - p[:, :, None], axis=-1) for p in (turned, strokes)]
    close(*apart, 1e-12)
    assert np.abs(turned - strokes).max() > 10
    close(turned[7], pens.rotate(strokes[7], angles[7]), 1e-12)
    close(pens.rotate(turned, 30 - angles), pens.rotate(strokes, 30), 1e-12)


def test_normalisation_makes_x_and_y_go_from_0_to_100_and_leaves_rows_of_the_files_alone(strokes):
    assert np.array_equal(pens.renormalise(strokes), strokes)
    close(pens.renormalise(strokes * [0.3, 2] - [50, 7]), strokes, 1e-12)
    flat = pens.renormalise(strokes * [1, 0] + 3)
    assert np.array_equal(flat[..., 0], strokes[..., 0]) and (flat[..., 1] == 0).all()


def test_jitter_has_the_deviation_asked_for(strokes, rng):
    many = np.tile(strokes, (100, 1, 1))
    moved = pens.jitter(many, 5, rng) - many
    assert moved.std() == pytest.approx(5, rel=0.02) and abs(moved.mean()) < 0.1
    assert np.array_equal(pens.jitter(strokes, 0, rng), strokes)


def test_a_half_turn_of_standardised_rows_reads_every_coordinate_from_the_other_end(rows, strokes):
    x, mean, scale = rows
    found = pens.transformed(x, mean, scale, degrees=180)
    assert found.dtype == np.float32
    close(found * scale + mean, 100 - strokes.reshape(30, 16), 1e-5)


def test_what_is_turned_and_shaken_looks_like_rows_of_the_file(rows, rng):
    x, mean, scale = rows
    found = pens.transformed(x, mean, scale, degrees=rng.uniform(-15, 15, 30), sigma=5, rng=rng)
    points = (found * np.float64(scale) + mean).reshape(-1, 8, 2)
    assert np.abs(points.min(1)).max() < 1e-4
    close(points.max(1), np.full((30, 2), 100.0), 1e-6)
    assert np.abs(found - x).max() * scale.max() > 1
    unshaken = pens.transformed(x, mean, scale, sigma=0, rng=rng)
    close(unshaken, x, 1e-6)


def test_arguments_that_do_not_fit_are_named(rows, rng):
    x, mean, scale = rows
    with pytest.raises(ValueError, match=r"x has shape \(30, 15\).*expected \(N, 16\)"):
        pens.transformed(x[:, 1:], mean, scale)
    with pytest.raises(ValueError, match="sigma is 2 and rng None.*for a sigma a generator"):
        pens.transformed(x, mean, scale, sigma=2)
    with pytest.raises(ValueError, match="sigma is -1, expected a deviation of at least 0"):
        pens.transformed(x, mean, scale, sigma=-1, rng=rng)


@pytest.mark.skipif(not os.environ.get("KEGNET_DATA"), reason="KEGNET_DATA names no folder")
def test_every_row_of_the_files_goes_from_0_to_100_on_both_axes():
    data = data_loaders.load("pendigits")
    for x in (data.x_train, data.x_val, data.x_test):
        points = (x * np.float64(data.scale) + data.mean).reshape(-1, 8, 2)
        assert np.abs(points.min(1)).max() < 1e-4 and np.abs(points.max(1) - 100).max() < 1e-4
        close(pens.transformed(x, data.mean, data.scale, degrees=360), x, 1e-5)
