# syntax=docker/dockerfile:1
# One service as an image:
#
#     docker build -f deploy/service.Dockerfile --build-arg SERVICE=api .
#
# SERVICE is api, job-worker, result-worker, dlq-worker or jobstream-setup (with FOLDER=deploy/setup). What others have
# made comes by hash from requirements/SERVICE.lock; the workspace's own packages are built here from their sources.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
WORKDIR /src
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
COPY requirements/bootstrap.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --no-deps -r requirements/bootstrap.lock
ARG SERVICE
COPY requirements/${SERVICE}.lock requirements/
# Wheels alone: a package that wanted a compiler would be noticed here. Some carry their debug symbols, a third of the
# image.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv -q /app && \
    uv pip sync -q --require-hashes --only-binary :all: --python /app/bin/python requirements/${SERVICE}.lock && \
    find /app -name '*.so' -exec strip --strip-debug {} +
ARG FOLDER=services/${SERVICE}
COPY shared shared
COPY ${FOLDER} ${FOLDER}
# uv has its own build backend in it, so nothing is fetched.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install -q --offline --no-deps --python /app/bin/python ./shared/* ./${FOLDER} && \
    printf '#!/bin/sh\nexec python -m %s "$@"\n' "$(echo ${SERVICE} | tr - _)" > /app/bin/service && \
    chmod 755 /app/bin/service

FROM python:${PYTHON}-slim
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="jobstream/${SERVICE}" \
      org.opencontainers.image.description="Jobstream: ${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The Jobstream authors" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Bytecode was compiled above; at run time the file system may be read-only.
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HTTP__HOST=0.0.0.0 OPS__HOST=0.0.0.0 OPS__PORT=9090
COPY --from=build --link /app /app
USER 10001:10001
WORKDIR /tmp
EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=1m --retries=5 \
    CMD ["python", "-m", "service_chassis.probe"]
CMD ["service"]
