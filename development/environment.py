"""The virtual environment of this checkout: `python -m development.environment .venv`.

The standard library alone. pip fills it (see the Makefile); the project itself is linked into it,
which needs no build tool and no network.
"""

import importlib.util
import stat
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "libs", ROOT / "services")

COMMAND = """\
#!/bin/sh
exec "$(dirname "$0")/python" -m sangraha_cli "$@"
"""


def main() -> None:
    """Make the environment in the folder that is named, and link the project into it."""
    if sys.hexversion < 0x030B0000:
        here = ".".join(str(part) for part in sys.version_info[:2])
        sys.exit(f"Python 3.11 or newer is needed, this is {here}: make PYTHON=python3.11 …")
    if importlib.util.find_spec("ensurepip") is None:
        get_venv_package()
    folder = Path(sys.argv[1])
    venv.create(folder, with_pip=True, symlinks=True)
    link(folder)


def get_venv_package() -> None:
    """Install what Debian splits off from Python, or say how and end."""
    # Only here: its syntax is too new for the Pythons that main refuses.
    from development.install import install_packages, may_use_apt

    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if may_use_apt():
        install_packages([package])
        importlib.invalidate_caches()
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(f"Python cannot make virtual environments here: apt-get install {package}")


def link(folder: Path) -> None:
    """Let the environment import the sources where they are, and give it the command."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    python = folder / "bin" / "python"
    packages = subprocess.run(
        [str(python), "-c", ask], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.strip()
    lines = "".join(f"{source}\n" for source in SOURCES)
    (Path(packages) / "_sangraha.pth").write_text(lines, encoding="utf-8")
    command = folder / "bin" / "sangraha"
    command.write_text(COMMAND, encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main()
