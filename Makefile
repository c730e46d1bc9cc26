# The project's commands; `make help` lists them.
# All run from .venv, which scripts/set-up fills with pinned, hashed requirements on first use.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# HOST is taken from the command line only: some shells and conda export one of their own.
HOST := $(or $(SUMMARIZER_HOST),127.0.0.1)
PORT ?= $(or $(SUMMARIZER_PORT),8000)
# Passed on as they are, e.g. make test ARGS='tests/model -x'.
ARGS ?=
export PYTHON

python := .venv/bin/python
# A process for each core, four at most: with more, all would wait for the end-to-end tests, which
# share one process and come first. ARGS='-n 0' takes none but pytest's own, for a debugger.
pytest := $(python) -m pytest -n auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
# Training makes and frees arrays of many megabytes; taken from the system anew each time, they cost
# page faults, which are dear on a virtual machine.
keep_memory := TF_CPU_ALLOCATOR_USE_BFC=$${TF_CPU_ALLOCATOR_USE_BFC:-true}
require = $(if $($(1)),,$(error $(1) is missing: make $@ $(2)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'PYTHON=… names the Python (3.11 to 3.13) that a new .venv is made from.'
	@echo 'ARGS=… is passed on: by check and the targets of tests to pytest, by others to their command.'

.PHONY: serve
serve: ## Serve the shipped model (HOST=127.0.0.1 PORT=8000)
	@scripts/set-up runtime
	@SUMMARIZER_HOST='$(HOST)' SUMMARIZER_PORT='$(PORT)' exec $(python) -m service

.PHONY: train
train: ## Train a model (DATA='a.jsonl.gz b.jsonl' OUT=runs/mine)
	$(call require,DATA,DATA='a.jsonl.gz b.jsonl' OUT=runs/mine)$(call require,OUT,DATA='…' OUT=runs/mine)
	@scripts/set-up train
	$(keep_memory) $(python) -m model.train --data $(DATA) --out '$(OUT)' $(ARGS)

.PHONY: tune-length
tune-length: ## Choose each style's length penalty (DATA='pairs.jsonl', none that are reported on)
	$(call require,DATA,DATA='pairs.jsonl')
	@scripts/set-up train
	$(python) -m model.tune_length --data $(DATA) $(ARGS)

.PHONY: evaluate
evaluate: ## Compare a model with its baselines (DATA='validation.jsonl')
	$(call require,DATA,DATA='validation.jsonl')
	@scripts/set-up train
	$(python) -m model.evaluate --data $(DATA) $(ARGS)

.PHONY: faithfulness
faithfulness: ## Measure a model's explanations (DATA='validation.jsonl')
	$(call require,DATA,DATA='validation.jsonl')
	@scripts/set-up train
	$(python) -m model.faithfulness --data $(DATA) $(ARGS)

.PHONY: bench-attention
bench-attention: ## Time and memory of full and windowed attention
	@scripts/set-up train
	@$(python) -m bench.attention $(ARGS)

# What is compared with is installed beside .venv, not into it. docs/benchmarks.md has the figures.
.PHONY: bench-serving
bench-serving: ## Compare the service with FastAPI, LitServe, BentoML, mosec and Ray Serve (ARGS=--brief: an hour or two)
	@scripts/set-up-bench bench bench-bentoml
	@$(python) -m bench.serving $(ARGS)

.PHONY: bench-engine
bench-engine: ## Compare the exported search with CTranslate2 and with the processor's bound
	@scripts/set-up-bench bench
	@.venv-bench/bin/python -m bench.engine $(ARGS)

.PHONY: bench-soak
bench-soak: ## Soak the service in mixed traffic with faults (ARGS='--requests 100000 --svg soak.svg')
	@scripts/set-up-bench bench
	@.venv-bench/bin/python -m bench.soak $(ARGS)

.PHONY: bench-view
bench-view: ## Time of the attention view in a real browser
	@scripts/set-up browser
	@$(python) -m bench.attention_view $(ARGS)

.PHONY: settings
settings: ## Write docs/settings.md from the settings themselves
	@scripts/set-up runtime
	$(python) -m service --settings > docs/settings.md

.PHONY: test
test: ## Run all tests
	@scripts/set-up dev
	$(pytest) $(ARGS)

.PHONY: test-slow
test-slow: ## Run the tests that need minutes, one after the other, and print what they measure
	@scripts/set-up dev
	$(python) -m pytest -m slow -n 0 $(ARGS)

.PHONY: test-browser
test-browser: ## Look at the pages in a real browser; skips where there is none
	@scripts/test-browser $(ARGS)

.PHONY: test-backends
test-backends: ## Test training on JAX without TensorFlow, and on from there with it
	@scripts/test-backends $(ARGS)

.PHONY: openapi
openapi: ## Write docs/openapi.json; refuses what would break clients, unless the version says so
	@scripts/set-up runtime
	$(python) -m service.api_document docs/openapi.json

.PHONY: test-image
test-image: ## Build the image and run it as operators do; skips where Docker can't be had
	@scripts/test-image

.PHONY: test-alerts
test-alerts: ## Test Prometheus' alert rules; skips where promtool can't be had
	@scripts/test-alerts

.PHONY: check
check: lint types imports shell docker coverage ## Run what CI runs before test-browser: lint, types, imports, shell, docker, coverage

.PHONY: format
format: ## Format the code and fix what ruff can fix
	@scripts/set-up dev
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

.PHONY: lint
lint: ## Check format and style
	@scripts/set-up dev
	$(python) -m ruff format --check .
	$(python) -m ruff check .

.PHONY: types
types: ## Check types
	@scripts/set-up dev
	$(python) -m mypy

.PHONY: imports
imports: ## Check who may import whom
	@scripts/set-up dev
	$(python) .venv/bin/lint-imports

.PHONY: shell
shell: ## Check the shell scripts
	@scripts/set-up dev
	.venv/bin/shellcheck .ci/run $(wildcard scripts/*)

.PHONY: docker
docker: ## Check the Dockerfile, where there is one
	@scripts/set-up dev
	$(if $(wildcard Dockerfile),.venv/bin/hadolint Dockerfile,@echo 'no Dockerfile to check')

.PHONY: coverage
coverage: ## Run all tests with their branch coverage, 95 % at least
	@scripts/set-up dev
	$(pytest) --cov=model --cov=service --cov-report=term-missing:skip-covered --cov-fail-under=95 $(ARGS)

# Each set is compiled against the pins of the one before it, so that all can share one .venv.
# No index address is written: the files serve whoever installs from a mirror.
compile = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(ARGS)

.PHONY: lock
lock: ## Compile requirements/*.in to pins with hashes (ARGS=--upgrade for the newest)
	@scripts/set-up dev
	$(compile) requirements/runtime.in -o requirements/runtime.txt
	$(compile) requirements/gpu.in -c requirements/runtime.txt --excludes <(echo tensorflow-cpu) -o requirements/gpu.txt
	$(compile) requirements/train.in -c requirements/runtime.txt -o requirements/train.txt
	$(compile) --no-strip-extras requirements/dev.in -c requirements/train.txt -o requirements/dev.txt
	$(compile) requirements/backends.in -c requirements/dev.txt -o requirements/backends.txt
	$(compile) --no-strip-extras requirements/browser.in -c requirements/dev.txt -o requirements/browser.txt
	$(compile) requirements/bench.in -c requirements/runtime.txt -o requirements/bench.txt
	$(compile) requirements/bench-bentoml.in -o requirements/bench-bentoml.txt

.PHONY: clean
clean: ## Remove caches and coverage data (not .venv, not runs/)
	rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
