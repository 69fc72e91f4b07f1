# lrprop: two commands do everything, `make train ACTION=squat` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# What to train
ACTION ?= squat
METHOD ?= lrprop
SEED ?= 0
# Under an agent of Weights & Biases, the name it has given the run
NAME ?= $(or $(and $(WANDB_SWEEP_ID),$(WANDB_RUN_ID)),$(ACTION)-$(METHOD)-$(SEED))
# Empty: the synthetic set of the action, made on the spot. Else a folder of videos or the root of Penn Action.
DATA ?=
EPOCHS ?=
# csv, or wandb for Weights & Biases as well
LOGGER ?= csv
DEVICES ?= 1
# Whatever else the command line takes; or after two dashes: make train -- --data.num_frames=40
ARGS ?=
PASSED = $(foreach name,$(sort $(filter --%,$(.VARIABLES))),"$(name)=$($(name))") $(filter --%,$(MAKECMDGOALS))

ROOT := $(or $(DATA),data/synthetic/$(ACTION))
ACTIONS := $(basename $(notdir $(wildcard experiments/actions/*.yaml)))
METHODS := $(basename $(notdir $(wildcard experiments/methods/*.yaml)))
PROFILE ?= $(if $(shell command -v nvidia-smi),gpu,cpu)
# poses where there are joints, else pixels; INPUT=pixels reads the images of Penn Action
INPUT := $(if $(wildcard $(ROOT)/labels/*.mat),poses,pixels)
# What an action's synthetic set needs otherwise comes behind the action; the profile of the machine is refined for the
# kind of input where there is such a file; the method and, where there is such a file, its lambdas for the action come
# last: what makes up a method holds on every machine.
FOUND = $(patsubst experiments/%.yaml,%,$(wildcard experiments/$(1).yaml))
LAYERS = base actions/$(ACTION) $(if $(DATA),,$(call FOUND,synthetic/$(ACTION))) \
	profiles/$(PROFILE) $(call FOUND,profiles/$(PROFILE)-$(INPUT)) \
	methods/$(METHOD) $(call FOUND,methods/$(METHOD)/$(ACTION))
FIT = $(BIN)/lrprop fit $(LAYERS:%=--config experiments/%.yaml) --data.root "$(ROOT)" --data.input $(INPUT) --name "$(NAME)" \
	--seed_everything $(SEED) --trainer.devices $(DEVICES) $(if $(EPOCHS),--trainer.max_epochs $(EPOCHS)) \
	$(if $(filter wandb,$(LOGGER)),--wandb) $(ARGS) $(PASSED)

# What make benchmark fills: a file of experiments/benchmarks
GRID ?= penn_poses

# What make sweep and make sweep-local try: a file of experiments/sweeps
SWEEP ?= lrprop_lambdas
# How many runs the local sweep has in all
COUNT ?= 5
# The other variables that make was given go to every run.
GIVEN = $(filter-out SWEEP=% COUNT=%,$(MAKEOVERRIDES))

.PHONY: train benchmark sweep agent sweep-local notebooks docs test test-cudasim test-long setup lint clean help

ifneq ($(filter train,$(MAKECMDGOALS)),)
# Compared as whole words, before anything is installed.
$(if $(findstring |$(ACTION)|,$(ACTIONS:%=|%|)),,$(error unknown ACTION=$(ACTION); known: $(ACTIONS)))
$(if $(findstring |$(METHOD)|,$(METHODS:%=|%|)),,$(error unknown METHOD=$(METHOD); known: $(METHODS)))
$(if $(findstring |$(LOGGER)|,|csv| |wandb|),,$(error unknown LOGGER=$(LOGGER); known: csv wandb))
$(if $(DATA),,$(if $(filter custom,$(ACTION)),$(error ACTION=custom needs DATA=<a folder of your videos>)))
$(if $(DATA),,$(if $(filter all,$(ACTION)),$(error ACTION=all needs DATA=<the root of Penn Action>)))
endif

train: setup ## learn an action and show an alignment: ACTION, METHOD, DATA, EPOCHS, SEED, NAME, LOGGER, DEVICES, ARGS
	@$(if $(DATA),,$(BIN)/lrprop synth $(ACTION) $(ROOT))
	@$(FIT)

benchmark: setup ## train every cell of a grid into one table, going on where it was: GRID, DATA
	$(BIN)/lrprop benchmark experiments/benchmarks/$(GRID).yaml $(if $(DATA),--root "$(DATA)")

sweep: setup ## create a sweep at Weights & Biases, which prints its id: SWEEP
	$(BIN)/wandb sweep --project lrprop experiments/sweeps/$(SWEEP).yaml

agent: setup ## train runs of that sweep, on as many machines as you like: SWEEP_ID, and what train takes
	$(BIN)/wandb agent --project lrprop $(or $(SWEEP_ID),$(error SWEEP_ID is missing: make sweep prints it))

sweep-local: setup ## try a sweep without Weights & Biases, going on where it was: SWEEP, COUNT, and what train takes
	@MAKEFLAGS= $(BIN)/lrprop sweep experiments/sweeps/$(SWEEP).yaml --count $(COUNT) --extra='$(GIVEN)'

notebooks: setup ## execute the notebooks, and write them with their pictures into runs/notebooks
	@$(BIN)/python notebooks/execute.py

docs: setup ## build the documentation into site/, without any network, and say where it lies
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # with --quiet no warning would count
	@echo "In site/: open $(CURDIR)/site/index.html, or, with the search, run $(BIN)/mkdocs serve"

test: setup .sweeps/installed ## lint, type-check and run all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile
	@$(MAKE) --no-print-directory test-cudasim

test-cudasim: setup ## run the CUDA kernels in Numba's simulator, no GPU needed; Numba has to know before its import
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/pytest -n 2 tests/cudasim

test-long: setup ## what takes too long for every day: 20 kills of one run, 10,000 damaged files
	$(BIN)/pytest -n 2 -m long
	LRPROP_FUZZ_TIMES=3 $(BIN)/pytest -n 2 tests/data tests/encoders

setup: .venv/installed ## create .venv and install lrprop into it

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

# W&B's own reader of sweep files; it wants an older NumPy, so the tests call it as a process. They skip without it.
.sweeps/installed:
	@$(PYTHON) -m venv .sweeps && .sweeps/bin/pip install --quiet sweeps==0.3.0 && touch $@ || echo "without sweeps 0.3.0 its tests are skipped"

# What follows two dashes is for lrprop, not a target.
--%: ; @:

lint: setup ## put the code in order: imports, format, simple mistakes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and the caches, but neither data nor runs
	rm -rf .venv .sweeps .mypy_cache .pytest_cache .ruff_cache .hypothesis

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
