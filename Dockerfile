# docker build -t pylb .
# docker run --rm -p 8080:80 pylb --consul consul:8500 --service web

FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python3 -m venv --without-pip /opt/pylb \
 && python3 -m pip --python /opt/pylb/bin/python install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /opt/pylb /opt/pylb
# Every option can also be set here or with `docker run -e` (docs/config.md).
ENV PATH=/opt/pylb/bin:$PATH \
    PYLB_LISTEN=0.0.0.0:80 \
    PYLB_ADMIN=0.0.0.0:8081 \
    PYLB_REGISTRATOR_ADMIN=0.0.0.0:8081
# The base image has no compiled modules, and the user below cannot write any: each start would take half a second more.
RUN ["python3", "-c", "import pylb.control.process, pylb.worker.process, pylb.balancer, \
    pylb.supervisor.supervisor, pylb.tools.registrator, pylb.tools.demo.backend"]
EXPOSE 80 8081
# A user other than root can bind port 80: Docker 20.10 and later set net.ipv4.ip_unprivileged_port_start to 0 in
# containers.
USER 10001:10001
# http.client instead of urllib, which would send the request to a proxy from the environment.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["python3", "-c", "\
import http.client, sys; \
admin = http.client.HTTPConnection('127.0.0.1', 8081, timeout=2); \
admin.request('GET', '/health'); \
sys.exit(admin.getresponse().status != 200)"]
ENTRYPOINT ["pylb"]
