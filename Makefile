# Every target first runs the set-up, which does nothing when all is installed.
#   make drive ARGS="--seconds 60 --seed 7 --json"
#   make test ARGS="test/control -k gate"       (JOBS=0: in one process, for a debugger)
#   make PYTHON=/path/to/python3.12 setup
ARGS ?=
PYTHON ?=
JOBS ?= auto
MAKEFLAGS += --no-print-directory
RUN := .venv/bin

# A sourced ROS installation must not mix with the ROS wheels inside .venv; without wheels it is used itself.
ifeq ($(shell uname -m),x86_64)
unexport PYTHONPATH AMENT_PREFIX_PATH COLCON_PREFIX_PATH ROS_DISTRO RMW_IMPLEMENTATION
endif

.PHONY: help setup drive test test-jazzy lint train evaluate doctor docs coverage mutation stress soak audit sbom clean
.DEFAULT_GOAL := help

help:
	@echo "make drive     drive with the shipped policy in simulation (ARGS: see liquid-control drive --help)"
	@echo "make test      run the tests (ARGS: those of pytest)"
	@echo "make test-jazzy  run the tests of the nodes on ROS 2 Jazzy's wheels, in .venv-jazzy"
	@echo "make lint      run ruff"
	@echo "make train     train a policy in simulation (ARGS: see liquid-control train simulation --help)"
	@echo "make evaluate  evaluate the shipped policy on held-out roads"
	@echo "make doctor    check this machine's set-up"
	@echo "make docs      write the tables of doc/commands.md and doc/nodes.md from the code"
	@echo "make coverage  check that the tests reach every line and branch of the safety gate"
	@echo "make mutation  mutation testing of the safety gate: a test must fail for every small change of its code"
	@echo "make stress    2,000 recordings of known drives with other people's clocks, units, axes, encodings and layouts, held against the truth"
	@echo "make soak      long tests: 10 million commands, 100,000 malformed inputs of each kind, 8 simulated hours of faults, 100 kills and floods of real nodes"
	@echo "make audit     check the pinned packages for known vulnerabilities (needs the network)"
	@echo "make sbom      write the software bill of materials, out/sbom.json (CycloneDX)"
	@echo "make setup     install system libraries, .venv and the pinned packages"
	@echo "make clean     remove .venv and all generated files"

setup:
	@PYTHON="$(PYTHON)" tools/setup.sh

drive: setup
	@$(RUN)/liquid-control drive $(ARGS)

test: setup
	@tools/setup.sh browser compiler arm64
	@$(RUN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-jazzy: setup
	@tools/test_jazzy.sh $(ARGS)

lint: setup
	@$(RUN)/ruff check .

train: setup
	@$(RUN)/liquid-control train simulation $(ARGS)

evaluate: setup
	@$(RUN)/liquid-control evaluate models/lane_keeper $(ARGS)

doctor: setup
	@$(RUN)/liquid-control doctor $(ARGS)

docs: setup
	@$(RUN)/python tools/generate_docs.py

coverage: setup
	@$(RUN)/python -m coverage run --branch --data-file=.venv/coverage -m pytest -q test/control
	@$(RUN)/python -m coverage report -m --data-file=.venv/coverage --fail-under=100 \
		--include='*/liquid_control/control/*.py'

mutation: setup
	@tools/mutation.sh

stress: setup
	@$(RUN)/liquid-control soak recordings --cases 2000 --out out/stress $(ARGS)

soak: setup
	@$(RUN)/liquid-control soak gate --commands 10000000
	@$(RUN)/liquid-control soak inputs --cases 100000
	@$(RUN)/liquid-control soak processes --out out/soak_processes
	@$(RUN)/liquid-control soak operator --out out/soak_operator
	@$(RUN)/liquid-control soak --hours 8 --out out/soak $(ARGS)

audit: setup
	@tools/audit.sh $(ARGS)

sbom: setup
	@mkdir -p out
	@$(RUN)/python tools/sbom.py >out/sbom.json && echo out/sbom.json

clean:
	rm -rf .venv .venv-jazzy mutants build install log out runs *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
