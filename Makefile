# ЦАМИ. `make` tells what there is. Everything is set up on the way: the Python environment by scripts/cami from the
# lock files, Orthanc by `scripts/cami runtime`; nothing is installed outside this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Each process would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

# What people may set: make demo ONCE=1 RUNTIME=docker SUITE=trixie; make test-unit ARGS='-k queue'
# RUNTIME and SUITE reach scripts/cami through the environment; without them it keeps what a region was made with.
ONCE ?=
ARGS ?=
# Regions that integration tests run side by side (2 on a machine with processors to spare); what shares one stays together.
REGIONS ?= 1

CAMI := scripts/cami
PYTEST := .venv/bin/pytest
BENCHES := access consultations cstore delivery mis scale

.PHONY: help
help: ## This list
	@printf 'ЦАМИ: make TARGET [ONCE=1] [RUNTIME=auto|native|docker] [SUITE=forky|trixie] [ARGS=…]\n\n'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: demo
demo: ## A whole region with images moving, until Ctrl-C; ONCE=1 checks itself and ends
	@$(CAMI) demo $(if $(ONCE),--once) $(ARGS)

.PHONY: test
test: test-unit test-integration test-browser ## Unit, integration and browser tests

.PHONY: test-unit
test-unit: dev ## The logic, in milliseconds, without Orthanc
	@$(PYTEST) tests/unit --numprocesses auto $(ARGS)

.PHONY: test-integration
test-integration: dev runtime ## Against real Orthancs; SUITE=trixie for Debian 13's, REGIONS=2 for two side by side
	@scripts/test-again tests/integration $(if $(filter-out 1,$(REGIONS)),--numprocesses $(REGIONS) --dist loadgroup) $(ARGS)

# In a mount namespace: small volumes that tests fill up are gone with them. Without root, root in a namespace will do.
.PHONY: test-faults
test-faults: dev runtime ## Outages, kills, full disks, … each with 2,000 images: most of an hour; FAULTS_INSTANCES=200
	@unshare $(if $(filter 0,$(shell id -u)),,--user --map-root-user) --mount \
	  $(PYTEST) tests/faults --verbose --capture=no $(ARGS)

.PHONY: test-browser
test-browser: dev runtime ## The pages and OHIF in headless Chromium; screenshots in build/screenshots
	@scripts/test-again tests/browser $(ARGS)

.PHONY: test-docker
test-docker: dev ## The containers, on a Docker engine of this machine or one started for the test
	@$(PYTEST) tests/docker $(ARGS)

.PHONY: check
check: dev ## Everything that is checked without running it; ARGS='types shell' for some of it
	@PYTHONPATH=plugins:scripts .venv/bin/python -m checks $(ARGS)

.PHONY: bench
bench: $(BENCHES:%=bench-%) ## All benchmarks; tables here, figures in build/bench

.PHONY: bench-access
bench-access: dev runtime ## Requests per second with and without the plugin, QIDO-RS against stock, the study index alone
	@$(CAMI) bench access $(ARGS)

.PHONY: bench-consultations
bench-consultations: dev runtime ## Desks of consultations: 200 people at once on 50,000 requests, SQLite and PostgreSQL
	@$(CAMI) bench consultations $(ARGS)

.PHONY: bench-cstore
bench-cstore: dev runtime ## C-STORE into plain Orthanc, with and without TCP_NODELAY, and into ours
	@$(CAMI) bench cstore $(ARGS)

.PHONY: bench-delivery
bench-delivery: dev runtime ## Delivery over an emulated line of 2 and 10 Mbit/s, against stock ways; ARGS=--quick
	@$(CAMI) bench delivery $(ARGS)

.PHONY: bench-scale
bench-scale: dev runtime ## Ingest at the centre from many proxies against stock Orthanc
	@$(CAMI) bench scale $(ARGS)

.PHONY: bench-mis
bench-mis: dev runtime ## Orders on their way to the worklist, and findscu with 100,000 entries; ARGS='--seconds 60'
	@$(CAMI) bench mis $(ARGS)

.PHONY: locks
locks: dev ## Resolve the lock files again, keeping what is pinned where the lists allow it
	@cd requirements; for list in runtime tools dev; do \
	  ../.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links $(ARGS) $$list.in -o $$list.lock; \
	done

.PHONY: clean
clean: ## Stop the regions in .state, remove what was built; .venv, .runtime and .state stay (clean-all takes them)
	@for kept in $(wildcard .state/state.json .state/*/state.json); do $(CAMI) region down --state $${kept%/*}; done
	rm -rf build .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find plugins scripts tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: clean-all
clean-all: clean ## The same, with the environment, the prepared Orthanc and the region's data
	rm -rf .venv .runtime .state

# The two things that others stand on. Both are quick when nothing has changed.
.PHONY: dev runtime
dev:
	@CAMI_DEV=1 $(CAMI) --version >/dev/null
runtime: dev
	@$(CAMI) runtime
