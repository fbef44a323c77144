"""Gets the servers and client programs that are missing: `python -m development.install`.

It installs where it may (root with apt, Go for MinIO) and names the command where it may not. No
daemon is started. The standard library alone: it runs before anything else is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from development.software import ALL, MINIO, MINIO_PACKAGE, Software, tools_folder

# The first Go that fetches a newer one by itself when a module asks for it.
OLDEST_GO = (1, 21)
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    """Install what can be installed; 1 where CI=true and something is still missing."""
    missing = [software for software in ALL if software.find() is None]
    if not missing:
        return 0
    packages = [software.package for software in missing if software.package]
    if may_use_apt():
        if MINIO in missing and go_version() is None:
            packages.append("golang-go")
        install_packages(packages)
    if MINIO in missing and (go_version() or (0,)) >= OLDEST_GO:
        build_minio()
    still = [software for software in missing if software.find() is None]
    for software in still:
        print(explanation(software), file=sys.stderr)
    return 1 if still and os.environ.get("CI") == "true" else 0


def may_use_apt() -> bool:
    """Whether this is root on a Debian or Ubuntu."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(packages: Sequence[str]) -> None:
    """apt-get install, with the packages' own daemons held back."""
    if not packages:
        return
    print(f"Installing {', '.join(packages)} with apt-get.", flush=True)
    with daemons_held_back():
        apt_get("update", "-qq")
        apt_get("install", "-qq", "-y", "--no-install-recommends", *packages)


def apt_get(*arguments: str) -> None:
    """Run apt-get without questions; a failure is only told, as what is missing will be."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *arguments], env=environment, stdin=subprocess.DEVNULL, check=False)


@contextmanager
def daemons_held_back() -> Iterator[None]:
    """While it lasts, packages that are installed start no daemon (Debian's policy-rc.d)."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink()
        else:
            POLICY.write_bytes(before)


def go_version() -> tuple[int, ...] | None:
    """Go's version, None where there is none."""
    if shutil.which("go") is None:
        return None
    answer = subprocess.run(
        ["go", "env", "GOVERSION"], cwd="/", capture_output=True, text=True, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else None


def build_minio() -> None:
    """Build MinIO with Go; its public repository ships source only."""
    folder = tools_folder()
    print(f"Building MinIO into {folder}; this takes some minutes, once.", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"GOTOOLCHAIN": "auto", **os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    command = ["go", "install", MINIO_PACKAGE]
    # Not in the checkout, where a go.mod or go.work of some parent folder could interfere.
    subprocess.run(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, check=False)


def explanation(software: Software) -> str:
    """What a person can do about missing software."""
    text = f"{software.name} is missing, so its tests are skipped. To install it: "
    if os.environ.get("CI") == "true":
        text = f"{software.name} is missing. To install it: "
    text += software.install
    if software is MINIO:
        version = go_version()
        needed = ".".join(map(str, OLDEST_GO))
        if version is None:
            text += f" (needs Go {needed} or newer, which is not installed)"
        elif version < OLDEST_GO:
            text += f" (needs Go {needed} or newer; here is {'.'.join(map(str, version))})"
    return text


if __name__ == "__main__":
    sys.exit(main())
