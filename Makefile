# Each target does its own set-up: Python 3.11+ and make are enough. CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEPLOY_VENV := .venv-deploy
DEPLOY_READY := $(DEPLOY_VENV)/ready
API_VENV := .venv-api
API_READY := $(API_VENV)/ready
WORKERS ?= 8
SUITE := not long and not drill and not sandbox and not jq and not promtool and not browser and not schemathesis
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
INSTALL = [ "$$(id -u)" = 0 ] && timeout 300 sh -c 'apt-get update && apt-get install -y --no-install-recommends "$$0" "$$@"'

# Bytecode is a part of the set-up.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo run test test-debug test-deploy test-api test-browser setup-browser screenshot setup-deploy soak bench check \
	format-check lint types imports reference-check prose check-deploy image-test format messages \
	reference render lock install install-systemd compose-secrets clean

help: ## list the targets
	@grep -E --no-filename '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(READY): pyproject.toml requirements/pip.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chesscoach needs Python 3.11 or newer; name one with PYTHON=…")'
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV)
# The pinned list is complete, and most of it is never imported: nothing to resolve or to compile.
	@for list in pip dev; do $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements/$$list.txt || exit; done
# At the same time, pytest caches the rewritten tests as bytecode. Else each of its workers would rewrite them.
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null & \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . && wait
	@touch $@

demo: $(READY) ## sync six sample players and write their weekly emails: no account, no network
	@$(BIN)/python -m chesscoach.demo

run: $(READY) ## start the daemon on embedded parts with sample data, and print the address of its dashboard
	@$(BIN)/python -m chesscoach.demo.daemon

test: $(READY) ## run the test suite, except the tests of the targets below
	@echo "not run here: make test-api, make test-browser, make test-deploy (a throw-away machine)"
	$(PYTEST) -m "$(SUITE)"

test-debug: $(READY) ## run the test suite in asyncio's debug mode, which takes twice the time
	$(PYTEST) -o asyncio_debug=true -m "$(SUITE)"

# Tests whose program is missing are left out. With CI=true they run and fail.
test-deploy: $(READY) ## test the deployment guides: systemd and cron on a throw-away machine (root on Linux), jq, promtool
	@without=; left() { [ "$$CI" = true ] || without="$$without and not $$1"; }; \
	$(BIN)/python -m tests.deploy.sandbox.namespace || left sandbox; \
	for program in jq promtool; do command -v $$program >/dev/null \
	|| { echo "$$program is not installed: its tests are left out"; left $$program; }; done; \
	set -x; $(PYTEST) -m "(drill or sandbox or jq or promtool)$$without"

setup-deploy: ## install jq and promtool, which test-deploy uses, by apt
	@command -v jq >/dev/null && command -v promtool >/dev/null || { $(INSTALL) jq prometheus; }

