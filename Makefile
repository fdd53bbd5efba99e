# copytrigger. `make help` lists what there is.

GO             ?= go
GO_TAGS        ?= urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GOCOGNIT       ?= github.com/uudashr/gocognit/cmd/gocognit@v1.2.0
STATICCHECK    ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK    ?= golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOTESTSUM      ?= gotest.tools/gotestsum@v1.13.0
# Each module by itself: what the tests need must not reach the program.
MODULES        := . test images workflows release
# Where the program has to build beside Linux.
# Of the platforms of a release those by which the others differ: a full set takes ten minutes to compile.
PLATFORMS      := darwin/arm64 windows/amd64
# The versions of what a cluster is made of: a column of test/devcluster/upstream/versions.
VERSIONS       ?= current
export VERSIONS
# Compiled as the program and the cluster's programs are: what they share is compiled once.
PLAIN          := CGO_ENABLED=0 GOFLAGS=-trimpath
RELEASE        := $(PLAIN) $(GO) -C release run . -C ..
DEVCLUSTER     := $(PLAIN) $(GO) run ./devcluster

.DEFAULT_GOAL  := help
.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

include images/image.mk

.PHONY: build
build: ## build bin/copytrigger
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(GO_TAGS) \
		-ldflags '$(GO_LDFLAGS)' -o bin/copytrigger ./cmd/copytrigger

# The groups of .ci/packages that a target needs, as tools-GROUP.
.PHONY: tools-image tools-test tools-demo tools-recipes tools-node
tools-image tools-test tools-demo tools-recipes tools-node: tools-%:
	@.ci/install $*

# go test of the suite $(1), told in short, and kept for docs/versions.md.
gotest = mkdir -p $(CURDIR)/bin/ran/$(VERSIONS) && $(GO) run $(GOTESTSUM) --format=pkgname --format-hide-empty-pkg \
	--jsonfile=$(CURDIR)/bin/ran/$(VERSIONS)/$(1).json --

# The race detector needs a C compiler; where there is none .ci/install has said so.
RACE = $$(command -v $${CC:-gcc} >/dev/null && echo -race)

.PHONY: test
test: unit integration ## every test, on a throw-away cluster

.PHONY: unit
unit: tools-test ## the tests that need no cluster
	$(call gotest,unit) $(RACE) -shuffle=on -timeout 30m ./...
	$(call gotest,search) -timeout 30m -run '^Test(EveryOrder|Owners)$$' ./internal/handshake
	cd workflows && export $(PLAIN) && $(call gotest,workflows) -shuffle=on -timeout 30m ./...

# The corpora are kept in testdata/fuzz; `make unit` runs them as tests.
FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## look for input that what parses does not bear, FUZZTIME for each target
	@set -e; for file in $$(git grep -l '^func Fuzz' -- 'internal/*_test.go'); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' $$file); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
		done; \
	done

.PHONY: vulncheck
vulncheck: ## known vulnerabilities of what the program is made of, where their database can be reached
	@if curl -fs -m 10 -o /dev/null https://vuln.go.dev/index/db.json; then $(GO) run $(GOVULNCHECK) ./cmd/...; \
	else echo 'not checked: https://vuln.go.dev cannot be reached'; fi

.PHONY: integration
integration: tools-test programs ## the tests on a throw-away cluster with the real VolSync
	@sync # what building has left to be written would hold up the disk
	cd test && export COPYTRIGGER_CLUSTER_TESTS=1 && $(call gotest,integration) $(RACE) -shuffle=on -p 1 -timeout 40m ./...

