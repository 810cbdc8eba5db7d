"""hostsim: the firmware, unmodified, under CPython: shims, device models, links and a command line."""
