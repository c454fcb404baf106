# syntax=docker/dockerfile:1
FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build
# jemalloc is built with its own makefile.
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -r /var/lib/apt/lists/*
# Build the dependencies in their own layer, which stays cached when the sources change. Targets that need
# files under tests/ are removed from the manifest: the image needs only the binary.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
# Sets JEMALLOC_SYS_WITH_LG_PAGE=16 for jemalloc on ARM.
COPY .cargo .cargo
COPY build.rs .
ARG GIT_COMMIT=unknown
RUN sed -i '/^\[\[\(test\|example\|bench\)\]\]/,/^$/d' Cargo.toml \
    && sed -i '/^components/d' rust-toolchain.toml \
    && mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin registry-token-operator \
    && rm -r src
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin registry-token-operator

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/registry-token-operator /registry-token-operator
# The pods name no user, because OpenShift sets one.
USER 65532
EXPOSE 8080
ENTRYPOINT ["/registry-token-operator"]
CMD ["run"]
