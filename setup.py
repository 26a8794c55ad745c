"""Metadata of kegnet_np; pyproject.toml holds the build system and the tools' settings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(  # read, not imported: the dependencies are not installed yet
    r'^__version__ = "(.+)"$', (HERE / "kegnet_np/__init__.py").read_text("utf-8"), re.MULTILINE
)[1]

CLUSTER = ["dask[distributed]>=2025.1"]
FORMATS = ["onnx>=1.17", "scikit-learn>=1.6"]  # of students; the other formats need no package
NOTEBOOKS = ["jupytext>=1.17", "nbclient>=0.10", "nbconvert>=7.16", "ipykernel>=6.29",
             "latex2mathml>=3.78", *FORMATS]
ORACLES = ["hypothesis>=6.100", "onnxruntime>=1.20", "safetensors>=0.5", "skops>=0.11"]

setup(
    name="kegnet_np",
    version=VERSION,
    description="KegNet on NumPy: distil a small tabular classifier from a trained one, no data",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="The kegnet_np authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords="knowledge distillation, data-free, model compression, Tucker, autograd, tabular",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["kegnet_np", "kegnet_np.*"]),
    py_modules=["data_loaders"],
    package_data={"kegnet_np": ["py.typed", "digits.npz", "*.md", "experiments/*.json",
                               "interface/*.html"]},
    python_requires=">=3.11",
    install_requires=[
        "numpy>=2.0",
        "scipy>=1.13",
        "autograd>=1.9",
        "tensorly>=0.9",
        "pandas>=2.2",
        "jinja2>=3.1",
        "matplotlib>=3.9",
        "pooch>=1.8",
        "uncompresspy>=0.4",
        "tqdm>=4.66",
        "threadpoolctl>=3.5",
        "joblib>=1.5",
        "filelock>=3.16",
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-cov>=6", "pytest-xdist>=3.6", *CLUSTER, *NOTEBOOKS,
                 *ORACLES],
        "formats": FORMATS,
        "gpu-cuda12": ["cupy-cuda12x>=13"],
        "gpu-cuda13": ["cupy-cuda13x>=13.6"],
        "cluster": CLUSTER,
        "notebooks": NOTEBOOKS,
        "lint": ["ruff>=0.12", "mypy>=1.16", "import-linter>=2.5"],
    },
    entry_points={"console_scripts": ["kegnet = kegnet_np.interface.cli:main"]},
)
