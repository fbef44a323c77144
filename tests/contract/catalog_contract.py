"""What every catalog must do, as one suite. It knows no database.

A subclass of CatalogContract gives the fixture `catalog_url`: the address of a new, empty
database for each test.
"""

from tests.contract.catalog_commit_contract import CommitContract
from tests.contract.catalog_letters_contract import LettersContract
from tests.contract.catalog_lists_contract import ListsContract
from tests.contract.catalog_redelivery_contract import RedeliveryContract
from tests.contract.catalog_start_contract import StartContract


class CatalogContract(
    StartContract, CommitContract, RedeliveryContract, LettersContract, ListsContract
):
    """All of it."""
