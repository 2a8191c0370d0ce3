"""Certificates for tests, made by the openssl command: an authority, and what it signs."""

import shutil
import ssl
import subprocess

from pylb.config.clients import Tls
from pylb.proxy.tls.certificates import Certificates


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder, name="authority"):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.certificate = str(folder / f"{name}.pem")
        self.key = str(folder / f"{name}.pem.key")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "2",
            "-keyout", self.key, "-out", self.certificate,
        )  # fmt: skip

    def sign(self, *names, stem=None, subject=None, folder=None):
        """A certificate for these host names; the paths of it and of its key."""
        stem = stem or names[0].replace("*", "any")
        chain, key = (str((folder or self.folder) / f"{stem}{suffix}") for suffix in (".crt", ".key"))
        alternatives = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
        _openssl(
            "req", "-x509", "-utf8", *_NEW_KEY, "-subj", subject or f"/CN={names[0]}", "-days", "2",
            "-CA", self.certificate, "-CAkey", self.key, "-addext", f"subjectAltName={alternatives}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key + ".new", "-out", chain + ".new",
        )  # fmt: skip
        shutil.move(chain + ".new", chain)
        shutil.move(key + ".new", key)
        return chain, key


def resign(authority, chain, old, new):
    """Replace bytes of a certificate by as many others, such as no tool would write, and sign it again."""
    with open(chain) as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    inner, _ = _contents(der)
    body, algorithm = inner[: _contents(inner)[1]].replace(old, new), inner[_contents(inner)[1] :]
    algorithm = algorithm[: _contents(algorithm)[1]]
    signing = ["openssl", "dgst", "-sha256", "-sign", authority.key]
    signature = subprocess.run(signing, input=body, check=True, capture_output=True).stdout
    signed = body + algorithm + b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    with open(chain, "w") as file:
        file.write(ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(signed).to_bytes(2, "big") + signed))


def _contents(der):
    """What the first DER value contains, and the length of all of it."""
    size, start = der[1], 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[2:start], "big")
    return der[start : start + size], start + size


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def presented(pairs, directory=None, *, ticket_keys=b"", http2=True, **options):
    """The certificates of a listener: chains and keys, a directory, and other options of `Tls`."""
    chains, keys = zip(*pairs, strict=True) if pairs else ((), ())
    options = Tls(tls_cert=chains, tls_key=keys, tls_dir=directory, **options)
    return Certificates(options, ticket_keys, http2=http2)
