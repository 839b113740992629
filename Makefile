# Needs Python 3.11 or newer, and make. Everything else goes into .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check cover mutation bench fuzz-core fuzz-iommu sensitivity variants soak clean

# Judge the reference machine: prints the tables, writes reports/reference/.
run: $(VENV)/installed
	$(BIN)/sevconf run --target reference --report-dir reports/reference

# All that must hold before a change goes in: style, types, own tests, coverage.
test: check cover

check: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Runs in workers and processes of their own, which report through COVERAGE_PROCESS_START.
cover: export COVERAGE_PROCESS_START = $(CURDIR)/pyproject.toml
cover: $(VENV)/installed-dev
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

# A sample of mutants of model and monitors, each of which the rules have to tell; all of them: make soak.
mutation: $(VENV)/installed-dev
	$(BIN)/python -m tests.mutation --quick --sample 60 --seed 2

bench: $(VENV)/installed-dev
	set -e; for file in benchmarks/*.py; do $(BIN)/python $$file; done

# Random sequences on the reference and on real cores, SECONDS on each core.
SECONDS ?= 120
fuzz-core: $(VENV)/installed-dev
	$(BIN)/python fuzz/core.py --count 100000 --seconds $(SECONDS)

# Every machine with one bug against every rule: writes reports/sensitivity/, and goes on where it stopped.
sensitivity: $(VENV)/installed
	$(BIN)/sevconf sensitivity -n 2 --resume build/sensitivity.json --report-dir reports/sensitivity

# Random stories of DMA, on the real IoMmuDxe and on the model; FUZZ=--seed=7 repeats one run.
fuzz-iommu: $(VENV)/installed-dev
	$(BIN)/python -m tests.differential $(FUZZ)

# Debian's IoMmuDxe, built with one change each and judged; needs what tests/variants.py says.
variants: $(VENV)/installed-dev
	$(BIN)/python -m tests.variants $(VARIANTS)

# Everything, for hours; picks up where it stopped.
soak: $(VENV)/installed-dev
	SEVCONF_VTD_CASES=1000 SEVCONF_KILLS=50 $(BIN)/python -m pytest -q tests/subjects/qemu
	$(BIN)/python .ci/soak

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "expected Python 3.11 or newer, not %d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/installed
