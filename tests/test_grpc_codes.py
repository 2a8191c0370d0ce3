from pylb import grpc_codes
from pylb.grpc_codes import CONDITIONS, FAILURES, NAMES


def test_each_constant_is_the_place_of_its_name():
    numbers = {name: value for name, value in vars(grpc_codes).items() if isinstance(value, int)}
    assert numbers
    assert {name: NAMES[value] for name, value in numbers.items()} == {name: name for name in numbers}


def test_conditions_and_failures_are_codes():
    assert CONDITIONS[14] == "grpc-unavailable"
    assert CONDITIONS[8] == "grpc-resource-exhausted"
    assert set(range(len(NAMES))) >= FAILURES
