# What a developer and CI run. The first target that needs it builds .venv: nothing else is needed
# beforehand than make and a Python of at least 3.11 with its venv module.

FIT := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for each in python3.13 python3.12 python3.11 python3; do \
	"$$each" -c "$(FIT)" >/dev/null 2>&1 && { command -v "$$each"; break; }; done)
endif
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
COVER := --cov --cov-report=term-missing:skip-covered --cov-fail-under=99.9

.DEFAULT_GOAL := help
.PHONY: help setup drill redis test soak mutate fuzz bench bench-quick bench-shared check lint types clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## build .venv, once for each pyproject.toml (PYTHON=… chooses the Python)

drill: $(STAMP) ## show the main job on every shipped catalog (ARGS=my.yaml: on your own)
	@$(BIN)/resilient drill $(ARGS)

redis: ## install redis-server where apt can; without it tests are skipped, or fail if CI is set
	@sh tests/install_redis.sh

test: $(STAMP) redis ## run all tests (ARGS='-k words -x' goes to pytest)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

soak: $(STAMP) redis ## test the promises at full size, and print their figures (minutes)
	@$(BIN)/python -m pytest tests/promises --soak -n auto --maxprocesses 4 --dist load $(ARGS)

mutate: $(STAMP) ## break limiter, decisions, replay, redaction on purpose: 90 % must be seen
	@rm -rf mutants
	@$(BIN)/python -m pip install --quiet --group mutate
	@$(BIN)/python tests/mutation/score.py --max-children 2

FUZZING := $(or $(TMPDIR),/tmp)/resilient-fuzz
SECONDS_EACH ?= 60

fuzz: $(STAMP) ## fuzz bodies and files with atheris, where it can be installed (SECONDS_EACH=60)
	@$(BIN)/python -m pip install --quiet --group fuzz || { \
		echo "atheris cannot be installed here: nothing was fuzzed" >&2; exit 1; }
	@$(BIN)/python tests/fuzz/seeds.py $(FUZZING)
	@for each in classify config; do \
		$(BIN)/python tests/fuzz/fuzz_$$each.py -max_total_time=$(SECONDS_EACH) -max_len=4096 \
			-artifact_prefix=$(FUZZING)/ $(FUZZING)/$$each || exit 1; done

bench: $(STAMP) ## cost, exactness, goodput, scale beside other libraries: writes RESULTS.md (10 minutes)
	@$(BIN)/python -m pip install --quiet --group peers || \
		echo "not all libraries could be installed: the tables say who is missing" >&2
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: ## the same in a minute: rough, writes nothing (ARGS='--only calls')
	@$(MAKE) --no-print-directory bench ARGS="--quick $(ARGS)"

bench-shared: $(STAMP) redis ## one limit for many processes: set beside four other libraries (ARGS=--quick)
	@$(BIN)/python -m pip install --quiet --group peers
	@$(BIN)/python -m benchmarks.shared $(ARGS)

check: lint types ## lint, format, types, then all tests with coverage: what CI runs
	@$(MAKE) --no-print-directory test ARGS="$(COVER) $(ARGS)"

lint: $(STAMP) ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

clean: ## remove .venv and what the tools left
	rm -rf .venv .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache dist mutants

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c "$(FIT)" 2>/dev/null || { \
		echo "resilient needs Python 3.11 or later with its venv module:" \
			"apt install python3 python3-venv, or name another by PYTHON=…" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@echo "Installing into .venv ($$($(BIN)/python --version)) …"
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable ".[cli,redis]" --group dev
	@touch $@
