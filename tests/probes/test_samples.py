"""What samples lack beside real rows."""

import numpy as np
import pytest

from kegnet_np import losses
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.probes import samples


def test_the_measures_of_a_cloud_against_itself_and_against_noise(rng):
    model = MLP(6, 4, (20,) * 3, dropout=0.1)
    teacher = Network(model, 3 * model.init(np.random.default_rng(1))[0])
    mix = rng.standard_normal((6, 6))
    real = (rng.standard_normal((4000, 6)) @ mix).astype(np.float32)
    noise = np.random.default_rng(3).standard_normal((4000, 6)).astype(np.float32)
    same, other = (samples.describe(x, teacher, real) for x in (real, noise))
    assert same["likeness"] == pytest.approx(1) and same["distance"] == 0
    assert abs(other["likeness"]) < 0.6 and other["distance"] > 0.1
    assert other["correlation"] < 0.05 < same["correlation"]
    assert other["dimensions"] == pytest.approx(6, abs=0.1)
    assert same["dimensions"] < 5
    p = losses.softmax(teacher.predict(real)).max(-1)
    assert same["confidence"] == pytest.approx(p.mean())
    assert same["ambiguous"] == pytest.approx((p < 0.9).mean()) and 0 < same["balance"] <= 1
    assert set(same) == set(samples.MEASURES)
    with pytest.raises(ValueError, match=r"real has shape \(4000, 3\), expected \(N, 6\)"):
        samples.describe(real, teacher, real[:, :3])
