# Sangraha's commands. What they need they set up themselves, once.

PYTHON ?= python3
ORCHESTRATORS ?= 1
PORT_BASE ?= 8000
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.DEFAULT_GOAL := help
.PHONY: help run test services bench check docs lock clean

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
		do printf '  make %-9s %s\n' "$$name" "$$text"; done

run: .venv/ready-to-run ## run everything in one process on 127.0.0.1:8000, with its data in ./data
	@exec $(BIN)/python -m sangraha_cli run $(ARGS)

test: .venv/ready-to-develop ## get the servers that are missing, then run every test (ARGS=… for pytest)
	@$(BIN)/python -m development.install
	@$(BIN)/python -m pytest $(ARGS)

services: .venv/ready-to-develop ## run servers and services as processes of their own (ORCHESTRATORS=2, PORT_BASE=8000)
	@$(BIN)/python -m development.install
	@exec $(BIN)/python -m development.services --orchestrators $(ORCHESTRATORS) --port-base $(PORT_BASE)

bench: .venv/ready-to-develop ## large bodies through Sangraha beside straight into MinIO (ARGS="--sizes 16,256")
	@$(BIN)/python -m development.install
	@$(BIN)/python -m loadtest $(ARGS)

check: .venv/ready-to-develop ## ruff, mypy and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/ready-to-develop ## write docs/settings.md anew
	@$(BIN)/python -m sangraha_cli settings > docs/settings.md

lock: .venv/made ## choose the newest dependencies that fit, and write the requirements files
	@$(BIN)/python -m development.lock

clean: ## remove the environment, caches and the data of `make services`; ./data stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/made:
	@$(PYTHON) -m development.environment .venv
	@touch $@

# Developing needs all that running needs, and more.
.venv/ready-to-run: requirements.txt | .venv/made
	@echo "Installing what Sangraha needs into .venv, once."
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

.venv/ready-to-develop: requirements-dev.txt | .venv/made
	@echo "Installing what developing Sangraha needs into .venv, once."
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch .venv/ready-to-run $@