# kubectl to compare with is built as the program is. BEFORE is another build of the program, to measure in turns.
RUNS ?= 100
BEFORE ?=
.PHONY: bench
bench: programs ## what a freeze costs, beside kubectl: writes docs/performance.md (RUNS in place of 100; BEFORE=PROGRAM compares)
	@mkdir -p bin/kubectl
	cd test/devcluster/upstream && $(PLAIN) $(GO) build -modfile=$(VERSIONS)/kubernetes.mod -ldflags='-s -w' \
		-o $(CURDIR)/bin/kubectl/kubectl k8s.io/kubernetes/cmd/kubectl
	@sync # what building has left to be written would be measured, too
	cd test && COPYTRIGGER_BENCH=$(if $(BEFORE),compare,page) COPYTRIGGER_BENCH_BEFORE=$(abspath $(BEFORE)) RUNS=$(RUNS) \
		COPYTRIGGER_KUBECTL_DIR=$(CURDIR)/bin/kubectl $(GO) test -count=1 -v -run '^TestBench$$' -timeout 3h ./bench

# Coordinations with their counts in the directory CHAOS, and a table of all counts there beside it; $(1): more flags of go test.
CHAOS ?= $(CURDIR)/bin/chaos$(addprefix -,$(CHAOS_ONLY))
chaos = cd test && COPYTRIGGER_CHAOS_TESTS=1 CHAOS_RUNS=$(RUNS) CHAOS_SEED=$(CHAOS_SEED) CHAOS_COUNTS=$(CHAOS) CHAOS_TABLE=$(CHAOS).md \
	$(GO) run $(GOTESTSUM) --format=pkgname --jsonfile=$(CHAOS).json -- -count=1 -timeout 12h $(1) ./chaos

.PHONY: chaos
chaos: RUNS = 100
chaos: programs ## RUNS randomized coordinations under faults, signals and kills, and the controls (CHAOS_SEED=n: those of a seed again)
	@rm -rf $(CHAOS); mkdir -p bin; sync # what building has left to be written would hold up the disk
	$(call chaos)
	@cat $(CHAOS).md

# The same plans each time, so that nobody's change is red by the chance of another's plan.
.PHONY: chaos-short
chaos-short: CHAOS_SEED = 1
chaos-short: CHAOS = $(CURDIR)/bin/chaos-short
chaos-short: export CHAOS_SHORT = yes
chaos-short: chaos ## the same with a fixed seed, where nobody waits longer than there is something to wait for

# In pieces, each with a seed and a cluster of its own: what ends one, ends one. Those that there are already count, too.
PIECE ?= 250
.PHONY: chaos-long
chaos-long: RUNS = 5000
chaos-long: CHAOS_SEED ?= $(shell date +%s)
chaos-long: programs ## RUNS coordinations in pieces of PIECE, with seeds from CHAOS_SEED on; adds to the counts of the last campaign
	@mkdir -p bin; failed=; seed=$(CHAOS_SEED); end=$$((seed + ($(RUNS) + $(PIECE) - 1) / $(PIECE))); \
	while [ $$seed -lt $$end ]; do \
		$(MAKE) --no-print-directory chaos-piece RUNS=$(PIECE) CHAOS_SEED=$$seed || failed="$$failed $$seed"; \
		seed=$$((seed + 1)); \
	done; cat $(CHAOS).md; [ -z "$$failed" ] || { echo "failed: seeds$$failed" >&2; exit 1; }

.PHONY: chaos-piece
chaos-piece:
	$(call chaos,-run '^TestCampaign$$')

.PHONY: reliability
reliability: ## put the counts of the last campaign into docs/reliability.md
	@sed -i -e '/campaign: begin/,/campaign: end/{//!d}' -e '/campaign: begin/r $(CHAOS).md' docs/reliability.md

.PHONY: recipes
recipes: tools-recipes tools-test programs ## the recipes of docs/recipes against the real databases
	@sync # the databases would wait for what building has left to be written
	cd test && export COPYTRIGGER_RECIPE_TESTS=1 && $(call gotest,recipes) -count=1 $(RACE) -shuffle=on -timeout 40m ./recipes

