"""The real programs that tests run against, fetched where the machine lacks them.

`python tests/components.py consul` makes the component available and prints where it is.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "components"
APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CONSUL_SUITE = "bullseye"
"""The last Debian release with a `consul` package: 1.8.7."""
COMPOSE_SUITE = "trixie"
"""The first Debian release with the second generation of Compose, one static program: 2.26.1."""


class ComponentError(Exception):
    """A component can neither be found nor fetched; the message says what was tried."""


@dataclass(frozen=True)
class Source:
    """One archive of the machine's apt sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def has_releases(self) -> bool:
        """Whether it is a main Debian archive, not security updates or another repository."""
        return "main" in self.components and not any(
            word in suite for suite in self.suites for word in ("security", "/")
        )


def classic_sources(text: str) -> Iterator[Source]:
    """The archives in one-line format: `deb [options] URI suite component...`."""
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line.strip())
        if match:
            yield Source(match[1], (match[2],), tuple(match[3].split()))


def deb822_sources(text: str) -> Iterator[Source]:
    """The archives in deb822 format: paragraphs of `Types:`, `URIs:`, `Suites:`, `Components:`."""
    uncommented = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", uncommented):
        fields = dict(re.findall(r"^([\w-]+):\s*(.*(?:\n[ \t].*)*)", paragraph, flags=re.MULTILINE))
        words = {name.lower(): value.split() for name, value in fields.items()}
        if "deb" in words.get("types", []) and words.get("enabled", ["yes"]) != ["no"]:
            for uri in words.get("uris", []):
                yield Source(uri, tuple(words.get("suites", ())), tuple(words.get("components", ())))


def machine_sources(apt: Path = APT) -> Iterator[Source]:
    """The archives that this machine's apt reads."""
    for path in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]:
        if path.suffix == ".list" and path.is_file():
            yield from classic_sources(path.read_text())
        elif path.suffix == ".sources":
            yield from deb822_sources(path.read_text())


def fetch_debian_package(package: str, suite: str, directory: Path) -> None:
    """Unpack `package` of Debian's `suite` as `directory`, leaving the machine's own apt state alone.

    Raises:
        ComponentError: no archive of the machine's apt sources has it.
    """
    failures = []
    for archive in dict.fromkeys(source.uri for source in machine_sources() if source.has_releases):
        with tempfile.TemporaryDirectory(dir=directory.parent) as work:
            try:
                _download(package, archive, suite, Path(work))
            except subprocess.CalledProcessError as error:
                failures.append(f"{error.cmd[0]} {error.cmd[-1]}: {error.stderr.decode().strip()}")
            else:
                (Path(work) / "root").rename(directory)
                return
    reason = "; ".join(failures) or f"no Debian archive among the apt sources in {APT}"
    raise ComponentError(f"cannot fetch the package {package} of Debian {suite}: {reason}")


def _download(package: str, archive: str, suite: str, work: Path) -> None:
    """Unpack the package into `work`/root, with every file that apt keeps for it under `work`."""
    for empty in ("lists/partial", "cache/archives/partial", "root"):
        (work / empty).mkdir(parents=True)
    signed_by = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (work / "sources.list").write_text(f"deb {signed_by}{archive} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
    }
    apt_get = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    subprocess.run([*apt_get, "update"], cwd=work, check=True, capture_output=True)
    subprocess.run([*apt_get, "download", package], cwd=work, check=True, capture_output=True)
    (deb,) = work.glob("*.deb")
    subprocess.run(["dpkg", "-x", deb, work / "root"], check=True, capture_output=True)


def consul_binary() -> Path:
    """Where the `consul` program is: on PATH, else fetched once into the repository's cache.

    Raises:
        ComponentError: it is neither here nor in Debian's archive.
    """
    if on_path := shutil.which("consul"):
        return Path(on_path)
    return _fetched("consul", CONSUL_SUITE) / "usr" / "bin" / "consul"


def compose_plugin() -> Path:
    """Where the plugin is that makes `docker compose` out of `docker`; fetched once into the cache.

    Raises:
        ComponentError: it is not in Debian's archive.
    """
    return _fetched("docker-compose", COMPOSE_SUITE) / "usr/libexec/docker/cli-plugins/docker-compose"


def _fetched(package: str, suite: str) -> Path:
    """The folder with what the package holds."""
    directory = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes that start together must not fetch it twice
        if not directory.exists():
            fetch_debian_package(package, suite, directory)
    return directory


DOCKER_PACKAGES = {
    "dockerd": "docker.io",
    "containerd": "docker.io",
    "docker": "docker.io",
    "busybox": "busybox-static",
    "iptables": "iptables",
    "docker-compose": "docker-compose",
    "wrk": "wrk",
}
"""The programs that stories with a Docker engine of their own take, and where each comes from."""


