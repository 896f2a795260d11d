# One image with both programs: `holdfast` (the broker and the tool) and `holdfast-operator`.
#
#   docker build --tag holdfast .
#       compiles them here; needs a network and, the first time, patience: RocksDB is compiled too.
#   buildah build --isolation chroot --target prebuilt --build-arg BASE_IMAGE=... --tag holdfast .
#       takes dist/holdfast and dist/holdfast-operator, built before on a Debian 12, and compiles
#       nothing. No daemon and no RUN is needed.
#
# Both targets end in the same stage, `layout`: only where the programs come from differs.
#
# The programs are linked dynamically to glibc, libstdc++ and libgcc, and to nothing else (RocksDB is
# inside them). The base must have these, as new as those of the machine that compiled; a shell and a
# package manager are not needed.

ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BASE_IMAGE} AS layout
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="A Kafka-compatible message broker that never loses an acknowledged record, and its Kubernetes operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The operator gives the pods the same number; by number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /
# Clients, brokers among themselves, metrics and probes, the admin API; 8080 is the operator's.
EXPOSE 9092 9192 9292 9392 8080
ENTRYPOINT ["/usr/local/bin/holdfast"]
CMD ["help"]

FROM layout AS prebuilt
COPY dist/holdfast dist/holdfast-operator /usr/local/bin/

FROM ${BUILD_IMAGE} AS build
# libclang makes RocksDB's bindings.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# What is compiled stays in caches between builds; the programs leave them.
RUN --mount=type=cache,target=/cache \
    --mount=type=cache,target=/usr/local/cargo/registry \
    export XDG_CACHE_HOME=/cache CARGO_TARGET_DIR=/cache/holdfast/target ROCKSDB_STATIC=1 \
    && ROCKSDB_LIB_DIR="$(.ci/rocksdb)" \
    && export ROCKSDB_LIB_DIR \
    && cargo build --release --locked --package holdfast-cli --package holdfast-operator \
    && mkdir /out \
    && strip -o /out/holdfast "$CARGO_TARGET_DIR/release/holdfast" \
    && strip -o /out/holdfast-operator "$CARGO_TARGET_DIR/release/holdfast-operator"

FROM layout AS release
COPY --from=build /out/holdfast /out/holdfast-operator /usr/local/bin/
