# copytrigger. `make help` lists what there is.

GO             ?= go
GO_TAGS        ?= urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK    ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Each module by itself: what the tests need must not reach the program.
MODULES        := . test images workflows

.DEFAULT_GOAL  := help
.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

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
	cd workflows && $(GO) test -shuffle=on ./...

.PHONY: integration
integration: programs ## the tests on a throw-away cluster with the real VolSync
	@sync # what building has left to be written would hold up the disk
	cd test && COPYTRIGGER_CLUSTER_TESTS=1 $(GO) test -race -shuffle=on -p 1 -timeout 40m ./...

RUNS ?= 200
.PHONY: bench
bench: programs ## how long the application is frozen beyond VolSync's own time, run RUNS times, beside steps and kubectl
	cd test && COPYTRIGGER_CLUSTER_TESTS=1 $(GO) test -run '^$$' -bench '^BenchmarkFreeze$$/^run' -benchtime=$(RUNS)x -timeout 60m ./integration
	cd test && COPYTRIGGER_CLUSTER_TESTS=1 $(GO) test -run '^$$' -bench '^BenchmarkFreeze$$/^(steps|kubectl)' -benchtime=20x -timeout 60m ./integration

# What the examples and the throw-away node need of Debian. Without root it says so, and
# nothing that needs a node runs.
.PHONY: node-tools
node-tools:
	@set -e; missing=; \
	for p in /usr/bin/containerd:containerd /usr/sbin/runc:runc /usr/lib/cni/ptp:containernetworking-plugins /usr/bin/mmdebstrap:mmdebstrap; do \
		[ -e "$${p%%:*}" ] || missing="$$missing $${p##*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "a node needs root and:$$missing" >&2; exit 1; \
	fi; \
	apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove $$missing >/dev/null

# The tests in test/e2e/$(1), and the table that they make.
define e2e
@sync # what building has left to be written would be measured, too
cd test && COPYTRIGGER_E2E_TESTS=1 COPYTRIGGER_IMAGE=$(abspath $(IMAGE_ARCHIVE)) COPYTRIGGER_FREEZE_TABLE=$(CURDIR)/bin/freeze-$(1).md \
	$(GO) test -count=1 -shuffle=on -timeout 60m -v ./e2e/$(1)
@cat bin/freeze-$(1).md
endef

.PHONY: e2e-tekton
e2e-tekton: node-tools image ## the shipped YAML and image on the real Tekton, with real pods; needs root
	cd test && $(GO) run ./cmd/devcluster build --tekton
	cd test && COPYTRIGGER_E2E_TESTS=1 $(GO) test -count=1 -timeout 30m -run '^TestNode$$' ./cluster
	$(call e2e,tekton)

# The databases that the recipes are for, of Debian; none of their servers is to be started
# as a service. Where it cannot install, what is missing is skipped.
RECIPE_TOOLS := bash:bash mariadbd:mariadb-server mariadb-install-db:mariadb-server redis-server:redis-server \
	sqlite3:sqlite3 fsfreeze:util-linux mkfs.ext4:e2fsprogs mount:mount kubectl:kubernetes-client
.PHONY: recipe-tools
recipe-tools: postgresql
	@set -e; PATH=$$PATH:/usr/sbin:/sbin; missing=; \
	for p in $(RECIPE_TOOLS); do \
		command -v "$${p%%:*}" >/dev/null || missing="$$missing $${p##*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "recipes that are skipped need:$$missing" >&2; exit 0; \
	fi; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; \
	fi; \
	apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove $$missing >/dev/null

.PHONY: recipes
recipes: recipe-tools programs ## the recipes of docs/recipes against the real databases
	@sync # the databases would wait for what building has left to be written
	cd test && COPYTRIGGER_RECIPE_TESTS=1 $(GO) test -count=1 -race -shuffle=on -timeout 40m -v ./recipes

.PHONY: e2e-argo
e2e-argo: node-tools image ## the same for Argo Workflows
	cd test && $(GO) run ./cmd/devcluster build --argo
	$(call e2e,argo)

.PHONY: e2e-jobs
e2e-jobs: node-tools image ## the same for the CronJob, which needs no engine
	cd test && $(GO) run ./cmd/devcluster build --node
	$(call e2e,jobs)

# Each suite adds its count to the others'; the last one's line is of all. All run, whatever fails.
.PHONY: test-existing
test-existing: ## what can run in the cluster of KUBECONFIG, if USE_EXISTING_CLUSTER=true says that it is meant
	@[ "$$USE_EXISTING_CLUSTER" = true ] || { echo 'this runs tests in the current context of KUBECONFIG; say USE_EXISTING_CLUSTER=true if that is meant (test/README.md)' >&2; exit 2; }
	@mkdir -p bin; rm -f bin/tally.json
	@failed=; for suite in integration e2e/jobs e2e/tekton e2e/argo; do \
		(cd test/$$suite && COPYTRIGGER_TALLY=$(CURDIR)/bin/tally.json $(GO) test -count=1 -timeout 60m) || failed="$$failed $$suite"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

.PHONY: tasks-image
tasks-image: ## build the image as IMAGE=NAME:TAG and name it in tasks/, workflows/ and jobs/, with its digest
	@set -e; image='$(IMAGE)'; name=$${image%:*}; tag=$${image##*:}; \
	case "$$image" in *:*/*|*@*|'') name= ;; *:*) ;; *) name= ;; esac; \
	[ -n "$$name" ] || { echo 'usage: make tasks-image IMAGE=registry.example.com/copytrigger:v0.1.0' >&2; exit 2; }; \
	$(MAKE) --no-print-directory image VERSION="$$tag"; \
	digest=$$($(GO) -C $(images_dir) run ./copytrigger/imageinfo $(abspath $(IMAGE_ARCHIVE)) | awk '$$1 == "index" {print $$2}'); \
	sed -i -e "s|newName: .*|newName: $$name|" -e "s|newTag: .*|newTag: $$tag|" -e "s|digest: .*|digest: $$digest|" \
		tasks/kustomization.yaml workflows/templates/kustomization.yaml jobs/kustomization.yaml; \
	echo "tasks/, workflows/ and jobs/: $$name:$$tag@$$digest"; \
	echo "now: skopeo copy --all oci-archive:$(IMAGE_ARCHIVE) docker://$$image"

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
