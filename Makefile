# The targets a newcomer guesses. `make help` lists them; README.md says what each prints.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
# Appended: a Go toolchain of the user comes before the one that the environment brings.
export PATH := $(PATH):$(CURDIR)/$(BIN)
# Where it is set, each process compiles Airflow, SQLAlchemy and all the rest anew: the tests start a thousand.
unexport PYTHONDONTWRITEBYTECODE

LOCAL := not browser and not cluster and not chart and not load and not monitoring
# Not even read: what their modules import would cost each worker seconds.
ELSEWHERE := --ignore tests/browser --ignore tests/cluster --ignore tests/chart --ignore tests/monitoring
# Programs of the recipe for a test cluster, where it has been set up.
KUBE_HOME ?= $(HOME)/.cache/kube-for-tests

.DEFAULT_GOAL := help
.PHONY: help setup run test test-browser test-chart test-monitoring golden dashboards test-cluster test-crash test-load lint format types contracts check lock images clean bench bench-serving bench-ingest bench-hash bench-ledger bench-scrub bench-quality bench-chaos

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready ## make the environment from the lock (.venv)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11: install a newer Python and run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "no venv module: on Debian, apt install python3-venv" >&2; exit 2; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	@echo "setup: installing what requirements.lock pins (once; some 200 wheels)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## the platform on this machine: Airflow, serving, a first ingestion; Ctrl-C ends it
	@$(BIN)/gopherwood up

test: setup ## every test that needs nothing but this environment
	$(PYTEST) -n 2 --dist loadgroup -m "$(LOCAL)" $(ELSEWHERE) tests
	@echo "left out: tests in a browser (make test-browser: needs Chromium), of the charts (make test-chart: needs helm), of alerts and dashboards (make test-monitoring: needs Prometheus), of load on the pipeline (make test-load), and on a cluster (make test-cluster: needs Kubernetes)"

test-browser: setup ## the pages in Chromium (Debian: apt install chromium)
	$(PYTEST) -m browser tests

test-chart: setup ## the Helm charts of every environment (helm 3, on PATH or in KUBE_HOME/bin)
	@PATH="$(PATH):$(KUBE_HOME)/bin" command -v helm >/dev/null || { echo "no helm on PATH nor in $(KUBE_HOME)/bin" >&2; exit 2; }
	PATH="$(PATH):$(KUBE_HOME)/bin" $(PYTEST) -n 2 -m chart tests

test-monitoring: setup ## alerts, routes and dashboards (Debian: apt install prometheus prometheus-alertmanager)
	@command -v promtool amtool prometheus >/dev/null || { echo "no promtool, amtool or prometheus on PATH" >&2; exit 2; }
	$(PYTEST) -m monitoring tests/monitoring

golden: setup ## write anew what the tasks' chart has from Python, and tests/chart/golden from the charts
	$(BIN)/python -m gopherwood.scaling > tasks/chart/files/workers.sql
	PYTHONPATH=plugins $(BIN)/python -m gopherwood_airflow.node_pools > tasks/chart/files/node-pools.json
	PATH="$(PATH):$(KUBE_HOME)/bin" $(BIN)/python tests/chart/test_golden.py
	@git diff --stat -- tests/chart/golden

dashboards: setup ## write anew the dashboards of helm-values/base/dashboards; look at what changes
	PYTHONPATH=images $(BIN)/python -m gopherwood_dashboards
	@git diff --stat -- helm-values/base/dashboards

test-cluster: setup ## pods on a real cluster: KUBECONFIG, or ../shared/kube when it is there
	$(PYTEST) -m cluster tests

test-crash: setup ## rehearsals of chaos, and crash sweeps at every system call of publish, export, import and heal (strace; minutes)
	GOPHERWOOD_CRASH_SWEEP=full $(PYTEST) -n 2 tests/gopherwood/crash tests/gopherwood/chaos/test_rehearsal.py

test-load: setup ## load tests of the pipeline, small but whole (a minute)
	$(PYTEST) -m load tests

lint: setup ## ruff, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types contracts

types: setup
	$(BIN)/mypy
	MYPYPATH=plugins:dags $(BIN)/mypy --config-file pyproject.toml plugins/gopherwood_airflow plugins/gopherwood_plugin.py dags
	MYPYPATH=images $(BIN)/mypy --config-file pyproject.toml images/gopherwood_images images/gopherwood_dashboards

contracts: setup
	$(BIN)/lint-imports

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## what has to be green before a commit

lock: setup ## resolve the lock anew (exact versions, hashes, no host names)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras --group build --group images --group go --group test --group lint $(LOCKFLAGS) pyproject.toml -o requirements.lock

images: setup ## container images, by docker or buildah, else as archives: make images ARGS="--base IMAGE tasks serving"
	@PYTHONPATH=images $(BIN)/python -m gopherwood_images $(ARGS)

bench: bench-hash bench-ledger bench-serving bench-ingest ## all benchmarks, one after another

bench-serving: setup ## serving beside nginx, goproxy and Athens (needs nginx and wrk)
	$(BIN)/python tests/bench/serving.py $(ARGS)

bench-ingest: setup ## 10,000 synthetic modules, twice, beside `go mod download`
	$(BIN)/python tests/bench/ingest.py $(ARGS)

bench-scrub: setup ## reading the store again beside `sha256sum` of the same bytes
	$(BIN)/python tests/bench/scrub.py $(ARGS)

bench-ledger: setup ## a million entries in the ledger: appends, proofs, bytes
	$(BIN)/python tests/bench/ledger.py $(ARGS)

bench-chaos: setup ## one of two serving processes ended and killed under load, and kills of the ingestion (needs nginx)
	$(BIN)/python tests/bench/chaos.py $(ARGS)

bench-quality: setup ## the checks of data quality on a million published versions: time and memory
	$(BIN)/python tests/bench/quality.py $(ARGS)

bench-hash: setup ## h1 of real module zips beside Go's dirhash
	$(BIN)/python tests/bench/hash.py $(ARGS)

clean: ## remove what was built, but never the state in .gopherwood
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .cache build *.egg-info tasks/*.egg-info
