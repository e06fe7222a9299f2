# Everything a developer types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
RUN := .venv/bin/
PYTEST := $(RUN)python -m pytest
# JOBS=4 deals the tests out to as many processes. Each stack of real parts wants a core of its own: with fewer, what
# waits for them may run out of time.
JOBS ?= 0
IN_PARALLEL := -n $(JOBS) --dist loadgroup --no-loadscope-reorder
MLSERVER ?=
COMPARE ?=
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo check docs test test-engines test-faults bench bench-judge bench-fleet bench-soak bench-quality format lock clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## Install what is missing: Debian packages, the virtual environment

.venv/.ready: uv.lock pyproject.toml deploy/local/setup.sh deploy/local/uv.txt deploy/local/kube-tools.txt
	@bash deploy/local/setup.sh
	@touch $@

demo: setup ## See a good version promoted and three bad ones stopped (MLSERVER=1, COMPARE=1: see README.md)
	@$(RUN)python -m deploy.local.demo $(if $(MLSERVER),--engine mlserver) $(if $(COMPARE),--compare $(COMPARE))

check: setup ## Lint, format, types, import directions, documentation
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	$(RUN)lint-imports --no-logo
	@$(MAKE) --no-print-directory docs

docs: setup ## Build the documentation as a site, strictly: site/index.html
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build

test: setup ## All tests, on real Envoy, Prometheus and served models
	$(PYTEST) -m "not faults and not engines" $(IN_PARALLEL)

test-engines: setup ## Packs on MLServer, Ray Serve and llama.cpp themselves, installed in .cache
	$(PYTEST) -m engines tests/integration/test_real_engines.py

test-faults: setup ## The long fault runs: 2,000 runs of the state machine and more
	SERINUS_FAULT_RUNS=2000 $(PYTEST) tests/property tests/faults tests/integration

bench: setup ## Print the benchmarks' figures
	$(RUN)python -m bench

bench-judge: setup ## The judge and its peers on simulated requests (ARGS="--repetitions 20 --only good")
	$(RUN)python -m bench.judge $(ARGS)

bench-fleet: setup ## Thousands of models on real parts (ARGS="growth --only 1000/100")
	$(RUN)python -m bench.fleet $(ARGS)

bench-soak: setup ## Half an hour of 1,000 models, 100 rolling: does memory grow? (ARGS="--minutes 120")
	$(RUN)python -m bench.fleet soak $(ARGS)

bench-quality: setup ## Worse and equal models, really trained, under checks of answers (ARGS="--seeds 20")
	$(RUN)python -m bench.quality $(ARGS)

format: setup ## Format and fix
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

lock: setup ## Bring uv.lock up to date with pyproject.toml
	.cache/uv/bin/uv lock

clean: ## Remove what setup and the tests made
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-reports site
