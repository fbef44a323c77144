"""`make bench`: whole bodies through Sangraha beside the same client straight against MinIO.

Starts the real servers and the three services itself. Each figure is a ratio of two transfers made
one after the other; the order changes from repeat to repeat. A run with a wrong answer prints no
figure.
"""

import argparse
import json
import os
import platform
from contextlib import ExitStack
from pathlib import Path

from development.servers import MinioServer, PostgresServer, RabbitmqServer
from loadtest.bodies import Measured, measure
from loadtest.table import table
from tests.acceptance.deployment import Deployment

MIB = 1024 * 1024
SIZES = "1,16,256"


def main() -> None:
    """Measure, print a table, and write the figures."""
    options = parsed()
    with ExitStack() as stack:
        rabbitmq = stack.enter_context(RabbitmqServer())
        minio = stack.enter_context(MinioServer())
        postgres = stack.enter_context(PostgresServer())
        deployment = Deployment.services(
            rabbitmq.new_vhost(), minio.store_url("sangraha"), postgres.new_database()
        )
        for process in deployment.processes:
            process.start()
            stack.callback(process.folder.remove)
            stack.callback(process.stop)
        results = [
            measure(deployment, minio, int(float(size) * MIB), options.repeats)
            for size in options.sizes.split(",")
        ]
    print(table(results))
    write(results, options.results)


def parsed() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__)
    parser.add_argument("--sizes", default=SIZES, help="in MiB, separated by commas")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of transfers for each size")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def write(results: list[Measured], folder: Path) -> None:
    """The figures as JSON, with what machine they come from."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "results": [result.document() for result in results],
    }
    (folder / "bodies.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
