# `make run` and `make test` set up what they need; nothing but Python 3.11 or newer is assumed.

PYTHON ?= python3
VENV   ?= .venv

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
NOTEBOOKS := $(VENV)/.notebooks

.DEFAULT_GOAL := help
.PHONY: help run test tutorials pages lint clean

help:  ## show this list
	@echo "make TARGET [PYTHON=python3] [VENV=.venv]"
	@sed -n 's/^\([a-z]*\):.*## /  \1	/p' $(MAKEFILE_LIST)

run: $(STAMP)  ## the whole job on the embedded digits, into runs/digits; continues if interrupted
	$(BIN)/kegnet run --out runs/digits --resume

# The matrices are small: more BLAS threads make the tests slower, two processes faster.
test: export OPENBLAS_NUM_THREADS ?= 1
test: export OMP_NUM_THREADS ?= 1
test: export MKL_NUM_THREADS ?= 1
test: $(STAMP)  ## every test that is not slow, with coverage
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov=kegnet_np --cov=data_loaders --cov-report=term --cov-fail-under=95

tutorials: $(NOTEBOOKS)  ## every tutorial from scratch: the notebooks, their outputs and figures
	$(BIN)/python tutorials/execute.py

pages: $(NOTEBOOKS)  ## the tutorials as web pages, to read on any screen, in build/tutorials
	$(BIN)/python tutorials/pages.py build

lint: $(STAMP)  ## style, types, and which way the arrows between modules point
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove the environment, builds and caches; runs/ stays
	@[ ! -e "$(VENV)/pyvenv.cfg" ] || rm -rf "$(VENV)"
	rm -rf build dist *.egg-info .coverage .coverage.* htmlcov .mypy_cache .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "kegnet_np needs Python 3.11 or newer, '$(PYTHON)' is not: try make PYTHON=python3.11" >&2; \
	  exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv "$(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,lint]"
	@touch $@

$(NOTEBOOKS): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[notebooks]"
	@touch $@
