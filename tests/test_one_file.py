"""The one-file tutorial computes what the package computes: losses, outputs, gradients."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from autograd import grad
from checks import close

from kegnet_np import generator, losses, models, tucker
from kegnet_np.autodiff import value_and_grad
from kegnet_np.network import Network

FILE = Path(__file__).resolve().parents[1] / "tutorials" / "kegnet_in_one_file.py"
D, K, Z = 4, 3, 10


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("kegnet_in_one_file", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def to_package(model, params, names):
    """The script's list of layers as the package's flat vector."""
    arrays = {}
    for i, layer in enumerate(params):
        for name, array in zip(names, layer, strict=False):
            arrays[f"{name}{i}"] = np.atleast_2d(array)
    return model.layout.pack(arrays)


def test_it_is_at_most_200_lines_and_imports_nothing_of_the_package():
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    imports = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert not any("kegnet_np" in line or "data_loaders" in line for line in imports)


def test_losses_are_the_packages(script, rng):
    a, p = rng.standard_normal((6, K)), losses.softmax(rng.standard_normal((6, K)))
    z_hat, z, x = (rng.standard_normal((6, n)) for n in (Z, Z, D))
    assert script.cross_entropy(a, p) == pytest.approx(losses.cross_entropy(a, p), rel=1e-12)
    assert script.kl(a, p) == pytest.approx(losses.kl(a, p), rel=1e-12)
    assert script.kl(a, np.eye(K)[[0] * 6]) == pytest.approx(losses.kl(a, np.eye(K)[[0] * 6]))
    ours = losses.reconstruction(z_hat, z)
    assert script.reconstruction(z_hat, z) == pytest.approx(ours, rel=1e-12)
    assert script.diversity(x, z) == pytest.approx(losses.diversity(x, z), rel=1e-12)


@pytest.mark.parametrize("ranks", [None, 2])
def test_classifier_and_its_gradient_are_the_packages(script, rng, ranks):
    model = models.MLP(D, K)
    params = script.init(rng, [D] + [script.H] * script.LAYERS + [K])
    names = ("W", "b")
    if ranks:
        model = tucker.compress(Network(model, to_package(model, params, names)), ranks).model
        pairs = model.rank_pairs((ranks,))
        params = [[*script.tucker(W, *r), b] for (W, b), r in zip(params, pairs, strict=True)]
        names = ("U_in", "core", "U_out", "b")
    x, y = rng.standard_normal((6, D)), np.eye(K)[rng.integers(K, size=6)]
    masks = model.draw_masks(rng, 6, np.float64)

    def script_loss(params):
        return script.cross_entropy(script.classifier(params, x, masks), y)

    def loss(p):
        return losses.cross_entropy(model.apply(p, None, x, train=True, masks=masks)[0], y), None

    value, gradient, _ = value_and_grad(loss, model.layout)(to_package(model, params, names))
    assert value == pytest.approx(script_loss(params), rel=1e-12)
    theirs = to_package(model, grad(script_loss)(params), names)
    assert np.abs(gradient - theirs).max() <= 1e-10 * np.abs(theirs).max()


def test_tucker_form_is_the_packages(script, rng):
    W = rng.standard_normal((8, 6))
    for r in ((3, 3), (8, 3), (3, 6)):
        ours, theirs = tucker.decompose(W, *r), script.tucker(W, *r)
        assert [a.shape for a in ours] == [a.shape for a in theirs]
        close(np.linalg.multi_dot(theirs), np.linalg.multi_dot(ours), 1e-9)


@pytest.mark.parametrize("beta", [0.0, 1.5])
def test_extraction_loss_and_its_gradient_are_the_packages(script, rng, beta, monkeypatch):
    monkeypatch.setattr(script, "BETA", beta)
    M = models.MLP(D, K)
    G, dec = generator.generator(Z, K, D), generator.decoder(D, Z)
    teacher = script.init(rng, [D] + [script.H] * script.LAYERS + [K])
    width = script.WIDTH
    params = [
        *script.init(rng, [Z + K, width, width, D], norm=True),
        *script.init(rng, [D, width, width, width, Z], norm=True),
    ]
    y, z = np.eye(K)[rng.integers(K, size=8)], rng.standard_normal((8, Z))
    names = ("W", "b", "gamma", "beta")

    def flat(layers):
        of_G, of_D = to_package(G, layers[:3], names), to_package(dec, layers[3:], names)
        return np.concatenate([of_G, of_D])

    p_M = M.layout.views(to_package(M, teacher, names))
    loss = generator.extraction_loss(G, dec, M, p_M, script.ALPHA, beta)
    step = value_and_grad(loss, G.layout, dec.layout)
    states = [m.init(rng, np.float64)[1] for m in (G, dec)]
    value, gradient, (state_G, _, _) = step(flat(params), *states, y, z)
    assert value == pytest.approx(script.extraction_loss(params, teacher, y, z), rel=1e-12)
    theirs = flat(grad(script.extraction_loss)(params, teacher, y, z))
    assert np.abs(gradient - theirs).max() <= 1e-9 * np.abs(theirs).max()

    # In evaluation mode the same running statistics give the same samples.
    norms = G.state_layout.views(state_G).values()
    running = [norm[:, 0] for norm in norms]
    x_script, _ = script.generator(params[:3], y, z, running)
    p_G = G.layout.views(to_package(G, params[:3], names))
    close(G.apply(p_G, state_G, generator.generator_input(z, y))[0], x_script, 1e-9)
