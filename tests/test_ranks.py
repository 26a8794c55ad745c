"""Ranks chosen without data, layers fitted to activations, samplers by name, and what they lack."""

import json
from dataclasses import replace

import numpy as np
import pytest
from shell import accepted, refused

from kegnet_np import diagnose, losses, plots, ranks, samplers, sampling, train, tucker
from kegnet_np.checkpoint import load_network
from kegnet_np.models import Classifier


@pytest.fixture(scope="module")
def teacher():
    """A random teacher whose logits vary by more than those of a fresh one."""
    M = Classifier(6, 4, hidden=20, depth=3, dropout=0.1)
    theta, _ = M.init(np.random.default_rng(1))
    return M, 3 * theta


def outputs(M, theta, x):
    return train.predict(M, theta, None, x)


def normal(n, D=6, seed=3):
    return np.random.default_rng(seed).standard_normal((n, D)).astype(np.float32)


# --- layers fitted to activations ----------------------------------------------------------------


def test_fitted_layers_of_full_rank_are_the_teacher(teacher, monkeypatch):
    M, theta = teacher
    monkeypatch.setattr(tucker, "RIDGE", 1e-9)
    student, theta_0 = tucker.fit_layers(M, theta, 20, normal(3000))
    x = normal(200, seed=4)
    assert np.abs(outputs(student, theta_0, x) - outputs(M, theta, x)).max() < 1e-3
    assert student.layout.size == replace(M, ranks=(20,)).layout.size


def test_a_fitted_first_layer_is_the_best_map_of_its_rank(teacher):
    M, theta = teacher
    x = normal(4000)
    p = M.layout.views(theta)
    Y = x.astype(np.float64) @ p["W0"] + p["b0"]

    def error(student, theta_0):
        q = {k: v.astype(np.float64) for k, v in student.layout.views(theta_0).items()}
        fitted = x @ q["U_in0"] @ q["core0"] @ q["U_out0"] + q["b0"]
        return ((fitted - Y) ** 2).sum()

    student, theta_0 = tucker.fit_layers(M, theta, 3, x)
    Yc, Xc = Y - Y.mean(0), x - x.mean(0, dtype=np.float64)
    # Eckart and Young in the metric of the samples: what rank 3 of the fitted values leaves out
    values = np.linalg.svd(Xc @ np.linalg.lstsq(Xc, Yc, rcond=None)[0], compute_uv=False)
    assert error(student, theta_0) == pytest.approx((values[3:] ** 2).sum(), rel=1e-3)
    assert error(*tucker.compress(M, theta, 3)) > 1.001 * error(student, theta_0)


def test_fitting_each_layer_to_what_the_student_sees_beats_the_weights_alone(teacher):
    M, theta = teacher
    x, rows = normal(3000), normal(1000, seed=5)
    truth = losses.softmax(outputs(M, theta, rows))
    kl = [
        float(losses.kl(outputs(*made, rows), truth))
        for made in (tucker.fit_layers(M, theta, 4, x), tucker.compress(M, theta, 4))
    ]
    assert kl[0] < 0.7 * kl[1]


def test_samples_of_another_width_are_refused(teacher):
    M, theta = teacher
    with pytest.raises(ValueError, match=r"x has shape \(10, 5\), expected finite rows \(N, 6\)"):
        tucker.fit_layers(M, theta, 3, normal(10, D=5))


# --- ranks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("D, K, budget", [(16, 10, 12_846), (16, 26, 25_478), (9, 7, 6_000),
                                          (64, 10, 13_000), (2, 2, 4_000)])  # fmt: skip
def test_tapers_fall_and_keep_within_the_budget(D, K, budget):
    M = Classifier(D, K)
    made = ranks.tapers(M, budget)
    assert len(set(made)) == len(made) >= 2
    for candidate in made:
        assert len(candidate) == 12 and candidate[0] <= D and candidate[-1] <= K
        assert all(a >= b >= 1 for a, b in zip(candidate[1:], candidate[2:], strict=False))
        assert 0.85 * budget < ranks.n_params(M, candidate) <= budget
    uniform = ranks.largest_rank(M, budget)
    assert any(min(c) >= min(uniform, K, D) for c in made)  # the paper's choice is among them


