"""S: students that learn the teacher's answers to samples."""

from dataclasses import replace

import numpy as np

from . import losses, sampling, train
from .backend import put
from .network import Network
from .train import Hook, Rows, Schedule, Training

SCHEDULE = Schedule(1e-4, 64, 1000, patience=50, min_epochs=100)  # the paper's, on noise, ...
ON_GENERATED = replace(SCHEDULE, epochs=400)  # ... on a pool of 6,400 samples of each generator


def distill(
    teacher: Network, start: Network, samples: sampling.Sampler | np.ndarray, *,
    students: int = 5, pool: int = 6400, fresh: bool = False, shared: bool = False,
    shuffle: bool = True, dropout: bool = True, held_out: int | np.ndarray | None = 2000,
    validation: Rows | None = None, schedule: Schedule = SCHEDULE,
    seed: int = 2019, purpose: str = "student", hook: Hook | None = None,
) -> tuple[Network, Training]:
    """Train students side by side by KL(softmax M(x) ‖ softmax S(x)) (Yoo et al., 2019).

    Parameters
    ----------
    teacher : M, one network. start : where every student starts, or a stack: where each does.
    samples : what they see: a sampler, of which each student gets a pool of its own; or rows
        (N, D), the pool of all.
    students : how many, if ``start`` is one network.
    pool : samples in a pool, that is in an epoch. fresh : new ones at every step instead.
    shared : all students see the same pool, or fresh samples; the teacher answers once for all.
    shuffle : each student goes through its pool in an order of its own.
    dropout : the students have the dropout of their model.
    held_out : how many samples, or which rows, score an epoch by agreement with the teacher.
        With ``schedule.patience`` the best epoch is kept by that: data-free. Without, the last is
        kept, and None spares the scores.
    validation : real rows (N', D) and labels (N',) to score an epoch by accuracy instead: as the
        official program does, not data-free.
    schedule, hook : see `train.fit`. seed, purpose : of the random numbers; students of another
        purpose draw others.

    Returns
    -------
    The students, a stack, and their training.
    """
    model, teacher = start.model, teacher.moved()
    if (model.features, model.classes) != (teacher.model.features, teacher.model.classes):
        raise ValueError(
            f"start has {model.features} features and {model.classes} classes, the teacher "
            f"{teacher.model.features} and {teacher.model.classes}: make it from this teacher"
        )
    if schedule.patience is not None and held_out is None and validation is None:
        raise ValueError("held_out is None, but schedule.patience selects an epoch: give samples")
    start = (start if start.theta.ndim == 2 else start.stack(students)).moved()
    rngs = sampling.seeded(seed, purpose, len(start.theta))

    def answers(x):
        return losses.softmax(teacher.predict(x))

    batches = _batches(samples, answers, rngs, pool, fresh, shared, shuffle, schedule.batch)
    if validation is not None:
        judges = train.check_rows("validation", validation, model.features)
    elif held_out is not None:
        if isinstance(held_out, (int, np.integer)):
            if not callable(samples):
                raise ValueError(f"held_out is {held_out}, but samples are rows: give other rows")
            held_out = samples(sampling.seeded(seed, f"{purpose} held out")[0], held_out)
        judges = put(held_out), answers(put(held_out)).argmax(-1)
    score = None if validation is held_out is None else train.share_right(model, *judges)
    trained = model if dropout else replace(model, dropout=0.0)
    run_epoch = train.classifier_epoch(trained, losses.kl, batches)
    training = Training(start.theta, start.state, rngs, schedule)
    done = train.fit(training, run_epoch, score, hook)
    return Network(model, done.kept_theta, done.kept_state), done


def _batches(samples, answers, rngs, pool, fresh, shared, shuffle, batch) -> train.Batches:
    """What the students see: a pool of their own, rows that all share, or fresh samples."""
    if fresh:
        sampler = samples if callable(samples) else sampling.rows_of(put(samples))
        return train.fresh_batches(sampler, answers, batch, -(-pool // batch), shared)
    x = samples if callable(samples) else put(samples)
    if callable(samples):
        x = sampling.stacked(lambda rng: samples(rng, pool), rngs[:1] if shared else rngs)
        x = x[0] if shared else x  # (N, D), or (S, N, D)
    return train.pool_batches(x, answers(x), batch, shuffle)
