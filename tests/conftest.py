"""Fixtures that every test file shares."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    """A seeded random generator."""
    return np.random.default_rng(2019)
