"""The store in memory keeps the store contract."""

import pytest

from tests.contract.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    shares_its_place = False

    @pytest.fixture
    def store_url(self) -> str:
        return "memory://"
