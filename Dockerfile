# syntax=docker/dockerfile:1
# Two stages: the first installs exactly what uv.lock pins, by hash; the second has Python, that virtual
# environment and nothing else. It needs no shell at run time and runs as an unprivileged user.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY deploy/local/uv.txt ./
RUN pip install --no-cache-dir --require-hashes -r uv.txt
ENV UV_PROJECT_ENVIRONMENT=/opt/serinus UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY controller controller
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.11-slim-bookworm
COPY --from=build /opt/serinus /opt/serinus
RUN install -d -o 65532 -g 65532 /var/lib/serinus /run/serinus /etc/serinus/policies
ENV PYTHONDONTWRITEBYTECODE=1 \
    SERINUS_STATE_DIR=/var/lib/serinus \
    SERINUS_POLICIES_DIR=/etc/serinus/policies \
    SERINUS_SOCKET=/run/serinus/serinus.sock
USER 65532:65532
EXPOSE 9178
ENTRYPOINT ["/opt/serinus/bin/python", "-m", "controller"]
CMD ["run"]
