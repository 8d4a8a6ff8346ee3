# Everything a developer or a school types. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help install dev demo test soak browser tools check format bench lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := staffroom pages api inbox outbox actors storage federation

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Staffroom needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing Staffroom into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "installing Staffroom and its test tools into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed ## make .venv with the staffroom command

dev: $(VENV)/.installed-dev ## the same, with the tools for tests and checks

demo: install ## three schools on this machine, talking to each other
	@$(BIN)/staffroom demo

# Some tests wait for processes of their own: one worker more than two cores keeps both busy.
test: dev ## every test that needs no network
	@$(BIN)/python -m pytest --numprocesses=3 --dist=worksteal

# The same tests as in `make test` with larger numbers, and those that take minutes by their nature.
soak: export STAFFROOM_SOAK_KILLS ?= 110
soak: export STAFFROOM_SOAK_EDITS ?= 500
soak: export STAFFROOM_SOAK_CUT_SECONDS ?= 600
soak: export STAFFROOM_SOAK_CUTS ?= 50
soak: export STAFFROOM_SOAK_FAULTS ?= 500
soak: export STAFFROOM_SOAK_DAYS ?= 45
soak: dev ## an hour of kills, power cuts, full disks and broken lines
	@$(BIN)/python -m pytest -m "" tests/e2e/test_killed.py tests/e2e/test_postgresql_killed.py \
		tests/e2e/test_sent_twenty_times.py tests/e2e/test_partition.py tests/e2e/power

browser: ## install Chromium for the browser tests, where apt-get can
	@command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

tools: ## install a C compiler and libfaketime for the crash tests, where apt-get can
	@{ command -v cc && ls /usr/lib*/*/faketime/libfaketimeMT.so.1; } >/dev/null 2>&1 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev faketime >/dev/null; }

check: dev ## format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: dev ## write the code in its usual form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## figures beside their ceilings, on PostgreSQL too after `make dev`
	@$(BIN)/python -m tests.bench

lock: dev ## choose versions anew, with hashes
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--custom-compile-command "make lock" --extra build -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--custom-compile-command "make lock" --all-extras -o requirements-dev.lock pyproject.toml

clean: ## forget .venv and what the tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
