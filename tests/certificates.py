"""Certificates for tests, made by the openssl command: an authority, and what it signs."""

import shutil
import subprocess


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder, name="authority"):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.certificate = str(folder / f"{name}.pem")
        self._key = str(folder / f"{name}.pem.key")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "2",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, *names, stem=None, subject=None, folder=None):
        """A certificate for these host names; the paths of it and of its key."""
        stem = stem or names[0].replace("*", "any")
        chain, key = (str((folder or self.folder) / f"{stem}{suffix}") for suffix in (".crt", ".key"))
        alternatives = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
        _openssl(
            "req", "-x509", *_NEW_KEY, "-subj", subject or f"/CN={names[0]}", "-days", "2",
            "-CA", self.certificate, "-CAkey", self._key, "-addext", f"subjectAltName={alternatives}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key + ".new", "-out", chain + ".new",
        )  # fmt: skip
        shutil.move(chain + ".new", chain)
        shutil.move(key + ".new", key)
        return chain, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
