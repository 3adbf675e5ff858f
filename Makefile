# `make help` lists every task. Nothing here needs more than Python 3.11+, make and the package registry.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export FEEDBACK_DATA_DIR ?= $(CURDIR)/data
export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := false

# The demo's key of pseudonyms (demo/key.py), where there is one and no other is set: `make ui` then loads as the demo did.
DEMO_KEY = $(if $(FEEDBACK_PSEUDONYM_KEY)$(FEEDBACK_PSEUDONYM_KEY_FILE),,$(addprefix FEEDBACK_PSEUDONYM_KEY_FILE=,$(wildcard $(dir $(FEEDBACK_DATA_DIR)).$(notdir $(FEEDBACK_DATA_DIR))-pseudonym-key)))

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.lock requirements-demo.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-demo.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Make .venv and install what is locked

.PHONY: demo
demo: install ## Run the whole pipeline on a week of real and generated traffic
	@$(BIN)/python -m demo --run --data-dir "$(FEEDBACK_DATA_DIR)"

.PHONY: ui
ui: install ## Start the Dagster UI and daemon on the same data (http://127.0.0.1:3000)
	@$(DEMO_KEY) $(BIN)/attribution ui

.PHONY: test
test: install ## Run the tests
	@$(BIN)/python -m pytest

.PHONY: test-kill
test-kill: install ## Kill runs and erasures at twenty moments and compare with undisturbed ones (takes long)
	@$(BIN)/python -m pytest tests/test_interruption.py tests/test_erasure.py --kills 20

# No part of .venv: PyTorch is larger than all that the platform needs, and so are other engines.
TRL := .venv-trl
PEERS := .venv-peers
SPARK := .venv-spark
$(SPARK)/.installed: requirements.lock requirements-demo.lock requirements-spark.txt pyproject.toml dbt_adapter/pyproject.toml
	$(PYTHON) -m venv $(SPARK)
	for file in requirements.lock requirements-demo.lock requirements-spark.txt; do \
		$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $$file || exit 1; \
	done
	$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e dbt_adapter
	@touch $@

.venv-%/.installed: requirements-%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: test-trl
test-trl: install $(TRL)/.installed ## Train one step of each TRL trainer on the demo's datasets (installs PyTorch)
	@$(BIN)/python -m demo --run --data-dir "$(CURDIR)/$(TRL)/demo"
	@FEEDBACK_DATA_DIR="$(CURDIR)/$(TRL)/demo" HF_HUB_OFFLINE=1 $(TRL)/bin/python -m pytest -o addopts= tests/test_trl.py

.PHONY: test-spark
test-spark: $(SPARK)/.installed ## Build planted traffic on DuckDB and on Spark and compare (needs Java 17)
	@PATH="$(CURDIR)/$(SPARK)/bin:$$PATH" $(SPARK)/bin/python -m pytest -o addopts= tests/test_spark.py

.PHONY: lint
lint: install ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: format
format: install ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: benchmark
benchmark: install ## Time a run beside a hand-written DuckDB floor
	@$(BIN)/python -m benchmarks.one_day

.PHONY: benchmark-report
benchmark-report: install ## Write docs/benchmarks.md and its plots from what the benchmarks measured
	@$(BIN)/python -m benchmarks.report

.PHONY: benchmark-history
benchmark-history: install ## Time a new day against 7, 30 and 90 days of history
	@$(BIN)/python -m benchmarks.growing_history

.PHONY: benchmark-ranges
benchmark-ranges: install ## Backfill 30 days as one range and as 30 runs, and compare what comes out
	@$(BIN)/python -m benchmarks.ranges

.PHONY: benchmark-erasure
benchmark-erasure: install ## Erase a person from a short and from a long history
	@$(BIN)/python -m benchmarks.erasure

.PHONY: benchmark-near-duplicates
benchmark-near-duplicates: install ## Find near-duplicates beside a bare COPY of the same rows
	@$(BIN)/python -m benchmarks.near_duplicates

.PHONY: benchmark-publishing
benchmark-publishing: install ## Time publishing beside a bare COPY, and a next day with 1 % of changes
	@$(BIN)/python -m benchmarks.publishing

.PHONY: benchmark-peers
benchmark-peers: install $(PEERS)/.installed ## Join a day's feedback in DuckDB, Polars, chDB, pandas and PySpark (needs Java 17)
	@$(BIN)/python -m benchmarks.peers

.PHONY: benchmark-encryption
benchmark-encryption: install ## Run a day and read it with and without encryption
	@$(BIN)/python -m benchmarks.encryption

.PHONY: benchmark-following
benchmark-following: install ## Time how soon feedback is in the live view, at 1,000 a second
	@$(BIN)/python -m benchmarks.following

.PHONY: benchmark-masking
benchmark-masking: install ## Load with and without masking; recall and precision a kind
	@$(BIN)/python -m benchmarks.masking

.PHONY: schemas
schemas: install ## Check the events' schema versions; write JSON Schemas, docs/events.md and dbt's columns
	@$(BIN)/python -m orchestration.contracts.published

.PHONY: lock
lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --extra dev --extra feature-attributions --extra label-noise -o requirements.lock pyproject.toml
	printf 'obp==0.4.1\n' | uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --no-deps -o requirements-demo.lock -
	printf 'dbt-spark==1.11.0\npyspark==4.3.0\nsqlglot==30.30.0\n' | uv pip compile --quiet --universal --generate-hashes \
		--python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links -c requirements.lock \
		-o requirements-spark.txt -

.PHONY: clean
clean: ## Remove what the tasks made, data included
	rm -rf $(VENV) $(TRL) $(PEERS) $(SPARK) data dbt_project/target dbt_project/logs
