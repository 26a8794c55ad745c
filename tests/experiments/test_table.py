"""The table: a grid of jobs that gives the same numbers serial, parallel, resumed, on a cluster."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from shell import ENVIRONMENT, accepted, refused

from kegnet_np.experiments import grid, table, text
from kegnet_np.experiments.jobs import in_waves
from kegnet_np.experiments.run import APPROACHES
from kegnet_np.experiments.statistics import interval, paired
from kegnet_np.interface import inputs

SETTINGS = {
    "protocol": "paper", "hidden": 10, "depth": 2, "teacher_epochs": 3, "generators": 2,
    "generator_epochs": 2, "generator_steps": 4, "generator_batch": 32, "noise_epochs": 2,
    "student_epochs": 2, "noise_pool": 128, "pool_per_generator": 64, "held_out": 50,
    "students": 2,
}
GRID = table.jobs_of(["digits"], 2, 7, (3,))


def run(out, **options):
    return grid.do("table", GRID, SETTINGS, inputs.load, out, **options)


def values_of(result, approach, key="accuracy"):
    return grid.values_of(result, key, **table.at(approach, "digits", 3))


def numbers(result):
    """All that must not depend on how the jobs were run: everything but times."""
    return [{k: v for k, v in cell.items() if k != "seconds"} for cell in result["cells"]]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    out = tmp_path_factory.mktemp("table") / "serial"
    return out, run(out)


def test_the_grid_has_a_job_for_every_set_rank_teacher_and_approach():
    waves = in_waves(table.jobs_of(["shuttle", "pendigits", "letter"], 3, 2019))
    assert [len(wave) for wave in waves] == [9, 9 + 3 * 4, 3 * 4 * 4]
    assert {job.does for job in waves[1]} == {"extract", "compress"}
    ranks = {(job.dataset, job.rank) for job in waves[2]}
    assert ranks == {("shuttle", 5), ("pendigits", 5), ("pendigits", 10), ("letter", 10)}
    names = [job.name for wave in waves for job in wave]
    assert len(set(names)) == len(names) and {job.teacher for job in waves[0]} == {2019, 2020, 2021}
    with pytest.raises(ValueError, match="datasets is .* expected different names, or ranks of"):
        table.jobs_of(["a/x.csv", "b/x.csv"], 3, 2019)


def test_every_cell_has_its_scores_and_the_file_says_the_same(serial):
    out, result = serial
    assert json.loads((out / "table.json").read_text()) == result
    students = grid.cells_of(result, does="distill")
    assert {c["samples"] for c in students} == set(APPROACHES)
    assert len(students) == 8
    for cell in students:
        assert len(cell["accuracy"]) == len(cell["agreement"]) == len(cell["balanced"]) == 2
        assert all(0 <= v <= 1 for v in cell["accuracy"]) and cell["seconds"] > 0
    teachers = [accuracy[0] for accuracy in values_of(result, "teacher")]
    assert len(set(teachers)) == 2 and min(teachers) > 0.15  # two teachers, above chance


def test_processes_give_the_serial_numbers(serial, tmp_path):
    assert numbers(run(tmp_path / "two", processes=2)) == numbers(serial[1])


def test_a_table_that_lost_cells_does_only_those_again(serial, tmp_path):
    out, result = serial
    times = {p: p.stat().st_mtime_ns for p in (out / "checkpoints").iterdir()}
    lost = out / "checkpoints" / "digits-7-rank3-normal.npz"
    lost.unlink()
    lines = []
    again = run(out, resume=True, report=lines.append)
    assert numbers(again) == numbers(result) and len(lines) == 1 and "rank3-normal" in lines[0]
    changed = [p.name for p, t in times.items() if p.stat().st_mtime_ns != t]
    assert changed == [lost.name]
    with pytest.raises(ValueError, match="holds a run with settings .*resume with the same"):
        grid.do("table", GRID, {**SETTINGS, "students": 3}, inputs.load, out, resume=True)


needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
DRIVER = """
import json, sys
sys.path[:0] = sys.argv[3:]
from kegnet_np.experiments import folder
folder.SAVE_EVERY = 0
import test_table
test_table.run(sys.argv[1], resume=True, **json.loads(sys.argv[2]))
"""


def start(out, **options):
    here = os.path.dirname(__file__)
    call = [sys.executable, "-c", DRIVER, str(out), json.dumps(options), here, f"{here}/.."]
    return subprocess.Popen(call, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.PIPE)


@needs_sigkill
def test_a_table_killed_at_random_moments_ends_with_the_same_numbers(serial, tmp_path):
    rng, kills, cells = np.random.default_rng(0), 0, tmp_path / "killed" / "checkpoints"

    def files():
        return sum(1 for _ in cells.glob("*")) if cells.is_dir() else 0

    while kills < 10:  # every other time after a new file, else at any time, the start included
        process, enough = start(tmp_path / "killed"), files() + kills % 2
        while process.poll() is None and files() < enough:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02 if kills % 2 else 0.6))
        assert process.poll() is None, "it ended before it could be killed"
        kills += 1
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = start(tmp_path / "killed")
    last.communicate()
    assert last.returncode == 0
    result = json.loads((tmp_path / "killed" / "table.json").read_text())
    assert numbers(result) == numbers(serial[1])


@needs_sigkill
def test_a_cluster_that_loses_a_worker_gives_the_serial_numbers(serial, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra cluster")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        killed = []

        def kill_one(line):
            if not killed and line.startswith("3/"):
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        result = run(
            tmp_path / "cluster", dask=cluster.scheduler_address, report=kill_one)
    assert killed and numbers(result) == numbers(serial[1])


# --- statistics and rendering --------------------------------------------------------------------


def test_the_interval_is_students_t_over_the_teachers_means():
    values = [[0.7, 0.8], [0.6, 0.7], [0.9, 0.8]]
    entry = interval(values)
    low, high = ttest_1samp([0.75, 0.65, 0.85], 0).confidence_interval(0.95)
    assert entry["mean"] == pytest.approx(0.75) and entry["n"] == 3
    assert entry["half"] == pytest.approx((high - low) / 2) and entry["sd"] == pytest.approx(0.1)
    one = interval([[0.7, 0.8, 0.9]])
    assert one["n"] == 3 and one["sd"] == pytest.approx(0.1)
    assert interval([[0.5]])["half"] is None
    with pytest.raises(ValueError, match="per_teacher is empty"):
        interval([])


def test_paired_differences_are_taken_teacher_by_teacher(serial):
    _, result = serial
    a, b = (values_of(result, approach) for approach in ("real", "normal"))
    entry = paired(a, b)
    assert table.rows(result, "accuracy")[-1][1] == text.cell(entry, sign="+")
    assert entry["mean"] == pytest.approx(np.mean(a) - np.mean(b)) and entry["n"] == 2


def test_the_rendered_tables_hold_the_same_cells(serial):
    _, result = serial
    rows = table.rows(result, "accuracy")
    assert rows[0] == ["test accuracy, %", "digits, rank 3"] and len(rows) == 11
    mean = 100 * np.mean(values_of(result, "kegnet"))
    assert rows[5][0] == "Tucker + KegNet" and rows[5][1].startswith(f"{mean:.1f} ± ")
    plain, markdown, latex = text.to_text(rows), text.to_markdown(rows), text.to_latex(rows, 6)
    for row in rows:
        assert row[1] in plain and row[1] in markdown and row[1].replace("±", r"$\pm$") in latex
    assert latex.count(r"\\") == len(rows) and "%" not in latex.replace(r"\%", "")


def test_the_figure_has_an_axis_per_column_with_teacher_and_ceiling(serial):
    figure = table.figure(serial[1])
    (ax,) = figure.axes
    assert ax.get_ylabel() == "test accuracy, %" and ax.get_title() == "digits, rank 3"
    lines = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(lines) == {"mean, 95% interval", "one teacher", "teacher", "real inputs (ceiling)"}


def test_the_command_prints_the_tables_and_writes_them(tmp_path):
    settings = "".join(f"{k} = {json.dumps(v)}\n" for k, v in SETTINGS.items())
    (tmp_path / "tiny.toml").write_text(settings)
    options = ["--datasets", "digits", "--ranks", "3", "--config", tmp_path / "tiny.toml"]
    out = accepted("table", *options, "--out", tmp_path / "t")
    assert "digits, rank 3" in out and "teachers: 1, students of each: 2" in out
    for name in ("table.json", "table.tex", "table.png"):
        assert (tmp_path / "t" / name).stat().st_size > 100
    assert "holds a run; go on with --resume" in refused(
        tmp_path, "table", *options, "--out", tmp_path / "t"
    )
    start = time.monotonic()
    assert accepted("table", *options, "--out", tmp_path / "t", "--resume") == out
    assert time.monotonic() - start < 5
    assert "--teachers is 0" in refused(tmp_path, "table", *options, "--teachers", 0)
    assert "ranks holds 11" in refused(tmp_path, "table", *options, "--ranks", 11)
