# The verbs of malsori. Everything happens in .venv; `make help` lists them.

PYTHON ?= python3
TORCH ?= torch==2.13.0
# Where another build of PyTorch is wanted: make install TORCH="torch==2.13.0+cpu --index-url URL"
VENV := .venv
ESPNET := .espnet
BIN := $(VENV)/bin
# A process for each core, up to four, and each file's tests in one of them.
PYTEST = python -m pytest test --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/$(BIN):$(PATH)
SHELL_FILES = $(shell git ls-files '*.sh' .ci/run tools/recipe.sh)

.PHONY: help install espnet demo test check lint bench doc clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## */  make \1	/p' Makefile

install: $(VENV)/installed  ## virtual environment with malsori and all that demo, test and check need

espnet: install $(ESPNET)/installed  ## ESPnet beside it, in an environment of its own, to compare with

demo: install  ## the whole recipe on the embedded Korean corpus: data to packed voice, about 15 minutes
	egs/mini_kss/run.sh

test: install espnet  ## all tests, the mini recipe end to end and the parity with ESPnet included
	$(PYTEST)

check: install lint  ## lint, and the fast tests
	$(PYTEST) -m "not slow" -q

lint: install  ## formatting, lint, types, layers, shell syntax
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	for file in $(SHELL_FILES); do bash -n "$$file" || exit 1; done

bench: install espnet  ## measure everything beside ESPnet; fails where a figure got worse
	python tools/bench/run.py

doc: install  ## write doc/config.md from the settings' own docstrings, draw the models' figures
	python tools/config_reference.py
	python tools/figures/draw_models.py

clean:  ## remove the virtual environments and caches; what recipes made stays
	rm -rf $(VENV) $(ESPNET) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first, and pinned: otherwise another package may bring another build of it.
$(VENV)/installed: pyproject.toml tools/constraints.txt tools/installers/install_speakers.sh Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "malsori needs Python 3.10 or newer; this is $$($(PYTHON) --version). Use make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { echo "no venv module; on Debian and Ubuntu: apt install python3-venv python3-dev g++"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' || \
	    { echo "no Python.h (pyworld is compiled); on Debian and Ubuntu: apt install python3-dev"; exit 1; }
	@command -v g++ >/dev/null || \
	    { echo "no C++ compiler (pyworld is compiled); on Debian and Ubuntu: apt install python3-dev g++"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -c tools/constraints.txt -e '.[dev,en,onnx]'
	tools/installers/install_speakers.sh $(BIN)/python
	$(BIN)/malsori doctor
	@touch $@

$(ESPNET)/installed: $(VENV)/installed tools/installers/install_espnet.sh
	tools/installers/install_espnet.sh $(ESPNET) $(BIN)/python
	@touch $@
