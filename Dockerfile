# The command line, for CI jobs that run in a container: docker build --tag ebbtide .
# It is linted, and was not built: the project's tests have no container runtime.
FROM public.ecr.aws/docker/library/rust:1.95-slim-bookworm AS build
WORKDIR /ebbtide
COPY . .
RUN cargo build --release --locked --bin ebbtide

FROM public.ecr.aws/docker/library/debian:bookworm-slim
# Certificates for the calls to AWS. Debian keeps one version of them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home ebbtide
COPY --from=build /ebbtide/target/release/ebbtide /usr/local/bin/
USER 10001
WORKDIR /home/ebbtide
# No entry point: a CI job brings its own shell.
CMD ["ebbtide", "--help"]
