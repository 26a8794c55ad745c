"""Samplers by name, single and mixed."""

import numpy as np
import pytest
from standin import DEVICE, on_device

from kegnet_np import backend
from kegnet_np.beyond import samplers
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.tables.schema import Column, Schema


@pytest.fixture(scope="module")
def teacher():
    """A random teacher whose logits vary by more than those of a fresh one."""
    model = MLP(6, 4, (20,) * 3, dropout=0.1)
    return Network(model, 3 * model.init(np.random.default_rng(1))[0])


def test_every_sampler_has_the_moments_that_its_name_says(teacher, rng):
    def generated(rng, n):
        return np.full((n, 6), 2, np.float32)

    names = [name for name, entry in samplers.SAMPLERS.items()
             if entry.needs not in ("metadata", "schema")]
    made = {n: samplers.make(n, teacher, generated)(rng, 20_000) for n in names}
    for name, x in made.items():
        assert x.shape == (20_000, 6) and x.dtype == np.float32, name
    for name in ("normal", "wide", "energy"):
        assert made[name].std() == pytest.approx(1, abs=0.02) and abs(made[name].mean()) < 0.02
    assert made["uniform"].std() == pytest.approx(3**-0.5, abs=0.01)
    assert np.abs(made["wide"]).max() <= 3**0.5
    assert (made["kegnet"] == 2).all()
    # E √(1 − s²) = π/4, E s² = 1/3, Var √(1 − s²) = 2/3 − (π/4)²
    assert made["noised"].mean() == pytest.approx(2 * np.pi / 4, abs=0.02)
    variance = 1 / 3 + 4 * (2 / 3 - (np.pi / 4) ** 2)
    assert made["noised"].var() == pytest.approx(variance, rel=0.05)


def test_energy_samples_lie_where_the_teacher_is_surer_than_on_noise(teacher, rng):
    def confidence(name):
        x = samplers.make(name, teacher)(rng, 4000)
        return np.log(np.exp(teacher.predict(x).astype(np.float64)).sum(-1)).mean()

    assert confidence("energy") > confidence("normal") + 0.1


def test_a_mixture_has_equal_shares_in_random_order(teacher, rng):
    sampler = samplers.make("wide+kegnet", teacher, lambda rng, n: np.full((n, 6), 9, np.float32))
    x = sampler(rng, 1001)
    ours = x[:, 0] == 9
    assert ours.sum() in (500, 501) and 0 < ours[:500].sum() < 500
    assert len({int((sampler(rng, 3)[:, 0] == 9).sum()) for _ in range(50)}) == 2


def test_the_table_says_what_a_sampler_needs():
    needs = {name: entry.needs for name, entry in samplers.SAMPLERS.items()}
    assert [n for n in needs if needs[n] == "generators"] == ["kegnet", "noised"]
    assert [n for n in needs if needs[n] == "metadata"] == ["ranges", "covariance", "classes"]
    assert [n for n in needs if needs[n] == "schema"] == ["frequencies"]
    assert samplers.parts("wide+wide+noised") == ["wide", "wide", "noised"]
    assert samplers.needs("normal+noised", "generators")
    assert not samplers.needs("normal+wide", "generators")
    assert all(entry.text for entry in samplers.SAMPLERS.values())


def test_unknown_samplers_and_what_is_missing_are_refused(teacher):
    with pytest.raises(ValueError, match=r"sampler is 'normal\+nois', expected NAME or NAME\+NAME"):
        samplers.make("normal+nois", teacher)
    with pytest.raises(ValueError, match="generated is None: extract first"):
        samplers.make("normal+noised", teacher)
    with pytest.raises(ValueError, match="sampler is 'ranges', expected --metadata with ranges"):
        samplers.make("ranges", teacher)
    with pytest.raises(ValueError, match="frequencies', but the teacher does not say what its co"):
        samplers.make("normal+frequencies", teacher)


def test_a_sampler_of_numpy_draws_new_rows_on_a_device_as_its_stream_says():
    def numpy_alone(rng, n):
        return rng.standard_normal((n, 2))

    assert samplers.anywhere(numpy_alone)(np.random.default_rng(1), 3) == pytest.approx(
        numpy_alone(np.random.default_rng(1), 3))
    with on_device():
        first, again = (DEVICE.stream(np.random.SeedSequence(1)) for _ in range(2))
        drawn = [backend.to_host(samplers.anywhere(numpy_alone)(rng, 3))
                 for rng in (first, first, again)]
    assert np.array_equal(drawn[0], drawn[2]) and not np.isclose(drawn[0], drawn[1]).any()


def test_frequencies_are_those_of_the_rows_that_were_standardised(rng):
    """Raw values come back as they may stand in a table, as often as they did in the rows."""
    rare, pets = rng.random(5000) < 0.02, rng.choice(4, 5000, p=[0.6, 0.3, 0.05, 0.05])
    raw = np.column_stack([rng.normal(7, 3, 5000), rare, pets[:, None] == np.arange(3)])
    columns = Column("size"), Column("rare", "flag"), Column("pet", "category", ("a", "b", "c"))
    schema = Schema(columns, ("no", "yes"), mean=raw.mean(0), scale=raw.std(0))
    x = samplers.frequencies(schema)(rng, 50_000)
    assert x.shape == (50_000, 5) and x.dtype == np.float32
    assert x.mean(0) == pytest.approx(0, abs=0.04) and x.std(0) == pytest.approx(1, abs=0.05)
    back = x * schema.scale + schema.mean
    coded = back[:, 1:].round()
    assert back[:, 1:] == pytest.approx(coded, abs=1e-5) and set(coded.ravel()) == {0, 1}
    assert coded.mean(0) == pytest.approx(raw[:, 1:].mean(0), abs=0.01)
    assert (coded[:, 1:].sum(1) <= 1).all()  # one value of a category, or none: the fourth, unknown
    assert np.abs(np.corrcoef(x[:, :3].T) - np.eye(3)).max() < 0.02  # columns are independent
