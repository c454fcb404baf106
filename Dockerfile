# The base images are pinned by the digests of their indexes, which cover amd64 and arm64: docs/release.md says how they are
# checked and updated.
FROM docker.io/library/rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0 AS build
WORKDIR /build
# jemalloc is built with its own makefile.
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -r /var/lib/apt/lists/*
# Build the dependencies in their own layer, which stays cached when the sources change. Targets that need
# files under tests/ are removed from the manifest: the image needs only the binary.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
# Sets JEMALLOC_SYS_WITH_LG_PAGE=16 for jemalloc on ARM.
COPY .cargo .cargo
COPY build.rs .
RUN sed -i '/^\[\[\(test\|example\|bench\)\]\]/,/^$/d' Cargo.toml \
    && sed -i '/^components/d' rust-toolchain.toml \
    && mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin registry-token-operator \
    && rm -r src
COPY src src
ARG GIT_COMMIT=unknown
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin registry-token-operator
# The binary needs one library that the final image lacks. Its folder depends on the architecture.
RUN cp /usr/lib/*-linux-gnu/libgcc_s.so.1 .

# glibc, CA certificates and time zones; no shell, no package manager and no OpenSSL.
FROM gcr.io/distroless/base-nossl-debian13:nonroot@sha256:8c563c1fb5e120606f0d85733049775faed6192e2bd2223ef283a5393eec22b9
COPY --from=build /build/libgcc_s.so.1 /usr/lib/
COPY --from=build /build/target/release/registry-token-operator /registry-token-operator
ARG VERSION=unknown
ARG GIT_COMMIT=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="registry-token-operator" \
    org.opencontainers.image.description="Keeps container-registry tokens of a vendor portal as Kubernetes pull secrets" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${GIT_COMMIT}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.base.name="gcr.io/distroless/base-nossl-debian13:nonroot" \
    org.opencontainers.image.base.digest="sha256:8c563c1fb5e120606f0d85733049775faed6192e2bd2223ef283a5393eec22b9"
# The pods name no user, because OpenShift sets one.
USER 65532
EXPOSE 8080
ENTRYPOINT ["/registry-token-operator"]
CMD ["run"]
