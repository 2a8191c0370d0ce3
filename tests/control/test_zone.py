from pylb.control.zone import Zone


async def test_a_given_zone_is_not_read():
    zone = Zone("east")
    assert (zone.name, zone.automatic) == ("east", False)
    assert Zone("").name == ""


async def test_the_zone_is_read_until_the_registry_answers(caplog):
    caplog.set_level("INFO")
    pauses = []
    answers = [ConnectionError("refused"), ConnectionError("refused"), "east", "east"]

    async def ask():
        answer = answers.pop(0)
        if isinstance(answer, str):
            return answer
        raise answer

    async def sleep(seconds):
        pauses.append(seconds)

    zone = Zone("auto", sleep=sleep)
    assert (zone.name, zone.automatic) == ("", True)
    assert await zone.read(ask)
    assert (zone.name, len(pauses)) == ("east", 2)
    assert [r.getMessage() for r in caplog.records] == [
        "--zone auto: the zone is not known yet: refused",
        "--zone auto: instances of zone east are preferred",
    ]
    assert not await zone.read(ask)


async def test_a_node_without_a_zone_is_one_warning(caplog):
    async def ask():
        return ""

    zone = Zone("auto")
    assert not await zone.read(ask)
    assert "no metadata key zone" in caplog.text
