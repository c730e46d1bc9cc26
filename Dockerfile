# The service as an image: `docker compose up`, or `docker build --tag attention-summarizer .`
#
# --build-arg VARIANT=gpu   TensorFlow with the CUDA libraries. Nobody has run it on a GPU yet.
# --build-arg BASE=…        any image that has Python 3.11 as `python`, with pip and venv.
#
# A `# syntax=` line is missing on purpose: it would be one more image to pull.
ARG BASE=python:3.11-slim-bookworm

# ---------------------------------------------------------------------------------------- build
# hadolint ignore=DL3006
FROM ${BASE} AS build

ARG VARIANT=cpu
COPY requirements/runtime.txt requirements/gpu.txt /requirements/
# One layer, so that what is removed was never stored. In the running service, nothing reads C++
# headers, tests, pip, or libclang, which TensorFlow's wheel asks for to generate code.
RUN case "$VARIANT" in \
      cpu) pins=runtime ;; \
      gpu) pins=gpu ;; \
      *) echo "VARIANT=$VARIANT is neither cpu nor gpu" >&2; exit 1 ;; \
    esac \
    && python -m venv /venv \
    && /venv/bin/pip install --disable-pip-version-check --no-cache-dir --no-input \
      --require-hashes --requirement "/requirements/$pins.txt" \
    && /venv/bin/pip uninstall --yes libclang pip \
    && rm -r /venv/lib/python3.*/site-packages/tensorflow/include \
    && find /venv -type d -name tests -prune -exec rm -r {} +

COPY LICENSE /app/
COPY artifacts /app/artifacts
COPY model /app/model
COPY service /app/service
# Readable by any user, whatever the umask of the clone; compiled, since nothing can be written later.
RUN chmod -R a+rX,go-w /app && python -m compileall -q /app/model /app/service

# ---------------------------------------------------------------------------------------- final
# hadolint ignore=DL3006
FROM ${BASE}

LABEL org.opencontainers.image.title="attention-summarizer" \
      org.opencontainers.image.description="One-line summaries of English texts, with the attention behind every word." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# HOME, because libraries want one to exist and to be writable.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    SUMMARIZER_HOST=0.0.0.0 \
    SUMMARIZER_PORT=8000

COPY --from=build /venv /venv
COPY --from=build /app /app

WORKDIR /app
# Numeric, so that Kubernetes can tell that it isn't root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Ready, not just alive: `docker compose up --wait` then waits for the model.
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-IS", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['SUMMARIZER_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]

# No shell in between: signals reach the server.
ENTRYPOINT ["python", "-m", "service"]
