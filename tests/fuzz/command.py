"""The command line of the fuzzers."""

import argparse
import sys


def parser(module, about):
    """Return the parser of the options that all fuzzers have."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=about.partition("\n")[0])
    made.add_argument("--executions", type=int, default=100_000, help="how many inputs to check")
    made.add_argument("--seed", type=int, default=0, help="where chance begins; the same finds the same")
    return made


def run(options, by_mutation):
    """Fuzz, and return the exit code."""
    return 0 if by_mutation(options.executions, options.seed, sys.stdout.write) else 1
