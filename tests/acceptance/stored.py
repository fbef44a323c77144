"""What a store has, for tests that look into it from beside."""

from sangraha.store.protocol import Store


async def keys_in(store: Store) -> set[str]:
    """The keys of bodies, but for the system's own."""
    return {
        body.key
        async for batch in store.list()
        for body in batch
        if not body.key.startswith("sangraha/")
    }


async def unfinished_in(store: Store) -> list[str]:
    """The keys of unfinished bodies."""
    return [one.key async for batch in store.unfinished() for one in batch]
