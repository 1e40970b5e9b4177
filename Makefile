# The commands we use. `make demo` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench clean

help:  ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.core  ## Generate and verify a small dataset of all tasks, with a contact sheet
	$(BIN)/puzzlegen generate maze sokoban flowfree maze:hard sokoban:hard flowfree:hard \
	    --num 8 --out $(DEMO) --workers $(JOBS)
	$(BIN)/puzzlegen verify $(DEMO) --workers $(JOBS)
	$(BIN)/puzzlegen show $(DEMO) --out $(DEMO)/contact-sheet.png
	$(BIN)/puzzlegen gallery $(DEMO) --out $(DEMO)/gallery.html
	@echo "Look at $(DEMO)/contact-sheet.png, open $(DEMO)/gallery.html in a browser; one clip in detail: $(BIN)/puzzlegen show $(DEMO) sokoban-hard-0-000000"

test: $(VENV)/.dev  ## Run the whole test suite
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)  # threads of tests side by side get in each other's way

lint: $(VENV)/.dev  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

bench: $(VENV)/.dev  ## Clips per CPU second by stage, puzzles per CPU second by level
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/puzzles.py

clean:  ## Remove the environment and the demo
	rm -rf $(VENV) $(DEMO)