def test_too_small_a_budget_is_refused_with_the_least_that_is_possible():
    least = ranks.n_params(Classifier(16, 10), (1,))
    with pytest.raises(ValueError, match=f"expected at least {least:,}: rank 1 in every layer"):
        ranks.tapers(Classifier(16, 10), least - 1)


def test_the_candidate_nearest_to_the_teacher_wins_the_last_round(teacher, monkeypatch):
    M, theta = teacher
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.4, 32)))
    budget = ranks.n_params(M, (5,))
    found = ranks.allocate(M, theta, budget, sampling.normal(6), seed=1)
    last = [t for t in found.trials if t.steps == 32]
    assert found.ranks == min(last, key=lambda t: t.kl).ranks and found.n_params <= budget
    first = sorted((t for t in found.trials if t.steps == 16), key=lambda t: t.kl)
    assert {t.ranks for t in last} == {t.ranks for t in first[: len(last)]}
    assert found == ranks.allocate(M, theta, budget, sampling.normal(6), seed=1)
    assert 0 < found.agreement <= 1
    figure = plots.ranks(found.ranks, [vars(t) for t in found.trials])
    assert figure.axes[0].get_xlabel() == "dense layer, first to last"


def test_the_smallest_student_that_agrees_is_found_by_bisection(teacher, monkeypatch):
    M, theta = teacher
    monkeypatch.setattr(ranks, "COMPRESSIONS", (3, 2.5, 2, 1.5, 1.2))
    asked = []

    def allocate(M, theta, budget, sampler, seed):
        asked.append(budget)
        trial = ranks.Trial((1,), 1, 0.0, budget / M.layout.size)
        return ranks.Allocation((1,), budget, (trial,))

    monkeypatch.setattr(ranks, "allocate", allocate)
    found = ranks.smallest(M, theta, 0.45, sampling.normal(6))
    assert found.n_params == int(M.layout.size / 2) and len(asked) <= 3
    with pytest.raises(ValueError, match="agreement is 0.9, but no student"):
        ranks.smallest(M, theta, 0.9, sampling.normal(6))


# --- samplers ------------------------------------------------------------------------------------


def test_every_sampler_has_the_moments_that_its_name_says(teacher, rng):
    M, theta = teacher

    def generated(rng, n):
        return np.full((n, 6), 2, np.float32)

    names = [name for name in sampling.SAMPLERS if name not in sampling.DESCRIBED]
    made = {n: samplers.make(n, M, theta, generated)(rng, 20_000) for n in names}
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
    M, theta = teacher

    def confidence(name):
        x = samplers.make(name, M, theta)(rng, 4000)
        return np.log(np.exp(outputs(M, theta, x).astype(np.float64)).sum(-1)).mean()

    assert confidence("energy") > confidence("normal") + 0.1


def test_a_mixture_has_equal_shares_in_random_order(teacher, rng):
    M, theta = teacher
    sampler = samplers.make("wide+kegnet", M, theta, lambda rng, n: np.full((n, 6), 9, np.float32))
    x = sampler(rng, 1001)
    ours = x[:, 0] == 9
    assert ours.sum() in (500, 501) and 0 < ours[:500].sum() < 500
    assert len({int((sampler(rng, 3)[:, 0] == 9).sum()) for _ in range(50)}) == 2


def test_unknown_samplers_and_missing_generators_are_refused(teacher):
    M, theta = teacher
    with pytest.raises(ValueError, match=r"sampler is 'normal\+nois', expected NAME or NAME\+NAME"):
        samplers.make("normal+nois", M, theta)
    with pytest.raises(ValueError, match="generated is None: extract first"):
        samplers.make("normal+noised", M, theta)


# --- what samples lack ---------------------------------------------------------------------------


def test_the_measures_of_a_cloud_against_itself_and_against_noise(teacher, rng):
    M, theta = teacher
    mix = rng.standard_normal((6, 6))
    real = (rng.standard_normal((4000, 6)) @ mix).astype(np.float32)
    same, other = (diagnose.describe(x, M, theta, real) for x in (real, normal(4000)))
    assert same["likeness"] == pytest.approx(1) and same["distance"] == 0
    assert abs(other["likeness"]) < 0.6 and other["distance"] > 0.1
    assert other["correlation"] < 0.05 < same["correlation"]
    assert other["dimensions"] == pytest.approx(6, abs=0.1)
    assert same["dimensions"] < 5
    p = losses.softmax(outputs(M, theta, real)).max(-1)
    assert same["confidence"] == pytest.approx(p.mean())
    assert same["ambiguous"] == pytest.approx((p < 0.9).mean()) and 0 < same["balance"] <= 1
    assert set(same) == set(diagnose.MEASURES)
    with pytest.raises(ValueError, match=r"real has shape \(4000, 3\), expected \(N, 6\)"):
        diagnose.describe(real, M, theta, real[:, :3])


