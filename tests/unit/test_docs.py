"""The documents say what the program does, and lead where they say they lead."""

import re
from pathlib import Path

import pytest

from sangraha.errors import Unavailable
from sangraha.http.problem_pages import problem_types
from sangraha.http.routes import OPERATOR_PATHS, ROUTES, SHARED_PATHS, Route

ROOT = Path(__file__).parents[2]
HTTP = (ROOT / "docs/http.md").read_text()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: path.as_posix()
)


def address_rows() -> dict[tuple[str, str], str]:
    """What the table of addresses says of each method and path, queries left out."""
    rows = {}
    for methods, addresses, rest in re.findall(r"^\| ([A-Z, ]+) \| (.+?) \| (.+)$", HTTP, re.M):
        for address in re.findall(r"`([^`?]+)[^`]*`", addresses):
            for method in methods.split(", "):
                rows[method, address] = rest
    return rows


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_route_stands_in_the_http_document(route: Route) -> None:
    row = address_rows()[route.method, route.path]
    assert row.startswith(f"{route.service} |")
    assert ("for operators" in row) == (route.audience == "operator")


@pytest.mark.parametrize("path", OPERATOR_PATHS + SHARED_PATHS)
def test_what_every_service_serves_stands_in_the_http_document(path: str) -> None:
    row = address_rows()["GET", path]
    assert row.startswith("each |")
    assert ("for operators" in row) == (path in OPERATOR_PATHS)


def test_the_http_document_names_no_address_that_is_not_served() -> None:
    served = {(route.method, route.path) for route in ROUTES}
    served |= {("GET", path) for path in OPERATOR_PATHS + SHARED_PATHS}
    assert address_rows().keys() == served


def test_every_problem_stands_in_the_http_document_under_its_status() -> None:
    problems = HTTP.partition("\n## Problems\n")[2].partition("\n\nA body that is refused")[0]
    documented: set[tuple[int, str]] = set()
    status = 0
    for number, word in re.findall(r"\b([45]\d\d) |`([a-z-]+)`", problems):
        if number:
            status = int(number)
        elif status and word not in ("detected", "allowed"):
            documented.add((status, word))
    # Nothing is just unavailable: an answer says what is.
    shown = {error for error in problem_types() if error is not Unavailable}
    assert documented == {(error.status, error.slug) for error in shown}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    broken = [
        target
        for target in targets
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert not broken


def test_every_make_command_of_the_documents_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = {
        command
        for document in DOCUMENTS
        for command in re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(), re.M)
    }
    assert {"run", "test", "services"} <= commands
    assert commands <= targets
