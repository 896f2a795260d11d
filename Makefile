# Two commands matter: `make dev` shows the product, `make test` proves it.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export CARGO_TARGET_DIR ?= $(CACHE)/holdfast/target
HOLDFAST := $(CARGO_TARGET_DIR)/release/holdfast

# The port of the first broker, and how many there are: make dev BASE_PORT=19092 BROKERS=5
BASE_PORT ?= 9092
BROKERS ?=
# How many seeds `make sim` runs.
SEEDS ?= 10000
# How often `make bench-failover` breaks a broker, how, and which; `drop` wants root. Trials are added to FILE, if given.
TRIALS ?= 100
FAULT ?= kill
VICTIM ?= any

# RocksDB is compiled once, into the cache (.ci/rocksdb says where and why); every build links it.
CARGO_WITH = lib="$$(.ci/rocksdb)" && ROCKSDB_LIB_DIR="$$lib" ROCKSDB_STATIC=1

.DEFAULT_GOAL := help
.PHONY: help needs build dev test test-versions sim model bench bench-failover bench-groups bench-partitions bench-produce bench-start
.PHONY: fmt lint soak torture torture-disks torture-groups hostile-frames fuzz
.PHONY: kube-test kube-up kube-image kube-down kube-status kube-node-kill kube-node-start

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' \
		| while IFS="$$(printf '\t')" read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

# RocksDB is C++ and its bindings are made by libclang; everything else is Rust. As root the missing
# packages are installed, otherwise the command that does it is printed.
needs: ## Check for what a build needs, and install or name what is missing
	@command -v cargo >/dev/null || { \
		echo 'error: cargo is missing: install Rust (rustup does it) and open a new shell' >&2; \
		exit 1; }
	@missing=''; \
	command -v c++ >/dev/null || missing="$$missing g++"; \
	if [ -z "$$LIBCLANG_PATH" ] && ! ldconfig -p 2>/dev/null | grep -q 'libclang[-.0-9]*\.so' \
		&& ! ls /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* 2>/dev/null | grep -q .; \
		then missing="$$missing libclang-dev"; fi; \
	[ -z "$$missing" ] && exit 0; \
	if ! command -v apt-get >/dev/null; then \
		echo "error: a build needs a C++ compiler and libclang; on Debian they are:$$missing" >&2; \
		exit 1; fi; \
	if [ "$$(id -u)" = 0 ]; then \
		echo "installing$$missing" >&2; \
		apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install --yes --no-install-recommends $$missing; \
	else \
		echo 'error: packages are missing; this installs them:' >&2; \
		echo "  sudo apt-get update && sudo apt-get install --yes$$missing" >&2; \
		exit 1; fi

build: needs ## Build the holdfast binary
	@[ -x $(HOLDFAST) ] || echo 'the first build compiles RocksDB and takes a while' >&2
	$(CARGO_WITH) cargo build --release --locked --package holdfast-cli

dev: build ## Run three brokers on this machine; BASE_PORT and BROKERS change the usual
	@exec $(HOLDFAST) dev --base-port $(BASE_PORT) $(if $(BROKERS),--brokers $(BROKERS))

test: needs ## Run the tests
	tests/run

test-versions: needs ## Roll the version before to this one and back, with real processes; open old disks
	tests/versions/run

# What real clients do while a broker is killed every so many seconds.
EVERY ?= 20
PARTS ?= roundtrip java-roundtrip java-groups groups franz sarama kafkajs others

torture: build ## Real clients while a broker is killed every EVERY=20 seconds, one after the other
	HOLDFAST_BIN=$(HOLDFAST) INTEROP_TORTURE=$(EVERY) tests/interop/run $(PARTS)

# How tests that break disks and links are run: as root, in a network namespace of their own.
BROKEN = tests/setup && for tool in strace iptables ip; do command -v $$tool >/dev/null || missing=1; done && { [ -z "$$missing" ] \
	|| DEBIAN_FRONTEND=noninteractive apt-get install --yes strace iptables iproute2; } \
	&& $(CARGO_WITH) cargo test --release --locked --package holdfast-tests --test torture --no-run \
	&& $(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) unshare --net sh -c 'ip link set lo up && exec "$$@"' sh
TORTURE = cargo test --release --locked --offline --package holdfast-tests --test torture -- --ignored --nocapture

# Brokers killed, paused, without power, with damaged files, in random order. Counts go to ROUNDS, if given.
torture-disks: MINUTES ?= 10
torture-disks: build ## Break brokers and their disks at random for MINUTES=10, under a ledger; compare all disks; FAULTS=Kill,Pause
	$(BROKEN) env HOLDFAST_TORTURE_MINUTES=$(MINUTES) $(if $(FAULTS),HOLDFAST_TORTURE_FAULTS=$(FAULTS)) \
		$(if $(ROUNDS),HOLDFAST_TORTURE_RESULTS=$(abspath $(ROUNDS))) $(TORTURE) faults_of_all_kinds
	$(if $(ROUNDS),python3 tests/torture_report.py $(ROUNDS) docs/reliability.md)

soak: MINUTES ?= 100
soak: build ## Mixed load and a fault now and then for MINUTES=100, as root; what was measured is added to FILE, if given
	$(BROKEN) env HOLDFAST_TORTURE_MINUTES=$(MINUTES) \
		$(if $(FILE),HOLDFAST_TORTURE_RESULTS=$(abspath $(FILE))) $(TORTURE) hours_of_load

