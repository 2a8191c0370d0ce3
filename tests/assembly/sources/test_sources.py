import subprocess
import sys

import pytest

LIBRARIES = {"consul": "consul", "docker": "aiodocker"}
"""By source: what it is asked with."""


@pytest.mark.parametrize(
    ("options", "source", "library"),
    [
        ("static='10.0.0.1:80'", "StaticProvider", ""),
        ("docker=True", "DockerProvider", "aiodocker"),
        ("consul=True", "ConsulProvider", "consul"),
    ],
)
def test_only_the_configured_source_is_imported(options, source, library):
    program = (
        "import sys; from pylb.config import Options; from pylb.discovery.status import DiscoveryStatus;"
        "from pylb.assembly.sources import source;"
        f"print(type(source(Options({options})).provider('web', DiscoveryStatus('web'))).__name__,"
        f" *({set(LIBRARIES.values())!r} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.split() == [source, library][: 2 if library else 1], ended.stderr
