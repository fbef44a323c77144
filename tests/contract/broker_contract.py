"""What every broker must do, as one suite. It knows no broker.

A subclass of BrokerContract gives a fixture `harness` that follows BrokerHarness, with a world
of its own for each test (a folder, a virtual host) and brokers made with CONTRACT_TOPOLOGY.
"""

from tests.contract.broker_dead_letter_contract import DeadLetterContract
from tests.contract.broker_delivery_contract import DeliveryContract
from tests.contract.broker_limits_contract import LimitsContract
from tests.contract.broker_outage_contract import OutageContract


class BrokerContract(DeliveryContract, DeadLetterContract, LimitsContract, OutageContract):
    """All of it."""
