# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11. Bring your own teacher, take your student with you
#
# **What you will do.** Take a classifier that somebody trained with scikit-learn, and none of its
# data. Distil it into a network a twelfth of its size. Write that as ONNX and as C. Then do the
# same with a random forest, which has no gradient and no weights.
#
# **What you will learn.** What a scaler tells, and why noise is worth nothing in the wrong units.
# What agreement on noise says of agreement on rows, and what it does not. What is inside an
# exported file.
#
# **What you need.** scikit-learn's `fit` and `predict`. Tutorial 6 helps (a student's loss), but
# the package does that part. `pip install "kegnet_np[formats]"` brings scikit-learn and onnx.
#
# Runs in about 25 seconds on one core.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx
from exercises import check
from onnx.reference import ReferenceEvaluator
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import data_loaders
from kegnet_np import DataFreeDistiller

# %% [markdown]
# ## A teacher
#
# The embedded digits, 8 × 8 images with 0 to 16 in every pixel, and scikit-learn's usual pipeline.
# The real rows are on this page to make the teacher, and at the end to judge. In between nothing
# looks at them.

# %%
data = data_loaders.load("digits")
raw = {name: np.rint(getattr(data, f"x_{name}") * data.scale + data.mean).astype(float)
       for name in ("train", "test")}  # 0 to 16, as the file has them
mlp = MLPClassifier((100, 100), max_iter=300, random_state=0)
teacher = make_pipeline(StandardScaler(), mlp).fit(raw["train"], data.y_train)
print(f"teacher: {teacher.score(raw['test'], data.y_test):.1%} of test rows right")
assert teacher.score(raw["test"], data.y_test) > 0.95

# %% [markdown]
# ## How large is it?
#
# A dense layer from $D$ to $H$ units has $D H$ weights and $H$ biases.
#
# **Exercise 11.1.** Write `answer_11_1(sizes)`: the parameters of a network of these sizes, inputs
# first, outputs last, such as `(64, 100, 100, 10)`.

# %%
# Exercise 11.1: your answer
answer_11_1 = None


# %%
def counts_all(answer):
    known = {(64, 100, 100, 10): 17610, (4, 3): 15, (13, 8, 3): 139}
    return all(answer(sizes) == n for sizes, n in known.items())


check("11.1", answer_11_1, counts_all, "pair every size with the next one")

# %% [markdown]
# <details><summary>Solution 11.1</summary>
#
# ```python
# def answer_11_1(sizes):
#     return sum(D * H + H for D, H in zip(sizes, sizes[1:]))
# ```
#
# </details>

# %% [markdown]
# ## A student, in one line
#
# `DataFreeDistiller` is an estimator of scikit-learn's. `fit()` takes no rows. It draws normal
# noise in the units of the pipeline's scaler, asks the teacher, and trains a small network on the
# answers. Short trials choose depth, learning rate and batch, on noise too. (`n_samples` is
# smaller here than usual, which is four million.)

# %% tags=["varies"]
distiller = DataFreeDistiller(teacher, compression=12, n_samples=1_000_000, random_state=0).fit()
print(distiller.student_.form)
print(f"{distiller.n_params_:,} parameters, {distiller.compression_:.1f} times fewer")
assert distiller.n_params_ * 12 <= 17_610

# %% tags=["varies"]
print(f"agrees with the teacher on {distiller.agreement_:.1%} of noise")

# %% [markdown]
# That is all that one can know without data. Now the rows that a customer would have:


# %%
def on_rows(student, of=teacher):
    """The share of test rows on which the student gives the teacher's class."""
    return float((student.predict(raw["test"]) == of.predict(raw["test"])).mean())


assert on_rows(distiller) > 0.85 and on_rows(distiller) > distiller.agreement_

# %% tags=["varies"]
print(f"agrees on {on_rows(distiller):.1%} of test rows,")
print(f"of which {distiller.score(raw['test'], data.y_test):.1%} are right")

# %% [markdown]
# Better on rows than on noise, because images lie well inside their class more often than noise
# does. It need not be so: where rare values matter, noise never sees them, and it is the other way
# round. **Agreement on noise is no bound, in either direction.**

# %% [markdown]
# ## What the scaler told
#
# The scaler holds the mean and deviation of every pixel. Suppose they were lost, and we guessed
# deviations that are too small or too large: the student then learns the teacher's answers to
# inputs that nobody will ask about.

# %%
inner, scaler = teacher[-1], teacher[0]
factors = np.array([0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0])


def of_noise(factor):
    """A student of the same network, on noise so many times as wide as rows are."""
    def noise(rng, n):
        return np.float32(factor) * rng.standard_normal((n, 64), np.float32)

    return DataFreeDistiller(teacher, 12, noise, n_samples=150_000, random_state=0).fit()


agreement = np.array([on_rows(of_noise(factor)) for factor in factors])

# %%
figure, ax = plt.subplots(figsize=(5.2, 2.8), layout="constrained")
ax.semilogx(factors, 100 * agreement, "o-")
ax.axvline(1, color="grey", lw=1, ls=":")
ax.set(xlabel="width of the noise, in deviations of the rows", ylim=(0, 100),
       ylabel="agreement on test rows, %")
