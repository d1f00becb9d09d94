# srcli in a container, for a CPU:
#   docker build -t srcli .
# for CUDA:
#   docker build -t srcli:cuda --build-arg TORCH=https://download.pytorch.org/whl/cu126 .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG TORCH=https://download.pytorch.org/whl/cpu
ARG EXTRAS=serve,heic,pdf
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/srcli
ENV PATH=/opt/srcli/bin:$PATH
RUN pip install --index-url "$TORCH" torch
COPY . /src
RUN pip install "/src[$EXTRAS]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/srcli /opt/srcli
RUN useradd --uid 10001 --create-home --home-dir /cache srcli && mkdir /data && chown srcli /data
ENV PATH=/opt/srcli/bin:$PATH HOME=/cache SRCLI_HOME=/cache/models PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER srcli
WORKDIR /data
VOLUME /cache
EXPOSE 8000
# Only of a server: other commands are well while they run.
HEALTHCHECK --interval=60s --timeout=50s --start-period=60s CMD ["python", "-c", "import sys, urllib.request; b'serve' not in open('/proc/1/cmdline', 'rb').read().split(b'\\0') or urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=45)"]
ENTRYPOINT ["srcli"]
CMD ["serve", "--host", "0.0.0.0"]
