"""What every catalog must do, as one suite. It knows no database.

A subclass of CatalogContract gives the fixture `catalog_url`: the address of a new, empty
database for each test.
"""

from tests.contract.catalog_buckets_contract import BucketsContract
from tests.contract.catalog_changes_contract import ChangesContract
from tests.contract.catalog_commit_contract import CommitContract
from tests.contract.catalog_idempotency_contract import IdempotencyContract
from tests.contract.catalog_kept_contract import KeptContract
from tests.contract.catalog_letters_contract import LettersContract
from tests.contract.catalog_listing_contract import ListingContract
from tests.contract.catalog_lists_contract import ListsContract
from tests.contract.catalog_located_contract import LocatedContract
from tests.contract.catalog_objects_contract import ObjectsContract
from tests.contract.catalog_order_contract import OrderContract
from tests.contract.catalog_pages_contract import PagesContract
from tests.contract.catalog_purge_contract import PurgeContract
from tests.contract.catalog_races_contract import RacesContract
from tests.contract.catalog_redelivery_contract import RedeliveryContract
from tests.contract.catalog_speed_contract import SpeedContract
from tests.contract.catalog_start_contract import StartContract
from tests.contract.catalog_sweep_contract import SweepContract
from tests.contract.catalog_transfers_contract import TransfersContract
from tests.contract.catalog_versions_contract import VersionsContract


class WritesContract(
    StartContract,
    CommitContract,
    RedeliveryContract,
    VersionsContract,
    ObjectsContract,
    TransfersContract,
    BucketsContract,
    ChangesContract,
    OrderContract,
    RacesContract,
    IdempotencyContract,
    SpeedContract,
):
    """What is committed."""


class ReadsContract(
    KeptContract,
    LettersContract,
    ListsContract,
    LocatedContract,
    ListingContract,
    PagesContract,
    SweepContract,
    PurgeContract,
):
    """What is found, and what goes."""


class CatalogContract(WritesContract, ReadsContract):
    """All of it."""
