# Needs Python 3.11 or newer, make and a package index. Everything it makes stays inside the
# checkout: .venv (the tools), .build (what can be made again), .tonearm (your data).

# The Python that .venv is made with: make demo PYTHON=/opt/python/bin/python3.12
PYTHON ?=
# make demo VIDEO=path/to/file; make logs PART=gateway FOLLOW=1
VIDEO ?=
PART ?=
FOLLOW ?=
# make audit GRACE=7200; make dead-letters REPLAY=all, or the ids of some
GRACE ?=
REPLAY ?=
# What pytest gets: make test ARGS='tests/contract -x'
ARGS ?=
# In so many processes at a time; 0: in this one, as a debugger needs it.
TESTERS ?= logical
# make chaos SEED=7 FAULTS=200 CONVERSIONS=100 STACK=real
SEED ?=
FAULTS ?= 1000
CONVERSIONS ?= 0
STACK ?=
# make simulate SCHEDULES=100000 PROCESSES=2; again: make simulate SEED=17 SCHEDULES=250
SCHEDULES ?= 2000
PROCESSES ?= 1
# make guards ONLY=lease; make bench ONLY=speed
ONLY ?=
# make bench QUICK=1: toy sizes, to try the benchmarks themselves
QUICK ?=
# What `make breaking` compares with; empty: the state that landed last.
AGAINST ?=

.DEFAULT_GOAL := help
.PHONY: help demo up down status logs audit dead-letters doctor test chaos simulate guards bench lint format breaking lock clean
# Settings of the caller's own Python and pip that would reach into the environment made here.
unexport PYTHONHOME PYTHONPATH
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PACKAGES := chassis auth_service gateway_service converter_service notifier_service deploy/local deploy/operations
BUILT := protos $(PACKAGES)
PYPROJECTS := $(wildcard $(BUILT:%=%/pyproject.toml))
EDITABLE := $(patsubst %/pyproject.toml,./%,$(filter-out protos/%,$(PYPROJECTS)))
CONTRACTS := $(shell find protos/tonearm -name '*.proto') protos/hatch_build.py

BIN := .venv/bin
RUN := .venv/.run-installed
DEV := .venv/.dev-installed
BENCH := .venv/.bench-installed
# Stands while pip works; if it is found at the start, an installation was cut off.
UNFINISHED := .venv/.unfinished
# The locks hold every dependency and its hashes. Which index they come from is for the user's own
# pip configuration to say. What is used gets compiled when it is used.
PIP := $(BIN)/python -m pip --quiet install --no-deps --no-compile
# With the running stack's addresses in its environment.
OPERATIONS = $(BIN)/python -m tonearm_local with $(BIN)/python -m tonearm_operations

# A half-made environment, one whose Python is gone, and one that was moved are made anew.
ifneq ($(shell { test ! -e $(UNFINISHED) && $(BIN)/python -c 'print(open(".venv/.home").read())'; } 2>/dev/null),$(CURDIR))
.PHONY: $(BIN)/python $(RUN) $(DEV) $(BENCH)
endif

help:  ## Say what can be done
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

demo: $(RUN)  ## Convert a video once, from sign-up to MP3 and mail (VIDEO=your.mp4)
	@$(BIN)/python -m tonearm_local demo $(if $(VIDEO),--video '$(VIDEO)')

up: $(RUN)  ## Start the stack, leave it running, and say how to use it
	@$(BIN)/python -m tonearm_local up

down:  ## Stop the stack; its data stays
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tonearm_local down; else echo 'Nothing runs here.'; fi

status: $(RUN)  ## Say what runs, and where
	@$(BIN)/python -m tonearm_local status

logs: $(RUN)  ## Show the logs (PART=gateway for one part, FOLLOW=1 to go on)
	@$(BIN)/python -m tonearm_local logs $(PART) $(if $(FOLLOW),--follow)

audit: $(RUN)  ## Compare all stores of the running stack with one another (GRACE=seconds)
	@$(OPERATIONS) audit $(if $(GRACE),--grace-seconds '$(GRACE)')

dead-letters: $(RUN)  ## List what no service could apply; send it again with REPLAY=all, or with ids
	@$(OPERATIONS) dead-letters $(if $(REPLAY),replay $(if $(filter all,$(REPLAY)),--all,$(REPLAY:%=--id '%')),list)

doctor: $(RUN)  ## Say whether this machine can convert, how fast, how safely, and what to do about it
	@$(BIN)/python -m converter_service doctor

test: $(DEV)  ## Run every test that this machine can run (ARGS= goes to pytest)
	@deploy/real/install
	@$(BIN)/python -m pytest --numprocesses '$(TESTERS)' --maxprocesses 4 --dist loadscope --no-loadscope-reorder $(ARGS)

chaos: $(DEV)  ## Break everything a thousand times and lose nothing (SEED= FAULTS= CONVERSIONS= STACK=real)
	@$(if $(filter real,$(STACK)),deploy/real/install)
	@$(BIN)/python -m tests.resilience.chaos $(SEED:%=--seed %) --faults $(FAULTS) --conversions $(CONVERSIONS) \
	    $(if $(filter real,$(STACK)),--real)

simulate: $(DEV)  ## Let Hypothesis try to break the state machines (SCHEDULES= SEED= PROCESSES=)
	@$(BIN)/python -m tests.resilience.simulation --schedules $(SCHEDULES) --processes $(PROCESSES) $(SEED:%=--seed %)

