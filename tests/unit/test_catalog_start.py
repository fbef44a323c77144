"""A catalog that was never reached says so, whatever is in its database."""

import uuid
from pathlib import Path

import pytest

from sangraha.catalog.catalog import Catalog
from sangraha.errors import CatalogUnavailable


async def test_before_its_start_a_catalog_is_unavailable_and_not_broken(tmp_path: Path) -> None:
    catalog = Catalog(f"sqlite:///{tmp_path}/catalog.sqlite", request_life_seconds=60)
    for asked in (catalog.check(), catalog.outcome(uuid.uuid4()), catalog.workers()):
        with pytest.raises(CatalogUnavailable, match="not reached yet"):
            await asked
    await catalog.start()
    assert await catalog.outcome(uuid.uuid4()) is None
    await catalog.close()
