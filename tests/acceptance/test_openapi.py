"""The running service does what its own OpenAPI document says, whatever it is asked."""

import sys
from pathlib import Path

import pytest

from development.software import Software
from tests.acceptance.deployment import Deployment
from tests.acceptance.programs import run

SCHEMATHESIS = Software(
    "schemathesis", None, "make test", lambda: Path(sys.executable).with_name("schemathesis")
)
EXAMPLES = "15"
# Not whether everything that the schema allows is taken: what names, digests and preconditions
# must be, a schema can only say in part.
LEFT_OUT = "positive_data_acceptance,negative_data_rejection,missing_required_header"


@pytest.mark.timeout(400)
async def test_schemathesis_finds_nothing_undocumented(tmp_path: Path) -> None:
    deployment = Deployment.embedded(SANGRAHA_WAIT_SECONDS="5")
    async with deployment.running() as client:
        answer = await run(
            SCHEMATHESIS,
            *("run", client.url("receiver", "/openapi.json")),
            *(
                "--checks",
                "all",
                "--exclude-checks",
                LEFT_OUT,
                "--max-examples",
                EXAMPLES,
                "--seed",
                "20261121",
            ),
            *("--continue-on-failure", "--no-color", "--request-timeout", "20"),
            folder=tmp_path,
            within_seconds=360,
        )
        lines = deployment.log_lines()
    assert answer.code == 0, answer.output.decode()
    for line in lines:
        assert line["level"] not in ("ERROR", "CRITICAL"), line
