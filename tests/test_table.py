"""The table: a grid of jobs that gives the same numbers serial, parallel, resumed, on a cluster."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from shell import accepted, refused

import data_loaders
from kegnet_np import experiment, frontier, report, table

SETTINGS = {
    "protocol": "paper", "hidden": 10, "depth": 2, "teacher_epochs": 3, "generators": 2,
    "generator_epochs": 2, "generator_steps": 4, "generator_batch": 32, "noise_epochs": 2,
    "student_epochs": 2, "noise_pool": 128, "pool_per_generator": 64, "held_out": 50,
    "students": 2,
}  # fmt: skip
GRID = table.waves(["digits"], 2, 7, (3,))


def load(config):
    return data_loaders.load(config.dataset)


def run(out, **options):
    return table.run(GRID, SETTINGS, load, out, report=lambda line: None, **options)


def numbers(result):
    """All that must not depend on how the jobs were run: everything but times."""
    return [{k: v for k, v in cell.items() if k != "seconds"} for cell in result["cells"]]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    out = tmp_path_factory.mktemp("table") / "serial"
    return out, run(out)


def test_the_grid_has_a_job_for_every_set_rank_teacher_and_approach():
    waves = table.waves(["shuttle", "pendigits", "letter"], 3, 2019)
    assert [len(wave) for wave in waves] == [9, 9, 3 * 4 * 5]
    ranks = {(job.dataset, job.rank) for job in waves[2]}
    assert ranks == {("shuttle", 5), ("pendigits", 5), ("pendigits", 10), ("letter", 10)}
    names = [job.name for wave in waves for job in wave]
    assert len(set(names)) == len(names) and {job.teacher for job in waves[0]} == {2019, 2020, 2021}


def test_every_cell_has_its_scores_and_the_file_says_the_same(serial):
    out, result = serial
    assert json.loads((out / "table.json").read_text()) == result
    students = [c for c in result["cells"] if c["stage"] in table.APPROACHES]
    assert len(students) == 8
    for cell in students:
        assert len(cell["accuracy"]) == len(cell["agreement"]) == len(cell["balanced"]) == 2
        assert all(0 <= v <= 1 for v in cell["accuracy"]) and cell["seconds"] > 0
    teachers = [c["accuracy"][0] for c in result["cells"] if c["stage"] == "teacher"]
    assert len(set(teachers)) == 2 and min(teachers) > 0.15  # two teachers, above chance


def test_processes_give_the_serial_numbers(serial, tmp_path):
    assert numbers(run(tmp_path / "two", jobs=2)) == numbers(serial[1])


def test_a_table_that_lost_cells_does_only_those_again(serial, tmp_path):
    out, result = serial
    times = {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}
    lost = out / "cells" / "digits-7-rank3-normal.npz"
    lost.unlink()
    lines = []
    again = table.run(GRID, SETTINGS, load, out, resume=True, report=lines.append)
    assert numbers(again) == numbers(result) and len(lines) == 1 and "rank3-normal" in lines[0]
    changed = [p.name for p, t in times.items() if p.stat().st_mtime_ns != t]
    assert changed == [lost.name]
    with pytest.raises(ValueError, match="holds a run with settings .*resume with the same"):
        table.run(GRID, {**SETTINGS, "students": 3}, load, out, resume=True)


needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[3])
from kegnet_np import fit
fit.SAVE_EVERY = 0
import test_table
test_table.run(sys.argv[1], resume=True, **json.loads(sys.argv[2]))
"""


def start(out, **options):
    here = os.path.dirname(__file__)
    call = [sys.executable, "-c", DRIVER, str(out), json.dumps(options), here]
    return subprocess.Popen(call, start_new_session=True, stderr=subprocess.PIPE)


