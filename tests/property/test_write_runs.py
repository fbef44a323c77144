"""How a group of writes is cut: no create is judged by rules that one before it changes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sangraha.buckets import BucketSettings
from sangraha.messages import (
    CreateBucket,
    CreateObject,
    DeleteBucket,
    DeleteName,
    Inline,
    PatchBucket,
    WriteRequest,
)
from sangraha_orchestrator.verdicts import runs

ids = st.uuids()
buckets = st.sampled_from(["a", "b", "c"])

writes: st.SearchStrategy[WriteRequest] = st.one_of(
    st.builds(CreateObject, request_id=ids, bucket=buckets, content=st.just(Inline(b"1"))),
    st.builds(DeleteName, request_id=ids, bucket=buckets, name=st.just("n")),
    st.builds(CreateBucket, request_id=ids, bucket=buckets, settings=st.just(BucketSettings())),
    st.builds(PatchBucket, request_id=ids, bucket=buckets, changes=st.just({})),
    st.builds(DeleteBucket, request_id=ids, bucket=buckets),
)
write_groups = st.lists(writes, min_size=1, max_size=12)


def changed(requests: list[WriteRequest]) -> set[str]:
    """The buckets whose rules these change."""
    return {
        one.bucket for one in requests if isinstance(one, CreateBucket | PatchBucket | DeleteBucket)
    }


@given(write_groups)
def test_runs_are_the_group_in_its_order(requests: list[WriteRequest]) -> None:
    cut = runs(requests)
    assert [one for run in cut for one in run] == requests
    assert all(cut)


@given(write_groups)
def test_no_create_follows_a_change_of_its_buckets_rules_in_one_run(
    requests: list[WriteRequest],
) -> None:
    for run in runs(requests):
        for at, request in enumerate(run):
            if isinstance(request, CreateObject):
                assert request.bucket not in changed(run[:at])


@given(write_groups)
def test_there_are_no_more_runs_than_are_needed(requests: list[WriteRequest]) -> None:
    for before, run in pairwise(runs(requests)):
        first = run[0]
        assert isinstance(first, CreateObject)
        assert first.bucket in changed(before)
