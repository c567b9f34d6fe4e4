# The verbs a person needs. `make test` is what CI runs; everything long is behind a verb of its own.
CARGO ?= cargo

.PHONY: help test optimised slurm lint doc bench bugs published validate sweep adapters plumbing dist fuzz charts clean

help:            ## list the verbs
	@grep -hE '^[a-z]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 12

test: lint doc   ## format, lints, docs, every test, every library scenario
	$(CARGO) test --workspace --quiet

optimised:       ## the release build gives the same bytes for every library scenario as the build that tests use
	$(CARGO) build --release --quiet --package splitbrain
	SPLITBRAIN_BINARY=$(abspath $(or $(CARGO_TARGET_DIR),target))/release/splitbrain \
	    $(CARGO) test --workspace --quiet --test all -- library::same_seed

slurm:           ## a job array on a real Slurm of two nodes that loses one; needs root and slurm-wlm
	$(CARGO) test --workspace --quiet --test all emit::

lint:            ## format and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

doc:             ## the API documentation, broken links are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

bench:           ## how fast the engine, Raft, Paxos, lookups and scheduling are; writes target/bench.json and target/lookups.json
	$(CARGO) bench --quiet --package splitbrain --bench throughput
	$(CARGO) run --quiet --release --manifest-path cli/benches/lookups/Cargo.toml --target-dir target/lookups

BUG_SEEDS ?= 1..2000
bugs:            ## switches every known bug on in the chaos files; fails if one is not caught within BUG_SEEDS (1..2000)
	$(CARGO) run --quiet --release --package splitbrain -- bugs --seeds $(BUG_SEEDS) \
	    $(addprefix scenarios/library/,$(SYSTEMS))

published:       ## measures what papers publish and holds it to a band; writes target/published/ and docs/published.md
	$(CARGO) run --quiet --release --package splitbrain --example published

WHAT ?= all
validate:        ## kills real systems that are installed, and holds the models to that; writes validation/trials/ and docs/validation.md
	$(CARGO) run --quiet --manifest-path validation/Cargo.toml --target-dir target/validation -- $(WHAT)
	$(CARGO) run --quiet --release --package splitbrain --example published -- beside validation/trials

SEEDS ?= 1..1000
SYSTEMS ?= raft paxos synod hashing balancing failover failover-cluster chubby zookeeper consul kubernetes redlock commit mapreduce mesh queue scheduling spark
sweep:           ## every scenario of every system with many seeds (SEEDS=1..1000); long, resumes, not part of test
	$(CARGO) build --quiet --release --package splitbrain
	@failed=0; for file in $(foreach system,$(SYSTEMS) placement,scenarios/library/$(system)/*.toml); do \
	    target/release/splitbrain sweep --seeds $(SEEDS) --out target/sweep $$file || failed=1; \
	done; exit $$failed

adapters:        ## builds and tests what hosts other people's libraries, and programs in any language (docs/adapters.md)
	$(CARGO) test --quiet --manifest-path adapters/Cargo.toml --target-dir target/adapters
	$(CARGO) test --quiet --manifest-path adapters/by-hand/Cargo.toml --target-dir target/adapters/by-hand

plumbing:        ## how many lines of each system are not its protocol
	@scripts/plumbing

dist:            ## the source with every crate it needs as one archive in target/dist/, to install without a network
	@CARGO=$(CARGO) scripts/dist

FUZZ_CASES ?= 1000000
fuzz:            ## scenarios, histories, tables, traces and manifests, scrambled: FUZZ_CASES inputs of each kind; nothing panics
	FUZZ_CASES=$(FUZZ_CASES) $(CARGO) test --release --quiet -p scenarios -p systems --test all -- never_panics:: manifests::

charts:          ## sample charts and pages into target/gallery, to look at
	$(CARGO) run --quiet --release --package reports --example gallery -- target/gallery

clean:           ## remove what was built and run
	$(CARGO) clean
	rm -rf runs
