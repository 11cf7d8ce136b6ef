# The developers' door; ./waldo is everybody's. Both call the same scripts.
.PHONY: help check test bench fuzz sanitize mutate rig

help:
	@echo 'make check     the house rules, in seconds: format, import directions, clock ratchet, unchecked list, sizes'
	@echo 'make test      everything that must hold (./waldo test); one part: ./waldo test FILTER'
	@echo 'make bench     us and the peers, measured in the same run, as a table'
	@echo 'make sanitize  the Swift tests under the address and the thread sanitizer; one: scripts/sanitize thread FILTER'
	@echo 'make mutate    each rule of the safety gate switched off in turn: some test must fail'
	@echo 'make rig       cuts the link between an operator and a robot thousands of times, as root; writes docs/stop-times.md'
	@echo 'make fuzz      every parser under libFuzzer for SECONDS (default 60) each; new inputs join the corpus'

check:
	@scripts/check

test:
	@./waldo test

bench:
	@scripts/bench

sanitize:
	@scripts/sanitize address
	@scripts/sanitize thread

mutate:
	@scripts/mutate

rig:
	@scripts/setup bench && .venv/bin/python scripts/rig

fuzz:
	@scripts/fuzz $(SECONDS)
