# barewire's commands. Each installs what it is missing first (image/setup.sh), which is quick once done.
#
#   make run    [BOARD=microvm] [CONFIG=appliance.toml] [HTTP=8080] [QUERY=port] [ACCEL=kvm]   boots it, prints the URL
#   make test   [ARGS="-k name"]                       every test that this machine can run but the long ones
#   make soak   [ARGS="-k name"]                       the long ones: floods, scans, 100,000 connections
#   make image  [BOARD=] [CONFIG=] [BUILD=build]       BUILD/BOARD/appliance.elf (and .bin for flash), with a size report
#               BOARD is microvm, lm3s6965evb or mps2_an385
#   make run    BOARD=mps2_an385 DEV=1 [PROMPT=2323]   the development image: a prompt for mpremote beside the appliance
#   make sim    [CONFIG=] [HTTP=8080]                  the same appliance under CPython
#   make bench  [ARGS=instructions]                    tables and a plot of measurements; or only instructions; ARGS=plot: of the last run
#   make profile BOARD=unix [TRAFFIC=get]              instructions by source line; TRAFFIC: udp icmp arp get connection sensor
#   make flash  BOARD=lm3s6965evb [CONFIG=] [PORT=]    onto a real board; PORT: which debugger, by serial number or USB place
#
# MICROPYTHON=dir uses a MicroPython 1.25 source tree that is there instead of fetching one.
BOARD = microvm
TRAFFIC = get
CONFIG = appliance.toml
BUILD = build
HTTP = 8080
QUERY = 0
PROMPT = 2323
ifneq ($(filter-out 0,$(DEV)),)
DEVELOPMENT = --dev
endif
VENV = build/venv/bin/python
export ACCEL MICROPYTHON
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help run test soak image sim bench profile flash setup setup-test setup-soak setup-bench

help:
	@sed -n '/^#   make/s/^# *//p' Makefile

setup:
	@image/setup.sh run $(BOARD)

setup-test:
	@image/setup.sh test

setup-soak:
	@image/setup.sh soak

setup-bench:
	@image/setup.sh bench

image: setup
	@python3 image/build.py --board $(BOARD) --config $(CONFIG) --build $(BUILD) $(DEVELOPMENT)

run: image
	@python3 image/run.py --board $(BOARD) --config $(CONFIG) --build $(BUILD) --http $(HTTP) --query $(QUERY) $(if $(DEVELOPMENT),--dev --prompt $(PROMPT))

test: setup-test
	@python3 image/micropython.py unix >/dev/null
	@python3 image/build.py
	@$(VENV) -m pytest tests -q -ra -m "not soak" $(ARGS)

soak: setup-soak
	@python3 image/micropython.py unix >/dev/null
	@python3 image/build.py
	@$(VENV) -m pytest tests -q -ra -s -m soak $(ARGS)

sim: setup
	@python3 -m hostsim --config $(CONFIG) --link bridge:$(HTTP) --show $(ARGS)

bench: setup-bench
	@python3 image/micropython.py unix >/dev/null
	@python3 image/build.py
	@$(VENV) -m tests.bench $(ARGS)

profile: BOARD = unix
profile: setup-test
	@python3 image/micropython.py unix >/dev/null
	@$(VENV) -m tests.bench.profile $(BOARD) $(TRAFFIC)

flash:
	@image/setup.sh flash $(BOARD)
	@python3 image/flash.py --board $(BOARD) --config $(CONFIG) --build $(BUILD) --port "$(PORT)"