# --- the command line ----------------------------------------------------------------------------


def test_ranks_auto_from_the_command_line(finished, tmp_path):
    teacher, G = finished.stages["teacher"], finished.stages["generators"]
    auto = ["--teacher", teacher, "--ranks", "auto", "--config", finished.settings]
    out = accepted("compress", *auto, "--params", 400, "--sampler", "normal", "--out",
                   tmp_path / "a.npz")  # fmt: skip
    assert "ranks, first layer to last: " in out
    n = int(out.split(": ")[1].split(" parameters")[0].replace(",", ""))
    assert n <= 400
    accepted("compress", *auto, "--compression", 1.5, "--generator-file", G, "--out",
             tmp_path / "b.npz")  # fmt: skip
    for options, words in [
        (["--params", 400], "--sampler normal+noised needs --generator-file"),
        (["--params", 4, "--sampler", "normal"], "budget is 4 parameters, expected at least"),
        (["--params", 400, "--compression", 2], "expected ranks auto and one of compression"),
        (["--agreement", 1.5], "agreement is 1.5, expected a number between 0 and 1"),
        (["--compression", 0.5], "compression is 0.5, expected a number above 1"),
        (["--params", -1], "params is -1, expected a positive integer"),
        (["--sampler", "nothing"], "sampler is 'nothing', expected NAME"),
    ]:
        assert words in refused(tmp_path, "compress", *auto, *options, "--out", tmp_path / "c.npz")
    fixed = ["--teacher", teacher, "--ranks", 2, "--compression", 2, "--out", tmp_path / "c.npz"]
    assert "compression is given with ranks (2,)" in refused(tmp_path, "compress", *fixed)
    both = ["--teacher", teacher, "--student", tmp_path / "b.npz", "--config", finished.settings]
    accepted("distill", *both, "--sampler", "wide+noised", "--generator-file", G, "--out",
             tmp_path / "d.npz")  # fmt: skip
    words = "--generator-file: --sampler normal has no use for it"
    assert words in refused(tmp_path, "distill", *both, "--sampler", "normal", "--generator-file",
                            G, "--out", tmp_path / "e.npz")  # fmt: skip


def test_a_run_chooses_its_ranks_and_distils_on_its_sampler(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    out = accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--out",
                   tmp_path / "run")  # fmt: skip
    assert "Tucker + normal+noised" in out and "protocol beyond" in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["n_params"]["student"] <= 250 and len(result["ranks"]) == 3
    assert result["ranks"] in [trial["ranks"] for trial in result["trials"]]
    assert len(result["accuracy"]["normal+noised"]["values"]) == 3
    assert "smaller MLP, same samples" in out and len(result["accuracy"]["mlp"]["values"]) == 3
    rival, theta, _, _ = load_network(tmp_path / "run" / "checkpoints" / "mlp.npz")
    assert rival.ranks is None and len({row.tobytes() for row in theta}) == 3
    assert rival.layout.size == result["n_params"]["mlp"] <= result["n_params"]["student"]
    assert (tmp_path / "run" / "figures" / "ranks.png").stat().st_size > 5000
    again = accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--resume",
                     "--out", tmp_path / "run")  # fmt: skip
    assert again == out


@pytest.mark.parametrize("generators", [1, 2, 5])
def test_the_plain_rival_has_as_many_updates_as_the_tucker_student_on_the_same_samples(
    finished, tmp_path, monkeypatch, generators
):
    monkeypatch.setattr(ranks, "ROUNDS", ((1.0, 16), (0.3, 32)))
    accepted("run", *finished.options, "--ranks", "auto", "--params", 250, "--generators",
             generators, "--selection", "last", "--out", tmp_path / "run")  # fmt: skip
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    updates = result["updates"]
    assert updates["mlp"] == updates["normal+noised"] == updates["kegnet"]
    assert updates["kegnet"] == 5 * -(-generators * 64 // 16)  # epochs x pool / batch
    assert updates["uniform"] == updates["normal"] == updates["real"] > 0
