# The two commands of the README: `make demo` and `make test`. Both make .venv on their first run
# and install again only when pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
VENV ?= .venv
DEMO_OUT ?= demo-output

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
# -c binds what is installed; the variables bind what builds damrep itself (pip before and after 25.3).
INSTALL = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(PIP) install --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-numerics lint format docs dist bench clean

help:
	@echo "make demo   install, then learn a compact embedding of scikit-learn's digits in $(DEMO_OUT)/"
	@echo "make test   install with the test tools, then run the tests that are not slow"
	@echo "make test-slow       the others"
	@echo "make test-numerics   those that compute, as on three other processors"
	@echo "make lint   ruff and mypy, as in the CI"
	@echo "make format let ruff rewrite the code"
	@echo "make docs   build the site in docs/_build/html: its tutorials run, a warning stops it"
	@echo "make dist   build sdist and wheel in dist/, and run the demo from the wheel alone"
	@echo "make bench  install what the benchmarks compare with"
	@echo "make clean  remove $(VENV), $(DEMO_OUT) and the caches"

demo: $(VENV)/.installed
	$(VENV)/bin/damrep fit-embedding digits --out $(DEMO_OUT)

# One thread a worker: the tests' graphs are tiny, and threads that wait for each other cost most of
# the time. A file stays with one worker, which shares its fits among the tests.
PYTEST = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile
WORKERS ?= 2

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-test
	$(PYTEST) -m slow $(PYTEST_ARGS)

# Sums in another order and of another width, as other processors do them; each setting moves only a
# part, so properties of the suite disturb moments by rounding besides.
NUMERICS = tests/masking tests/autoencoder tests/recommend tests/training/test_loop.py \
	tests/graph/encoding tests/graph/test_purposes.py tests/graph/test_reduction.py \
	tests/graph/test_supervised.py tests/graph/test_estimator.py tests/graph/test_degenerate.py

test-numerics: $(VENV)/.installed-test
	ATEN_CPU_CAPABILITY=default $(PYTEST) -q -m "not slow" $(NUMERICS)
	MKL_ENABLE_INSTRUCTIONS=SSE4_2 $(PYTEST) -q -m "not slow" $(NUMERICS)
	MKL_CBWR=COMPATIBLE $(PYTEST) -q -m "not slow" $(NUMERICS)

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.installed-test
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Tutorials run while the site is built, one after the other; what has not changed is kept.
docs: $(VENV)/.installed-docs
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(VENV)/bin/python -m sphinx -W --keep-going -n -q docs docs/_build/html
	@echo "the site is in docs/_build/html/index.html"

# The wheel is installed into an environment of its own, outside of this folder.
dist: $(VENV)/.installed
	$(VENV)/bin/python tests/packaging/check_wheel.py dist

# lenskit asks for pandas 2 and works with pandas 3; what else it needs is in the extra.
bench: $(VENV)/.installed
	$(INSTALL) -e '.[bench]'
	$(INSTALL) --no-deps lenskit

clean:
	rm -rf $(VENV) $(DEMO_OUT) dist docs/_build docs/reference/generated docs/tutorials .pytest_cache .hypothesis .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "damrep needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[docs]'
	@touch $@ $(VENV)/.installed
