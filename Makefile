# barewire's commands. Each installs what it is missing first (image/setup.sh), which is quick once done.
#
#   make run    [BOARD=microvm] [CONFIG=appliance.toml] [HTTP=8080] [QUERY=port] [ACCEL=kvm]   boots it, prints the URL
#   make test   [ARGS="-k name"]                       every test that this machine can run
#   make image  [BOARD=] [CONFIG=] [BUILD=build]       BUILD/BOARD/appliance.elf (and .bin for flash), with a size report
#               BOARD is microvm, lm3s6965evb or mps2_an385
#   make sim    [CONFIG=] [HTTP=8080]                  the same appliance under CPython
#   make bench  [ARGS=instructions]                    tables of measurements; or only what a packet costs a Cortex-M3
#   make flash  BOARD= [PORT=]                         onto a real board
#
# MICROPYTHON=dir uses a MicroPython 1.25 source tree that is there instead of fetching one.
BOARD = microvm
CONFIG = appliance.toml
BUILD = build
HTTP = 8080
QUERY = 0
VENV = build/venv/bin/python
export ACCEL MICROPYTHON
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help run test image sim bench flash setup setup-test

help:
	@sed -n '/^#   make/s/^# *//p' Makefile

setup:
	@image/setup.sh run $(BOARD)

setup-test:
	@image/setup.sh test

image: setup
	@python3 image/build.py --board $(BOARD) --config $(CONFIG) --build $(BUILD)

run: image
	@python3 image/run.py --board $(BOARD) --config $(CONFIG) --build $(BUILD) --http $(HTTP) --query $(QUERY)

test: setup-test
	@python3 image/micropython.py unix >/dev/null
	@python3 image/build.py
	@$(VENV) -m pytest tests -q -ra $(ARGS)

sim: setup
	@python3 -m hostsim --config $(CONFIG) --link bridge:$(HTTP) --show $(ARGS)

bench: setup-test
	@python3 image/micropython.py unix >/dev/null
	@python3 image/build.py
	@$(VENV) -m tests.bench $(ARGS)

flash:
	@echo "barewire: make flash: no board of this version can be flashed: they run in QEMU (make run BOARD=)" >&2; exit 2
