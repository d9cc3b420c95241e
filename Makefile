# `make` lists what there is. Every target sets up what it needs first; what is in place already costs nothing.

PYTHON ?= python3
ARGS ?=
# Tests wait more than they work: for calls that last, for time-outs, for peers
WORKERS ?= 4
BIN := .venv/bin

.PHONY: help demo test lint bench setup clean

help:
	@echo "make TARGET, one of:"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 10

demo: ready ## a phone system on this machine, two phones, a call between them: proves that all works
	@$(BIN)/softphone demo $(ARGS)

test: ready-for-tests ## the whole test suite; some of it: make test ARGS="tests/engine -k hold"
ifneq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@echo "First what measures the machine, by itself; then all the rest, $(WORKERS) at a time."
	@$(BIN)/python -m pytest -m alone; alone=$$?; \
	$(BIN)/python -m pytest -m "not alone" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 && exit $$alone
endif

lint: ready ## style, types and the layers' import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: ready ## the phone beside the C program pjsua: processor time, memory, delays
	@$(BIN)/python -m benchmarks $(ARGS)

setup: ready-for-tests ## everything the other targets need, and nothing else
	@echo "Set up. Next: make demo, or read README.md"

clean: ## removes what was made in this folder (not the cache in your home folder)
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: ready ready-for-tests
ready ready-for-tests:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 2; }
	@$(PYTHON) tools/setup.py $(if $(filter ready-for-tests,$@),--tests)