STEPS ?= 60

torture-groups: build ## Kill members and coordinators of groups of every kind, STEPS=60 times, and look what each read and committed
	HOLDFAST_BIN=$(HOLDFAST) INTEROP_STEPS=$(STEPS) tests/interop/run group-torture

# Made up from Kafka's own schemas, and broken.
FRAMES ?= 1000000

hostile-frames: build ## Send FRAMES=1000000 odd and broken requests of every API and version to three brokers
	HOLDFAST_BIN=$(HOLDFAST) INTEROP_FRAMES=$(FRAMES) tests/interop/run frames

# Seconds for each target.
SECONDS ?= 60

fuzz: needs ## Fuzz what decodes bytes from sockets, SECONDS=60 for each target, guided by coverage; TARGETS=frame
	fuzz/run $(SECONDS) $(TARGETS)

sim: ## Simulate the cluster and the operator with faults; SEEDS=N runs N of each
	$(CARGO_WITH) cargo run --release --locked --package holdfast-sim --bin holdfast-sim -- $(SEEDS)
	$(CARGO_WITH) cargo run --release --locked --package holdfast-sim --bin holdfast-group-sim -- $(SEEDS)
	$(CARGO_WITH) cargo run --release --locked --package holdfast-operator-sim \
		--bin holdfast-operator-sim -- $(SEEDS)

# What a model is checked within: three leaderships, four batches, a power cut, a change of the ISR.
WITHIN ?= --epochs 3 --batches 4 --crashes 1 --changes 1

model: ## Visit every state of the replication protocol; WITHIN='--wipes 1 --crashes 0' for other bounds
	cargo run --release --locked --package holdfast-spec -- $(WITHIN)

bench-failover: build ## Measure failover under load; TRIALS=N, FAULT=kill, pause, stop or drop, VICTIM=leader or controller
	tests/setup
	$(CARGO_WITH) cargo build --release --locked --package holdfast-tests --bin failover
	$(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) $(if $(filter drop,$(FAULT)),unshare --net) \
		sh -c '$(if $(filter drop,$(FAULT)),ip link set lo up &&) exec "$$@"' sh \
		env $(if $(FILE),HOLDFAST_FAILOVER_RESULTS=$(abspath $(FILE))) \
		cargo run --release --locked --offline --package holdfast-tests --bin failover -- $(TRIALS) $(FAULT) $(VICTIM)

bench-partitions: build ## Measure what PARTITIONS=10000 on three brokers cost: memory, a start, a failover
	tests/setup
	$(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) cargo run --release --locked --package holdfast-tests \
		--bin many_partitions -- $(or $(PARTITIONS),10000)

# A table is of five pairs.
PAIRS ?= 5
SCALE ?= 1
# What is published lies beside its page, pair by pair; a try lies in the cache.
RESULTS = $(if $(filter 1,$(SCALE)),docs/benchmarks.jsonl,$(CACHE)/holdfast/bench-$(SCALE).jsonl)

bench: build ## Measure beside Kafka, PAIRS=5 times, and write docs/benchmarks.md (root; SCALE=0.01 for a try, RESUME=1 goes on)
	tests/interop/setup
	$(CACHE)/holdfast/venv/bin/python tests/bench/run.py $(HOLDFAST) $(CACHE)/holdfast/kafka/lib $(CACHE)/holdfast/bench \
		--pairs $(PAIRS) --scale $(SCALE) --results $(RESULTS) $(if $(RESUME),--resume) \
		$(if $(filter 1,$(SCALE)),--page docs/benchmarks.md)

bench-produce: build ## Measure CPU by produced GiB, and what an acknowledgement takes
	tests/setup
	$(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) cargo run --release --locked --package holdfast-tests \
		--bin produce_cost

bench-groups: build ## Measure groups of a thousand members, and ten million commits
	$(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) cargo run --release --locked --package holdfast-tests --bin group_load

bench-start: build ## Measure how soon a started cluster takes records, empty and full (32 GB of disk)
	tests/setup
	$(CARGO_WITH) HOLDFAST_BIN=$(HOLDFAST) cargo run --release --locked --package holdfast-tests --bin start_time

# Real Kubernetes on this machine, without Docker: tests/kube/README.md. As root.
NODES ?= 6

kube-up: ## Start a real Kubernetes of NODES=6 nodes in three zones (root)
	tests/kube/cluster up $(NODES)

kube-image: needs ## Build the product's image and load it into the nodes of it
	$(CARGO_WITH) cargo build --release --locked --package holdfast-cli --package holdfast-operator
	tests/kube/cluster import "$$(tests/kube/product)"

kube-down: ## End it and remove everything of it
	tests/kube/cluster down

kube-status: ## Say what of it is on
	tests/kube/cluster status

kube-node-kill: ## Power a node of it off; N=n2 says which, kube-node-start brings it back
	tests/kube/cluster node-kill $(N)

kube-node-start: ## Power a node of it on; N=n2 says which
	tests/kube/cluster node-start $(N)

kube-test: ## The product on real Kubernetes, all tiers: RUNS=N lives; KUBECONFIG=... takes a cluster of yours
	tests/kube/test $(TIERS)

fmt: ## Format the code
	cargo fmt --all

lint: needs ## Check format and lints
	cargo fmt --all --check
	$(CARGO_WITH) cargo clippy --release --locked --workspace --all-targets -- -D warnings
