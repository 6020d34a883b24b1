# Queries are checked against .sqlx, which is committed: no build needs a database.
export SQLX_OFFLINE = true
# Tests wait for commits more than they compute: more of them at once than there are cores.
export RUST_TEST_THREADS ?= 6

# DATABASE_URL, AMQP_URL and the rest; a shell that has them set keeps them.
services = scripts/services up && settings=$$(scripts/services env) && eval "$$settings"
quests = "$${CARGO_TARGET_DIR:-target}/debug/quests"

.DEFAULT_GOAL := help
.PHONY: help run neighbours test test-contracts test-demo test-browser demo soak bench bench-search bench-latency bench-streams bench-analytics try-pgbouncer try-replica try-restore lint openapi prepare env stop reset

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

run: export LOG_FORMAT ?= pretty
run: ## Start everything on http://127.0.0.1:8080 with demo data; Ctrl-C stops the service
	@$(services) && cargo build && $(quests) migrate && $(quests) seed && exec scripts/run

neighbours: ## Run a stand-in for the User Service on http://127.0.0.1:8090
	@cargo run --quiet --example neighbours

test soak: export LOG_FORMAT ?= pretty
test: ## Run all tests; with ARGS=..., which goes to cargo test, only those of cargo
	@$(services) && cargo test --lib --bins --tests $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory -j3 --output-sync=target test-contracts test-demo test-browser)

test-contracts: ## Check openapi/asyncapi.yaml with AsyncAPI's own parser
	@scripts/node-modules tests/contracts
	@cd tests/contracts && npm run --silent test

test-demo: ## Compare the demo page with its sources
	@scripts/node-modules clients/demo
	@cd clients/demo && npm run --silent check

test-browser: ## Drive the demo page and the Swagger UI in a browser
	@scripts/node-modules --chromium tests/browser
	@$(services) && cargo test --quiet --no-run --test contract && cd tests/browser && npm run --silent test

demo: ## Compile the demo page anew, after clients/demo/src or openapi/openapi.json changed
	@scripts/node-modules clients/demo
	@cd clients/demo && npm run --silent build

soak: export QUESTS_SOAK = 1
soak: export PROPTEST_CASES = 5000
soak: ## Run all tests, with many more rounds of those that repeat themselves
	@$(services) && cargo test --lib --bins --tests $(ARGS)

bench: ## Measure; ARGS=... goes to cargo bench
	@$(services) && cargo bench --bench bench $(ARGS)

bench-search: ## Measure how well search finds what people mean, and recommendations what they do next
	@$(services) && cargo bench --profile dev --bench search

bench-latency: ## Measure how long search and recommendations take in a large catalogue
	@$(services) && cargo bench --bench latency

bench-streams: ## Measure what open live streams cost
	@$(services) && cargo bench --bench streams

bench-analytics: ## Measure how long computing a day of analytics takes
	@$(services) && cargo bench --profile dev --bench analytics

try-pgbouncer: ## Try the service behind PgBouncer in transaction mode; ARGS="--tests FILTER" runs API tests through it too
	@$(services) && cargo build --quiet && scripts/try-pgbouncer $(ARGS)

try-replica: ## Try a streaming replica for reads: behind, standing still, gone
	@$(services) && cargo build --quiet && scripts/try-replica

try-restore: ## Try backup and restore under load, and that publishing goes on without loss
	@$(services) && cargo build --quiet && scripts/try-restore

lint: ## Check formatting, clippy, .sqlx and openapi/openapi.json
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@$(services) && scripts/prepare --check
	cargo build
	@set -e; found=$$(mktemp); trap 'rm -f "$$found"' EXIT; $(quests) openapi > "$$found"; \
	diff -u openapi/openapi.json "$$found" \
		|| { echo "openapi/openapi.json is not what the service says: make openapi" >&2; exit 1; }

openapi: ## Write openapi/openapi.json
	cargo build
	@mkdir -p openapi
	$(quests) openapi > openapi/openapi.json.new && mv openapi/openapi.json.new openapi/openapi.json

prepare: ## Write .sqlx anew, after a query or a migration was changed
	@$(services) && scripts/prepare

env: ## Print the settings; in a shell: eval "$(make -s env)"
	@scripts/services env

stop: ## Stop the PostgreSQL and RabbitMQ that we started; their data stay
	@scripts/services down

reset: ## The same, and delete their data
	@scripts/services reset
