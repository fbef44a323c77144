"""Which locks a group takes: few, and the same ones for whoever meets."""

from sangraha.catalog.locks import STRIPES, Locks
from tests.contract.catalog_samples import MINT


def locks_of_names(*names: str, bucket: str = "default") -> Locks:
    locks = Locks()
    for name in names:
        locks.add_name(bucket, name)
    return locks


def test_a_group_of_any_size_takes_so_many_at_most() -> None:
    locks = locks_of_names(*(f"name {number}" for number in range(20_000)))
    assert STRIPES * 0.98 < len(locks) <= STRIPES


def test_who_has_a_name_covers_those_that_want_it() -> None:
    both = locks_of_names("a", "b")
    assert both.cover(locks_of_names("b"))
    assert both.cover(Locks())
    assert not both.cover(locks_of_names("a", "c"))
    assert not locks_of_names("a").cover(locks_of_names("a", bucket="photos"))


def test_who_writes_in_a_bucket_shares_it_and_who_changes_it_does_not() -> None:
    shared, exclusive = Locks(), Locks()
    shared.add_bucket("photos", exclusive=False)
    exclusive.add_bucket("photos", exclusive=True)
    exclusive.add_bucket("photos", exclusive=False)
    assert exclusive.cover(shared)
    assert not shared.cover(exclusive)
    assert shared.cover(shared)


def test_nobody_waits_to_write_in_the_default_bucket() -> None:
    locks = Locks()
    locks.add_bucket("default", exclusive=False)
    assert len(locks) == 0
    locks.add_bucket("default", exclusive=True)
    assert len(locks) == 1


def test_an_object_without_a_name_has_a_lock_of_its_own() -> None:
    locks, other = Locks(), Locks()
    object_id = MINT.new()
    locks.add_object(object_id)
    other.add_object(object_id)
    assert locks.cover(other)
    assert len(locks) == 1
