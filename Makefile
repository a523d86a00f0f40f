# Each target does its own set-up: Python 3.11+ and make are enough. CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEPLOY_VENV := .venv-deploy
DEPLOY_READY := $(DEPLOY_VENV)/ready
WORKERS ?= 6
SUITE := not long and not drill and not sandbox and not jq and not promtool and not browser
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
INSTALL = [ "$$(id -u)" = 0 ] && timeout 300 sh -c 'apt-get update && apt-get install -y --no-install-recommends "$$0" "$$@"'

# Python keeps the tests' rewritten assertions: without them each worker takes ten seconds longer to begin.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo run test test-debug test-deploy test-browser setup-browser setup-deploy soak bench check \
	format-check lint types imports reference-check prose check-deploy image-test format messages \
	reference render lock install install-systemd compose-secrets clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(READY): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chesscoach needs Python 3.11 or newer; say which with PYTHON=…")'
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
# The pinned list is complete, and most of it is never imported: nothing to resolve or to compile.
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the main job on embedded parts: no account, no network
	@$(BIN)/python -m chesscoach.demo

run: $(READY) ## the daemon, as configured here
	@$(BIN)/python -m chesscoach

test: $(READY) ## the suite, without what the other test targets run
	@echo "the tests in a browser and on a throw-away machine: make test-browser, make test-deploy"
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null
	$(PYTEST) -m "$(SUITE)"

test-debug: $(READY) ## the same in asyncio's debug mode, which doubles its time
	$(PYTEST) -o asyncio_debug=true -m "$(SUITE)"

# Where CI=true, what is missing fails.
test-deploy: $(READY) ## systemd and cron on a throw-away machine (root on Linux), jq, promtool
	@without=; left() { [ "$$CI" = true ] || without="$$without and not $$1"; }; \
	$(BIN)/python -m tests.deploy.sandbox.namespace || left sandbox; \
	for program in jq promtool; do command -v $$program >/dev/null \
	|| { echo "no $$program here: what needs it is left out"; left $$program; }; done; \
	set -x; $(PYTEST) -m "(drill or sandbox or jq or promtool)$$without"

setup-deploy: ## install by apt what test-deploy needs: jq and promtool
	@command -v jq >/dev/null && command -v promtool >/dev/null || { $(INSTALL) jq prometheus; }

test-browser: $(READY) ## the tests in a browser
	$(PYTEST) -m browser

setup-browser: $(READY) ## install chromium by apt, where there is none
	@$(BIN)/python -m tests.support.browser || { $(INSTALL) chromium; }

soak: $(READY) ## what takes longer: kill storms and weeks of faults, in full
	CHESSCOACH_SOAK=1 $(PYTEST) -o asyncio_debug=true -m "soak or long"

bench: $(READY) ## sync, scheduler, mails and cleanup in figures, beside the plain way
	@$(BIN)/python -m benchmarks.sync_games
	@$(BIN)/python -m benchmarks.scheduler
	@$(BIN)/python -m benchmarks.weekly_emails
	@$(BIN)/python -m benchmarks.cleanup

check: format-check lint types imports reference-check prose ## lint, types, import rules, generated pages, words

format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

reference-check: $(READY)
	$(BIN)/python -m tools.reference --check

$(DEPLOY_READY): requirements/deploy.txt
	@echo "setting up $(DEPLOY_VENV) (once)"
	@$(PYTHON) -m venv --clear $(DEPLOY_VENV)
	@$(DEPLOY_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

check-deploy: $(READY) $(DEPLOY_READY) ## hold k8s, systemd, Dockerfile and compose to what reads them
	@command -v systemd-analyze >/dev/null || { $(INSTALL) systemd; } >/dev/null 2>&1 || true
	@PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(DEPLOY_VENV)/bin:$$PATH" PREFIX="$(CURDIR)/$(VENV)" .ci/check-deploy

image-test: $(READY) ## build Dockerfile.cron and run it, as root, without a docker daemon
	@$(BIN)/python -m tests.deploy.image

format: $(READY) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(READY) ## collect the texts of mails for translators
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --omit-header --sort-output -w 100 -o chesscoach/emails/locales/messages.pot chesscoach

prose: $(READY) ## name the words that our prose avoids
	@$(BIN)/python -m tools.vocabulary

reference: $(READY) ## write the tables of docs/ that are made from the code
	@$(BIN)/python -m tools.reference

render: $(READY) ## write the schedules of config.toml for Kubernetes, systemd and cron
	@$(BIN)/chesscoach deploy render k8s --config config.toml --out k8s/cronjobs
	@$(BIN)/chesscoach deploy render systemd --config config.toml --out systemd
	@$(BIN)/chesscoach deploy render crontab --config config.toml --server-timezone UTC --out .

PREFIX ?= /opt/chesscoach
ETC ?= /etc/chesscoach
RUN_AS ?= chesscoach
UNITS ?= /etc/systemd/system
SECRETS := mongo-url sendgrid-api-key sender-email signing-key

# For the machine that it is run on, by root; DESTDIR puts all of it elsewhere. Settings and secrets that
# are there stay. The units are those of the settings that are there.
install: ## the worker in PREFIX, settings and empty secrets in ETC, the user RUN_AS
	$(PYTHON) -m venv $(DESTDIR)$(PREFIX)
	$(DESTDIR)$(PREFIX)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(DESTDIR)$(PREFIX)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation .
	install -d -m 0755 $(DESTDIR)$(ETC)
	[ -e $(DESTDIR)$(ETC)/config.toml ] || install -m 0644 config.toml $(DESTDIR)$(ETC)/config.toml
	[ -d $(DESTDIR)$(ETC)/secrets ] || install -d -m 0700 $(DESTDIR)$(ETC)/secrets
	for name in $(SECRETS); do [ -e $(DESTDIR)$(ETC)/secrets/$$name ] || install -m 0600 /dev/null $(DESTDIR)$(ETC)/secrets/$$name; done
	[ -n "$(DESTDIR)" ] || id $(RUN_AS) >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin $(RUN_AS)

install-systemd: install ## the same, and units in UNITS
	install -d -m 0755 $(DESTDIR)$(UNITS)
	$(DESTDIR)$(PREFIX)/bin/python -m chesscoach.cli deploy render systemd --config $(DESTDIR)$(ETC)/config.toml --prefix $(PREFIX) --etc $(ETC) --user $(RUN_AS) --out $(DESTDIR)$(UNITS)

# A folder that only its owner enters, and files in it that a container's user reads.
compose-secrets: ## the secrets that compose.yaml reads, new ones where there are none
	@install -d -m 0700 secrets
	@random() { head -c "$$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }; \
	put() { [ -e "secrets/$$1" ] || { printf %s "$$2" > "secrets/$$1"; chmod 0444 "secrets/$$1"; echo "made secrets/$$1"; }; }; \
	put mongo-keyfile "$$(random 256)"; \
	put mongo-password "$$(random 24)"; \
	put mongo-url "mongodb://chesscoach:$$(cat secrets/mongo-password)@mongodb:27017/?replicaSet=rs0&authSource=admin"; \
	put signing-key "$$(random 32)"; \
	put sendgrid-api-key ""; \
	put sender-email ""

lock: $(READY) ## renew the pinned requirements from pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U --extra dev --extra embedded -o requirements/dev.txt
	$(BIN)/uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/build.txt
	$(BIN)/uv pip compile requirements/deploy.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/deploy.txt

clean: ## remove the environment and caches (not the demo's data in .chesscoach)
	rm -rf $(VENV) $(DEPLOY_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
