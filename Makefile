# Three front doors: `make demo` (bare machine to a served staging deploy), `make dev` (the example from its sources), and
# `make test` (everything that CI runs).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The distribution's, where that is new enough: one that pyenv has built takes nearly twice as long for everything.
PYTHON ?= $(shell for one in /usr/bin/python3 python3; do "$$one" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo "$$one" && break; done || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what is imported, once; of Ansible's collections that is little.
PIP_OPTIONS := --quiet --no-compile
PIP := python -m pip install $(PIP_OPTIONS)
# In a venv that has none of its own, and is made by the Python of .venv, whichever that is.
PIP_IN = $(BIN)/python -m pip --python $(1)/bin/python install $(PIP_OPTIONS)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What is not written is compiled again by each of some thousand processes.
unexport PYTHONDONTWRITEBYTECODE
# One at a time: targets that install packages run side by side, and beside the sandbox's own.
APT := flock --timeout 900 /run/lock/morpheus-deploy.apt apt-get
# Of which CI leaves something out: make migrations-deep.
ROOMS := supabase monitoring migrations backup ml-gateway workflows flags
DEV_COMPOSE := docker compose --env-file stacks/morpheus/development/compose.env
PRODUCTION_HOSTS := production-app-1,production-app-2,production-lb-1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.stamp: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) --upgrade 'pip>=25.1'
	$(BIN)/$(PIP) --group dev
	@touch $@

.PHONY: venv
venv: $(VENV)/.stamp ## Install the tools into .venv

.PHONY: sandbox
sandbox: $(VENV)/.stamp ## Bring up the simulated hosts, registry and databases
	$(BIN)/python -m sandbox up

.PHONY: sandbox-down
sandbox-down: ## Remove every trace of the sandbox
	$(PYTHON) -m sandbox down

.PHONY: provisioned
# The sandbox recreates its hosts when it likes, so whoever may get in is recorded again as well.
provisioned: sandbox
	@provision() { \
		tests/quietly "provision $$1" ansible-playbook playbooks/provision.yml -i inventories/$$1; \
		tests/quietly "claim the database of $$1" ansible-playbook playbooks/claim.yml -i inventories/$$1 -e audit_renew_baseline=true; \
	}; \
	provision production & provision staging; wait $$!

.PHONY: demo
demo: provisioned ## From a bare machine to a served staging environment
	ansible-playbook deploy.yml -i inventories/staging
	@sandbox/demo-summary

# Where this Python is missing, Docker has to be there and to pull what the example stands on.
.PHONY: dev
dev: ## Bring up the example application from its sources, reloaded as they change
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then $(PYTHON) -m sandbox images; fi
	@$(PYTHON) services/packages.py
	@export DEV_USER=$$(ls -nd services | awk '{print $$3 ":" $$4}'); { $(DEV_COMPOSE) up --build --detach --remove-orphans && \
		$(DEV_COMPOSE) up --detach --no-recreate --no-deps --wait edge; } || { \
		echo "make dev: not everything came up, and Docker's last lines say what did not. To see what a service said:"; \
		echo "  $(DEV_COMPOSE) logs <service>"; exit 1; }
	@echo "http://127.0.0.1:$${DEV_PORT:-8000} serves services/ as it is; to see requests and errors:"
	@echo "  $(DEV_COMPOSE) logs --follow"

.PHONY: dev-down
dev-down: ## Remove the example application that make dev brought up, and its data
	$(DEV_COMPOSE) down --volumes --rmi local --remove-orphans

.PHONY: lint
lint: $(VENV)/.stamp ## Check style and types
	ruff check .
	ruff format --check .
	mypy collections/ansible_collections/morpheus/deploy/plugins sandbox tests molecule scripts inventories/vault-client.py
	yamllint --strict .
	python -m tests.ansible_lint --offline

# Apart from the plays: each worker reads all files of its target before its first test, which takes longer than most of them.
.PHONY: unit
unit: $(VENV)/.stamp ## Run the units
	pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder tests/unit tests/templates

.PHONY: plays
plays: $(VENV)/.stamp ## Run Ansible itself, with stand-ins for hosts
	pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder tests/plays

.PHONY: endings
endings: $(VENV)/.stamp ## End every playbook in every way, and play what else `make plays` leaves out
	pytest --numprocesses=auto --dist=loadfile -m deep tests/plays

