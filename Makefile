# Selfsame. `make run` starts a server, `make test` runs every test; both install what is missing.

PORT ?= 8080
DATA ?= ./data
SWIFT_FLAGS := --explicit-target-dependency-import-check error
# One file with Swift's libraries inside and no symbols: it starts where no Swift is installed.
RELEASE_FLAGS := $(SWIFT_FLAGS) --static-swift-stdlib -Xlinker -s

.PHONY: run build test check lint format bench fuzz clean

## Installs what is missing, builds in release, and serves on 127.0.0.1:$(PORT) with the data in $(DATA).
run: build
	exec .build/release/selfsame serve --port $(PORT) --data $(DATA)

## Builds the command in release: .build/release/selfsame.
build:
	Scripts/install.sh run
	swift build -c release --product selfsame $(RELEASE_FLAGS)

## Everything that CI runs: the checks, then all tests. Those of a server process run on the release.
test: check build
	Scripts/test.sh

## Format, build with warnings as errors and the import check, and the rules of the repository (Tidy).
check: lint
	Scripts/install.sh test
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build --filter Tidy

lint:
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks

## Rewrites the sources in the one format.
format:
	swift format --in-place --parallel --recursive Package.swift Sources Tests Benchmarks

## Measures, against the references, and keeps the figures in Benchmarks/Results.
bench:
	Scripts/install.sh bench
	swift build -c release $(RELEASE_FLAGS)
	Benchmarks/compare.sh

## Feeds the decoder broken input for a minute. SECONDS_TO_RUN= says how long.
fuzz:
	Scripts/install.sh run
	Scripts/fuzz.sh $(or $(SECONDS_TO_RUN),60)

clean:
	rm -rf .build .build-*
