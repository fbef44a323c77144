"""A fault that is cut says what it said, only less."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sangraha.broker.protocol import MAX_STACK_BYTES, Fault


@given(
    st.text(alphabet="aéक😀\ud800", max_size=3000), st.text(alphabet="aéक😀\ud800", max_size=3000)
)
def test_a_cut_fault_has_the_start_of_its_message_and_the_end_of_its_stack(
    message: str, stack: str
) -> None:
    fault = Fault(
        error="E",
        message=message,
        stack=stack,
        attempts=1,
        host="h",
        failed_at=datetime.now(UTC),
    )

    cut = fault.cut()

    sane_message, sane_stack = message.replace("\ud800", "?"), stack.replace("\ud800", "?")
    assert sane_message.startswith(cut.message)
    assert sane_stack.endswith(cut.stack)
    for before, after in ((sane_message, cut.message), (sane_stack, cut.stack)):
        assert min(len(before.encode()), MAX_STACK_BYTES - 3) <= len(after.encode())
        assert len(after.encode()) <= MAX_STACK_BYTES
    assert cut.cut() == cut
