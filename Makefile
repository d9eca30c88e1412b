# One command a need; `make` alone lists them. JOBS=4 tests with four processes;
# LOCKED=no installs the newest packages that pyproject.toml allows.
PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test suite coverage check docs fuzz faults proofs tables bench format structure lock audit release reproduce clean

help: ## list the commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

install: $(VENV)/.installed ## install cystgrid and its development tools into .venv

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m release.install $(if $(filter no,$(LOCKED)),--newest)
	touch $@

demo: install ## scans in, Table I out: phantoms, ViT and ResNet18, minutes on two cores
	$(BIN)/cystgrid demo --output demo

test: check suite ## all checks, then all tests

suite: install ## all tests, without the checks
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

coverage: install ## all tests, and which lines they do not reach; half as long again
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal --cov --cov-report=term

check: install ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: install ## the manual as a site, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

fuzz: install ## damage 20,000 scans and judge how each is read, minutes
	$(BIN)/python tests/fuzzing/fuzz.py --jobs 2

faults: install ## kill 100 runs, damage 300 files, fill disks, and see that nothing is lost; an hour
	$(BIN)/python tests/faults/faults.py --kills 100 --flips 300

proofs: install ## the eleven proofs at length, with their figures; an hour
	$(BIN)/python -m pytest tests/proofs --long
	$(BIN)/python benchmarks/intervals.py
	$(BIN)/python benchmarks/metrics_agree.py

tables: install ## Tables I and II with every system on 60 phantoms; half an hour
	$(BIN)/python benchmarks/all_systems.py -o tables

bench: install ## time, memory and accuracy against references, in the same run; minutes
	$(BIN)/python benchmarks/read_series.py
	$(BIN)/python benchmarks/registration.py --cases 20
	$(BIN)/python benchmarks/models.py
	$(BIN)/python benchmarks/metrics_agree.py
	$(BIN)/python benchmarks/intervals.py --simulations 200
	$(BIN)/python benchmarks/bench.py -o bench

structure: install ## make the pages of docs/ that are made from code and tests
	$(BIN)/python docs/structure.py > docs/structure.md
	$(BIN)/python docs/study.py > docs/study.md
	$(BIN)/python docs/layouts.py > docs/layouts.md
	$(BIN)/python docs/models.py > docs/models.md
	$(BIN)/python docs/commands.py > docs/commands.md
	$(BIN)/python docs/bad_input.py

format: install ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install ## pin every package by its files' sha256, after a change of pyproject.toml
	$(BIN)/python -m release.lock $(if $(UPGRADE),--upgrade)

audit: install ## ask the public databases for vulnerabilities of what is pinned
	$(BIN)/python -m release.audit || [ $$? -eq 4 ]

release: install ## build the last commit into dist: sdist, wheel, bill of materials, sums
	$(BIN)/python -m release.build --output dist

reproduce: install ## build a release twice, in worlds that differ, and compare the bytes
	$(BIN)/python -m release.reproduce

clean: ## remove what the demo and the tests wrote
	rm -rf demo site .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
