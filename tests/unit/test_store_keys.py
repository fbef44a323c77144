"""Where a large object's body lies, and which keys are refused."""

from uuid import UUID

import pytest

from sangraha.store.keys import object_key

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    ("file_name", "slug"),
    [
        ("photo.png", "photo.png"),
        ("Annual Report 2026.PDF", "Annual-Report-2026.PDF"),
        ("plage d'été.jpg", "plage-d-ete.jpg"),
        ("Straße.tar.gz", "Strae.tar.gz"),
        ("東京.png", "png"),
        ("東京 2026.png", "2026.png"),
        ("../../etc/passwd", "etc-passwd"),
        (".bashrc", "bashrc"),
        ("a" * 300 + ".jpeg", "a" * 59 + ".jpeg"),
        ("no extension at all", "no-extension-at-all"),
        ("e.g. this is not an extension at the end", "e.g.-this-is-not-an-extension-at-the-end"),
        ("ends with a dot.", "ends-with-a-dot"),
    ],
)
def test_the_key_tells_people_the_file_name(file_name: str, slug: str) -> None:
    assert object_key("default", ID, file_name) == f"default/objects/{ID}-{slug}"


@pytest.mark.parametrize("file_name", [None, "", "...", "дом", "/", "-"])
def test_without_a_usable_name_the_key_is_the_id(file_name: str | None) -> None:
    assert object_key("default", ID, file_name) == f"default/objects/{ID}"
