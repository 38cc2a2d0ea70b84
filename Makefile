# `make check` is what CI runs. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST_ARGS ?=
# One more than processors: tests wait for processes and wires, too.
WORKERS ?= 3
DURATION ?= 600
DB ?= sqlite
CONFORMANCE ?= .pytest_cache/conformance.md

# Tests start Abaca some hundred times: what Python compiled the first time is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-databases torture lint format types arch check bench clean requirements

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Debian packages and .venv; quick when there is nothing to do
	@scripts/setup.sh

demo: setup ## all three modes with real NFS, in a namespace of its own (DB=..., JSON=FILE: results for machines)
	@$(BIN)/python -m abaca.demo --db $(DB) $(if $(JSON),--json $(JSON))

test: setup ## every test, the real data plane included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(or $(PYTEST_ARGS),--conformance-complete)

test-databases: setup ## what uses a database and has run on SQLite, on PostgreSQL and MariaDB
	ABACA_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(PYTEST_ARGS)
	ABACA_TEST_DATABASE=mariadb $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(PYTEST_ARGS)

torture: setup ## kill Abaca wherever it can be (DURATION=600 SEED=N DB=sqlite|postgresql|mariadb JSON=FILE)
	@$(BIN)/python -m abaca.torture --duration $(DURATION) --db $(DB) \
	  $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON)) $(TORTURE_ARGS)

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## let ruff rewrite the files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy --strict
	$(BIN)/mypy

arch: setup ## import directions, ceilings, gapless versions
	$(BIN)/python -m pytest -q tests/architecture

check: ## lint, types, arch, test-databases, test: what CI runs
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory arch
	@$(MAKE) --no-print-directory test-databases
	@$(MAKE) --no-print-directory test \
	  PYTEST_ARGS="--conformance-complete --conformance-report $(CONFORMANCE) $(PYTEST_ARGS)"
	@cat $(CONFORMANCE)

bench: setup ## how fast it is, beside baselines (NAME=api,ipam JSON=FILE SHORT=1 BENCH_ARGS=--help)
	@$(BIN)/python -m benchmarks $(NAME) $(if $(JSON),--json $(JSON)) $(if $(SHORT),--short) $(BENCH_ARGS)

clean: ## remove caches, and what aborted demo and test runs left on this machine
	@scripts/clean.sh

requirements: setup ## pin again what pyproject.toml asks for
	@scripts/pin.sh
