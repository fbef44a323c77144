"""How long what failed unexpectedly waits before it is given back."""

from sangraha_orchestrator.pool import LONGEST_PAUSE_SECONDS, pause_seconds


def test_pauses_grow_with_every_delivery_up_to_a_limit() -> None:
    pauses = [pause_seconds(redeliveries) for redeliveries in range(25)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 0.1
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
