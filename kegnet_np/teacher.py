"""M: the teacher, trained on labelled rows. The only network that sees them."""

from collections.abc import Sequence

from . import losses, metrics, sampling, train
from .backend import to_host
from .models import MLP, WIDTHS
from .network import Network
from .train import Hook, Rows, Schedule, Training

SCHEDULE = Schedule(1e-3, 64, 1000, patience=20, min_epochs=100)  # the paper's


def teach(
    rows: Rows, validation: Rows, *, classes: int | None = None, widths: Sequence[int] = WIDTHS,
    activation: str = "elu", dropout: float = 0.15, schedule: Schedule = SCHEDULE,
    balanced: bool = False, seed: int = 2019, hook: Hook | None = None,
) -> tuple[Network, Training]:
    """Train a teacher by cross-entropy; kept is the best epoch by validation accuracy.

    Parameters
    ----------
    rows : x (N, D), standardised, and labels (N,) to train on. validation : others, (N', D), (N',).
    classes : K; without it, the largest label of ``rows`` and one more.
    widths, activation, dropout : of the `MLP`. seed : of its start, masks and order of rows.
    balanced : keep the best epoch by balanced accuracy: where most rows are of one class.
    hook : see `train.fit`.

    Returns
    -------
    The teacher, theta (P,), and its training, a stack of one.
    """
    x, labels = train.check_rows("rows", rows, classes=classes)
    K = classes or int(to_host(labels.max())) + 1
    x_val, labels_val = train.check_rows("validation", validation, x.shape[1], K)
    model = MLP(x.shape[1], K, tuple(widths), activation, dropout)
    rngs = sampling.seeded(seed, "teacher")
    start = Network.random(model, rngs)
    batches = train.pool_batches(x, sampling.one_hot(labels, K), schedule.batch)
    run_epoch = train.classifier_epoch(model, losses.cross_entropy, batches)
    training = Training(start.theta, start.state, rngs, schedule)
    metric = metrics.balanced_accuracy if balanced else metrics.accuracy
    score = train.share_right(model, x_val, labels_val, metric)
    done = train.fit(training, run_epoch, score, hook)
    return Network(model, done.kept_theta[0], done.kept_state[0]), done
