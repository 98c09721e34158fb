# Every target sets up what it needs first; a second run finds all of it there and starts at once.
#   make drive ARGS="--seconds 60 --seed 7 --json"
#   make test ARGS="test/control -k gate"
#   make PYTHON=/path/to/python3.12 setup
ARGS ?=
PYTHON ?=
MAKEFLAGS += --no-print-directory
RUN := .venv/bin

# A sourced ROS installation must not mix with the ROS wheels inside .venv; where there are no wheels it is what we use.
ifeq ($(shell uname -m),x86_64)
unexport PYTHONPATH AMENT_PREFIX_PATH COLCON_PREFIX_PATH ROS_DISTRO RMW_IMPLEMENTATION
endif

.PHONY: help setup drive test lint train evaluate doctor clean
.DEFAULT_GOAL := help

help:
	@echo "make drive     watch the shipped policy drive (ARGS: see liquid-control drive --help)"
	@echo "make test      run the tests (ARGS are pytest's)"
	@echo "make lint      run ruff"
	@echo "make train     train a policy from nothing (ARGS: see liquid-control train imitation --help)"
	@echo "make evaluate  examine the shipped policy on held-out roads"
	@echo "make doctor    say what this machine has and lacks"
	@echo "make setup     only the set-up: system libraries, .venv, pinned packages"
	@echo "make clean     remove .venv and all that was made"

setup:
	@PYTHON="$(PYTHON)" tools/setup.sh

drive: setup
	@$(RUN)/liquid-control drive $(ARGS)

test: setup
	@$(RUN)/python -m pytest $(ARGS)

lint: setup
	@$(RUN)/ruff check .

train: setup
	@$(RUN)/liquid-control train imitation $(ARGS)

evaluate: setup
	@$(RUN)/liquid-control evaluate models/lane_keeper $(ARGS)

doctor: setup
	@$(RUN)/liquid-control doctor $(ARGS)

clean:
	rm -rf .venv build install log out runs *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
