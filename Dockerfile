# docker build -t pylb .
# docker run --rm -p 8080:80 pylb --consul consul:8500 --service web

FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python3 -m venv --without-pip /opt/pylb \
 && python3 -m pip --python /opt/pylb/bin/python install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /opt/pylb /opt/pylb
# Any option can be set here or with `docker run -e`; docs/config.md has them all.
ENV PATH=/opt/pylb/bin:$PATH \
    PYLB_LISTEN=0.0.0.0:80 \
    PYLB_ADMIN=0.0.0.0:8081 \
    PYLB_REGISTRATOR_ADMIN=0.0.0.0:8081
# The base image holds no compiled modules, and later nobody may write any: each start would take half a second more.
RUN ["python3", "-c", "import pylb.control.process, pylb.worker.process, pylb.balancer, \
    pylb.supervisor.supervisor, pylb.tools.registrator, pylb.tools.demo.backend"]
EXPOSE 80 8081
# Not root, and yet port 80: Docker 20.10 and later let every user of a container bind low ports
# (net.ipv4.ip_unprivileged_port_start is 0 in it).
USER 10001:10001
# http.client and not urllib, which would ask a proxy named in the environment for 127.0.0.1.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["python3", "-c", "\
import http.client, sys; \
admin = http.client.HTTPConnection('127.0.0.1', 8081, timeout=2); \
admin.request('GET', '/health'); \
sys.exit(admin.getresponse().status != 200)"]
ENTRYPOINT ["pylb"]