plt.show()
assert factors[agreement.argmax()] in (0.3, 1.0, 3.0)
assert agreement.max() > agreement[0] + 0.2

# %% [markdown]
# The best width is about that of the rows. A factor of three in either direction costs little
# here, a factor of thirty much: narrow noise meets only the classes near the mean, and far out
# the teacher is another function than it is among the rows.
#
# A scaler becomes part of the first layer if one wants: a file has no need of two kinds of numbers.
#
# **Exercise 11.2.** Write `answer_11_2(mean, scale, W, b)`: weights and biases `V, c` so that for
# every row `x @ V + c` is `(x - mean) / scale @ W + b`.

# %%
# Exercise 11.2: your answer
answer_11_2 = None


# %%
def folds(answer):
    W, b = inner.coefs_[0], inner.intercepts_[0]
    V, c = answer(scaler.mean_, scaler.scale_, W, b)
    return np.allclose(raw["test"] @ V + c, scaler.transform(raw["test"]) @ W + b)


check("11.2", answer_11_2, folds, "divide the rows of W; what is then left of the mean?")

# %% [markdown]
# <details><summary>Solution 11.2</summary>
#
# ```python
# def answer_11_2(mean, scale, W, b):
#     V = W / scale[:, None]
#     return V, b - mean @ V
# ```
#
# </details>

# %% [markdown]
# ## What else it tells
#
# A feature of zeros and ones with the share $m$ of ones has the variance $m (1 - m)$. So mean and
# deviation together tell which features are flags, and how often they are set. Whoever gets the
# student gets that too.
#
# **Exercise 11.3.** Write `answer_11_3(m, s)`: whether a feature of mean `m` and deviation `s`
# may be a flag, `True` or `False`. Leave room for rounding.

# %%
# Exercise 11.3: your answer
answer_11_3 = None


# %%
def finds_flags(answer):
    flags = [(0.5, 0.5), (0.2, 0.4), (0.1, 0.3), (0.02, 0.14)]
    others = [(0.5, 0.29), (3.0, 0.1), (0.2, 0.16), (-0.5, 0.5), (0.0, 1.0)]
    return (all(answer(*f) is True for f in flags)
            and all(answer(*f) is False for f in others))


check("11.3", answer_11_3, finds_flags, "compare variances; and where must m lie?")

# %% [markdown]
# <details><summary>Solution 11.3</summary>
#
# ```python
# def answer_11_3(m, s):
#     return 0 < m < 1 and abs(s * s - m * (1 - m)) < 1e-9
# ```
#
# `kegnet_np/interface/report.py` does this, and finds categories too: their shares add up to 1.
# `distiller.report("report.html")` writes it on a page for those who have to decide.
# </details>

# %% [markdown]
# ## Take it with you
#
# `to_onnx`, `to_c`, `to_python`, `to_safetensors` write one file each, with scaler, softmax and
# class names inside: raw units go in, probabilities come out. onnx's own evaluator shall say what
# is in the first; programs that run ONNX are many.

# %%
folder = Path(tempfile.mkdtemp())
distiller.to_onnx(folder / "student.onnx")
model = onnx.load(folder / "student.onnx")
print(" ".join(node.op_type for node in model.graph.node))
rows = raw["test"].astype(np.float32)
(p,) = ReferenceEvaluator(model).run(None, {"x": rows})
off = np.abs(p - distiller.predict_proba(rows)).max()
assert off < 1e-5 and (p.argmax(1) == distiller.predict(rows)).all()

# %% [markdown]
# The C header needs no library but the compiler's. Its head says how to use it, and what it takes.

# %%
distiller.to_c(folder / "student.h")
lines = (folder / "student.h").read_text(encoding="utf-8").splitlines()
print("\n".join(line[:54] for line in lines[2:6]))
assert "student_predict" in "".join(lines)

# %% [markdown]
# ## A teacher without weights
#
# A forest is asked as the network was; it needs no gradient for that. It has no number of
# parameters, so it counts as a network of the paper's size, 11 layers of 100. Its steps are
# harder to learn than a network's slopes: compare the two gaps, on noise and on rows.

# %%
trees = RandomForestClassifier(50, random_state=0)
forest = make_pipeline(StandardScaler(), trees).fit(raw["train"], data.y_train)
of_forest = DataFreeDistiller(forest, compression=12, n_samples=100_000, random_state=0).fit()
assert on_rows(of_forest, forest) > 0.8

# %% tags=["varies"]
print(f"{of_forest.n_params_:,} parameters; the forest agrees")
print(f"on {of_forest.agreement_:.1%} of noise, "
      f"{on_rows(of_forest, forest):.1%} of test rows")

# %% [markdown]
# This page is one data set and one seed. The same for six sets, three kinds of teachers and three
# seeds is in `docs/results.md`, beside students that saw real inputs.
#
# ## What you can now explain
#
# - What a student needs of the data although it sees none of them: the units, which the scaler has.
# - Why agreement on noise is no bound for agreement on rows, and that a hundred unlabelled rows are
#   the way to find out.
# - What is inside an exported file, and what it gives away.
#
# The [README](../README.md) has the other commands and the order in which to read the code.
