"""The settings of glibc, verified by the number of page faults."""

import platform
import subprocess
import sys

BODIES = """
import resource, sys
from pylb.runtime.malloc import keep_malloc_arenas

def bodies(number):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(number):
        pieces = [bytes(250_000) for _ in range(4)]
        pieces.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

bodies(10)
usual = bodies(50)
keep_malloc_arenas()
bodies(10)
print(usual, bodies(50))
"""


def test_memory_of_body_buffers_is_not_mapped_repeatedly():
    assert platform.libc_ver()[0] == "glibc", "what follows is a promise about glibc"
    usual, kept = map(int, subprocess.check_output([sys.executable, "-c", BODIES]).split())
    assert kept < 50 < usual
