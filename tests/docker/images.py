"""Images made on this machine, from its own programs: no registry is asked for any.

Each is named like the one that it stands for, so that the repository's Dockerfile and compose files are used
as they are.
"""

import fcntl
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from tests.components import CACHE, consul_binary

ROOT = Path(__file__).parents[2]
PYTHON, CONSUL, SMALL = "python:3.13-slim", "hashicorp/consul:1.20", "small"
SHELL = ("sh", "hostname", "httpd", "sleep", "cat")
LEFT_OUT = re.compile(r"/(test|idlelib|tkinter|ensurepip|site-packages|dist-packages|__pycache__)(/|$)|\.a$")
"""Of Python: what the official image leaves out too, and what this machine has installed beside it."""
WHEELS_NEED = ("libgcc_s.so.1", "libstdc++.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
"""What a compiled wheel may expect of any Linux (PEP 600)."""
PIP_CONF = b"[global]\nno-index = true\nfind-links = /wheels\nroot-user-action = ignore\n"


class Image:
    """A tar of programs, and what to import it as."""

    def __init__(self):
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._bytes, mode="w")
        self._libraries = set()
        self.folder("tmp", mode=0o1777)
        self.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
        self.program(shutil.which("busybox"), "bin/busybox")
        for name in SHELL:
            self.link(f"bin/{name}", "busybox")

    def folder(self, name, mode=0o755):
        self._add(name, mode, kind=tarfile.DIRTYPE)

    def link(self, name, target):
        self._add(name, 0o777, kind=tarfile.SYMTYPE, target=target)

    def file(self, name, content, mode=0o644):
        self._add(name, mode, content=content)

    def program(self, path, name, *modules):
        """A program with the libraries that it, or one of its modules, is linked to."""
        self.file(name, Path(path).read_bytes(), mode=0o755)
        found = subprocess.run(["ldd", path, *modules], capture_output=True, text=True).stdout
        for library in sorted(set(re.findall(r"(/\S+) \(0x", found))):
            self.library(Path(library))

    def library(self, path):
        """A library where the loader looks: in /lib, the loader itself where programs name it."""
        name = str(path).lstrip("/") if path.name.startswith("ld-") else f"lib/{path.name}"
        if name not in self._libraries:
            self._libraries.add(name)
            self.file(name, path.read_bytes(), mode=0o755)

    def tree(self, folder, name):
        """All files below a folder, owned by root and readable for all."""

        def chosen(entry):
            if LEFT_OUT.search(f"/{entry.name}"):
                return None
            entry.uid = entry.gid = 0
            entry.mode |= 0o444 | (0o111 if entry.isdir() else 0)
            return entry

        self._tar.add(folder, name, filter=chosen)

    def import_into(self, engine, tag, *changes):
        self._tar.close()
        changes = ("ENV PATH=/usr/local/bin:/bin", *changes)
        options = [word for change in changes for word in ("--change", change)]
        engine.docker("import", *options, "-", tag, given=self._bytes.getvalue())

    def _add(self, name, mode, *, content=b"", kind=tarfile.REGTYPE, target=""):
        entry = tarfile.TarInfo(name)
        entry.mode, entry.type, entry.linkname, entry.size = mode, kind, target, len(content)
        self._tar.addfile(entry, io.BytesIO(content))


def import_small(engine):
    """Busybox, and nothing else."""
    Image().import_into(engine, SMALL)


def import_consul(engine):
    """The Consul that the other tests use; like the real image, it takes the words after `consul`."""
    image = Image()
    image.program(consul_binary(), "bin/consul")
    image.import_into(engine, CONSUL, 'ENTRYPOINT ["consul"]')


def import_python(engine):
    """This machine's Python with pip, and wheels of all that pylb depends on for it to install from."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sys.base_prefix, "lib", version)
    image = Image()
    modules = [path for path in library.glob("lib-dynload/*.so") if "tkinter" not in path.name]
    image.program(Path(sys.executable).resolve(), f"usr/local/bin/{version}", *modules)
    image.link("usr/local/bin/python3", version)
    image.tree(library, f"usr/local/lib/{version}")
    import pip

    # Beside the standard library, where every build of Python looks.
    image.tree(Path(pip.__file__).parent, f"usr/local/lib/{version}/pip")
    system = Path(re.search(r"(/\S+)/libc\.so", subprocess.getoutput(f"ldd {sys.executable}"))[1])
    for name in WHEELS_NEED:
        image.library(system / name)
    image.tree(wheels(), "wheels")
    image.file("etc/pip.conf", PIP_CONF)
    image.import_into(engine, PYTHON)


def wheels():
    """A folder with wheels of everything that an installation of pylb takes; made once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    stamp = "\n".join([sys.version, *wanted])
    folder = CACHE / "wheels"
    made = folder / "made-for"
    with (CACHE / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as for other components: test processes start together
        if not made.exists() or made.read_text() != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder), *wanted]
            subprocess.run(command, check=True, capture_output=True)
            made.write_text(stamp)
    return folder