def docker_programs() -> Path:
    """Where `dockerd` is; what is missing of `DOCKER_PACKAGES` is installed, which takes root.

    Raises:
        ComponentError: something is missing and cannot be installed.
    """
    compose_plugin()
    return _programs(DOCKER_PACKAGES)


def chromium_binary() -> Path:
    """Where a Chromium is; if it is missing it is installed, which takes root.

    Raises:
        ComponentError: it is neither here nor can it be installed.
    """
    if not shutil.which("chromium"):
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "chromium.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            install(["chromium"])
    found = shutil.which("chromium")
    if found is None:
        raise ComponentError("cannot find chromium after installing it")
    return Path(found)


def prometheus_binary() -> Path:
    """Where `prometheus` is, with `promtool` beside it; if it is missing it is installed, which takes root.

    Raises:
        ComponentError: it is neither here nor can it be installed.
    """
    if not shutil.which("prometheus"):
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "prometheus.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not shutil.which("prometheus"):
                install(["prometheus"])
    found = shutil.which("prometheus")
    if found is None:
        raise ComponentError("cannot find prometheus after installing it")
    return Path(found)


FAKETIME = "libfaketime.so.1"


def faketime_library() -> Path:
    """Where libfaketime is; if it is missing it is installed, which takes root.

    Raises:
        ComponentError: it is neither here nor can it be installed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "faketime.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
        if not found:
            install(["libfaketime"])
            found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    if not found:
        raise ComponentError(f"cannot find {FAKETIME} after installing libfaketime")
    return found[0]


CHAOS_PROGRAMS = {"ip": "iproute2", "mount": "mount", "prlimit": "util-linux"}
"""The programs that break networks and disks, and where each comes from."""


def chaos_programs() -> Path:
    """Where `ip` is; what is missing of `CHAOS_PROGRAMS` and libfaketime is installed, which takes root.

    Raises:
        ComponentError: something is missing and cannot be installed.
    """
    faketime_library()
    return _programs(CHAOS_PROGRAMS)


CLIENT_PROGRAMS = {"curl": "curl", "node": "nodejs", "openssl": "openssl"}
"""The client programs of the tests and their sources."""


def client_programs() -> Path:
    """Where `curl` is; what is missing of `CLIENT_PROGRAMS` is installed, which takes root.

    Raises:
        ComponentError: something is missing and cannot be installed.
    """
    return _programs(CLIENT_PROGRAMS)


HTTP2_PROGRAMS = {"nghttp": "nghttp2-client", "h2load": "nghttp2-client"} | CLIENT_PROGRAMS
"""The programs that send HTTP/2, and where each comes from."""


def http2_programs() -> Path:
    """Where `nghttp` is; what is missing of `HTTP2_PROGRAMS` is installed, which takes root.

    Raises:
        ComponentError: something is missing and cannot be installed.
    """
    return _programs(HTTP2_PROGRAMS)


BENCH_PROGRAMS = {"nginx": "nginx", "jq": "jq", "slowhttptest": "slowhttptest", "wrk": "wrk"}
"""The programs that tests of the benchmarks take, and where each comes from."""


def bench_programs() -> Path:
    """Where `nginx` is; what is missing of `BENCH_PROGRAMS` is installed, which takes root.

    Raises:
        ComponentError: something is missing and cannot be installed.
    """
    return _programs(BENCH_PROGRAMS)


def _programs(needed: Mapping[str, str]) -> Path:
    """Where the first of these programs is; the packages of those that are missing are installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = sorted({package for name, package in needed.items() if not shutil.which(name)})
        if missing:
            install(missing)
    first = next(iter(needed))
    found = shutil.which(first)
    if found is None:
        raise ComponentError(f"cannot find {first} after installing {needed[first]}")
    return Path(found)


def install(packages: list[str]) -> None:
    """Install packages from the machine's own archives.

    Raises:
        ComponentError: apt says no.
    """
    # A service that starts now would be one that nobody asked for.
    environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    for step in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        done = subprocess.run([*as_root, "apt-get", *step], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise ComponentError(f"apt-get {' '.join(step)}: {done.stderr.strip()}")


COMPONENTS: dict[str, Callable[[], Path]] = {
    "consul": consul_binary,
    "docker": docker_programs,
    "bench": bench_programs,
    "chaos": chaos_programs,
    "chromium": chromium_binary,
    "clients": client_programs,
    "http2": http2_programs,
    "prometheus": prometheus_binary,
}


def main() -> None:
    """Make the components named on the command line available, and say where each is."""
    parser = argparse.ArgumentParser(description="make the real programs that tests need available")
    parser.add_argument("component", nargs="+", choices=list(COMPONENTS))
    try:
        for name in parser.parse_args().component:
            sys.stdout.write(f"{COMPONENTS[name]()}\n")
    except ComponentError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
