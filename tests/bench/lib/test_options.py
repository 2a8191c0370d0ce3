"""The values of options, and the handling of signals."""

import argparse
import os
import signal

import pytest

from bench.lib.options import interrupt_on_signals, names_of, positive


def test_names_are_separated_by_commas_and_keep_their_order():
    assert names_of(["a", "b", "c"])("c,a") == ["c", "a"]


@pytest.mark.parametrize("given", ["", "a,", "nginx,apache"])
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(given):
    with pytest.raises(argparse.ArgumentTypeError, match=r"^got '\w*', expected names out of a, nginx$"):
        names_of(["a", "nginx"])(given)


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many", ""])
def test_a_count_is_a_whole_number_of_at_least_1(given):
    assert positive("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number of at least 1"):
        positive(given)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_interrupts_and_further_ones_are_ignored_during_the_clean_up(number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cleaned_up = False
    with interrupt_on_signals():
        try:
            os.kill(os.getpid(), number)
            pytest.fail("the signal did not interrupt")
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned_up = True
    assert cleaned_up
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
