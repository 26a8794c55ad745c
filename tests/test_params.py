"""The flat vector and its named views."""

import numpy as np
import pytest

from kegnet_np.params import Layout, split


def test_views_are_views_and_pack_is_their_inverse():
    layout = Layout({"a": (2, 3), "b": (1, 4)})
    theta = np.arange(20.0).reshape(2, 10)
    views = layout.views(theta)
    assert views["a"].shape == (2, 2, 3) and views["b"].shape == (2, 1, 4)
    views["b"][1, 0, 3] = -1
    assert theta[1, 9] == -1
    assert np.array_equal(layout.pack(views), theta)


def test_a_vector_is_split_where_its_layouts_end_without_a_copy():
    layouts = [Layout({"a": (2, 3)}), Layout({}), Layout({"b": (1, 4)})]
    theta = np.arange(20.0).reshape(2, 10)
    parts = split(theta, layouts)
    assert [part.shape for part in parts] == [(2, 6), (2, 0), (2, 4)]
    assert np.array_equal(np.concatenate(parts, axis=-1), theta)
    parts[2][0, 0] = -1
    assert theta[0, 6] == -1


def test_wrong_arrays_are_refused_by_name():
    layout = Layout({"a": (2, 3)})
    with pytest.raises(ValueError, match="7 values in its last axis, this network has 6"):
        layout.views(np.zeros(7))
    with pytest.raises(ValueError, match=r"\['a', 'b'\] differ"):
        layout.pack({"b": np.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"arrays\['a'\] has shape \(3, 2\), expected \(2, 3\)"):
        layout.pack({"a": np.zeros((3, 2))})


def test_views_are_a_mapping_that_cannot_be_assigned_to():
    layout = Layout({"a": (1, 2), "b": (2, 1)})
    p = layout.views(np.arange(4.0))
    assert list(p) == ["a", "b"] and len(p) == 2 and p.layout is layout
    p["a"][...] = 9  # a view of theta
    assert p.theta.tolist() == [9, 9, 2, 3]
    with pytest.raises(TypeError):
        p["a"] = np.zeros((1, 2))  # it would not reach theta
