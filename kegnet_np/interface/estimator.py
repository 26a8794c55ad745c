"""Distillation without data as an estimator of scikit-learn."""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import metrics, sampling
from ..beyond import samplers
from ..experiments import choices, pipeline
from ..experiments.devices import on
from ..experiments.folder import Progress
from ..experiments.settings import Settings, make
from ..generator import extract, generated
from ..io import convert
from ..io.classifier import Classifier
from ..io.formats import scikit
from ..models import MLP
from ..network import Network
from ..student import distill
from . import report
from .teachers import Teacher, known

EPOCHS, SHORTEST = 250, 2048  # of a training, at the most; samples of an epoch, at the least
HELD_OUT = 10_000  # samples on which students are compared with their teacher


class DataFreeDistiller(ClassifierMixin, BaseEstimator):
    """A small network that answers as a trained classifier does, learnt without any data.

    The teacher answers noise, and students learn its answers: by default plain MLPs of normal
    noise, whose depth, learning rate and batch are chosen by short trials, because nothing did
    better without data (docs/results.md).

    Parameters
    ----------
    teacher : a fitted classifier of scikit-learn with predict_proba; a `Classifier`; or the path
        of a file that `io.convert.read` reads. An MLPClassifier, alone or in a Pipeline after
        affine scalers, is a network of its own; all else is only asked. Note that `clone`, and so
        cross-validation, makes a teacher unfitted, unless it is in a FrozenEstimator.
    compression : how many times fewer parameters than the teacher; a teacher that is no network
        counts as 11 layers of 100 units.
    sampler : what students see, a name of `beyond.samplers.SAMPLERS` or several with "+" between;
        or a function of one's own, (rng, n) -> standardised rows (n, D), float32.
    hidden_layer_sizes : the students' layers, in place of compression.
    ranks : an integer or several: students in the paper's Tucker form, in place of compression;
        or "auto": in that form, of ranks chosen to suit it. They have the teacher's activation.
    activation : of plain students: identity, elu, relu, tanh or logistic.
    n_students : how many learn, side by side; the one that agrees best with the teacher is kept.
    random_state : seed of all that is drawn. verbose : 1 shows a bar, on a terminal.
    n_samples : how many samples each student sees; trials take a seventh of that more for each.
    mean, scale : (D,), what is known of the features where the teacher has no scaler; default: 0
        and 1, or those of X where `fit` fits the teacher.

    Attributes
    ----------
    student_ : the student, a `Classifier`. teacher_ : the fitted teacher. classes_, n_features_in_,
    feature_names_in_ : the teacher's. n_params_, compression_ : the student's size, and how many
    times smaller it is. agreement_ : the share of held-out samples on which it gives the teacher's
    class; agreements_ (n_students,) of every student. loss_curve_ : KL divergence by epoch.
    """

    def __init__(self, teacher=None, compression=12, sampler="normal", hidden_layer_sizes=None,
                 ranks=None, activation="elu", n_students=1, random_state=None, verbose=0, *,
                 n_samples=4_000_000, mean=None, scale=None):
        self.teacher = teacher
        self.compression = compression
        self.sampler = sampler
        self.hidden_layer_sizes = hidden_layer_sizes
        self.ranks = ranks
        self.activation = activation
        self.n_students = n_students
        self.random_state = random_state
        self.verbose = verbose
        self.n_samples = n_samples
        self.mean = mean
        self.scale = scale

    def fit(self, X=None, y=None) -> "DataFreeDistiller":
        """Distil the teacher. X (N, D), y (N,) : only to fit a teacher that is not fitted yet; a
        fitted one is distilled without looking at them."""
        self._check()
        taught = self._taught(X, y)
        M: Any = taught.M  # a BlackBox is used as a network is
        settings = self._settings(M.model)
        seed = int(check_random_state(self.random_state).randint(2**31))
        with pipeline.stage("distil"), on("cpu"):
            sampler = _sampler(self.sampler, taught, settings, seed)
            arguments = settings.distill.arguments(watch=False)
            starts, recipe = choices.best_of(
                M, self._starts(M, settings, sampler, seed), sampler, arguments, None, seed)
            if starts[0].theta.ndim == 1:  # a Tucker form: students that start as one
                arguments["shared"] = False
            students, done, _ = choices.by_recipe(
                partial(distill, M, starts[0], sampler, purpose="mlp"), recipe,
                arguments | {"seed": seed, "hook": Progress("students", quiet=not self.verbose)},
                None)
            x = sampler(sampling.seeded(seed, "agreement")[0], HELD_OUT)
            self._seen = taught, x
            self.agreements_ = metrics.agreement(students.predict(x), M.predict(x))
        best = int(self.agreements_.argmax())
        self.student_ = Classifier(students.member(best), taught.schema)
        self.agreement_, self.n_params_ = float(self.agreements_[best]), students.size
        self.compression_ = M.size / students.size
        self.loss_curve_ = [row["loss"] for row in done.history if row["member"] == best]
        return self

    def _check(self) -> None:
        """Raise ValueError for parameters that `settings` does not check."""
        for name in ("n_students", "n_samples"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} is {value!r}, expected an integer of at least 1")
        sizes = self.hidden_layer_sizes
        if sizes is None:
            return
        if self.ranks is not None:
            raise ValueError(f"ranks is {self.ranks!r} and hidden_layer_sizes {sizes!r}, expected "
                             "one of them; leave one out")
        if not all(isinstance(n, (int, np.integer)) and n > 0 for n in np.ravel(sizes).tolist()):
            raise ValueError(f"hidden_layer_sizes is {sizes!r}, expected positive integers, such "
                             "as (30, 30)")

    def _settings(self, model: MLP) -> Settings:
        """Those of the protocol "tuned", with the form and size asked for."""
        epochs = int(np.clip(self.n_samples // SHORTEST, 1, EPOCHS))
        given: dict[str, Any] = {
            "protocol": "tuned", "students": int(self.n_students), "noise_epochs": epochs,
            "noise_pool": -(-int(self.n_samples) // epochs), "activation": self.activation,
            "hidden": max(model.widths, default=1), "depth": len(model.widths) or 1}
        given |= {"student_epochs": epochs, "pool_per_generator": given["noise_pool"]}
        if self.ranks is None:
            return make(given | {"form": "mlp", "compression": self.compression})
        if isinstance(self.ranks, str):
            if self.ranks != "auto":
                raise ValueError(f"ranks is {self.ranks!r}, expected integers or 'auto'")
            return make(given | {"form": "tucker", "ranks": (), "compression": self.compression})
        return make(given | {"form": "tucker", "ranks": tuple(np.ravel(self.ranks).tolist())})

    def _taught(self, X, y) -> Teacher:
        """The fitted teacher; sets teacher_, and what scikit-learn wants to know of the inputs."""
        if self.teacher is None:
            raise ValueError("teacher is None, expected a classifier of scikit-learn, the path of "
                             "a file or a Classifier")
        self.teacher_, units, fitted = self.teacher, (self.mean, self.scale), True
        if isinstance(self.teacher, BaseEstimator):
            try:
                check_is_fitted(self.teacher)
            except NotFittedError:
                fitted = False
        if not fitted:
            if X is None:
                raise NotFittedError("teacher is not fitted: fit it first, or give X and y")
            X, y = validate_data(self, X, y)
            check_classification_targets(y)
            self.teacher_ = clone(self.teacher).fit(X, y)
            if units == (None, None):
                deviation = X.std(0, dtype=np.float64)
                units = X.mean(0, dtype=np.float64), np.where(deviation > 0, deviation, 1)
        made = known(self.teacher_, *units)
        if fitted:
            self.n_features_in_ = made.M.model.features
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            if hasattr(self.teacher_, "feature_names_in_"):
                self.feature_names_in_: Any = self.teacher_.feature_names_in_
        if not made.scaled:
            warnings.warn(
                "the teacher has no scaler, and no mean and scale are given: it is asked about "
                "features of mean 0 and deviation 1", stacklevel=3)
        self.classes_ = made.classes
        return made

    def _starts(self, M: Any, settings: Settings, sampler, seed: int) -> list[Network]:
        """Where students may start: random plain MLPs, or one in Tucker form."""
        if settings.compress.form == "tucker":
            start, _ = choices.compressed(M, settings.compress, seed, lambda names: sampler)
            return [start]
        like = replace(M.model, activation=self.activation, dropout=0.0)
        if self.hidden_layer_sizes is not None:
            models = [replace(like, widths=tuple(np.ravel(self.hidden_layer_sizes).tolist()))]
        else:
            budget = choices.budget_of(settings.compress, M.size)
            models = choices.plain_models(like, budget, settings)
        rngs = partial(sampling.seeded, seed, "mlp init", int(self.n_students))
        return [Network.random(model, rngs()) for model in models]

    def predict(self, X) -> np.ndarray:
        """Classes (N,) of rows X (N, D) in raw units, as the teacher names them."""
        k = self.predict_proba(X).argmax(1)
        return self.classes_[k]

    def predict_proba(self, X) -> np.ndarray:
        """Probabilities (N, K), in the order of ``classes_``, of rows X (N, D) in raw units."""
        check_is_fitted(self, "student_")
        return self.student_.predict_proba(validate_data(self, X, reset=False))

    def to_onnx(self, path) -> None:
        """Write the student as ONNX; path ends in .onnx, and is not overwritten."""
        self._write(path, ".onnx")

    def to_c(self, path) -> None:
        """Write the student as a C99 header; path ends in .h, and is not overwritten."""
        self._write(path, ".h")

    def to_python(self, path) -> None:
        """Write the student as a Python file without dependency; path ends in .py."""
        self._write(path, ".py")

    def to_safetensors(self, path) -> None:
        """Write the student with PyTorch's names; path ends in .safetensors."""
        self._write(path, ".safetensors")

    def to_sklearn(self) -> Any:
        """The student as a Pipeline of a StandardScaler and an MLPClassifier, which has no elu."""
        check_is_fitted(self, "student_")
        return scikit.to_sklearn(self.student_)

    def report(self, path) -> None:
        """Write a page on the student; path ends in .html, and is not overwritten."""
        check_is_fitted(self, "student_")
        name = getattr(self.sampler, "__name__", self.sampler)
        report.write(path, self.student_, *self._seen, self.agreements_.tolist(), self.loss_curve_,
                     str(name))

    def _write(self, path, ending: str) -> None:
        check_is_fitted(self, "student_")
        if convert.check_target(path) != ending:
            raise ValueError(f"path is {str(path)!r}, expected one that ends in {ending}")
        convert.write(path, self.student_)


def _sampler(names: Any, taught: Teacher, settings: Settings, seed: int) -> sampling.Sampler:
    """The sampler of these names; generators that it needs are learnt first."""
    if callable(names):
        return names
    M: Any = taught.M
    learnt = None
    if samplers.needs(names, "generators"):
        G, _, _ = extract(M, **settings.extract.arguments(), seed=seed)
        learnt = generated(G, settings.extract.latent)
    return samplers.make(names, M, learnt, pipeline.described(None, taught.schema))
