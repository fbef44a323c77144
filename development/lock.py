"""Writes the requirements files anew, with hashes: `python -m development.lock`.

uv does the work, from PATH or else from an environment that is thrown away. No index address is
written.
"""

import shutil
import subprocess
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPILE = (
    "pip compile pyproject.toml --generate-hashes --universal --no-header --no-annotate "
    "--python-version 3.11 --upgrade --quiet"
)


def main() -> None:
    """Lock what running needs, then what developing needs."""
    with tempfile.TemporaryDirectory() as scratch:
        uv = shutil.which("uv") or fresh_uv(Path(scratch))
        compile_command = [uv, *COMPILE.split()]
        for arguments in (
            ["-o", "requirements.txt"],
            ["--group", "dev", "-o", "requirements-dev.txt"],
        ):
            subprocess.run([*compile_command, *arguments], cwd=ROOT, check=True)


def fresh_uv(folder: Path) -> str:
    """Install uv into an environment in this folder; its path."""
    venv.create(folder, with_pip=True, symlinks=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "uv"], check=True)
    return str(folder / "bin" / "uv")


if __name__ == "__main__":
    main()
