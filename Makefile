# copytrigger. `make help` lists what there is.

GO             ?= go
GO_TAGS        ?= urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK    ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Each module by itself: what the tests need must not reach the program.
MODULES        := . test images

.DEFAULT_GOAL  := help
.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

include images/image.mk

.PHONY: build
build: ## build bin/copytrigger
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(GO_TAGS) \
		-ldflags '-s -w -X main.version=$(VERSION)' -o bin/copytrigger ./cmd/copytrigger

.PHONY: test
test: unit integration ## every test, on a throw-away cluster

.PHONY: unit
unit: ## the tests that need no cluster
	$(GO) test -race -shuffle=on ./...

.PHONY: integration
integration: programs ## the tests on a throw-away cluster with the real VolSync
	cd test && COPYTRIGGER_CLUSTER_TESTS=1 $(GO) test -race -shuffle=on -timeout 40m ./...

.PHONY: demo
demo: build programs postgresql ## show a whole coordination, and the same copy without it
	cd test && $(GO) run ./cmd/demo --copytrigger $(CURDIR)/bin/copytrigger

.PHONY: cluster
cluster: programs ## leave a cluster running, and print how to use it
	@cd test && $(GO) run ./cmd/devcluster up --detach

.PHONY: cluster-down
cluster-down: ## stop the cluster that `make cluster` left running
	@cd test && $(GO) run ./cmd/devcluster down

.PHONY: programs
programs: ## build the cluster's programs into .cache (the first time takes minutes)
	@cd test && $(GO) run ./cmd/devcluster build

# The demo's application is PostgreSQL where it can be had; without it the demo says so.
# Its package is told not to start a server of its own.
.PHONY: postgresql
postgresql:
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			mkdir -p /etc/postgresql-common; \
			[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null || true; \
		fi; \
	fi

.PHONY: check
check: ## formatting, go vet, staticcheck and tidy modules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	@set -e; for module in $(MODULES); do \
		echo "checking $$module"; \
		(cd $$module && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...); \
	done

.PHONY: clean
clean: cluster-down ## remove what was built
	rm -rf bin .cache
