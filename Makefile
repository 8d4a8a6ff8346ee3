# Everything a developer or a school types. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help install dev demo test browser check format bench lock clean

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

browser: ## install Chromium for the browser tests, where apt-get can
	@command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

check: dev ## format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: dev ## write the code in its usual form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## figures beside their ceilings
	@$(BIN)/staffroom bench

lock: dev ## choose versions anew, with hashes
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--custom-compile-command "make lock" --extra build -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--custom-compile-command "make lock" --all-extras -o requirements-dev.lock pyproject.toml

clean: ## forget .venv and what the tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
