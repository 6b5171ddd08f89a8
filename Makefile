# One verb each. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
# Paths are UTF-8 whatever the locale is: Python would not even start in a folder whose name that cannot spell.
export LC_ALL := C.UTF-8
.PHONY: help up down status logs reset test model faults faults-mutants soak check lint fmt lock bench docs screenshots local dev types docs-check secrets test-compose test-kubernetes bench-replicas bench-all bench-scale

# The first Python that is new enough; `make PYTHON=…` names one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
RUN := .venv/bin/
BOOTSTRAP = $(if $(PYTHON),$(PYTHON) deploy/bootstrap.py,@echo "Jobstream needs Python 3.11 or newer: none of python3, python3.11 … python3.14 on PATH is. Install one, or name it: make up PYTHON=/path/to/python" >&2; exit 1;)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

local:
	@$(BOOTSTRAP) local

dev:
	@$(BOOTSTRAP) dev

up: local ## the whole product on this machine; Ctrl-C ends it (DETACH=1: in the background)
	@exec $(RUN)python -m jobstream_local up --tied

down: local ## end what `make up` started
	@$(RUN)python -m jobstream_local down

status: local ## each process: ready or not, pid, ports, memory
	@$(RUN)python -m jobstream_local status

logs: local ## follow the logs (SERVICE=api: of one service)
	@exec $(RUN)python -m jobstream_local logs

reset: local ## end everything and drop the data
	@$(RUN)python -m jobstream_local reset

test: dev ## all tests, on real Kafka and MongoDB (TESTS=tests/unit, ARGS='-k cancel')
	$(RUN)python -m pytest $(TESTS) $(ARGS)
	$(if $(wildcard package.json),$(if $(TESTS),,$(RUN)python -m jobstream_local npm run test))

test-compose: dev ## build the images and test the product in containers; needs Docker with compose
	$(RUN)python -m pytest $(or $(TESTS),tests/compose) $(ARGS)

test-kubernetes: dev ## render deploy/k8s and hold it against the schemas; needs Go, or kustomize on PATH
	$(RUN)python -m pytest tests/kubernetes $(ARGS)

FORM ?= faults
SEED ?= 1

faults: dev ## every fault of the matrix (FORM=short, SEED=7, ROW=F9; WRITE=1: its figures into docs/delivery.md)
	$(RUN)python -m pytest tests/faults --form $(FORM) --seed $(SEED) $(if $(ROW),--row $(ROW)) $(ARGS)
	$(if $(WRITE),$(RUN)python -m tests.faults.report)

faults-mutants: dev ## safeties taken away in turn: do the fault rows notice? (ARGS='idempotency': one)
	$(RUN)python -m tests.faults.mutants $(ARGS)

model: dev ## the whole of the protocol's model, and its mutations (ARGS='brake': the scenarios of that name)
	$(RUN)python -m tests.model $(ARGS)

LANES ?= 1

soak: dev ## the matrix three times, longer, half an hour of mixed faults each (LANES=3: side by side, two cores a lane; WRITE=1)
	@printf '%s\n' $(SEED) $$(($(SEED) + 1)) $$(($(SEED) + 2)) | xargs -P $(LANES) -I '{}' \
		$(RUN)python -m pytest tests/faults --form soak --seed '{}' $(if $(ROW),--row $(ROW)) $(ARGS)
	$(if $(WRITE),$(RUN)python -m tests.faults.report)

check: dev ## format, lint, types, import rules, generated docs, the page's own checks
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(MAKE) --no-print-directory types docs-check
	$(RUN)lint-imports
	$(if $(wildcard package.json),$(RUN)python -m jobstream_local npm run check)

types: dev
	$(RUN)mypy $(wildcard shared/*/src services/*/src clients/python/src deploy/*/src deploy/*.py docs/*.py tests)

docs-check: dev
	$(if $(wildcard docs/generate.py),$(RUN)python docs/generate.py --check)
	$(RUN)python docs/api_types.py --check

lint: dev ## ruff alone
	$(RUN)ruff check .

fmt: dev ## put the code into its form
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

lock: ## write requirements/*.lock anew (ARGS=--upgrade)
	@$(BOOTSTRAP) lock $(ARGS)

bench: dev ## jobs/s, CPU per job and latency of the running code, as in docs/performance.md
	$(RUN)python -m tests.load $(ARGS)

bench-all: dev ## the same in turns with other designs, if ../shared/bench is there (ARGS='--rounds 1'); needs redis-server and Node
	$(RUN)python -m tests.load.beside $(ARGS)

bench-scale: dev ## a million pending, five million ended, four job-workers (ARGS='--pending 100000 --finished 500000'): an hour
	$(RUN)python -m tests.load.scale $(ARGS)

screenshots: dev ## a picture of every view in .local/screenshots, and the README's in docs/images
	$(RUN)python docs/screenshots.py

bench-replicas: dev ## jobs/s against replicas in containers (ARGS=--write: into docs/operations.md); needs Docker
	$(RUN)python -m tests.compose.throughput $(ARGS)

secrets: ## passwords and certificates for the secured containers, in .secrets (ARGS=--renew: anew)
	@$(PYTHON) deploy/make_secrets.py $(ARGS)

docs: dev ## generate what docs/ and the page's types take from the code
	$(RUN)python docs/generate.py
	$(RUN)python docs/api_types.py
