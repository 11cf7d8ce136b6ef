# The developers' door; ./waldo is everybody's. Both call the same scripts.
.PHONY: help check test bench fuzz sanitize

help:
	@echo 'make check     the house rules, in seconds: format, import directions, clock ratchet, unchecked list, sizes'
	@echo 'make test      everything that must hold (./waldo test); one part: ./waldo test FILTER'
	@echo 'make bench     us and the peers, measured in the same run, as a table'
	@echo 'make sanitize  the Swift tests under the address and the thread sanitizer; one: scripts/sanitize thread FILTER'
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

fuzz:
	@scripts/fuzz $(SECONDS)
