"""The same code on a device: every array stays there, and the numbers are the CPU's."""


from pathlib import Path

import numpy as np
import pytest
from standin import FUNCTIONS, METHODS, DeviceArray, on_device, xp

from kegnet_np import backend, generator, student, teacher, tucker
from kegnet_np.backend import array_module, to_host
from kegnet_np.kdgan import game
from kegnet_np.kdgan.rules import Rules
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes.distil import WAYS, distil
from kegnet_np.sampling import mixture, normal, uniform
from kegnet_np.train import Schedule

SHORT = Schedule(1e-3, 16, 3, patience=1, min_epochs=1)
PLAIN = Schedule(1e-3, 16, 2)


@pytest.fixture
def rows(rng):
    """40 rows of 5 features and 3 classes."""
    return rng.standard_normal((40, 5)).astype(np.float32), np.arange(40) % 3


@pytest.fixture
def M():
    """A teacher of 5 features and 3 classes."""
    return Network.random(MLP(5, 3, (8, 8)), np.random.default_rng(1))


def alike(device, host):
    """A training or a network of the device has the numbers that the CPU had, and has them there.
    To 1e-5 of float32: the functions are the same, but blocks of a stack may differ."""
    assert isinstance(device, DeviceArray) and isinstance(host, np.ndarray)
    np.testing.assert_allclose(to_host(device), host, rtol=1e-5, atol=1e-6)


def teach(rows, M):
    return teacher.teach(rows, rows, widths=(8, 8), schedule=SHORT)[0]


def extract(rows, M):
    return generator.extract(
        M, generators=2, latent=2, beta=0.1, steps=3, teacher_dropout=True, schedule=PLAIN)[0]


def distill(rows, M, samples=None, **more):
    samples = normal(5) if samples is None else samples
    arguments = {"students": 3, "pool": 40, "held_out": 20, "schedule": SHORT} | more
    return student.distill(M, tucker.compress(M, 2), samples, **arguments)[0]


def distill_mixed(rows, M):
    G = extract(rows, M)
    samples = mixture([uniform(5), normal(5), generator.generated(G, 2)])
    return distill(rows, M, samples, fresh=True, shared=True)


def distill_rows(rows, M):
    return distill(rows, M, rows[0], validation=rows, shuffle=False, dropout=False)


def play(rows, M, **rules):
    MODELS = [Network.random(MLP(5, 3, (4,)), [np.random.default_rng(i) for i in (1, 2)])] * 3
    rules = {"passes": (1, 1, 2), "draws": 3, "beta": np.array([0.5, 1.0]), "gamma": 0.1} | rules
    C, T, _ = game.play(rows, *MODELS, Rules(**rules), validation=rows, schedule=PLAIN)
    return Network(C.model, array_module(C.theta).stack([C.theta, T.theta]).reshape(4, -1))


def pretrain(rows, M):
    x, labels = rows[0].reshape(2, 20, 5), rows[1].reshape(2, 20)
    return game.pretrain(MLP(5, 3, (4,)), (x, labels), game.discriminator_loss, PLAIN, seed=1,
                         purpose="test", validation=rows)[0]


def straight_through(rows, M):
    return play(rows, M, estimator="straight_through", distance_c="l2", distance_t="l2",
                alpha=np.array([0.2, 0.5]), labels=0.5)


def exact(rows, M):
    return play(rows, M, estimator="exact")


def program(rows, M):
    return play(rows, M, estimator="program")


def probe(way, rows, M):
    start = Network.random(MLP(5, 3, (6, 6)), np.random.default_rng(2))
    return distil(M, start, *rows, way, students=2, schedule=PLAIN)[0]


def kl(rows, M):
    return probe(WAYS["kl"], rows, M)


def hint(rows, M):
    return probe(WAYS["hint"], rows, M)


def crd(rows, M):
    return probe(WAYS["crd"], rows, M)


VERBS = [pretrain, play, straight_through, exact, program, kl, hint, crd,
         teach, extract, distill, distill_mixed, distill_rows]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_keeps_every_array_on_the_device_and_finds_the_numbers_of_the_cpu(verb, rows, M):
    expected = verb(rows, M)
    with on_device():
        found = verb(rows, M)
    alike(found.theta, expected.theta)
    alike(found.state, expected.state)
    assert found.model == expected.model


def test_within_an_epoch_nothing_moves_between_host_and_device(rows, M):
    moved = []
    for steps in (2, 6):  # more steps an epoch, no more moves
        with on_device() as moves:
            generator.extract(M, generators=2, latent=2, steps=steps, schedule=PLAIN)
            distill(rows, M, pool=16 * steps, schedule=PLAIN)
            distill(rows, M, pool=16 * steps, fresh=True, schedule=PLAIN)
            game.play(rows, *[Network.random(MLP(5, 3, (4,)), [np.random.default_rng(1)])] * 3,
                      Rules(passes=(steps, steps, steps)), validation=rows, schedule=PLAIN)
            probe(WAYS["kl"], (np.tile(rows[0], (steps, 1)), np.tile(rows[1], steps)), M)
            moved.append(dict(moves))
    assert moved[0] == moved[1] and min(moved[0].values()) > 0


def test_the_stand_in_is_strict():
    with on_device():
        a, host = backend.put(np.ones((2, 3), np.float32)), np.ones((2, 3), np.float32)
        for wrong in (lambda: np.exp(a), lambda: np.asarray(a), lambda: np.stack([a]),
                      lambda: a + host, lambda: host + a, lambda: host @ a.mT, lambda: a[host > 0],
                      lambda: bool(a.sum()), lambda: float(a.sum()), lambda: list(a),
                      lambda: a.__imul__(host), lambda: xp.concatenate([a, host])):
            with pytest.raises(TypeError):
                wrong()
        assert (a + 1).dtype == np.float32 and xp.exp(a).shape == (2, 3)


def test_cupy_has_what_the_stand_in_has():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: nothing to compare with")
    assert not [name for name in FUNCTIONS.split() if not hasattr(cupy, name)]
    assert not [name for name in [*METHODS.split(), "mT", "get"] if not hasattr(cupy.ndarray, name)]
    assert hasattr(cupy.linalg, "norm")


def test_cupy_is_named_in_one_file_and_imported_when_it_is_asked_for_alone():
    package = Path(backend.__file__).parent
    naming = [path.name for path in package.rglob("*.py") if "cupy" in path.read_text("utf-8")]
    assert naming == ["backend.py"]
    assert not [line for line in Path(backend.__file__).read_text("utf-8").splitlines()
                if line.startswith(("import cupy", "from cupy"))]


def test_a_device_that_is_none_is_refused_and_leaves_the_cpu_in_use():
    with pytest.raises(ValueError, match="device is 'gpu', expected 'cpu' or 'cuda'"):
        backend.use("gpu")
    assert isinstance(backend.put([1.0]), np.ndarray)
