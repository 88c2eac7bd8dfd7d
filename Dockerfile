# The command `study` in a container, without compilers:
#   docker build -t asyncio-vs-threads .
#   mkdir -p results
#   docker run --rm --user "$(id -u)" -v "$PWD/results:/home/study/results" asyncio-vs-threads run --quick
FROM python:3.13-slim

COPY . /source
RUN pip install --no-cache-dir --constraint /source/constraints.txt '/source[all]' \
    && rm -rf /source \
    && useradd --create-home --uid 1000 study

USER study
WORKDIR /home/study
ENTRYPOINT ["study"]
CMD ["--help"]
