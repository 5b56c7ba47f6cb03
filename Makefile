# Everything below runs in .venv, which the first target makes; what the benchmarks are held against, in .venv-peers.
# Outside this folder only caches are written: pip's, and Kafka's jars in the user's cache folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
INSTALL := $(PYTHON) requirements/install.py

# Once the Python that made an environment is gone, by an upgrade say, nothing is installed there any more.
$(foreach environment,$(VENV) $(PEERS),$(shell [ -x $(environment)/bin/python ] \
	|| rm -f $(environment)/.runtime $(environment)/.dev $(environment)/.installed))

.DEFAULT_GOAL := help
.PHONY: help run check test monitoring soak lint docs format lock clean peers bench bench-quick

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.runtime ## Start everything here and replay a week of real activity
	@$(BIN)/headcount run

check: lint ## Lint, unit and contract tests and a hundred simulated schedules: a minute and a half
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile tests/unit tests/contract
	@$(BIN)/python -m tests.simulation --schedules 100 --seconds 600

# Several files at a time: most tests wait for a server, and each process has servers of its own. The faults come
# after the rest: they say more about a worker that is not short of a core. Without --no-loadscope-reorder, a file with
# one long test would be the last, and keep one process busy while the others have nothing to do.
test: $(VENV)/.dev ## Run all tests, on a real Kafka and a real Redis (a part: PYTEST_ARGS="tests/unit")
ifdef PYTEST_ARGS
	@$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder \
		--ignore tests/faults --ignore tests/monitoring
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/faults
endif

monitoring: $(VENV)/.dev ## Hold metrics, alert rules and dashboard against a real Prometheus
	@command -v prometheus >/dev/null && command -v promtool >/dev/null \
		|| { echo "Prometheus is not installed here; on Debian: apt-get install --no-install-recommends prometheus"; exit 1; }
	@$(BIN)/python -m pytest tests/monitoring

soak: $(VENV)/.dev ## Repeat faults at random: make soak SECONDS=600 SEED=1
	@$(BIN)/python -m tests.faults --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

# On a machine with nothing else to do. One that fails, for want of a tool or a peer, does not keep the others.
BENCHMARKS := throughput profile polling freshness scale
bench: $(VENV)/.dev ## Measure all that has a target, and show the table: a quarter of an hour, on a quiet machine
	@$(MAKE) --no-print-directory peers || true
	@failed=; for name in $(BENCHMARKS) "quick --record"; do \
		echo "benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name || failed="$$failed $$name"; \
	done; \
	$(BIN)/python -m benchmarks.targets; \
	[ -z "$$failed" ] || { echo "These failed, and their figures are of an earlier run:$$failed"; exit 1; }

bench-quick: $(VENV)/.dev ## Measure in small, and say which ratios fell since they were recorded
	@$(BIN)/python -m benchmarks.quick

peers: $(PEERS)/.installed ## Install what the throughput benchmark is held against

lint: $(VENV)/.dev ## Check style, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests benchmarks requirements
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

docs: $(VENV)/.dev ## Build the documentation into .site, with strict links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

format: $(VENV)/.dev ## Rewrite the code in the house's style
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

clean: ## Forget the environment and the embedded servers' files
	rm -rf $(VENV) $(PEERS) .headcount

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@$(INSTALL) $(VENV) --lock $< --done $@ --editable

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(INSTALL) $(VENV) --lock $< --done $@

# Wheels only: a peer that has none for this Python is told as missing, not built from source.
$(PEERS)/.installed: requirements/peers.txt
	@$(INSTALL) $(PEERS) --lock $< --done $@ --wheels-only \
		|| { echo "The peers could not be installed: the benchmarks tell which they go on without"; exit 1; }
