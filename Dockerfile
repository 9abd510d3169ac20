# The build stage uses the same commands as a checkout; the image ships the operator and the libraries it links.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make git ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make deps && make build

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl3 libprometheus-cpp-core1.0 libspdlog1.10 libyaml-cpp0.7 libre2-9 \
       ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/bin/endoscope-operator /usr/local/bin/endoscope-operator
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/endoscope-operator"]
CMD ["run"]
