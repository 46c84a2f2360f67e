# Recipes are one or two lines; what needs more is a Go program or lies in scripts/.

VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT     := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
OBS        := github.com/daytonaio/runner-android/internal/obs
LDFLAGS    := -s -w -X $(OBS).version=$(VERSION) -X $(OBS).commit=$(COMMIT)
LINT       := go tool -modfile=tools/go.mod golangci-lint
FUZZTIME   ?= 20s
RUNNER_ENV ?= configs/runner.env

# The version is stamped above; the Go tool's own stamping fails where git distrusts the tree's owner.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# The race detector needs cgo, which Go turns on by itself where it finds a C compiler.
RACE := $(shell test "$$(go env CGO_ENABLED)" = 1 && command -v "$$(go env CC)" >/dev/null && echo -race)

.DEFAULT_GOAL := help
.PHONY: help build run demo test check bench fuzz lint tidy tidy-check cover clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/runner-android and bin/cvd-sim: static, trimmed, version stamped
	@mkdir -p bin
	@# nodynamic: the simulator's encoder would look for a library of the system, and cvd-sim not be static
	CGO_ENABLED=0 go build -trimpath -tags nodynamic -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

run: build ## the runner on this host, with the settings of RUNNER_ENV (configs/runner.env)
	set -a && . '$(abspath $(RUNNER_ENV))' && exec bin/runner-android serve

demo: export API_PORT  ?= 3107
demo: export API_TOKEN ?= demo-token
demo: DEMO_ROOT        ?= .demo
demo: build ## a simulated host and the runner on it, until SIGINT (API_PORT, API_TOKEN, DEMO_ROOT)
	@exec bin/cvd-sim host --root '$(DEMO_ROOT)' -- bin/runner-android

test: build ## all tests: no root; without network those of e2e are skipped; TESTFLAGS=-v says more
	@$(if $(RACE),,echo "make test: no C compiler found, so the race detector is off")
	go test $(RACE) -shuffle=on -timeout 10m $(TESTFLAGS) ./...

check: lint tidy-check test ## what CI runs

bench: build ## ratios, each beside its baseline of the same run
	go run ./internal/bench

fuzz: ## every fuzz target, for FUZZTIME (20s) each
	scripts/fuzz $(FUZZTIME)

lint: ## golangci-lint as pinned in tools/go.mod; the first run builds it, some minutes
	$(LINT) run ./...

tidy: ## go mod tidy and verify
	go mod tidy && go mod verify

tidy-check: ## fails where tidy would change something
	go mod tidy -diff && go mod verify

cover: ## bin/cover.html, and the packages that have no test
	@mkdir -p bin && go list -f '{{if not (or .TestGoFiles .XTestGoFiles)}}untested: {{.ImportPath}}{{end}}' ./...
	go test -coverprofile=bin/cover.out ./... && go tool cover -html=bin/cover.out -o bin/cover.html

clean: ## remove bin/ (a stopped demo's files are yours to remove: .demo/)
	rm -rf bin
