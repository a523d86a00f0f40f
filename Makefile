# Each target does its own set-up: Python 3.11+ and make are enough. CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
WORKERS ?= 3
INSTALL_BROWSER = [ "$$(id -u)" = 0 ] && timeout 300 sh -c "apt-get update && apt-get install -y chromium"

.DEFAULT_GOAL := help
.PHONY: help demo run test soak bench check format messages lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(READY): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chesscoach needs Python 3.11 or newer; say which with PYTHON=…")'
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the main job on embedded parts: no account, no network
	@$(BIN)/python -m chesscoach.demo

run: $(READY) ## the daemon, as configured here
	@$(BIN)/python -m chesscoach

test: $(READY) ## the whole suite
	@if $(BIN)/python -m tests.browser || { $(INSTALL_BROWSER); } >/dev/null 2>&1 || [ "$$CI" = true ]; \
	then set --; else echo "no chromium here: the tests in a browser are left out"; set -- -m "not browser"; fi; \
	set -x; $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal "$$@"

soak: $(READY) ## what takes longer: kill storms and weeks of faults, in full
	CHESSCOACH_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m soak

bench: $(READY) ## sync, scheduler, mails and cleanup in figures, beside the plain way
	@$(BIN)/python -m benchmarks.sync_games
	@$(BIN)/python -m benchmarks.scheduler
	@$(BIN)/python -m benchmarks.weekly_emails
	@$(BIN)/python -m benchmarks.cleanup

check: $(READY) ## lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(READY) ## collect the texts of mails for translators
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --omit-header --sort-output -w 100 -o chesscoach/emails/locales/messages.pot chesscoach

lock: $(READY) ## renew the pinned requirements from pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U --extra dev --extra embedded -o requirements/dev.txt

clean: ## remove the environment and caches (not the demo's data in .chesscoach)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