# With those that are not deep: property tests try more, and the table of damages is judged by all of its rows.
.PHONY: unit-deep
unit-deep: $(VENV)/.stamp ## Run every unit, each with all of its cases, and let property tests try as often as they are meant to
	HYPOTHESIS_EFFORT=$${HYPOTHESIS_EFFORT:-1} pytest --numprocesses=auto --dist=loadfile -m 'deep or not deep' tests/unit

.PHONY: deep
deep: endings unit-deep edge-lab $(ROOMS:%=%-deep) ## Run all that CI leaves out and that needs no sandbox: make migrations-deep a part of it

# Of each of these targets what CI leaves out, by its own recipe.
.PHONY: $(ROOMS:%=%-deep)
$(ROOMS:%=%-deep): %-deep:
	@make --no-print-directory $* MARK='-m deep'

# For the authority of the tests (Debian's package pebble), and for HAProxy where no engine has its image.
.PHONY: mmdebstrap
mmdebstrap:
	@command -v mmdebstrap >/dev/null || { \
		$(APT) update --quiet && $(APT) install --yes --no-install-recommends mmdebstrap debian-archive-keyring; }

.PHONY: lab
lab: $(VENV)/.stamp mmdebstrap
	pytest tests/edge_lab

.PHONY: acme
acme: $(VENV)/.stamp mmdebstrap ## Issue and renew certificates by a real ACME authority and a real HAProxy
	pytest --capture=no -m 'deep or not deep' tests/edge_lab/test_certificates.py

.PHONY: edge-lab
edge-lab: $(VENV)/.stamp ## Roll generated releases over a real HAProxy without containers: EDGE_LAB_EXAMPLES=300 of them
	EDGE_LAB_EXAMPLES=$${EDGE_LAB_EXAMPLES:-300} pytest --capture=no -m 'deep or not deep' tests/edge_lab

# Tests start clusters of their own. Debian's package would start another one.
.PHONY: postgres
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
		mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
		$(APT) update --quiet && $(APT) install --yes --no-install-recommends postgresql; }

.PHONY: age
age:
	@command -v age >/dev/null || { $(APT) update --quiet && $(APT) install --yes --no-install-recommends age; }

.PHONY: backup
backup: $(VENV)/.stamp postgres age ## Back a real Postgres up, lose it, restore it, and mask it for staging
	pytest $(MARK) tests/backup

MIGRATION_TOOLS := .cache/migrations
NO_MIGRATION_TOOLS := make: .cache/migrations: Supabase's CLI and squawk are pinned for Linux on x86_64, and this is another machine

# Supabase's own CLI and squawk, with which the module and its judgement are compared.
$(MIGRATION_TOOLS)/.stamp: tests/migrations/tools/package-lock.json
	@[ "$$(uname -sm)" = "Linux x86_64" ] || { echo "$(NO_MIGRATION_TOOLS): $$(uname -sm)"; exit 1; }
	@command -v npm >/dev/null || { $(APT) update --quiet && $(APT) install --yes --no-install-recommends nodejs npm; }
	@mkdir -p $(MIGRATION_TOOLS)
	cp tests/migrations/tools/package.json tests/migrations/tools/package-lock.json $(MIGRATION_TOOLS)/
	cd $(MIGRATION_TOOLS) && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: migrations
migrations: $(VENV)/.stamp $(MIGRATION_TOOLS)/.stamp postgres ## Run Supabase's migrations on a real Postgres, and kill them
	SUPABASE_CLI=$(CURDIR)/$(MIGRATION_TOOLS)/node_modules/@supabase/cli-linux-x64/bin/supabase \
	SQUAWK=$(CURDIR)/$(MIGRATION_TOOLS)/node_modules/@squawk-cli/linux-x64/bin/squawk \
	pytest $(MARK) tests/migrations

.PHONY: backfill
backfill: $(VENV)/.stamp postgres ## Fill a million rows beside traffic, and measure that
	$(BIN)/python -m tests.bench.backfill

$(VENV)/migration-tools/.stamp: $(VENV)/.stamp
	$(BIN)/python -m venv --without-pip $(@D)
	$(call PIP_IN,$(@D)) --group migration-tools
	@touch $@

