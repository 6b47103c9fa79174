# batchyard: `make setup`, `make demo`, `make test`; longer suites: `make long`, `make chaos`, `make fuzz`, `make scale`, `make bench`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without bytecode every process start would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup sandbox demo test long lint types chaos fuzz wire-pairs bench bench-long bench-wait tuning scale performance build clean constraints

setup: $(VENV)/.ready

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "batchyard needs Python 3.11 or later; set PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/install-venv "$(PYTHON)"
	@echo 'Setting up .venv; this is done once and takes half a minute.' >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install 'uv>=0.11,<1'

$(VENV)/.ready: $(VENV)/bin/uv pyproject.toml constraints.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt \
	  --editable '.[parquet,postgres]' --group dev --group demo
	@touch $@

# Tests of sandboxes need the real one: they fail without it.
sandbox:
	@scripts/install-bubblewrap

demo: setup
	@$(BIN)/python examples/digits/demo.py

# Four processes for two cores: half of the time tests wait for processes that were killed, leases, builds.
test: setup lint types sandbox
	$(BIN)/python -m pytest -n 4 --dist loadgroup tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

# What `make test` leaves out because it takes long and has a shorter test like it there (tests/conftest.py).
long: setup sandbox
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m long --long tests

chaos: setup sandbox
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/chaos --chaos-kills 50

# Random requests against our own OpenAPI document, fifty times as many as in `make test`; another FUZZ_SEED sends others.
FUZZ_SEED ?= 2026
fuzz: setup
	$(BIN)/python -m pytest tests/wire/test_openapi.py --fuzz-examples 200 --fuzz-seed $(FUZZ_SEED)

# Records anew what azure-ai-ml sends and is answered (tests/wire/pairs); the diff is what changed on the wire.
wire-pairs: setup
	$(BIN)/python -W ignore -m tests.wire.record

# The peers live in an environment of their own: nothing of theirs is there when tests run.
BENCH := .bench/venv
.bench/venv/.ready: $(VENV)/.ready pyproject.toml benchmarks/constraints.txt
	@echo 'Setting up the peers in $(BENCH); this is done once and takes a minute.' >&2
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(BENCH)
	@$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --compile-bytecode \
	  --constraint benchmarks/constraints.txt --editable . --group bench --group bench-long
	@touch $@

# 530,000 files in one job, ten million mini-batches, 100,000 blobs listed, 2 GiB up and down: memory stays flat.
scale: setup
	$(BIN)/python -m pytest -s tests/scale

# Under ten minutes on two cores, once the inputs are made.
bench: $(BENCH)/.ready
	$(BENCH)/bin/python -m benchmarks

# The slow peers (Dask, Ray Data, mlflow's command line), and the goals beside a busy neighbour.
bench-long: $(BENCH)/.ready
	$(BENCH)/bin/python -m benchmarks --set long
	$(BENCH)/bin/python -m benchmarks --set noise

# What a user waits for on a real server: invoke to Completed above the engine's own time, and invoke itself (R9).
bench-wait: $(BENCH)/.ready
	$(BENCH)/bin/python -m benchmarks.user_wait

# Whether estimates and tuned settings are right when executed (R33, R115), on a quiet machine, some minutes.
tuning: setup
	$(BIN)/python -m benchmarks.tuning

# The whole of docs/performance.md measured anew, on a quiet machine, which takes long; then look at the page and commit it.
performance: $(BENCH)/.ready
	rm -rf .bench/results
	$(BENCH)/bin/python -m benchmarks --rounds 9
	$(MAKE) bench-long bench-wait scale
	$(BENCH)/bin/python -m benchmarks.paper

build: setup
	$(BIN)/python -m build --installer uv

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .demo .bench

# Writes the versions down anew: run it, then `make test`, then commit the file.
constraints: setup
	@echo '# The versions that were tried together, for development, CI and the demo (`make constraints`).' > constraints.new
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --group demo --universal \
	  --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links >> constraints.new
	mv constraints.new constraints.txt
	@echo '# The versions of the peers that are measured beside batchyard (`make constraints`).' > constraints.new
	$(BIN)/uv pip compile --quiet pyproject.toml --group bench --group bench-long --universal \
	  --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links >> constraints.new
	mv constraints.new benchmarks/constraints.txt
