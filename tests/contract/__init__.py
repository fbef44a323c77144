"""One suite a protocol, run against every implementation."""

from pathlib import Path

import pytest

# Failed assertions of the suites explain themselves as those of test modules do.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module.stem}"
        for module in Path(__file__).parent.glob("*.py")
        if module.stem.endswith(("_contract", "_harness"))
    )
)