$(API_READY): requirements/api.txt
	@echo "setting up $(API_VENV) (once)"
	@$(PYTHON) -m venv --clear $(API_VENV)
	@$(API_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

test-api: $(READY) $(API_READY) ## call the admin API by its OpenAPI document with what schemathesis makes up
	PATH="$$PATH:$(CURDIR)/$(API_VENV)/bin" $(PYTEST) -m schemathesis

# A browser keeps a core busy: with more of them at once, pages need longer than a request may take.
test-browser: WORKERS = 3
test-browser: $(READY) ## test emails and pages in a browser
	$(PYTEST) -m browser

screenshot: $(READY) ## take the picture of the dashboard in docs, with sample data (needs chromium)
	@$(BIN)/python -m tools.screenshot

setup-browser: $(READY) ## install chromium by apt, if there is no browser
	@$(BIN)/python -m tests.support.web.browser || { $(INSTALL) chromium; }

soak: $(READY) ## run the long tests: kill storms and weeks of faults
	CHESSCOACH_SOAK=1 $(PYTEST) -o asyncio_debug=true -m "soak or long"

bench: $(READY) ## measure sync, scheduler, emails, cleanup, momentum and snapshots beside plain loops
	@$(BIN)/python -m benchmarks.sync_games
	@$(BIN)/python -m benchmarks.scheduler
	@$(BIN)/python -m benchmarks.weekly_emails
	@$(BIN)/python -m benchmarks.cleanup
	@$(BIN)/python -m benchmarks.dashboard
	@$(BIN)/python -m benchmarks.momentum
	@$(BIN)/python -m benchmarks.snapshots

check: format-check lint types imports reference-check prose ## check format, lint, types, import rules, generated pages and words

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

check-deploy: $(READY) $(DEPLOY_READY) ## check k8s, systemd, the Dockerfile and compose.yaml with their own tools
	@command -v systemd-analyze >/dev/null || { $(INSTALL) systemd; } >/dev/null 2>&1 || true
	@PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(DEPLOY_VENV)/bin:$$PATH" PREFIX="$(CURDIR)/$(VENV)" .ci/check-deploy

image-test: $(READY) ## build Dockerfile.cron and run the image, as root, without a docker daemon
	@$(BIN)/python -m tests.deploy.image

format: $(READY) ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(READY) ## collect the texts of emails for translators
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --omit-header --sort-output -w 100 -o chesscoach/emails/locales/messages.pot chesscoach

prose: $(READY) ## list the words that our prose avoids, where they occur
	@$(BIN)/python -m tools.vocabulary

reference: $(READY) ## generate the tables of docs/ from the code
	@$(BIN)/python -m tools.reference

render: $(READY) ## render the schedules of config.toml for Kubernetes, systemd and cron
	@$(BIN)/chesscoach deploy render k8s --config config.toml --out k8s/cronjobs
	@$(BIN)/chesscoach deploy render systemd --config config.toml --out systemd
	@$(BIN)/chesscoach deploy render crontab --config config.toml --server-timezone UTC --out .

PREFIX ?= /opt/chesscoach
ETC ?= /etc/chesscoach
RUN_AS ?= chesscoach
UNITS ?= /etc/systemd/system
SECRETS := mongo-url sendgrid-api-key sender-email signing-key

# Root runs it on the target machine; DESTDIR puts everything below another folder. Existing settings and
# secrets stay. The units follow from the settings.
install: ## install the worker in PREFIX, settings and empty secrets in ETC, and the user RUN_AS
	$(PYTHON) -m venv $(DESTDIR)$(PREFIX)
	$(DESTDIR)$(PREFIX)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(DESTDIR)$(PREFIX)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation .
	install -d -m 0755 $(DESTDIR)$(ETC)
	[ -e $(DESTDIR)$(ETC)/config.toml ] || install -m 0644 config.toml $(DESTDIR)$(ETC)/config.toml
	[ -d $(DESTDIR)$(ETC)/secrets ] || install -d -m 0700 $(DESTDIR)$(ETC)/secrets
	for name in $(SECRETS); do [ -e $(DESTDIR)$(ETC)/secrets/$$name ] || install -m 0600 /dev/null $(DESTDIR)$(ETC)/secrets/$$name; done
	[ -n "$(DESTDIR)" ] || id $(RUN_AS) >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin $(RUN_AS)

install-systemd: install ## install the same, and the units in UNITS
	install -d -m 0755 $(DESTDIR)$(UNITS)
	$(DESTDIR)$(PREFIX)/bin/python -m chesscoach.cli deploy render systemd --config $(DESTDIR)$(ETC)/config.toml --prefix $(PREFIX) --etc $(ETC) --user $(RUN_AS) --out $(DESTDIR)$(UNITS)

# Only the owner may enter the folder. Its files are readable, because a container has another user.
compose-secrets: ## create the secrets that compose.yaml reads, if they are missing
	@install -d -m 0700 secrets
	@random() { head -c "$$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }; \
	put() { [ -e "secrets/$$1" ] || { printf %s "$$2" > "secrets/$$1"; chmod 0444 "secrets/$$1"; echo "created secrets/$$1"; }; }; \
	put mongo-keyfile "$$(random 256)"; \
	put mongo-password "$$(random 24)"; \
	put mongo-url "mongodb://chesscoach:$$(cat secrets/mongo-password)@mongodb:27017/?replicaSet=rs0&authSource=admin"; \
	put signing-key "$$(random 32)"; \
	put sendgrid-api-key ""; \
	put sender-email ""

lock: $(READY) ## update the pinned requirements from pyproject.toml
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U --extra dev --extra embedded --extra alerts --extra sentry --extra otel -o requirements/dev.txt
	$(BIN)/uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/build.txt
	$(BIN)/uv pip compile requirements/pip.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/pip.txt
	$(BIN)/uv pip compile requirements/deploy.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/deploy.txt
	$(BIN)/uv pip compile requirements/api.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -U -o requirements/api.txt

clean: ## remove the environment and caches (not the demo's data in .chesscoach)
	rm -rf $(VENV) $(DEPLOY_VENV) $(API_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
