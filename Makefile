.DEFAULT_GOAL := help
.PHONY: help build demo test test-versions fuzz simulate torture bench check generate control-plane image clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Builds the operator (release)
	cargo build --release --locked --bin registry-token-operator

demo: ## Shows the whole life of a token; KEEP=1 leaves it running, CONTEXT=name uses that cluster, PROFILE=name another portal, PROFILE=list names them
	$(if $(CONTEXT),,@tests/control_plane/build.sh >/dev/null)
	cargo build --locked --bin registry-token-operator --example portal-simulator --example demo
	cargo run --quiet --locked --example demo -- $(if $(KEEP),--keep) $(if $(CONTEXT),--context $(CONTEXT)) $(if $(filter list,$(PROFILE)),--list-profiles,$(if $(PROFILE),--profile $(PROFILE)))

test: ## Runs every suite; one line of counts at the end
	@tests/control_plane/build.sh >/dev/null
	@tests/run.sh

test-versions: ## Runs a selection of the suite on another Kubernetes; KUBE_VERSION=v1.33.5 is built once and cached
	$(if $(KUBE_VERSION),,$(error KUBE_VERSION=v1.33.5 names the version to test))
	assets=$$(env -u KUBEBUILDER_ASSETS KUBE_VERSION=$(KUBE_VERSION) tests/control_plane/build.sh) && \
		KUBEBUILDER_ASSETS=$$assets cargo test --locked --test suite -- first_steps:: life:: deletion:: poisoned::

torture: ## Kills the operator 1,000 times while objects come and go, and counts the tokens; KILLS=n, SEED=n
	@tests/control_plane/build.sh >/dev/null
	cargo build --release --locked --bin registry-token-operator
	cargo bench --locked --profile dev --bench torture -- $(CURDIR)/target/release/registry-token-operator

fuzz: ## Feeds every reader of strangers' words with chance; TIME=600 is so many seconds for each
	BOLERO_RANDOM_TEST_TIME_MS=$(or $(TIME),60)000 cargo test --locked --lib fuzz:: -- --nocapture

simulate: ## Runs a million random schedules of the core; EVENTS and AFTER bound what comes before; SCHEDULES, FIRST, and SEED for the trace of one
	cargo run --release --locked --example simulate

bench: ## Measures the operator and prints a table
	@tests/control_plane/build.sh >/dev/null
	cargo bench --locked --bench operator

check: ## Formatting and lints, as CI has them
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

generate: ## Writes the CRDs into crds/
	cargo run --quiet --locked --bin registry-token-operator -- generate crds

control-plane: ## Builds etcd, kube-apiserver, kube-controller-manager and kubectl, once
	tests/control_plane/build.sh

image: ## Builds the container image
	docker build --tag registry-token-operator:dev .

clean: ## Removes what was built here (the control plane stays in its cache)
	cargo clean
