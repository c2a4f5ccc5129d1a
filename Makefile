# Everything a clone needs, with python3 (3.11 or newer) and make. Nothing outside this directory is written.
#   make demo    sets everything up and runs the gateway with a demo workspace
#   make test    sets everything up and runs the tests
PYTHON    ?= python3
DEMO_ARGS ?=
TEST_ARGS ?=
CHECK_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=
# What `make nightly` tries: worlds drawn at random, and examples of each property (of the product's documents, each in four ways).
SEEDS     ?= 20000
EXAMPLES  ?= 5000

VENV       := .venv
BIN        := $(VENV)/bin
READY      := $(VENV)/.ready
NODE       := tests/conformance/node examples/clients/typescript
NODE_READY := $(NODE:%=%/node_modules/.ready)
PEERS_READY := bench/peers/node/node_modules/.ready
UV         := uv==0.13.9
# Three on two cores: many tests wait for processes that start, drain or are frozen.
TEST_WORKERS ?= 3

# No cache, so that pip leaves nothing in the home directory; npm's goes to build/.
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-reference nightly check-live soak bench bench-peers check format lock wheel clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Create .venv with the pinned packages and the command .venv/bin/profile-gateway

demo: setup ## Run the gateway with a demo workspace (DEMO_ARGS=… adds options)
	@$(BIN)/profile-gateway demo $(DEMO_ARGS)

test: setup $(NODE_READY) ## Run the tests with the coverage floor (TEST_ARGS=… picks tests, without the floor)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --numprocesses=$(TEST_WORKERS) --dist=loadfile --no-loadscope-reorder $(TEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report $(if $(strip $(TEST_ARGS)),--fail-under=0)

test-reference: setup $(NODE_READY) ## Run the resolvers' tests on the reference executor (TEST_ARGS=… picks other tests; docs/engine.md)
	@GATEWAY_EXECUTOR=reference $(BIN)/python -m pytest --numprocesses=$(TEST_WORKERS) --dist=loadfile --no-loadscope-reorder $(or $(strip $(TEST_ARGS)),tests/integration/resolvers)

nightly: setup ## Try both executors on tens of thousands of documents made at random (SEEDS=… EXAMPLES=…; docs/engine.md)
	@GATEWAY_TEST_SEEDS=$(SEEDS) GATEWAY_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest --numprocesses=$(TEST_WORKERS) --timeout=0 \
	  tests/unit/engine/plan tests/unit/engine/test_documents_property.py $(TEST_ARGS)

check-live: setup ## Break everything for 60 s, then run six bugs that the checker must find (CHECK_ARGS='--seed 7' repeats a run; docs/checker.md)
	@$(BIN)/python -m tests.checker --place build/checker --seconds 60 $(CHECK_ARGS)
	@$(BIN)/python -m tests.checker --place build/checker --bugs

soak: setup ## Ten minutes of the same, with bounds on lag and on healing
	@$(BIN)/python -m tests.checker --place build/checker --seconds 600 --subscribers 130 --profiles 10 --rate 4 --calm 1.5 --heal 10 $(CHECK_ARGS)

bench: setup ## Measure against Python's servers (BENCH_ARGS='--only q1,q3' picks workloads; bench/README.md)
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-peers: setup $(PEERS_READY) ## The same with Node's servers
	@$(BIN)/python -m bench --peers $(BENCH_ARGS)

check: setup ## Check format, lint, types and layers
	@echo "==> ruff format" && $(BIN)/ruff format --check .
	@echo "==> ruff check" && $(BIN)/ruff check .
	@echo "==> mypy --strict" && $(BIN)/mypy --strict gateway resolvers
	@echo "==> lint-imports" && $(BIN)/lint-imports --no-logo

format: setup ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

wheel: setup ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m hatchling build -d dist

lock: ## Resolve pyproject.toml into the hashed locks (LOCK_ARGS='--upgrade-package NAME' or --upgrade moves pins)
	@test -x build/lock/bin/uv || { $(PYTHON) -m venv --clear build/lock && build/lock/bin/pip install --quiet $(UV); }
	$(call compile,requirements.lock,pyproject.toml --all-extras --group build --group test --group check $(LOCK_ARGS))
	$(call compile,docker/runtime.lock,pyproject.toml --extra valkey --extra nats --constraint requirements.lock)
	$(call compile,docker/build.lock,--group build --constraint requirements.lock)

# $(1) the lock to write, $(2) what goes into it. Hashes for every platform, no index addresses, no header.
compile = @echo "==> $(1)" && build/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-cache --no-python-downloads --quiet --output-file $(1) $(2)

clean: ## Remove what make made; keeps .gateway, the data of demo and serve --dev
	rm -rf $(VENV) bench/peers/node/node_modules $(NODE:%=%/node_modules) $(NODE:%=%/build) build dist htmlcov .coverage .coverage.*
	rm -rf .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find gateway resolvers tests bench examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Profile Gateway needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "==> Creating $(VENV) ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv module is incomplete; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(READY): requirements.lock pyproject.toml $(BIN)/python
	@echo "==> Installing $$(grep -c '^[a-z]' requirements.lock) pinned packages (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "==> Ready: $(BIN)/profile-gateway"

$(NODE_READY) $(PEERS_READY): %/node_modules/.ready: %/package.json %/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "==> Installing the npm packages of $*"; \
	  cd $* && npm ci --cache $(CURDIR)/build/npm --loglevel error && touch node_modules/.ready; \
	else \
	  echo "==> npm is not installed: what needs the npm packages of $* will be left out"; \
	fi