guards: $(DEV)  ## Switch each guard off in a copy, and see that a suite notices (ONLY=part of a name)
	@$(BIN)/python -m tests.resilience.simulation.guards --only '$(ONLY)'

bench: $(BENCH)  ## Measure, compare with the goals, write docs/performance.md; 25 idle minutes (ONLY=name)
	@$(BIN)/python -m tests.load.benchmarks $(ONLY:%=--only '%') $(if $(QUICK),--quick)

lint: $(DEV)  ## Check style, types, imports and contracts
	@$(BIN)/python -m pytest --quiet --no-header -p no:randomly tests/architecture/test_lint.py tests/contract/buf

format: $(DEV)  ## Write code and contracts in the one format
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format . && $(BIN)/buf format --write protos

breaking: $(DEV)  ## Compare the contracts with the state that landed last (AGAINST=a commit)
	@AGAINST='$(AGAINST)' $(BIN)/python -m pytest --quiet --no-header -rP -p no:randomly tests/contract/buf -k breaking

clean: down  ## Stop the stack and remove what can be made again; its data stays
	rm -rf .venv .build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment.

# Versions whose wheels are known to exist come first, newer ones are better than nothing.
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)
$(BIN)/python:
	@python=; other=$$(cat $(UNFINISHED) 2>/dev/null); \
	case "$${other:+$$(ps -p $$other -o stat=,comm= 2>/dev/null)}" in Z*) ;; *make*) \
	    echo "Another make (process $$other) is installing here; wait for it." >&2; exit 1;; \
	esac; \
	for below in 14 99; do for candidate in $(CANDIDATES); do \
	    if $$candidate -c "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, $$below))" 2>/dev/null; \
	    then python=$$candidate; break 2; fi; \
	done; done; \
	if [ -z "$$python" ]; then \
	    echo 'Tonearm needs Python 3.11 or newer with its venv module (Debian, Ubuntu: package python3-venv).'; \
	    echo 'None of these is one: $(CANDIDATES). Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python'; \
	    exit 1; \
	fi >&2; \
	$$python -c 'import platform, sys; print("Making .venv with Python", platform.python_version(), "at", sys.executable)'; \
	rm -rf .venv && mkdir .venv && echo $$PPID > $(UNFINISHED) && printf %s '$(CURDIR)' > .venv/.home && \
	$$python -m venv .venv && \
	sed -n '/^pip==/,/[^\\]$$/p' deploy/local/requirements.lock > .venv/pip.lock && \
	$(PIP) --require-hashes -r .venv/pip.lock

$(RUN): deploy/local/requirements.lock $(PYPROJECTS) $(CONTRACTS) | $(BIN)/python
	@echo 'Installing what runs Tonearm ...'
	@echo $$PPID > $(UNFINISHED)
	@$(PIP) --require-hashes -r deploy/local/requirements.lock
	@$(PIP) --no-build-isolation ./protos $(EDITABLE:%=--editable %)
	@rm $(UNFINISHED) && touch $@

$(DEV): requirements-dev.lock $(RUN)
	@echo 'Installing what tests Tonearm ...'
	@echo $$PPID > $(UNFINISHED)
	@$(PIP) --require-hashes -r requirements-dev.lock
	@rm $(UNFINISHED) && touch $@

$(BENCH): tests/load/requirements.lock $(DEV)
	@echo 'Installing what Tonearm is compared with ...'
	@echo $$PPID > $(UNFINISHED)
	@# Without a compiler it fails before anything is installed: the environment is as good as before.
	@$(PIP) --no-build-isolation --require-hashes -r $< || { rm $(UNFINISHED); exit 1; }
	@rm $(UNFINISHED) && touch $@

# The locks. requirements-dev.lock holds everything at once; the others are cut from it, so that a
# package has one version in the whole repository. UPGRADE=--upgrade takes newer versions.

UPGRADE ?=
LOCAL := .build/local-distributions.txt
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --all-extras \
    --generate-hashes --no-annotate --custom-compile-command 'make lock' --constraint $(LOCAL) \
    $(foreach name,protos chassis auth-service gateway-service converter-service notifier-service local operations,--no-emit-package tonearm-$(name))
CUT = $(COMPILE) --constraint requirements-dev.lock

lock: $(DEV)  ## Pin all dependencies anew where a pyproject.toml changed (UPGRADE=--upgrade: all)
	@mkdir -p .build && for directory in $(PYPROJECTS:%/pyproject.toml=%); do \
	    echo "$$(sed -n 's/^name = "\(.*\)"/\1/p' $$directory/pyproject.toml) @ file://$(CURDIR)/$$directory"; \
	done > $(LOCAL)
	$(COMPILE) $(UPGRADE) requirements-dev.in requirements-build.in $(PYPROJECTS) --output-file requirements-dev.lock
	$(CUT) protos/pyproject.toml requirements-build.in --output-file protos/requirements.lock
	$(CUT) requirements-build.in $(PYPROJECTS) --output-file deploy/local/requirements.lock
	$(filter-out --all-extras,$(CUT)) tests/load/requirements.in --output-file tests/load/requirements.lock
	@for directory in $(filter-out protos deploy/local,$(PYPROJECTS:%/pyproject.toml=%)); do \
	    echo "... $$directory/requirements.lock" && $(CUT) $$directory/pyproject.toml --output-file $$directory/requirements.lock || exit; \
	done