.PHONY: migration-tools
migration-tools: $(VENV)/migration-tools/.stamp postgres ## Ask Alembic and Django what is pending, and read the same from their ledgers
	$(VENV)/migration-tools/bin/python -m pytest tests/migration_tools

$(VENV)/services/.stamp: $(VENV)/.stamp
	$(BIN)/python -m venv --without-pip $(@D)
	$(call PIP_IN,$(@D)) --group services
	@touch $@

.PHONY: ml-gateway
ml-gateway: $(VENV)/services/.stamp postgres ## Kill the ML gateway at any time, and compare its books with the log of the provider's stub
	$(VENV)/services/bin/python -m pytest $(MARK) tests/ml_gateway

.PHONY: flags
flags: $(VENV)/services/.stamp ## Switch the example's feature flags under load
	$(VENV)/services/bin/python -m pytest $(MARK) tests/flags

MONITORING := .cache/monitoring
MONITORING_PACKAGES := prometheus prometheus-alertmanager prometheus-blackbox-exporter prometheus-node-exporter \
	prometheus-postgres-exporter haproxy libjs-jquery

# By the packages, so that another one is fetched as well.
MONITORING_STAMP := $(MONITORING)/.stamp-$(firstword $(shell echo $(MONITORING_PACKAGES) | cksum))

