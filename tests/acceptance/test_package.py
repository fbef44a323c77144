"""The wheel that a deployment installs holds all the program needs, and nothing of the tests."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_alone_has_the_command_and_the_migrations(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(unpacked)
    assert any("catalog/migrations/versions/v0001" in name for name in names)
    assert not [name for name in names if name.startswith(("tests", "development", "loadtest"))]
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "sangraha = sangraha_cli.main:app" in entry_points.read_text()
    program = (
        "import sys, asyncio, sangraha; from sangraha.catalog.catalog import Catalog\n"
        f"assert sangraha.__file__.startswith({str(unpacked)!r}), sangraha.__file__\n"
        "catalog = Catalog('sqlite:///' + sys.argv[1], request_life_seconds=60)\n"
        "asyncio.run(catalog.start())\n"
        "import sangraha_cli.main\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "catalog.sqlite")],
        env={"PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        check=True,
    )
