# `make` alone says what there is.
.PHONY: help run test lint deny schema refusals conformance bench build

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: ## everything in one process, with demonstration backends
	@echo "Building Oakgate (some minutes the first time; needs a C compiler for SQLite and the allocator) ..."
	@cargo build --quiet --package oakgate
	@target/debug/oakgate --log-format text up

test: ## install what the tests need, then run them all
	@echo "== What the tests need: the official MCP SDKs and servers, a JOSE library"
	@tests/install
	@$(MAKE) --no-print-directory lint deny
	@echo "== Unit, property and end-to-end tests"
	@cargo test --workspace

lint: ## formatting and lints
	@echo "== Formatting and lints"
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --quiet -- -D warnings

DENY := target/test-tools/bin/cargo-deny
deny: ## licences and sources of dependencies
	@echo "== Licences and sources of dependencies"
	@test -x $(DENY) || cargo install --quiet --locked --debug --root target/test-tools cargo-deny@0.20.2
	@$(DENY) --log-level error check bans licenses sources

schema: ## write the JSON Schema of settings files again
	@mkdir -p target
	@cargo run --quiet --package oakgate -- config schema > target/settings.schema.json
	@mv target/settings.schema.json config/

refusals: ## write the table of refusals in docs/refusals.md again
	@mkdir -p target
	@cargo run --quiet --package oakgate -- refusals --markdown > target/refusals.table
	@sed '/^| /d;/^|---/d' docs/refusals.md > target/refusals.md
	@cat target/refusals.table >> target/refusals.md
	@mv target/refusals.md docs/

conformance: ## the official conformance suite beside and through the proxy, written down
	@tests/install
	@cargo build --quiet --package oakgate
	@target/test-tools/py2/bin/python tests/conformance/run.py write

build: ## the release binary
	@cargo build --release --package oakgate

bench: build ## CPU per enforced call beside the proxies that are on this machine
	@benches/compare
