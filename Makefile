# One verb each; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUILD_PACKAGES := libsqlite3-dev libpq-dev libmariadb-dev zlib1g-dev pkg-config
TEST_PACKAGES := $(BUILD_PACKAGES) python3 python3-venv chromium nghttp2-server postgresql mariadb-server-core \
	mariadb-client redis-server squid

.PHONY: help run test check check-threads soak bench bench-http bench-core bench-sql bench-websocket bench-policies conformance docs format clean

help: ## List the verbs.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: ## Build in release mode and serve on http://127.0.0.1:8080 (PORT=…, DATABASE=…).
	@scripts/install-packages $(BUILD_PACKAGES)
	@echo "building in release mode; the first time takes some minutes …"
	swift build -c release --product sluice
	@exec "$$(swift build -c release --show-bin-path)/sluice" serve $(if $(PORT),--port $(PORT)) $(if $(DATABASE),--database $(DATABASE))

# So many tests at once: all of them together would leave each too little of the machine to keep its own deadlines.
test: ## Run every test, beside private PostgreSQL, MariaDB and Redis servers.
	@scripts/install-packages $(TEST_PACKAGES)
	@echo "building the tests; the first time takes some minutes …"
	swift build --build-tests
	@scripts/check-doc-blocks
	@promtool="$$(scripts/install-promtool)" && peers="$$(scripts/install-peers)" && \
		SLUICE_TEST_PROMTOOL="$$promtool" SLUICE_TEST_PEERS="$$peers" scripts/with-servers scripts/with-limit 1200 \
		swift test --skip-build --experimental-maximum-parallelization-width 16

check: ## Check the format, warnings and imports.
	@scripts/install-packages $(BUILD_PACKAGES)
	swift format lint --strict --parallel -r Package.swift Sources Apps Tests Conformance/Sources Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Benchmarks
	swift build --build-tests --explicit-target-dependency-import-check error

check-threads: ## Run the core's tests under ThreadSanitizer.
	@scripts/check-threads --no-parallel --skip Model --skip Wheel --skip realStall --skip leavers

soak: ## Put PostgreSQL's driver under load under ThreadSanitizer (MINUTES=10, MEGABYTES=128 copied each round).
	@scripts/install-packages $(TEST_PACKAGES)
	@SLUICE_SERVERS=postgres scripts/with-servers scripts/soak $(or $(MINUTES),10) $(or $(MEGABYTES),128)

bench: bench-core bench-http bench-sql bench-websocket ## Run every benchmark; figures go to Benchmarks/results.

bench-core: ## Measure what each policy adds to a call, in time, allocations and instructions, beside Python's libraries.
	@scripts/install-packages $(BUILD_PACKAGES) python3 python3-venv valgrind gcc
	@Benchmarks/run core

bench-policies: ## The core's cases under ordo-one/benchmark, with percentiles.
	@scripts/install-packages $(BUILD_PACKAGES)
	cd Benchmarks && swift package benchmark --no-progress

bench-http: ## Measure GET /clubhouse/matches beside bare Hummingbird and FastAPI, and the API client beside AsyncHTTPClient, aiohttp and httpx.
	@scripts/install-packages $(BUILD_PACKAGES) wrk python3 python3-venv nginx-light
	@Benchmarks/run http
	@Benchmarks/run http-client

bench-sql: ## Measure the databases beside pgbench, C, asyncpg, SQLAlchemy, asyncmy, aiomysql, aiosqlite and GRDB (ROUNDS=…, SECONDS=…).
	@scripts/install-packages $(BUILD_PACKAGES) python3 python3-venv postgresql mariadb-server-core mariadb-client libpq-dev libmariadb-dev gcc
	@Benchmarks/run sql $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

bench-websocket: ## Measure WebSocket echo beside python websockets, and the memory of 10,000 idle connections.
	@scripts/install-packages $(BUILD_PACKAGES) python3 python3-venv gcc
	@Benchmarks/run websocket

conformance: ## Put the same scenarios to Sluice and to every library that can be installed, in one table.
	@scripts/install-packages $(BUILD_PACKAGES) python3 python3-venv
	swift build --product Conformance
	@Conformance/run --ours "$$(swift build --show-bin-path)/Conformance"

docs: ## Write the API documentation to docs/api.
	@scripts/install-packages $(BUILD_PACKAGES)
	@scripts/make-docs

format: ## Format every source file.
	swift format -i --parallel -r Package.swift Sources Apps Tests Conformance/Sources Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Benchmarks

clean: ## Remove what was built.
	rm -rf .build .build-tsan Benchmarks/.build Conformance/.build Conformance/.venv docs/api
