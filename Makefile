# Every target sets up what it needs: `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench docs clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(VENV)/.installed ## Index a generated corpus and compare with the truth
	$(BIN)/conceptstats demo -o demo-output

test: $(VENV)/.installed ## Run the tests, on each core a process with one thread
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.installed ## Style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed ## Measure against peers on the same input
	$(BIN)/python -m pip install --quiet -e '.[bench]'
	$(BIN)/python benchmarks/run.py --captions 1000000

docs: $(VENV)/.installed ## Write docs/reference.md from the help texts
	$(BIN)/python docs/make_reference.py

clean: ## Remove what the other targets made
	rm -rf $(VENV) demo-output build dist *.egg-info
