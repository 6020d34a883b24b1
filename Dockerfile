# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /app
ENV SQLX_OFFLINE=true

# The dependencies alone: this layer lasts until Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && for bench in $(sed -n '/^\[\[bench\]\]/,/^name/s/^name *= *"\(.*\)"/\1/p' Cargo.toml); do touch "benches/$bench.rs"; done \
    && cargo build --release --locked --bin quests

COPY .sqlx .sqlx
COPY migrations migrations
COPY examples examples
COPY openapi openapi
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin quests

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin quests
COPY --from=build /app/target/release/quests /usr/local/bin/quests
USER quests
ENV BIND_ADDR=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["quests"]
CMD ["serve"]
