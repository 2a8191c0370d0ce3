import subprocess
import sys

from pylb.process.descriptors import most_clients


def test_the_soft_limit_becomes_the_hard_one():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300));"
        "from pylb.process.descriptors import raise_limit;"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "300 (300, 300)\n", ended.stderr


def test_every_client_may_need_a_backend():
    assert most_clients(1024) == 480
    assert most_clients(10) == 1
