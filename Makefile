# make demo: from a clone to pictures.  make test: everything that must hold before a commit.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint clean

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ echo "Python's venv module is needed: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing torch and the rest into $(VENV): a few minutes, about 7 GB'
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

# Once installed, nothing here needs the network.
demo test lint: export HF_HUB_OFFLINE = 1
demo test lint: export WANDB_MODE = offline

demo: $(READY)
	$(BIN)/motion-inversion -m experiment=demo noise=random,blend
	@echo 'Page:    outputs/demo/report/report.html'
	@echo 'Table:   outputs/demo/report/table.md'
	@for picture in outputs/demo/report/comparison-*.png; do echo "Picture: $$picture"; done

# The shapes model is too small to share between threads, and sums then come in one order. A process of tests per core
# instead; those of a file stay together, as they share what was made for them.
test: export OMP_NUM_THREADS = 1
test: lint
	$(BIN)/pytest -q --numprocesses auto --maxprocesses 8 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf .venv .venv-ci build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src scripts tests -name __pycache__ -prune -exec rm -rf {} +