# The tests of the packages $(2) in test/e2e, in one cluster with the parts $(1). First, with the
# cluster to themselves, those that measure how long an application is frozen, which leave the
# tables bin/freeze-PACKAGE.md, and those that end the kubelet. Then all others side by side.
# e2e/synced freezes nothing for long, and measures nothing.
define e2e
cd test && $(DEVCLUSTER) build $(1)
@sync # what building has left to be written would be measured, too
cd test && COPYTRIGGER_E2E_TESTS=1 COPYTRIGGER_IMAGE=$(abspath $(IMAGE_ARCHIVE)) COPYTRIGGER_FREEZE_TABLES=$(CURDIR)/bin $(PLAIN) \
	$(GO) run ./devcluster run $(1) -- sh -ec \
	'$(call gotest,freeze) -count=1 -timeout 60m -p 1 -run "^Test(Freeze|KubeletDies)$$" $(2) && $(call gotest,e2e) -count=1 -shuffle=on -timeout 60m -p 3 -skip "^Test(Freeze|KubeletDies)$$" $(2)'
@for table in $(patsubst ./e2e/%,bin/freeze-%.md,$(filter-out ./e2e/synced,$(2))); do echo "$$table"; cat "$$table"; done
endef

.PHONY: e2e
e2e: tools-node image ## the shipped YAML and image on the real Tekton and Argo Workflows, and without an engine; needs root
	$(call e2e,--tekton --argo --databases,./e2e/tekton ./e2e/argo ./e2e/jobs ./e2e/inpod ./e2e/synced)

.PHONY: e2e-tekton
e2e-tekton: tools-node image ## the same for Tekton alone
	$(call e2e,--tekton,./e2e/tekton)

.PHONY: e2e-argo
e2e-argo: tools-node image ## the same for Argo Workflows alone
	$(call e2e,--argo,./e2e/argo)

.PHONY: e2e-jobs
e2e-jobs: tools-node image ## the same for the CronJob, which needs no engine
	$(call e2e,--node,./e2e/jobs)

.PHONY: e2e-inpod
e2e-inpod: tools-node image ## the same for commands in the application's own pod, and their recipes
	$(call e2e,--databases,./e2e/inpod)

.PHONY: e2e-synced
e2e-synced: tools-node image ## the same for what waits until VolSync's mover has moved the data
	$(call e2e,--node,./e2e/synced)

# By itself: Argo Events is six minutes of CPU time to build, and its resyncs are waited for.
.PHONY: e2e-events
e2e-events: tools-node image ## the same for Argo Events, with Argo Workflows and Tekton
	cd test && $(DEVCLUSTER) build --events --tekton
	cd test && COPYTRIGGER_E2E_TESTS=1 COPYTRIGGER_IMAGE=$(abspath $(IMAGE_ARCHIVE)) $(PLAIN) \
		$(GO) run ./devcluster run --events --tekton -- sh -ec \
		'$(call gotest,events) -count=1 -timeout 60m ./e2e/events'

.PHONY: node
node: tools-node ## the throw-away node itself: it runs pods, and leaves nothing behind
	cd test && $(DEVCLUSTER) build --tekton
	cd test && COPYTRIGGER_E2E_TESTS=1 $(PLAIN) $(GO) test -count=1 -timeout 30m -run '^TestNode$$' ./devcluster/cluster

# Each suite adds its count to the others'; the last one's line is of all. All run, whatever fails.
.PHONY: test-existing
test-existing: ## what can run in the cluster of KUBECONFIG, if USE_EXISTING_CLUSTER=true says that it is meant
	@[ "$$USE_EXISTING_CLUSTER" = true ] || { echo 'this runs tests in the current context of KUBECONFIG; say USE_EXISTING_CLUSTER=true if that is meant (test/README.md)' >&2; exit 2; }
	@mkdir -p bin; rm -f bin/tally.json
	@failed=; for suite in integration e2e/jobs e2e/tekton e2e/argo; do \
		(cd test/$$suite && COPYTRIGGER_TALLY=$(CURDIR)/bin/tally.json $(GO) test -count=1 -timeout 60m) || failed="$$failed $$suite"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

