# Everything runs in .venv, made when it is absent: `make demo` and `make test` need nothing by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# processes that run tests, of a thread each: most tests are too small for more
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
READY := $(VENV)/.ready

.PHONY: help setup demo test test-all lint bench clean

help:
	@echo "make demo      the whole way on generated heads, 6 minutes on 2 cores, and 3 to install; writes demo/"
	@echo "make test      the quick tests, eight minutes on 2 cores"
	@echo "make test-all  the slow ones too, 25 to 30 minutes"
	@echo "make lint      ruff and mypy"
	@echo "make bench     speeds, side by side"
	@echo "make setup     only install, into $(VENV)"
	@echo "make clean     remove $(VENV) and demo/"

setup: $(READY)

# an existing .venv is brought up to date whenever the dependencies change
$(READY): pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint .ci/constraints.txt --editable '.[dev]'
	touch $(READY)

demo: setup
	rm -rf demo
	$(BIN)/medcycle demo --output demo

test: setup
	$(PYTEST) -m 'not slow'

test-all: setup
	$(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) demo
