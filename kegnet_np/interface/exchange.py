"""Commands that put a network to use elsewhere: files of other programs, answers to raw rows."""

import csv
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ..experiments import settings as s
from ..io import convert as files
from ..io.classifier import Classifier
from ..io.files import write_text
from ..io.formats.c_header import memory
from ..tables.reading import table_of
from . import inputs

Given = dict[str, Any]  # the settings that a person gave, by name
OF_LABELS = ("dataset", "label", "split_seed", "own_statistics", "drop", "categories", "missing")


def predict(given: Annotated[Given, s.Data, "but", *OF_LABELS], model: Path, input: Path,
            out: Path | None = None, proba: bool = False, missing: str | None = None,
            by_position: bool = False) -> None:
    """class names for the rows of a table without labels, in raw units

    model : a teacher's or students' checkpoint, of which the first network answers; or .safetensors, .skops
    input : the table
    out : file to write (default: the screen)
    proba : also the probability of each class
    missing : refuse, or mean: the training rows' mean stands for missing numbers (default: as taught)
    example: kegnet predict --model students.npz --input new.csv --out answers.csv
    """  # noqa: E501
    if out:
        inputs.new_file(out)
    how = s.make(given).data.reading()
    classifier = files.read(model)
    columns = classifier.schema.columns if classifier.schema else ()
    table = table_of(input, [column.name for column in columns], **how)
    p = classifier.probabilities(table, missing=missing, by_position=by_position)
    print(f"kegnet: read {table.name}: {len(table):,} rows, {table.told}", file=sys.stderr)
    names, k = classifier.class_names, p.argmax(1)
    lines = io.StringIO()
    answers = csv.writer(lines, lineterminator="\n")
    answers.writerow(["class", *names] if proba else ["class"])
    answers.writerows([names[i], *(f"{v:.6g}" for v in row if proba)]
                      for i, row in zip(k, p, strict=True))
    if out is None:
        print(lines.getvalue(), end="")
        return
    write_text(out, lines.getvalue())
    counts = ", ".join(f"{names[i]} {n:,}" for i, n in enumerate(np.bincount(k)) if n)
    print(f"{out}: {len(k):,} answers: {counts}")


def convert(source: Path, target: Path, /, activation: str | None = None,
            like: Path | None = None, member: int = 0) -> None:
    """a network from one program's file to another's; the files' endings decide

    source : .npz (a checkpoint, or arrays W0, b0, W1, ...), .safetensors, .pt (PyTorch's state dict) or .skops (scikit-learn)
    target : .npz, .safetensors, .onnx, .h (C99) or .py (Python without packages)
    activation : what follows the hidden layers, if the source does not say: identity, elu, relu, tanh or logistic
    like : an .npz whose units and names to take: a checkpoint with its schema, or arrays mean, scale, class_names
    member : which network of a checkpoint of several (default: 0)
    example: kegnet convert students.npz student.h --like teacher.npz
    """  # noqa: E501
    found = files.read_all(source, activation=activation, **(files.units(like) if like else {}))
    if not 0 <= member < len(found):
        raise ValueError(f"--member is {member}, expected 0 to {len(found) - 1} of {source}")
    chosen = found[member]
    files.write(target, chosen)
    which = f", network {member} of {len(found)}" if len(found) > 1 else ""
    print(f"{target}: {chosen.form}, {chosen.network.size:,} parameters{which}")
    if target.suffix.lower() == ".h":
        flash, ram = memory(chosen)
        print(f"{flash:,} bytes of flash for its numbers and names, {ram:,} bytes of stack for its "
              "units, and some 1 KB of code")
    tell_units(chosen, target)


def tell_units(made: Classifier, target: Path) -> None:
    """What a file of another program takes, where one might think otherwise."""
    if made.schema is None:
        print("it takes standardised inputs: no mean and scale are known; kegnet convert has "
              "--like for that")
    elif len(made.schema.columns) < len(made.mean) and target.suffix.lower() not in files.READERS:
        print(f"it takes {len(made.mean)} numbers, a category as a 0 or 1 for each of its values")
