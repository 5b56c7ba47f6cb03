# One image for every part; compose.yaml says which part a container runs.
FROM python:3.11.17-slim-bookworm AS base

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv --without-pip /opt/headcount
COPY requirements/server.txt requirements/
# Wheels only: nothing is compiled, and no package's own build script runs.
RUN python -m pip --python /opt/headcount/bin/python install \
    --no-deps --only-binary :all: --require-hashes --requirement requirements/server.txt
COPY LICENSE README.md pyproject.toml ./
COPY api api
COPY embedded embedded
COPY headcount headcount
COPY httpd httpd
COPY ingest ingest
COPY projector projector
RUN python -m pip --python /opt/headcount/bin/python install --no-deps --no-index --no-build-isolation . \
    && python -m pip --python /opt/headcount/bin/python check

FROM base
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Headcount" \
      org.opencontainers.image.description="Live counts of the distinct people active in a chat workspace" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 headcount \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headcount
COPY --from=build /opt/headcount /opt/headcount
ENV PATH=/opt/headcount/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["headcount"]
CMD ["--help"]
