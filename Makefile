# Everything runs in .venv, which the first target creates; software that the benchmarks compare with, in .venv-peers.
# Outside this folder only caches are written: pip's, and Kafka's jars in the user's cache folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
INSTALL := $(PYTHON) requirements/install.py

# An environment whose Python was removed, for example by an upgrade, counts as not installed.
$(foreach environment,$(VENV) $(PEERS),$(shell [ -x $(environment)/bin/python ] \
	|| rm -f $(environment)/.runtime $(environment)/.dev $(environment)/.installed))

.DEFAULT_GOAL := help
.PHONY: help run check test monitoring soak lint docs format lock clean peers bench bench-quick

help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.runtime ## Start Kafka, Valkey, worker and API, and replay a week of real activity
	@$(BIN)/headcount run

check: lint ## Lint, unit and contract tests, and a hundred simulated schedules: under 90 seconds
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile tests/unit tests/contract
	@$(BIN)/python -m tests.simulation --schedules 100 --seconds 600

# Several files run at a time: most tests wait for a server, and each process has its own servers. The fault tests run
# afterwards, when workers have a core to themselves. Without --no-loadscope-reorder, a file with one long test would be the
# last, and keep one process busy while the others are idle.
test: $(VENV)/.dev ## Run all tests on a real Kafka and a real Redis; a part: make test PYTEST_ARGS="tests/unit"
ifdef PYTEST_ARGS
	@$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder \
		--ignore tests/faults --ignore tests/monitoring
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/faults
endif

monitoring: $(VENV)/.dev ## Test metrics, alert rules and dashboard with a real Prometheus
	@command -v prometheus >/dev/null && command -v promtool >/dev/null \
		|| { echo "Prometheus is not installed here; on Debian: apt-get install --no-install-recommends prometheus"; exit 1; }
	@$(BIN)/python -m pytest tests/monitoring

soak: $(VENV)/.dev ## Run fault tests at random: make soak SECONDS=600 SEED=1
	@$(BIN)/python -m tests.faults --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

# For an idle machine. A benchmark that fails, because a tool or a peer is missing, does not stop the others.
BENCHMARKS := throughput profile polling freshness scale
bench: $(VENV)/.dev ## Run every benchmark that has a target: a quarter of an hour on an idle machine
	@$(MAKE) --no-print-directory peers || true
	@failed=; for name in $(BENCHMARKS) "quick --record"; do \
		echo "benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name || failed="$$failed $$name"; \
	done; \
	$(BIN)/python -m benchmarks.targets; \
	[ -z "$$failed" ] || { echo "These benchmarks failed; their figures are from an earlier run:$$failed"; exit 1; }

bench-quick: $(VENV)/.dev ## Run small benchmarks and report ratios that fell since they were recorded: two minutes
	@$(BIN)/python -m benchmarks.quick

peers: $(PEERS)/.installed ## Install the software that the throughput benchmark compares with

lint: $(VENV)/.dev ## Check style, types, import contracts and compose.yaml
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests benchmarks requirements
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

docs: $(VENV)/.dev ## Build the documentation into .site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

format: $(VENV)/.dev ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

lock: $(VENV)/.dev ## Resolve the dependencies again and write the lock files
	@$(COMPILE) --extra embedded --group pyproject.toml:runtime-build \
		--output-file requirements/runtime.txt pyproject.toml
	@$(COMPILE) --constraint requirements/runtime.txt --group pyproject.toml:runtime-build \
		--output-file requirements/server.txt pyproject.toml
	@$(COMPILE) --constraint requirements/runtime.txt --extra embedded --group pyproject.toml:dev \
		--output-file requirements/dev.txt pyproject.toml
	@$(COMPILE) --group pyproject.toml:peers --output-file requirements/peers.txt
	@$(BIN)/python -m embedded.lock_jars

clean: ## Remove the environments and the data of the embedded servers
	rm -rf $(VENV) $(PEERS) .headcount

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@$(INSTALL) $(VENV) --lock $< --done $@ --editable

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(INSTALL) $(VENV) --lock $< --done $@

# Wheels only: a peer without a wheel for this Python is reported as missing, not built from source.
$(PEERS)/.installed: requirements/peers.txt
	@$(INSTALL) $(PEERS) --lock $< --done $@ --wheels-only \
		|| { echo "The peers could not be installed; the benchmarks name the ones they leave out"; exit 1; }
