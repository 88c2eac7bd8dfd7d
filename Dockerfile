# The command `study` in a container, with everything but compilers:
#   docker build -t asyncio-vs-threads .
#   docker run --rm -v "$PWD/results:/work/results" asyncio-vs-threads run --quick
FROM python:3.13-slim

COPY . /source
RUN pip install --no-cache-dir --constraint /source/constraints.txt '/source[all]' \
    && rm -rf /source \
    && useradd --create-home --uid 1000 study \
    && mkdir -p /work/results \
    && chown -R study /work

USER study
WORKDIR /work
ENTRYPOINT ["study"]
CMD ["--help"]
