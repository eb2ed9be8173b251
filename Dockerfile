# Pin the base by digest where that matters: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Dependencies before code: this layer is built again only when the lock changes. Wheels only, so nothing needs a compiler.
# pip stays outside the virtual environment, and so out of the image's path.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/forwarder \
    && python -m pip --python /opt/forwarder install \
        --require-hashes --only-binary :all: --requirement requirements.lock

# The build backend comes from a lock as well: pip alone would fetch whatever version is the newest today.
COPY requirements-build.lock ./
RUN python -m pip install --require-hashes --only-binary :all: --requirement requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY sql sql
COPY forwarder forwarder
RUN python -m hatchling build --target wheel --directory dist \
    && python -m pip --python /opt/forwarder install --no-deps --no-index dist/*.whl

# For sslrootcert=rds, if it lies beside this file: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem. The name is a pattern,
# since COPY fails on a file that is not there; LICENSE is there for it to find something.
COPY LICENSE global-bundle.pe[m] /build/rds/
RUN mkdir -p /opt/forwarder/share/forwarder \
    && if [ -f rds/global-bundle.pem ]; then cp rds/global-bundle.pem /opt/forwarder/share/forwarder/rds-global-bundle.pem; fi


FROM ${PYTHON_IMAGE}
# Orchestrators that insist on a non-root user compare numbers, so USER below is one. The name is for libpq's default user.
RUN groupadd --gid 65532 forwarder \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin forwarder
COPY --from=build /opt/forwarder /opt/forwarder

# Nothing is ever written: run it with a read-only root. HOME is set because runtimes differ in what they make of it, and
# asyncpg fails on a home directory that it may not look into.
ENV PATH=/opt/forwarder/bin:$PATH \
    HOME=/nonexistent \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

# A forwarder.toml mounted here is read without further settings.
WORKDIR /etc/forwarder
USER 65532:65532

# Asks the process itself, at the address that FORWARDER_HTTP_BIND or the settings file gives; no shell, and past any proxy of the environment.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-P", "-m", "forwarder.status.probe"]

ENTRYPOINT ["forwarder"]
CMD ["listen"]
