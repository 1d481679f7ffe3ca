# The two commands are `make demo` and `make test`; `make help` lists the rest.
SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/ready
TESTS := $(if $(ONLY),tests/$(ONLY))
PYTEST := $(BIN)/pytest -n $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help

help: ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt deploy/check-system.sh
	@python=$$(sh deploy/check-system.sh) && rm -rf .venv && echo "Making .venv and installing from constraints.txt" && \
		$$python -m venv .venv && \
		$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[retail,dev]'
	@touch $(READY)

install: $(READY) ## .venv with the pinned versions

demo: $(READY) ## the whole loop on ten weeks of real retail data
	@$(BIN)/mlp demo

replay: $(READY) ## the later half of the year for every household; FAULT=GROCERY@2017-08-28 plants a fault
	@$(BIN)/mlp replay --fault "$(FAULT)"

text: $(READY) ## fine-tune a small transformer on product texts, through the gates
	@$(BIN)/mlp text

up: $(READY) ## start the platform and stay
	@$(BIN)/mlp up

down: $(READY) ## stop what `make up` started
	@$(BIN)/mlp down

doctor: $(READY) ## what is wrong with this environment
	@$(BIN)/mlp doctor

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/pyrefly check --summary=none --min-severity=error

check: lint types ## lint and types alone

test: check ## lint, types and tests, in WORKERS=2 processes; ONLY=features runs one subject
	@$(PYTEST) $(or $(TESTS),--ignore=tests/kubernetes)

test-kubernetes: check ## trainings on the cluster of KUBECONFIG; docs/kubernetes.md names the variables
	@$(PYTEST) tests/kubernetes

test-all: check ## with the long schedules
	@MLP_LONG=1 $(PYTEST) $(or $(TESTS),--ignore=tests/kubernetes)

bench-load: $(READY) ## time to load 200 projects, and a sensor tick over 200 monitors
	@$(BIN)/python benchmarks/load.py

bench-features: $(READY) ## a year of daily windows, against DuckDB and Polars' rolling
	@$(BIN)/python benchmarks/features.py

bench-loop: $(READY) ## seconds and peak memory of each stage of the demo
	@$(BIN)/python benchmarks/loop.py

bench-online: $(READY) ## reads of online features, embedded and Redis, against Feast; time to publish a million
	@$(BIN)/python benchmarks/online.py

bench-pit: $(READY) ## the training-set join against Polars, DuckDB and Feast; the scale case
	@$(BIN)/python benchmarks/pit.py

bench-skew: $(READY) ## the skew check of two million predictions without a fault, and of one drain
	@$(BIN)/python -W ignore benchmarks/skew.py

bench-train: $(READY) ## the training loop against others, its memory, what is around it; PARTS=loader runs a part alone
	@$(BIN)/python benchmarks/train.py $(PARTS)

reference: $(READY) ## docs/reference.md, from the docstrings
	@$(BIN)/python docs/make_reference.py

lock: ## renew constraints.txt
	@sh deploy/lock.sh

clean: ## remove .venv and all state
	rm -rf .venv .mlp

.PHONY: help install demo text replay up down doctor lint types check test test-all bench-load bench-features bench-loop bench-online bench-pit bench-skew bench-train reference lock clean
