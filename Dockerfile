# The core of crackseg, without PyTorch. Build and run:
#   docker build --tag crackseg .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" crackseg predict examples/wall.png

FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY crackseg crackseg
COPY data_gen data_gen
RUN python -m venv /opt/crackseg && /opt/crackseg/bin/pip install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /opt/crackseg /opt/crackseg
ENV PATH="/opt/crackseg/bin:$PATH" HOME=/tmp
RUN useradd --uid 1000 --no-create-home crackseg
USER 1000
WORKDIR /work
ENTRYPOINT ["crackseg"]
CMD ["--help"]
