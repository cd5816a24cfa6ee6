# Everything runs in .venv, made when it is absent: `make demo` and `make test` need nothing by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# processes that run tests, of a thread each: most tests are too small for more
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
READY := $(VENV)/.ready
# the lowest versions that pyproject.toml allows, on the lowest Python
OLDEST := .venv-oldest
OLDEST_PYTHON ?= python3.11

.PHONY: help setup demo docs test test-all test-oldest lint bench clean

help:
	@echo "make demo      the whole way on generated heads, 6 minutes on 2 cores, and 3 to install; writes demo/"
	@echo "make docs      the documentation as a site that needs no network, in site/"
	@echo "make test      the quick tests, eight minutes on 2 cores"
	@echo "make test-all  the slow ones too, about 25 minutes"
	@echo "make test-oldest  the quick tests with the oldest dependencies that are allowed, in $(OLDEST)"
	@echo "make lint      ruff and mypy"
	@echo "make bench     speeds, side by side"
	@echo "make setup     only install, into $(VENV)"
	@echo "make clean     remove $(VENV), $(OLDEST), .venv-dose, demo/, site/ and what npm brought"

setup: $(READY)

# an existing .venv is brought up to date whenever the dependencies change
$(READY): pyproject.toml hatch_build.py .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint .ci/constraints.txt --editable '.[dev]'
	touch $(READY)

demo: setup
	rm -rf demo
	$(BIN)/medcycle demo --output demo

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

test: setup
	$(PYTEST) -m 'not slow'

test-all: setup
	$(PYTEST)

$(OLDEST)/.ready: pyproject.toml .ci/oldest.py
	test -x $(OLDEST)/bin/python || $(OLDEST_PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python .ci/oldest.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --disable-pip-version-check --quiet --constraint $(OLDEST)/constraints.txt --editable '.[dev]'
	touch $@

test-oldest: BIN := $(OLDEST)/bin
test-oldest: $(OLDEST)/.ready
	$(PYTEST) -m 'not slow' -W default --disable-warnings # old packages warn of newer ones that they use

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) $(OLDEST) .venv-dose demo site medcycle/report/vendor tests/report/vendor
