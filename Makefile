# Everything a developer types; CI types the same (.ci/run).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Builds check the SQL against .sqlx/, with or without a database at hand.
export SQLX_OFFLINE := true
# What to pass on: make test ARGS='attempts -- --nocapture'
ARGS ?=
QUESTS := $${CARGO_TARGET_DIR:-target}/debug/quests

# Before a command that needs PostgreSQL and RabbitMQ: have them answer, and say where.
WITH_SERVICES = scripts/services up && settings=$$(scripts/services env) && eval "$$settings" &&

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: run
run: ## the service with demo content on http://127.0.0.1:8080 (installs what is missing; Ctrl-C stops it)
	@$(WITH_SERVICES) cargo build && exec scripts/run $(ARGS)

.PHONY: test
test: ## all tests, on real PostgreSQL and RabbitMQ (ARGS='...' goes to cargo test)
	@$(WITH_SERVICES) cargo test $(ARGS)

.PHONY: soak
soak: ## the same tests with many more rounds
	@$(WITH_SERVICES) QUESTS_SOAK=1 cargo test $(ARGS)

.PHONY: bench
bench: ## the figures of the README (release build)
	@$(WITH_SERVICES) cargo bench $(ARGS)

.PHONY: lint
lint: ## formatting, clippy, and whether .sqlx/ and openapi/openapi.json are up to date
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@$(WITH_SERVICES) scripts/prepare --check
	@cargo build --locked
	@$(QUESTS) openapi | diff -u openapi/openapi.json - || { echo "openapi/openapi.json is out of date: make openapi" >&2; exit 1; }

.PHONY: prepare
prepare: ## write .sqlx/ anew, after a change of SQL or migrations
	@$(WITH_SERVICES) scripts/prepare

.PHONY: openapi
openapi: ## write openapi/openapi.json anew, after a change of the API
	@cargo build
	@mkdir -p openapi && $(QUESTS) openapi > openapi/openapi.json.new && mv openapi/openapi.json.new openapi/openapi.json

.PHONY: env
env: ## the settings, for a shell: eval "$(make -s env)"
	@scripts/services env

.PHONY: stop
stop: ## stop our own PostgreSQL and RabbitMQ; their data stay
	@scripts/services down

.PHONY: reset
reset: ## the same, and delete their data
	@scripts/services reset
