# Two commands do everything: `make lab` opens the course, `make test` checks the house.
# Both keep to .venv/ in this folder; uv is used when it is there, plain pip otherwise.

PYTHON   ?= python3
LAB_ARGS ?=
RUNS     ?= 1
BOOKS    ?= course/notebooks course/solutions

VENV  := .venv
PY    := $(VENV)/bin/python
UV    := $(shell command -v uv 2>/dev/null)
OLD   := minigrad needs Python 3.11 to 3.14: name one with 'make PYTHON=/path/to/python3.12'.
FIRST := $(notdir $(wildcard course/notebooks/00_*.ipynb))

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=60 \
         --nbval-sanitize-with=course/nbval_sanitize.cfg

# Most of the time is a compiler's, so a worker a CPU; the tests of a file stay together,
# and so do the cells of a notebook.
WORKERS := -n auto --maxprocesses=8 --dist loadfile

export JUPYTER_PREFER_ENV_PATH := 1
unexport PYTHONPATH PYTHONHOME

.PHONY: help lab test lint unit nbtest notebooks bench clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18

lab: $(VENV)/.course  ## open the course in JupyterLab (LAB_ARGS= are passed on)
	cd course && ../$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/$(FIRST) $(LAB_ARGS)

test: lint unit nbtest  ## run every check: lint, unit tests, notebooks

lint: $(VENV)/.test  ## only the quick checks: ruff, mypy, import order
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

unit: $(VENV)/.test  ## only the unit tests, and the examples in docstrings
	$(PY) -m pytest $(WORKERS)
	$(PY) -m pytest --doctest-modules minigrad course/coursekit

nbtest: $(VENV)/.test  ## only the notebooks: run again, outputs compared with the stored ones (RUNS=20)
	for run in $$(seq $(RUNS)); do \
	  $(PY) -m pytest $(NBVAL) $(WORKERS) $(BOOKS) || exit 1; done

notebooks: $(VENV)/.test  ## build course/notebooks and course/solutions from course/source
	$(PY) -m coursekit.build

# A learner's own settings and progress must not change what the notebooks do here.
unit nbtest notebooks: export JUPYTER_CONFIG_DIR := $(CURDIR)/$(VENV)/jupyter
unit nbtest notebooks: export JUPYTER_DATA_DIR := $(CURDIR)/$(VENV)/jupyter
unit nbtest notebooks: export JUPYTER_RUNTIME_DIR := $(CURDIR)/$(VENV)/jupyter/runtime
unit nbtest notebooks: export IPYTHONDIR := $(CURDIR)/$(VENV)/ipython
unit nbtest notebooks: export MPLCONFIGDIR := $(CURDIR)/$(VENV)/matplotlib
unit nbtest: export COURSEKIT_STATE := $(CURDIR)/$(VENV)/state

bench: $(VENV)/.test  ## measure minigrad beside NumPy and the peers that are installed
	$(PY) -m benchmarks

clean:  ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says which extras .venv holds; a changed pyproject.toml or Python makes it stale.
$(VENV)/.course: pyproject.toml $(PY)
	$(call install,course)
	@touch $@

$(VENV)/.test: pyproject.toml $(PY)
	$(call install,test)
	@touch $@ $(VENV)/.course

ifdef UV
install = @echo 'Installing into $(VENV): a minute or two, the first time only.'; \
  $(UV) pip install --quiet --python $(PY) -e '.[$(1)]'
$(PY):
	$(UV) venv --quiet --seed --clear --python '>=3.11,<3.15' $(VENV)
else
install = @echo 'Installing into $(VENV): a minute or two, the first time only.'; \
  $(PY) -m pip install --quiet --disable-pip-version-check -e '.[$(1)]'
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' \
	  || { echo "$(OLD)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
endif
