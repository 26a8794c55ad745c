"""Does another commit compute the same? ``python tests/compare_commits.py REVISION [--cell]``

Runs ``kegnet run --quick`` there and here and compares every array of every checkpoint bit for bit;
with ``--cell`` also a cell of the fair table, shortened. Exit code 1 if any array differs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

HERE = Path(__file__).resolve().parents[1]
CELL = ["table", "--protocol=fair", "--datasets=pendigits", "--ranks=5", "--teachers=1",
        "--teacher-epochs=20", "--generator-epochs=20", "--student-epochs=20", "--noise-epochs=20"]


def computed(tree: str | Path, command: list[str], out: Path) -> dict[tuple, np.ndarray]:
    """The arrays that the program in ``tree`` leaves, by seed, what their file holds, and name."""
    subprocess.run([sys.executable, "-m", "kegnet_np", *command, "--out", out], cwd=tree,
                   env=os.environ | {"PYTHONPATH": str(tree)}, stdout=sys.stderr, check=True)
    found: dict[tuple, np.ndarray] = {}
    for path in sorted(out.rglob("*.npz")):  # kegnet, or pendigits-2019-rank5-kegnet
        seed, what = re.findall(r"^(?:.+-(\d+)-(?:rank\d+-)?)?(.+)$", path.stem)[0]
        with np.load(path) as arrays:  # newer cells have the ranks in the header
            names = sorted({*arrays.files} - {"header", "ranks"})
            found |= {(seed, what, name): np.atleast_2d(arrays[name]) for name in names}
    return found


def verdict(what: str, old: np.ndarray, new: np.ndarray | None) -> str:
    """Whether two arrays are equal bit for bit, and if not, how they differ."""
    if new is None:
        return "missing here"
    if what == "generators":  # older cells hold G alone, newer ones G and then D
        new = new[:, : old.shape[1]]
    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return f"{old.dtype} {old.shape} there, {new.dtype} {new.shape} here"
    same = old.tobytes() == new.tobytes()
    return "equal" if same else f"differs by {np.abs(new - old).max():.3g} at the most"


if __name__ == "__main__":
    revision = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
    with TemporaryDirectory() as folder:
        there, worst, git = f"{folder}/tree", 0, ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", there, revision], check=True)
        try:
            for command in [["run", "--quick"], CELL][: 1 + ("--cell" in sys.argv)]:
                new = computed(HERE, command, Path(folder, "here", command[0]))
                for key, old in computed(there, command, Path(folder, command[0])).items():
                    found = verdict(key[1], old, new.get(key))
                    worst |= found != "equal"
                    print(*filter(None, key), found, flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", there], check=True)
    sys.exit(worst)
