from pylb.discovery.abbreviation import abbreviated


def test_the_first_names_are_listed_and_the_others_counted():
    names = [f"web-{n}" for n in range(5)]
    assert abbreviated(names, most=2) == "web-0, web-1 and 3 more"
    assert abbreviated(names, most=5, separator=" ") == "web-0 web-1 web-2 web-3 web-4"
    assert abbreviated([]) == ""