@needs_sigkill
def test_a_table_killed_at_random_moments_ends_with_the_same_numbers(serial, tmp_path):
    rng, kills, cells = np.random.default_rng(0), 0, tmp_path / "killed" / "cells"

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

        result = table.run(
            GRID, SETTINGS, load, tmp_path / "cluster", dask=cluster.scheduler_address,
            report=kill_one,
        )  # fmt: skip
    assert killed and numbers(result) == numbers(serial[1])


# --- statistics and rendering --------------------------------------------------------------------


def test_the_interval_is_students_t_over_the_teachers_means():
    values = [[0.7, 0.8], [0.6, 0.7], [0.9, 0.8]]
    entry = report.interval(values)
    low, high = ttest_1samp([0.75, 0.65, 0.85], 0).confidence_interval(0.95)
    assert entry["mean"] == pytest.approx(0.75) and entry["n"] == 3
    assert entry["half"] == pytest.approx((high - low) / 2) and entry["sd"] == pytest.approx(0.1)
    one = report.interval([[0.7, 0.8, 0.9]])
    assert one["n"] == 3 and one["sd"] == pytest.approx(0.1)
    assert report.interval([[0.5]])["half"] is None
    with pytest.raises(ValueError, match="per_teacher is empty"):
        report.interval([])


def test_paired_differences_are_taken_teacher_by_teacher(serial):
    _, result = serial
    entry = report.differences(result, "digits", 3, "real", "normal")
    a, b = (report.values_of(result, "digits", 3, s, "accuracy") for s in ("real", "normal"))
    assert entry["mean"] == pytest.approx(np.mean(a) - np.mean(b)) and entry["n"] == 2


def test_the_rendered_tables_hold_the_same_cells(serial):
    _, result = serial
    rows = report.rows(result, "accuracy")
    assert rows[0] == ["test accuracy, %", "digits, rank 3"] and len(rows) == 11
    mean = 100 * np.mean(report.values_of(result, "digits", 3, "kegnet", "accuracy"))
    assert rows[5][0] == "Tucker + KegNet" and rows[5][1].startswith(f"{mean:.1f} ± ")
    formats = (experiment.to_text, report.to_markdown, report.to_latex)
    text, markdown, latex = (render(rows) for render in formats)
    for row in rows:
        assert row[1] in text and row[1] in markdown and row[1].replace("±", r"$\pm$") in latex
    assert latex.count(r"\\") == len(rows) and "%" not in latex.replace(r"\%", "")


def test_the_figure_has_an_axis_per_column_with_teacher_and_ceiling(serial):
    figure = report.figure(serial[1])
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


ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # results that a benchmark makes; the others are tables or frontiers
    "samples": "what_samples_lack", "beside-official": "beside_official",
    "quirks": "what_quirks_are_worth", "metadata": "what_metadata_is_worth",
    "form": "what_form_is_worth",
}  # fmt: skip
RESULTS = [p for p in sorted((ROOT / "results").glob("*.json")) if p.stem not in PAGES]


@pytest.mark.parametrize("path", RESULTS, ids=[path.stem for path in RESULTS])
def test_the_pages_of_a_result_are_those_that_its_numbers_give(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    module = frontier if any("compression" in cell for cell in result["cells"]) else report
    for name, text in module.pages(result, path.stem, readme).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run python -m kegnet_np.report"
    assert path.with_suffix(".png").stat().st_size > 10_000


def benchmark(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("stem", PAGES)
def test_the_pages_of_a_benchmark_are_those_that_its_numbers_give(stem):
    result = json.loads((ROOT / "results" / f"{stem}.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, text in benchmark(PAGES[stem]).pages(result, stem, readme).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"run {PAGES[stem]}.py"


def test_a_page_without_its_comments_is_refused():
    assert report.with_block("a <!-- x -->old<!-- end x --> b", "x", "new") == (
        "a <!-- x -->\nnew\n<!-- end x --> b"
    )
    with pytest.raises(ValueError, match="no one pair of comments <!-- y --> and <!-- end y -->"):
        report.with_block("a <!-- x --> b", "y", "new")
