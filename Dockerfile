# A phone in a container: docker build -t softphone . ; README.md, "In a container", tells how to run it.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv python3-dev
RUN python3 -m venv /opt/softphone
WORKDIR /src
# pjsua2 in a layer of its own: it is compiled again only when native/ changes
COPY native native
RUN python3 native/build.py --python /opt/softphone/bin/python --install > /wheel
COPY config.example.yaml constraints.txt pyproject.toml README.md LICENSE ./
COPY softphone softphone
RUN /opt/softphone/bin/pip install --no-cache-dir -c constraints.txt setuptools \
 && /opt/softphone/bin/pip install --no-cache-dir -c constraints.txt --no-build-isolation . \
 && /opt/softphone/bin/pip install --no-cache-dir --no-deps --no-index "$(tail -n 1 /wheel)" \
 && /opt/softphone/bin/pip uninstall -y -q setuptools pip

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
    libasound2 libgsm1 libopus0 libspeex1 libspeexdsp1 libsrtp2-1 libssl3 libuuid1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/softphone /opt/softphone
RUN useradd --system --user-group --groups audio --home-dir /var/lib/softphone softphone \
 && install -d -o softphone -g softphone /var/lib/softphone /run/softphone /etc/softphone \
 && ln -s /opt/softphone/bin/softphone /usr/local/bin/softphone
USER softphone
ENV RUNTIME_DIRECTORY=/run/softphone STATE_DIRECTORY=/var/lib/softphone PYTHONUNBUFFERED=1
VOLUME /var/lib/softphone
# Healthy is a phone that answers; whether its accounts are registered is what `softphone status` says in words.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["softphone", "status"]
# docker stop --time 60: calls may finish within calls.drain_s, then the phone unregisters
STOPSIGNAL SIGTERM
ENTRYPOINT ["softphone"]
CMD ["run", "--config", "/etc/softphone/config.yaml"]
