# syntax=docker/dockerfile:1
# Two stages: the first installs exactly what uv.lock pins, by hash, and gathers what the daemon needs to run; the
# second holds that and nothing else: no shell, no package manager, one program. It runs as an unprivileged user
# with a read-only file system.
#
# In a cluster nothing but /etc/serinus/policies is used. On one machine set SERINUS_STATE_DIR=/var/lib/serinus,
# mount a volume there, and reach the daemon with `docker exec CONTAINER /opt/serinus/bin/python -m controller ...`.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY deploy/local/uv.txt ./
RUN pip install --no-cache-dir --require-hashes -r uv.txt
ENV UV_PROJECT_ENVIRONMENT=/opt/serinus UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY controller controller
RUN uv sync --frozen --no-dev --no-editable
COPY deploy/image/collect.py ./
RUN python collect.py /opt/serinus /image /owned

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /owned /
ENV LANG=C.UTF-8 \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    SERINUS_POLICIES_DIR=/etc/serinus/policies
USER 65532:65532
EXPOSE 9178
ENTRYPOINT ["/opt/serinus/bin/python", "-m", "controller"]
CMD ["run"]