# An image that is named by its digest is there already; any other is built first.
.PHONY: deploy
deploy: ## overlays in bin/deploy that name your image, IMAGE=NAME:TAG[@DIGEST] [OPENSHIFT=1]; builds it first without DIGEST
	@set -e; image='$(IMAGE)'; \
	$(RELEASE) deploy "$$image" bin/deploy; \
	case "$$image" in *@*) ;; *) \
		$(MAKE) --no-print-directory image VERSION="$${image##*:}"; \
		digest=$$($(GO) -C $(images_dir) run ./copytrigger/imageinfo $(abspath $(IMAGE_ARCHIVE)) | awk '$$1 == "index" {print $$2}'); \
		$(RELEASE) deploy "$$image@$$digest" bin/deploy; \
		echo "push it: skopeo copy --all oci-archive:$(IMAGE_ARCHIVE) docker://$$image" ;; \
	esac; \
	echo "apply what you need: kubectl apply -k bin/deploy/tasks, workflows, jobs, or recipes/NAME"

.PHONY: release-files
release-files: ## what a release publishes beside image and archives, in bin/release, for IMAGE=NAME:TAG@DIGEST
	@$(RELEASE) files '$(IMAGE)' bin/release

.PHONY: scan
scan: ## known vulnerabilities in what the program reaches
	$(GO) run $(GOVULNCHECK) -tags $(GO_TAGS) ./cmd/...

.PHONY: demo
demo: tools-demo build programs ## show a whole coordination, and the same copy without it
	cd test && $(PLAIN) $(GO) run ./demo --copytrigger $(CURDIR)/bin/copytrigger

.PHONY: cluster
cluster: programs ## leave a cluster running, and print how to use it
	@cd test && $(DEVCLUSTER) up --detach

.PHONY: cluster-down
cluster-down: ## stop the cluster that `make cluster` left running
	@cd test && $(DEVCLUSTER) down

.PHONY: programs
programs: ## build the cluster's programs into .cache (the first time takes minutes)
	@cd test && $(DEVCLUSTER) build

.PHONY: check
# A picture of 131 columns, as a terminal shows it.
check: WIDE = test/demo/timeline_test.go
check: ## formatting, lines that fit a page, go vet, staticcheck, tidy modules, generated files, no function that is hard to follow
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	@long=$$(git ls-files '*.go' | grep -vxF $(WIDE) | LC_ALL=C.UTF-8 xargs grep -nE '^.{121,}'); \
		[ -z "$$long" ] || { echo "more than 120 characters:"; echo "$$long"; exit 1; }
	@$(GO) test -run '^TestGenerated$$' ./internal/cli ./docs
	@$(GO) run $(GOCOGNIT) -ignore _test.go -over 20 cmd internal
	@set -e; for module in $(MODULES); do \
		echo "checking $$module"; \
		(cd $$module && $(GO) mod tidy -diff && $(PLAIN) $(GO) vet ./... && $(PLAIN) $(GO) run $(STATICCHECK) ./...); \
	done
	@cd release && $(PLAIN) $(GO) test ./...
	@set -e; for platform in $(PLATFORMS); do \
		echo "checking the program for $$platform"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(PLAIN) $(GO) vet ./cmd/... ./internal/... && $(PLAIN) $(GO) build -o /dev/null -tags $(GO_TAGS) ./cmd/copytrigger; \
	done

# What is made of the command line: docs/reference.md, the man page, completions; of docs/run.txt: docs/run.svg.
.PHONY: generate
generate: ## make what is made of other files: docs/reference.md, the man page, completions, docs/run.svg
	$(GO) test -count=1 -run '^TestGenerated$$' ./internal/cli ./docs -update

.PHONY: versions
versions: ## make docs/versions.md from the tests that ran last, on each set of versions
	cd test && $(PLAIN) $(GO) run ./versions

.PHONY: clean
clean: cluster-down ## remove what was built
	rm -rf bin .cache
