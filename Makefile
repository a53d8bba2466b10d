# The commands that a person needs. Everything is set up by them; nothing is asked for by hand.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
STATE ?= $(CURDIR)/.state
LOCKS := deployments/locks

# helm and kubectl come out of a pinned wheel; a user's own come first.
export PATH := $(PATH):$(CURDIR)/$(BIN)
export WORKLOAD_IDENTITY_HOME := $(STATE)
export WORKLOAD_IDENTITY_CLIENTS ?= $(STATE)/clients
SIMULATE := $(BIN)/workload-identity simulate --directory $(STATE)/simulator
# The tutorial's demo value. A real fleet's secrets come from the environment or from Prefect Secret blocks.
DEMO := KEYVAULT_SECRET_VALUE=$${KEYVAULT_SECRET_VALUE:-sysadminas-demo-kv-secret-value}

.PHONY: help demo migration operate test long check crash storm faults clients ui-test many-machines mutants bench stop setup format schema clean
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment .venv, pinned and verified by hash

$(READY): $(LOCKS)/installer.txt $(LOCKS)/development.txt $(LOCKS)/binaries.txt pyproject.toml
	@echo "Setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/installer.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes $(LOCKS)/development.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r $(LOCKS)/binaries.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python deployments/binaries.py > /dev/null
	@touch $@

demo: $(READY) ## Run the tutorial for real against a simulated cloud on this machine
	@$(DEMO) $(SIMULATE) --keep -- $(BIN)/workload-identity reconcile deployments/demo/fleet.yaml

migration: $(READY) ## Walk out of AAD Pod Identity on a simulated cluster, and back again
	@$(BIN)/workload-identity simulate --directory $(STATE)/veteran --cloud deployments/migration/cloud.yaml \
		-- deployments/migration/walk.sh $(STATE)/veteran.yaml

operate: $(READY) ## Run Prefect's server, UI and a worker here, against a simulated cloud; AZURE=1: against Azure
	@$(DEMO) $(if $(AZURE),,$(SIMULATE) --keep --) $(BIN)/python -m deployments.operate $(if $(AZURE),,; $(SIMULATE) stop)

stop: ## End the simulator and the Prefect server that make demo left running
	@if [ -e $(READY) ]; then $(SIMULATE) stop; $(BIN)/workload-identity stop; fi

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadscope

long: $(READY) ## Run the tests that take minutes together
	@$(BIN)/python -m pytest -m long -n 2 --dist loadscope

crash: $(READY) ## Kill a reconcile at every request boundary, and run it again
	@$(BIN)/python -m pytest tests/end_to_end/crash -m crash --timeout 900

storm: $(READY) ## Reconcile in fifty storms
	@$(BIN)/python -m pytest tests/integration/chain/test_storm.py -m 'storm or not storm' -n 2

faults: $(READY) ## Diagnose every fault beside one of every other link, and write deployments/faults.md
	@FAULTS_PAGE=1 $(BIN)/python -m pytest tests/integration/chain/test_diagnosis.py -m 'faults or not faults' --timeout 120

clients: $(READY) ## Let the real az, kubectl, helm and the SDK for Node judge the simulator
	@tests/clients/install.sh
	@$(BIN)/python -m pytest tests/clients -m clients -n 2 --dist loadscope --timeout 300

ui-test: $(READY) ## Press Run, agree to plans and look at the results, as a person does in Prefect's UI
	@tests/end_to_end/operated/install.sh
	@$(BIN)/python -m pytest tests/end_to_end/operated -m operated --timeout 300

many-machines: $(READY) ## Reconcile 1,000 workloads on PostgreSQL, Redis and four machines that are killed meanwhile
	@tests/end_to_end/many_machines/install.sh
	@$(BIN)/python -m pytest tests/end_to_end/many_machines -m many_machines --timeout 900

mutants: $(READY) ## Switch off every rule of the simulator, one at a time: a flow or a client must notice
	@tests/clients/install.sh
	@$(BIN)/python -m tests.mutation $(LEARN)

bench: $(READY) ## Measure what is promised; BENCH_JSON=PATH writes it down
	@$(BIN)/python -m tests.benchmarks

check: $(READY) ## Formatting, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(READY) ## Put the formatting right
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(READY) ## Write the JSON Schema of fleet files anew
	@$(BIN)/workload-identity schema > .schema.json && mv .schema.json fleet/fleet.schema.json

clean: stop ## Remove everything that was made here
	@rm -rf $(VENV) $(STATE)
