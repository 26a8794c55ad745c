"""The stages of the job: teach, extract, compress, distil, evaluate.

`experiment.run` puts them in a row; the command line also offers them one by one.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from . import losses, ranks, samplers, sampling, train, tucker
from .config import Config
from .fit import Schedule, Training, fit
from .models import Classifier, NormalisedMLP, decoder, generator

Source = sampling.Sampler | tuple[np.ndarray, np.ndarray]  # what a student sees: see `distill`


def teach(config: Config, data, path: Path | None = None) -> tuple[Classifier, Training]:
    """Train a teacher on labelled rows; the best epoch by validation accuracy.

    Parameters
    ----------
    data : a `data_loaders.Dataset`. path : where a stage under way keeps its checkpoint.

    Returns
    -------
    The model and its training, a stack of one: theta is ``training.kept_theta[0]``.
    """
    model = Classifier(data.features, data.classes, config.hidden, config.depth, config.dropout)
    rngs = sampling.seeded(config.seed, "teacher")
    theta, state = (np.stack([a]) for a in model.init(rngs[0]))
    schedule = Schedule(
        config.teacher_lr, config.teacher_batch, config.teacher_epochs,
        config.teacher_patience, config.teacher_min_epochs,
    )  # fmt: skip
    target = sampling.one_hot(data.y_train, data.classes)
    batches = train.pool_batches(data.x_train, target, schedule.batch)
    run_epoch = train.classifier_epoch(model, losses.cross_entropy, batches)
    score = agreement_with(model, data.x_val, data.y_val)
    training = Training(theta, state, rngs, schedule.lr)
    return model, fit(training, run_epoch, schedule, name="teacher", score=score, path=path)


def extract(
    config: Config, M: Classifier, theta_M: np.ndarray, path: Path | None = None
) -> tuple[NormalisedMLP, NormalisedMLP, Training]:
    """Learn generators and decoders from the teacher alone, as one stack (Yoo et al., 2019).

    theta_M (P,). Returns G, D and their training: theta and state hold G's part, then D's.
    """
    G = generator(config.latent, M.classes, M.features)
    D = decoder(M.features, config.latent)
    rngs = sampling.seeded(config.seed, "generators", config.generators)
    pairs = [(G.init(rng), D.init(rng)) for rng in rngs]
    theta, state = (np.stack([np.concatenate([g[i], d[i]]) for g, d in pairs]) for i in (0, 1))
    schedule = Schedule(config.generator_lr, config.generator_batch, config.generator_epochs)
    run_epoch = train.extraction_epoch(
        G, D, M, theta_M,
        batch=schedule.batch, steps=config.generator_steps,
        alpha=config.alpha, beta=config.beta, teacher_dropout=config.teacher_dropout,
    )  # fmt: skip
    training = Training(theta, state, rngs, schedule.lr)
    return G, D, fit(training, run_epoch, schedule, name="generators", path=path)


def compress(
    config: Config, M: Classifier, theta_M: np.ndarray, generated: sampling.Sampler | None = None,
    described=None,
) -> tuple[Classifier, np.ndarray, ranks.Allocation | None]:  # fmt: skip
    """The student's form and where it starts; with ranks auto, where the rank goes.

    theta_M (P,) : the teacher. generated : for samplers that draw from generators.
    described : from `metadata.load`, for those that need it.
    Returns the model, theta_0 (P',), and the `ranks.Allocation` or None.
    """
    names = config.sampler or "normal"
    found = None
    if config.ranks and config.init == "weights":
        return *tucker.compress(M, theta_M, config.ranks), None
    sampler = samplers.make(names, M, theta_M, generated, described)
    if not config.ranks and config.agreement is not None:
        found = ranks.smallest(M, theta_M, config.agreement, sampler, config.seed)
    elif not config.ranks:
        budget = config.params or int(M.layout.size / (config.compression or 8))
        found = ranks.allocate(M, theta_M, budget, sampler, config.seed)
    chosen = found.ranks if found else config.ranks
    if config.init == "weights":
        return *tucker.compress(M, theta_M, chosen), found
    x = sampler(sampling.seeded(config.seed, "fit")[0], ranks.FITTED)
    return *tucker.fit_layers(M, theta_M, chosen, x), found


def smaller_mlp(config: Config, M: Classifier, budget: int) -> tuple[Classifier, np.ndarray]:
    """The plain rival of Tucker students, `ranks.smaller_mlp`, and its `random_starts`."""
    model = ranks.smaller_mlp(M, budget)
    return model, random_starts(config, model, "mlp")


def random_starts(config: Config, model: Classifier, name: str) -> np.ndarray:
    """A random start for each student, theta (S, P'); the form's name seeds them."""
    rngs = sampling.seeded(config.seed, f"{name} init", config.students)
    return np.stack([model.init(rng)[0] for rng in rngs])


def distill(
    config: Config,
    approach: str,
    M: Classifier,
    theta_M: np.ndarray,
    student: Classifier,
    theta_0: np.ndarray,
    source: Source,
    *,
    generated: bool = False,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    watch: bool = True,
    path: Path | None = None,
) -> Training:
    """Train a stack of students to give the teacher's answers on samples (Yoo et al., 2019).

    Parameters
    ----------
    approach : its name; seeds the students' random numbers.
    M, theta_M (P,) : the teacher. student, theta_0 (P',) : where every student starts, or (S, P').
    source : what the students see. A sampler: each student gets a pool of its own, or its own
        fresh samples. Or real inputs for training and for selection, (N, D) each, without labels:
        the ceiling.
    generated : whether the samples come from generators; the pool's size and the epochs follow
        from it, and never from the name: whoever sees the same samples has the same updates.
    validation : real validation inputs (N, D) and labels (N,), for selection "real-validation".
    watch : score every epoch even where selection "last" selects nothing, for the history.
    """
    rngs = sampling.seeded(config.seed, approach, config.students)
    p_M = M.layout.views(theta_M)

    def target_of(x):
        return losses.softmax(train.forward(M, p_M, x))

    n = config.pool_per_generator * config.generators if generated else config.noise_pool
    epochs = config.student_epochs if generated else config.noise_epochs
    if isinstance(source, tuple):
        x, held_out = source
        sampler = sampling.rows_of(x)
    else:
        sampler = source
    if config.sampling == "fresh":
        steps = -(-n // config.student_batch)
        batches = train.fresh_batches(sampler, target_of, config.student_batch, steps)
    else:
        if not isinstance(source, tuple):
            x = sampling.stacked(lambda rng: sampler(rng, n), rngs)  # (S, N, D)
        batches = train.pool_batches(x, target_of(x), config.student_batch, config.shuffle)
    score = None
    if config.selection == "real-validation":
        if validation is None:
            raise ValueError("validation is None, selection real-validation needs (x, labels)")
        score = agreement_with(student, *validation)
    elif watch or config.selection != "last":
        if not isinstance(source, tuple):
            (rng,) = sampling.seeded(config.seed, f"{approach} held out")
            held_out = sampler(rng, config.held_out)
        score = agreement_with(student, held_out, target_of(held_out).argmax(-1))
    patience = None if config.selection == "last" else config.student_patience
    schedule = Schedule(
        config.student_lr, config.student_batch, epochs, patience, config.student_min_epochs,
        config.cosine,
    )  # fmt: skip
    theta = theta_0 if theta_0.ndim == 2 else np.stack([theta_0] * config.students)
    training = Training(theta, theta[:, :0], rngs, schedule.lr)
    trained = student if config.student_dropout else replace(student, dropout=0.0)
    run_epoch = train.classifier_epoch(trained, losses.kl, batches)
    return fit(training, run_epoch, schedule, name=approach, score=score, path=path)


def agreement_with(model: Classifier, x: np.ndarray, labels: np.ndarray) -> Callable:
    """A score for `fit`: the share of rows x (N, D) that each member gives their label (N,)."""
    return lambda training: train.accuracy(
        train.predict(model, training.theta, training.state, x), labels
    )


def evaluate(model: Classifier, theta: np.ndarray, x, labels, teacher_answers) -> dict:
    """Accuracy, balanced accuracy, agreement with the teacher of a stack theta (S, P), by member.

    The rows are x (N, D); labels and teacher_answers are (N,), class numbers.
    """
    logits = train.predict(model, theta, theta[:, :0], x)
    return {
        "accuracy": summary(train.accuracy(logits, labels)),
        "balanced": summary(train.balanced_accuracy(logits, labels)),
        "agreement": summary(train.accuracy(logits, teacher_answers)),
    }


def summary(values: np.ndarray) -> dict:
    """{values, mean, sd}; sd has n − 1 in the denominator and is None for a single value."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"values": values.tolist(), "mean": float(np.mean(values)), "sd": sd}
