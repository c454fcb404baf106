.DEFAULT_GOAL := help
.PHONY: help build demo test test-long test-install test-policies test-monitoring test-ha test-node test-real test-contract test-versions fuzz simulate chaos torture bench check deny generate control-plane image image-test release clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the operator (release)
	cargo build --release --locked --bin registry-token-operator

demo: ## Show the lifecycle of a token; KEEP=1: keep it running; CONTEXT=name: use that cluster; PROFILE=name: use another portal (PROFILE=list lists them); PORTAL=gitea: use a real Gitea (built once and cached)
	$(if $(CONTEXT),,@tests/support/control_plane/build.sh >/dev/null)
	cargo build --locked --bin registry-token-operator --example fake-portal --example demo
	$(if $(PORTAL),GITEA=$$(tests/support/gitea/build.sh)) cargo run --quiet --locked --example demo -- $(if $(KEEP),--keep) $(if $(CONTEXT),--context $(CONTEXT)) $(if $(PORTAL),--portal $(PORTAL)) $(if $(filter list,$(PROFILE)),--list-profiles,$(if $(PROFILE),--profile $(PROFILE)))

test: ## Run all tests; prints one line of counts at the end
	@tests/support/control_plane/build.sh >/dev/null
	@tests/run.sh

test-long: ## Run the tests of which make test runs a part in full: the exhaustive unit tests and the simulation
	@LONG_TESTS=1 tests/run.sh --lib --test simulation

test-versions: ## Run selected integration tests on another Kubernetes version; KUBE_VERSION=v1.33.5 (built once and cached)
	$(if $(KUBE_VERSION),,$(error Set KUBE_VERSION to the version to test, such as v1.33.5))
	assets=$$(env -u KUBEBUILDER_ASSETS KUBE_VERSION=$(KUBE_VERSION) tests/support/control_plane/build.sh) && \
		KUBEBUILDER_ASSETS=$$assets cargo test --locked --test integration -- quickstart:: lifecycle:: deletion:: invalid_objects::

test-install: ## Test the Helm chart with helm, helm-unittest and kubeconform (built once and cached), on a real API server
	@tests/support/control_plane/build.sh >/dev/null
	HELM_TOOLS=$$(tests/support/helm_tools/build.sh) tests/run.sh --test install

test-policies: ## Test the admission policies and the operator's permissions on a real API server; make test includes it
	@tests/support/control_plane/build.sh >/dev/null
	tests/run.sh --test integration policies::

test-monitoring: ## Test the alerts with promtool, and alerts and dashboard with a Prometheus that scrapes the operator
	@command -v promtool >/dev/null && command -v prometheus >/dev/null || { echo "skipped: promtool or prometheus is not installed; on Debian, install the package prometheus"; exit 0; }; \
		promtool check rules deploy/monitoring/alerts.yaml && promtool test rules deploy/monitoring/alerts_test.yaml && \
		tests/support/control_plane/build.sh >/dev/null && cargo test --locked --test monitoring

test-ha: ## Test leader election with repeated takeovers, and print how long each takes; ROUNDS=count (5)
	@tests/support/control_plane/build.sh >/dev/null
	TAKEOVERS=$(or $(ROUNDS),5) cargo test --locked --test integration -- --nocapture leader_election

test-node: ## Run pods on a real kubelet and containerd, which pull from a real registry; needs root, and says what else is missing
	@reason=$$(tests/support/node/missing.sh); if [ -n "$$reason" ]; then echo "skipped: $$reason"; exit 0; fi; \
		tests/support/control_plane/build.sh >/dev/null && tools=$$(tests/support/node/build.sh) && \
		NODE_TOOLS=$$tools tests/run.sh --test node -- --nocapture

test-real: ## Test the operator with a real portal and registry: Gitea (built once and cached; needs Go, gcc and git); KILLS=count (20)
	@tests/support/control_plane/build.sh >/dev/null
	GITEA=$$(tests/support/gitea/build.sh) $(if $(KILLS),KILLS=$(KILLS)) tests/run.sh --test real -- --nocapture --test-threads=1

test-contract: ## Run the contract suite for portals at a real Gitea, or at the servers in GITEA_URL, HARBOR_URL and GITLAB_URL: see docs/testing.md
	$(if $(GITEA_URL)$(HARBOR_URL)$(GITLAB_URL),,GITEA=$$(tests/support/gitea/build.sh)) tests/run.sh --test real -- --nocapture --test-threads=1 portal_contract::

chaos: ## Chaos test: SIGKILL the operator KILLS times (1000) under load, then check for leaked or lost tokens; SEED=n repeats a run; LEADER_ELECTION=1: with leader election
	@tests/support/control_plane/build.sh >/dev/null
	cargo build --release --locked --bin registry-token-operator
	cargo bench --locked --profile dev --bench chaos -- $(CURDIR)/target/release/registry-token-operator

torture: chaos ## Alias of chaos

fuzz: ## Fuzz all parsers of untrusted input; TIME=seconds per target (60)
	BOLERO_RANDOM_TEST_TIME_MS=$(or $(TIME),60)000 cargo test --locked --lib fuzz:: -- --nocapture

simulate: ## Run the core on a million random schedules; SCHEDULES=count FIRST=seed; SEED=n prints one trace; EVENTS, AFTER: bounds of the exhaustive phase
	cargo run --release --locked --example simulate

bench: ## Run the benchmark and print a table; PEER=binary PEER_CRDS=file: compare with external-secrets (see docs/testing.md)
	@tests/support/control_plane/build.sh >/dev/null
	cargo bench --locked --bench operator

check: ## Check formatting and lints, as CI does
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

deny: ## Check bans, licenses, sources and advisories of the dependencies with cargo-deny; OFFLINE=1: with what was fetched last, by `cargo fetch` too; DENY="bans licenses": only these
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	cargo deny --locked $(if $(OFFLINE),--offline) check $(DENY)

generate: ## Generate the CRDs, install.yaml, JSON schemas, and parts of the chart
	cargo run --quiet --locked --example generate

control-plane: ## Build etcd, kube-apiserver, kube-controller-manager and kubectl (once, cached)
	tests/support/control_plane/build.sh

image: ## Build the container image with docker
	docker build --build-arg GIT_COMMIT=$$(git rev-parse HEAD 2>/dev/null || echo unknown) --build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1) --tag registry-token-operator:dev .

image-test: ## Build the Dockerfile with buildah and run the image on a real API server, as an unprivileged user on a read-only root; needs root
	@tests/support/control_plane/build.sh >/dev/null
	cargo test --locked --test release -- --nocapture --test-threads=1 image::

release: export IMAGE := $(IMAGE)
release: export ARCHIVES := $(ARCHIVES)
release: ## Put everything that a release page holds into one folder, without publishing; IMAGE=name: the image's name in its registry
	files=$$(tools/release/assemble.sh) && RELEASE_FILES=$$files cargo test --locked --test release -- --nocapture files:: && echo "$$files"

clean: ## Remove build output (the control plane stays in its cache)
	cargo clean