# Unpacked and not installed: Debian's packages would start their services.
$(MONITORING_STAMP):
	@mkdir -p $(MONITORING)/archives/partial
	@$(APT) update --quiet
	$(APT) install --quiet --yes --no-install-recommends --download-only --reinstall \
		-o Dir::Cache::archives=$(CURDIR)/$(MONITORING)/archives $(MONITORING_PACKAGES)
	@for package in $(MONITORING)/archives/*.deb; do dpkg-deb --extract $$package $(MONITORING); done
	@rm -rf $(MONITORING)/archives
	@touch $@

.PHONY: monitoring
monitoring: $(VENV)/.stamp $(VENV)/services/.stamp $(MONITORING_STAMP) postgres ## Try every alert and every panel with the real Prometheus
	pytest $(MARK) tests/monitoring

LOGS := .cache/logs

$(LOGS)/.stamp:
	@mkdir -p $(LOGS)/archives/partial
	@$(APT) update --quiet
	$(APT) install --quiet --yes --no-install-recommends --download-only --reinstall \
		-o Dir::Cache::archives=$(CURDIR)/$(LOGS)/archives rsyslog rsyslog-gnutls systemd
	@for package in $(LOGS)/archives/*.deb; do dpkg-deb --extract $$package $(LOGS); done
	@rm -rf $(LOGS)/archives
	@touch $@

.PHONY: logs
logs: $(VENV)/.stamp $(VENV)/services/.stamp $(LOGS)/.stamp ## Send logs to the real rsyslog, and follow one request through all of them
	pytest tests/logs

BROWSER := .cache/browser

# Beside .venv and not in it: these tests need Ansible as well, and nobody else needs Playwright.
$(BROWSER)/.stamp: pyproject.toml $(VENV)/.stamp
	rm -rf $(BROWSER)/packages
	$(BIN)/$(PIP) --target $(BROWSER)/packages --group browser
	@touch $@

.PHONY: chromium
chromium:
	@command -v chromium google-chrome-stable google-chrome >/dev/null || { \
		$(APT) update --quiet && $(APT) install --yes --no-install-recommends chromium fonts-dejavu-core; }

# By it Chromium learns of an authority, as the sandbox's.
.PHONY: certutil
certutil:
	@command -v certutil >/dev/null || { \
		$(APT) update --quiet && $(APT) install --yes --no-install-recommends libnss3-tools; }

# BROWSER_TESTS='tests/browser --site staging.example.com' visits that site, and nothing is deployed.
.PHONY: visit
visit: $(VENV)/.stamp $(BROWSER)/.stamp chromium .cache/supabase/.stamp postgres
	PYTHONPATH=$(CURDIR)/$(BROWSER)/packages pytest $${BROWSER_TESTS:-tests/browser}

.PHONY: browser
browser: provisioned certutil visit ## Tell stories in Chromium, through a deploy, a rollback and a maintenance, and as people who register

WORKFLOW_TOOLS := .cache/workflows

# GitHub's own parser, actionlint and zizmor; apart from .venv, because node and other versions of libraries come with them.
$(WORKFLOW_TOOLS)/.stamp: tests/workflows/tools/package-lock.json tests/workflows/tools/requirements.txt
	@command -v npm >/dev/null || { $(APT) update --quiet && $(APT) install --yes --no-install-recommends nodejs npm; }
	@command -v jq >/dev/null || { $(APT) update --quiet && $(APT) install --yes --no-install-recommends jq; }
	@mkdir -p $(WORKFLOW_TOOLS)
	cp tests/workflows/tools/package.json tests/workflows/tools/package-lock.json $(WORKFLOW_TOOLS)/
	cd $(WORKFLOW_TOOLS) && npm ci --silent --no-audit --no-fund --ignore-scripts
	$(BIN)/python -m venv --without-pip $(WORKFLOW_TOOLS)/venv
	$(call PIP_IN,$(WORKFLOW_TOOLS)/venv) --no-deps --requirement tests/workflows/tools/requirements.txt
	@touch $@

# What shares the keys of releases is a group, and runs in one process.
ON_THE_SANDBOX := tests/workflows/test_on_the_sandbox.py
.PHONY: workflows
workflows: $(VENV)/.stamp $(WORKFLOW_TOOLS)/.stamp ## Lint the workflows of GitHub, and run them with stand-ins
	pytest --numprocesses=auto --dist=loadgroup $(MARK) --ignore=$(ON_THE_SANDBOX) tests/workflows

.PHONY: workflows-sandbox
workflows-sandbox: provisioned $(WORKFLOW_TOOLS)/.stamp ## Run the workflows of GitHub on the sandbox's hosts, with Ansible itself
	pytest --capture=no -m deep $(ON_THE_SANDBOX)

SUPABASE_TOOLS := .cache/supabase

# The vendor's clients, and one of the Management API that is not ours.
$(SUPABASE_TOOLS)/.stamp: tests/supabase/tools/package-lock.json tests/supabase/tools/requirements.txt
	@command -v npm >/dev/null || { $(APT) update --quiet && $(APT) install --yes --no-install-recommends nodejs npm; }
	@mkdir -p $(SUPABASE_TOOLS)
	cp tests/supabase/tools/package.json tests/supabase/tools/package-lock.json $(SUPABASE_TOOLS)/
	cd $(SUPABASE_TOOLS) && npm ci --silent --no-audit --no-fund --ignore-scripts
	$(BIN)/python -m venv --without-pip $(SUPABASE_TOOLS)/venv
	$(call PIP_IN,$(SUPABASE_TOOLS)/venv) --requirement tests/supabase/tools/requirements.txt
	@touch $@

.PHONY: supabase
supabase: $(VENV)/.stamp $(SUPABASE_TOOLS)/.stamp postgres ## Try Supabase's APIs by a stand-in that the vendor's clients use as well
	pytest --numprocesses=auto --dist=loadfile $(MARK) tests/supabase

ARCHIVE := .cache/archive
IMPORTER := .cache/importer
REFERENCE := .cache/reference

$(IMPORTER)/.stamp $(REFERENCE)/.stamp: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/$(PIP) --upgrade 'pip>=25.1'
	$(@D)/bin/$(PIP) --group $(notdir $(@D))
	@touch $@

.PHONY: archive
archive: $(VENV)/.stamp ## Build the collection as users install it, into .cache/archive
	rm -rf $(ARCHIVE)
	ansible-galaxy collection build --output-path $(ARCHIVE)

.PHONY: sanity
sanity: archive ## Run ansible-test sanity on what the archive holds: SANITY='--test pep8' a part of it
	$(BIN)/python -m tests.sanity $(ARCHIVE)/*.tar.gz $(SANITY)

.PHONY: ansible-test-units
ansible-test-units: $(VENV)/.stamp ## Run the units by ansible-test: UNITS='tests/unit/plugins/modules/' a part of them
	$(BIN)/python -m tests.ansible_units $(UNITS)

.PHONY: importer
importer: archive $(IMPORTER)/.stamp ## Put the archive through the rules of Ansible Galaxy
	tests/importer $(IMPORTER) $(ARCHIVE)/*.tar.gz

# Without a warning, of the documentation or of Sphinx.
.PHONY: reference
reference: archive $(REFERENCE)/.stamp ## Make a site of all documentation blocks: .cache/reference/html
	rm -rf $(REFERENCE)/collections $(REFERENCE)/rst $(REFERENCE)/html
	install -D --mode=644 .config/reference/index.rst $(REFERENCE)/rst/index.rst
	export ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/$(REFERENCE)/collections PATH=$(CURDIR)/$(REFERENCE)/bin:$$PATH; \
	ansible-galaxy collection install --no-deps --offline --collections-path $(REFERENCE)/collections $(ARCHIVE)/*.tar.gz && \
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --skip-rstcheck \
		$(REFERENCE)/collections/ansible_collections/morpheus/deploy && \
	antsibull-docs collection --use-current --fail-on-error --dest-dir $(REFERENCE)/rst morpheus.deploy && \
	sphinx-build -q -W --keep-going -b html -c .config/reference $(REFERENCE)/rst $(REFERENCE)/html
	@echo "$(REFERENCE)/html/index.html"

.PHONY: changelog
changelog: $(REFERENCE)/.stamp ## Check the fragments of the changelog
	$(REFERENCE)/bin/antsibull-changelog lint

.PHONY: release-notes
release-notes: $(REFERENCE)/.stamp ## Make CHANGELOG.md of the fragments, for the version in galaxy.yml
	PATH=$(CURDIR)/$(REFERENCE)/bin:$$PATH antsibull-changelog release

# What the workflow of a release publishes.
.PHONY: release-files
release-files: archive $(REFERENCE)/.stamp
	$(REFERENCE)/bin/antsibull-changelog generate --only-latest --output-format md --output $(ARCHIVE)/notes.md

.PHONY: package
package: sanity ansible-test-units importer reference changelog ## All that a release is checked by beside the tests

.PHONY: molecule
molecule: sandbox ## Run the scenarios on simulated hosts
	molecule test --all

.PHONY: acceptance
acceptance: provisioned ## Deploy, fail and restart under load, and count what users saw
	tests/side-by-side

.PHONY: changes
changes: provisioned ## Make every kind of change between two releases under load
	pytest tests/changes

.PHONY: faults
faults: provisioned ## Kill a rollout at every line of its journal, and break what it stands on, under load
	CRASH_LINES=all FAULT_STEPS=start,gate,watch,stop pytest --capture=no tests/acceptance/test_crashes.py tests/acceptance/test_faults.py
	pytest tests/acceptance -m deep --deselect tests/acceptance/test_crashes.py --deselect tests/acceptance/test_faults.py

.PHONY: strangers
strangers: sandbox ## Deploy projects in the shapes of public applications from their Compose files, and change each in five ways
	pytest --capture=no tests/acceptance/test_strangers.py

.PHONY: edge-checks
edge-checks: sandbox ## Time what HAProxy makes of hosts and replicas that misbehave
	pytest tests/edge_checks

.PHONY: bench
bench: provisioned ## Measure deploys beside their floor and beside docker compose
	$(BIN)/python -m tests.bench

# None of these needs the sandbox. Each line is one after the other, and most of the last one want what "ml-gateway" installs.
# So many lines that the processors have enough to do when the sandbox's tests have ended: most of these wait now and then. The lab
# waits most; first it would find no image of the edge.
EDGE := workflows lab
CODE := lint unit
SERVERS := plays migrations migration-tools supabase
MODELS := ml-gateway logs flags monitoring backup

.PHONY: test
# What needs no sandbox takes the time that the sandbox's tests leave; shown when it fails. With $(MAKE) make -n would run it all.
test: $(VENV)/.stamp ## Run everything that CI runs
	@tests/aside 'tests/rows $(foreach row,EDGE CODE SERVERS MODELS,"$($(row))")' \
		'{ make --no-print-directory provisioned && tests/side-by-side molecule; } && ended=0 || ended=$$?; tests/hosts pause || true; exit $$ended' \
		'tests/hosts unpause'

.PHONY: clean
clean: ## Remove what the tools made here; the sandbox stays
	rm -rf $(VENV) .cache .deploy .mypy_cache .ruff_cache .hypothesis morpheus-deploy-*.tar.gz
