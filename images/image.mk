# The container image, built without a Docker daemon. To be included by the
# Makefile, which may set any of these variables before.
#
#   make image         build $(IMAGE_ARCHIVE), an OCI archive for all $(IMAGE_ARCHES)
#   make image-check   build it twice, compare the digests, check the content

GO                ?= go
BUILDAH           ?= buildah
MAIN_PKG          ?= ./cmd/copytrigger
VERSION           ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION          ?= $(shell git rev-parse --verify --quiet HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
GO_TAGS           ?= urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2
GO_LDFLAGS        ?= -s -w -X main.version=$(VERSION) -X main.commit=$(REVISION) -X main.date=$(SOURCE_DATE_EPOCH)
IMAGE_ARCHIVE     ?= bin/copytrigger-image.tar
IMAGE_ARCHES      ?= amd64 arm64
IMAGE_NAME        ?= localhost/copytrigger
# Go's cryptographic module: off, or a version such as v1.0.0 (docs/operations.md).
IMAGE_FIPS        ?= off
# A version such as v1.0.0+build is not a valid tag.
IMAGE_TAG         ?= $(subst +,_,$(VERSION))

images_dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
images_makefile := $(firstword $(MAKEFILE_LIST))

# What may be set in the environment and would change the binary is set here.
image_go_env = GOFLAGS= GOEXPERIMENT= GOFIPS140=$(IMAGE_FIPS) CGO_ENABLED=0 \
	GOOS=linux GOARCH=$$arch GOAMD64=v1 GOARM64=v8.0

# Storage and configuration are the build's own, so that neither images nor
# settings of the machine get in, and no image is left behind.
image_buildah = CONTAINERS_CONF=/dev/null CONTAINERS_STORAGE_CONF=$$tmp/storage.conf \
	TMPDIR=$$tmp/tmp $(BUILDAH) --storage-driver vfs --root $$tmp/root --runroot $$tmp/run

# Images have read-only directories, which only root could remove.
image_cleanup = trap 'chmod -R u+w "$$tmp" && rm -rf "$$tmp"' EXIT; trap 'exit 1' HUP INT TERM

.PHONY: image image-check

image: tools-image ## build the OCI archive bin/copytrigger-image.tar
	@set -eu; tmp=$$(mktemp -d); $(image_cleanup); \
	mkdir -p $$tmp/context $$tmp/tmp $(dir $(IMAGE_ARCHIVE)); \
	printf '[storage]\ndriver = "vfs"\n' >$$tmp/storage.conf; \
	GOFLAGS= $(GO) -C $(images_dir) run ./copytrigger/cacerts >$$tmp/context/ca-certificates.crt; \
	for arch in $(IMAGE_ARCHES); do \
		$(image_go_env) $(GO) build -trimpath -buildvcs=false -tags '$(GO_TAGS)' \
			-ldflags '$(GO_LDFLAGS)' -o $$tmp/context/linux/$$arch/copytrigger $(MAIN_PKG); \
	done; \
	: 'one platform after the other, so that their order in the index is fixed'; \
	for arch in $(IMAGE_ARCHES); do \
		$(image_buildah) build --quiet --isolation chroot --cni-config-dir $$tmp/cni \
			--platform linux/$$arch --manifest $(IMAGE_NAME) --format oci \
			--timestamp $(SOURCE_DATE_EPOCH) --identity-label=false \
			--build-arg VERSION='$(VERSION)' --build-arg REVISION='$(REVISION)' \
			--file $(images_dir)/copytrigger/Dockerfile $$tmp/context >$$tmp/log 2>&1 || \
			{ cat $$tmp/log >&2; exit 1; }; \
	done; \
	$(image_buildah) manifest push --quiet --all --format oci \
		$(IMAGE_NAME) oci:$$tmp/oci:$(IMAGE_NAME):$(IMAGE_TAG) >$$tmp/log 2>&1 || \
		{ cat $$tmp/log >&2; exit 1; }; \
	: 'an oci-archive is this directory as a tar; packed here to have fixed times and order'; \
	tar --create --file=$(IMAGE_ARCHIVE).tmp --directory=$$tmp/oci --format=ustar --sort=name \
		--owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@$(SOURCE_DATE_EPOCH) \
		oci-layout index.json blobs; \
	mv $(IMAGE_ARCHIVE).tmp $(IMAGE_ARCHIVE); \
	echo "$(IMAGE_ARCHIVE): $(IMAGE_NAME):$(IMAGE_TAG)"; \
	GOFLAGS= $(GO) -C $(images_dir) run ./copytrigger/imageinfo $(abspath $(IMAGE_ARCHIVE))

# The second build differs in what must not matter: directory, storage, umask,
# time zone and locale. With IMAGE_CHECK_COLD=1 it also compiles everything
# anew, instead of taking the binaries from Go's build cache.
image-check: tools-image ## build the image twice, compare the digests, check the content
	@set -eu; tmp=$$(mktemp -d); $(image_cleanup); \
	$(MAKE) --no-print-directory -f $(images_makefile) image; \
	mkdir $$tmp/tmp; umask 077; \
	TMPDIR=$$tmp/tmp TZ=Pacific/Auckland LC_ALL=C $(if $(IMAGE_CHECK_COLD),GOCACHE=$$tmp/gocache) \
		$(MAKE) --no-print-directory -f $(images_makefile) image IMAGE_ARCHIVE=$$tmp/again.tar; \
	COPYTRIGGER_IMAGE=$(abspath $(IMAGE_ARCHIVE)) COPYTRIGGER_IMAGE_AGAIN=$$tmp/again.tar \
	COPYTRIGGER_IMAGE_VERSION='$(VERSION)' COPYTRIGGER_IMAGE_REVISION='$(REVISION)' \
	COPYTRIGGER_IMAGE_EPOCH='$(SOURCE_DATE_EPOCH)' COPYTRIGGER_IMAGE_ARCHES='$(IMAGE_ARCHES)' \
		$(GO) -C $(images_dir) test -count=1 -v ./...
