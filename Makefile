# The verbs a person needs. `make test` is what CI runs; everything long is behind a verb of its own.
CARGO ?= cargo

.PHONY: help test lint doc bench sweep charts clean

help:            ## list the verbs
	@grep -hE '^[a-z]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 12

test: lint doc   ## format, lints, docs, every test, every library scenario
	$(CARGO) test --workspace --quiet
	$(CARGO) test --release --quiet --package splitbrain --test library same_seed

lint:            ## format and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

doc:             ## the API documentation, broken links are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

bench:           ## how fast the engine and Raft are; writes target/bench.json
	$(CARGO) bench --quiet --package splitbrain --bench throughput

charts:          ## sample charts and pages into target/gallery, to look at
	$(CARGO) run --quiet --release --package reports --example gallery -- target/gallery

clean:           ## remove what was built and run
	$(CARGO) clean
	rm -rf runs
