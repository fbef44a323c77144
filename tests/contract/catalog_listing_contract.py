"""Listing the names of a bucket: order, prefixes, delimiters, filters and cursors."""

import base64
import itertools
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.database import Database
from sangraha.errors import InvalidParameter, NotFound
from sangraha.messages import DeleteName, ListNames
from sangraha.objects import NamePage
from tests.contract.catalog_rows import insert_bucket, insert_names, insert_objects, object_row
from tests.contract.catalog_samples import MINT, id_made, new_object
from tests.contract.catalog_suite import CatalogSuite

AWKWARD = ("a", "b", "/", " ", "%", "\ud7ff", "\ue000", "\uffff", "\U0001f99a", "\U0010ffff")


def asked(**fields: Any) -> ListNames:
    """A listing, of the default bucket unless the fields say otherwise."""
    return ListNames(read_id=MINT.new(), **{"bucket": "default", **fields})


def entries(page: NamePage) -> list[str]:
    """Names and common prefixes, in their order."""
    names = [stored.name or "" for stored in page.objects]
    return sorted([*names, *page.prefixes], key=str.encode)


async def every_page(catalog: Catalog, **fields: Any) -> list[list[str]]:
    """The entries of each page of a listing."""
    pages, cursor = [], None
    while True:
        page = await catalog.list_names(asked(cursor=cursor, **fields))
        pages.append(entries(page))
        cursor = page.next_cursor
        if cursor is None:
            return pages


async def all_names(catalog: Catalog, **fields: Any) -> list[str]:
    """The entries of a listing."""
    return list(itertools.chain(*await every_page(catalog, **fields)))


def expected(names: Iterable[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing is, in the plainest words."""
    found = set()
    for name in names:
        if name.startswith(prefix):
            head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            found.add(f"{prefix}{head}{cut}" if cut else name)
    return sorted(found, key=str.encode)


class ListingContract(CatalogSuite):
    """Current names only, by their UTF-8 bytes, each once, however the pages are cut."""

    async def test_names_come_in_the_order_of_their_bytes(self, catalog: Catalog) -> None:
        names = ["Z", "a", "a/b", "a!", "é", "\ud7ff", "\ue000", "\U0001f99a", "B", "aa", " ", "~"]
        await catalog.commit([new_object(name=name) for name in names])
        assert await all_names(catalog, limit=5) == sorted(names, key=str.encode)

    async def test_pages_are_full_but_for_the_last(self, catalog: Catalog) -> None:
        await catalog.commit([new_object(name=f"{n:02}") for n in range(20)])
        pages = await every_page(catalog, limit=6)
        assert [len(page) for page in pages] == [6, 6, 6, 2]
        assert [len(page) for page in await every_page(catalog, limit=10)] == [10, 10]
        assert await every_page(catalog, prefix="2") == [[]]

    async def test_a_listing_tells_all_of_an_object(self, catalog: Catalog) -> None:
        new = new_object(name="a/ü", metadata={"k": "v"}, content_encoding="gzip")
        await catalog.commit([new])
        for delimiter in (None, "?"):
            page = await catalog.list_names(asked(delimiter=delimiter))
            assert page.objects == [new.object]

    async def test_a_delimiter_folds_what_follows_it(self, catalog: Catalog) -> None:
        names = ["a", "a/1", "a/2/x", "a/2/y", "a0", "b/", "b//c", "c"]
        await catalog.commit([new_object(name=name) for name in names])
        page = await catalog.list_names(asked(delimiter="/"))
        assert [stored.name for stored in page.objects] == ["a", "a0", "c"]
        assert page.prefixes == ["a/", "b/"]
        assert await all_names(catalog, delimiter="/", prefix="a/") == ["a/1", "a/2/"]
        assert await all_names(catalog, delimiter="/", prefix="b/") == ["b/", "b//"]
        assert await all_names(catalog, delimiter="/", prefix="b") == ["b/"]
        assert await all_names(catalog, delimiter="2/") == ["a", "a/1", "a/2/", *names[4:]]
        assert await all_names(catalog, delimiter="") == sorted(names)

    async def test_a_common_prefix_counts_as_one(self, catalog: Catalog) -> None:
        names = [f"{folder}/{n}" for folder in "abc" for n in range(5)]
        await catalog.commit([new_object(name=name) for name in [*names, "b", "d"]])
        pages = await every_page(catalog, delimiter="/", limit=2)
        assert pages == [["a/", "b"], ["b/", "c/"], ["d"]]

    @pytest.mark.parametrize("seed", range(2))
    async def test_any_listing_of_awkward_names_is_right(
        self, catalog: Catalog, database: Database, seed: int
    ) -> None:
        some = random.Random(seed)

        def word(longest: int) -> str:
            return "".join(some.choices(AWKWARD, k=some.randint(0, longest)))

        names = {word(4) + some.choice(AWKWARD) for _ in range(120)}
        await insert_bucket(database, "awkward")
        await insert_names(database, "awkward", names)
        for _ in range(25):
            prefix, delimiter, limit = word(2), word(2), some.choice([4, 12, 100])
            pages = await every_page(
                catalog, bucket="awkward", prefix=prefix, delimiter=delimiter, limit=limit
            )
            assert list(itertools.chain(*pages)) == expected(names, prefix, delimiter)
            assert all(len(page) == limit for page in pages[:-1])

    async def test_only_what_is_current_is_listed(self, catalog: Catalog) -> None:
        versions = [new_object(name="twice"), new_object(name="twice")]
        gone, nameless = new_object(name="gone/away"), new_object()
        await catalog.commit([*versions, gone, nameless])
        deletion = DeleteName(request_id=MINT.new(), bucket="default", name="gone/away")
        await catalog.commit([deletion])
        for delimiter in (None, "/"):
            page = await catalog.list_names(asked(delimiter=delimiter))
            assert [stored.object_id for stored in page.objects] == [versions[1].request_id]
            assert page.prefixes == []

    async def test_a_bucket_does_not_see_into_another(
        self, catalog: Catalog, database: Database
    ) -> None:
        for bucket in ("photos", "photos-2"):
            await insert_bucket(database, bucket)
            await insert_names(database, bucket, [f"{bucket}/1", f"{bucket}/2"])
        assert await all_names(catalog, bucket="photos", delimiter="/") == ["photos/"]
        assert await all_names(catalog, bucket="photos", limit=1) == ["photos/1", "photos/2"]

    @pytest.mark.parametrize("delimiter", [None, "/"])
    async def test_filters_leave_the_others_out(
        self, catalog: Catalog, delimiter: str | None
    ) -> None:
        await catalog.commit(
            [
                new_object(id_made(10), name="young", type="pdf"),
                new_object(id_made(500), name="old", metadata={"colour": "red"}),
                new_object(name="x/1", type="pdf", metadata={"colour": "red", "size": "L"}),
                new_object(name="x/2", metadata={"colour": "green"}),
                new_object(name="y/1", metadata={"Colour": "red", "size": "L"}),
            ]
        )

        async def found(**filters: Any) -> list[str]:
            return await all_names(catalog, delimiter=delimiter, limit=1, **filters)

        def folded(*names: str) -> Sequence[str]:
            return expected(names, "", delimiter or "")

        now = await catalog.now()
        assert await found(type="pdf") == folded("x/1", "young")
        assert await found(metadata={"colour": "red"}) == folded("old", "x/1")
        assert await found(metadata={"colour": "red", "size": "L"}) == folded("x/1")
        assert await found(created_after=now - timedelta(seconds=100)) == folded(
            "x/1", "x/2", "y/1", "young"
        )
        assert await found(type="pdf", metadata={"size": "L"}) == folded("x/1")
        assert await found(type="image") == []

    async def test_created_after_leaves_out_that_very_moment(self, catalog: Catalog) -> None:
        new = new_object(id_made(10), name="a")
        await catalog.commit([new])
        moment = new.object.created_at
        assert await all_names(catalog, created_after=moment) == []
        assert await all_names(catalog, created_after=moment - timedelta(milliseconds=1)) == ["a"]

    async def test_metadata_keys_may_hold_any_characters(
        self, catalog: Catalog, database: Database
    ) -> None:
        texts = ['a"b', "a.b", "$.a", "[0]", "", "ü 文", "'", "a\\", "\\u0061", "->>", "\n", "*"]
        await insert_bucket(database, "keys")
        await insert_objects(
            database,
            [object_row(bucket="keys", name=f"{n}", metadata={t: t}) for n, t in enumerate(texts)],
        )
        for number, text in enumerate(texts):
            found = await all_names(catalog, bucket="keys", metadata={text: text})
            assert found == [str(number)]
            assert await all_names(catalog, bucket="keys", metadata={text: "other"}) == []

    async def test_where_there_is_no_bucket_there_is_no_listing(
        self, catalog: Catalog, database: Database
    ) -> None:
        await insert_bucket(database, "going", state="purging")
        await insert_bucket(database, "gone", state="deleted")
        for bucket in ("nowhere", "going", "gone", "nul\0"):
            with pytest.raises(NotFound):
                await catalog.list_names(asked(bucket=bucket))

    async def test_a_cursor_that_is_none_is_refused(self, catalog: Catalog) -> None:
        await catalog.commit([new_object(name=name) for name in "ab"])
        page = await catalog.list_names(asked(limit=1))
        assert page.next_cursor is not None

        def encoded(document: str) -> str:
            return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")

        for cursor in (
            "",
            "ü",
            "a b",
            page.next_cursor + "AAAA",
            page.next_cursor[:-3],
            encoded("{}"),
            encoded('["names"]'),
            encoded('["names", 1]'),
            encoded('["versions", 1, 1]'),
            encoded('["names", "\\u0000"]'),
            encoded('["names", "\\ud800"]'),
            encoded("[" * 100_000),
        ):
            with pytest.raises(InvalidParameter):
                await catalog.list_names(asked(cursor=cursor))

    async def test_a_cursor_from_elsewhere_leads_out_of_nothing(self, catalog: Catalog) -> None:
        await catalog.commit([new_object(name=name) for name in ("a/1", "a/2", "b/1", "c/1")])
        cursor = (await catalog.list_names(asked(prefix="a/", limit=1))).next_cursor
        assert entries(await catalog.list_names(asked(prefix="b/", cursor=cursor))) == ["b/1"]
        cursor = (await catalog.list_names(asked(delimiter="/", limit=2))).next_cursor
        assert entries(await catalog.list_names(asked(prefix="a/", cursor=cursor))) == []

    async def test_text_that_no_name_can_have_is_refused(self, catalog: Catalog) -> None:
        for fields in (
            {"prefix": "a\0"},
            {"delimiter": "\0"},
            {"prefix": "\ud800"},
            {"metadata": {"\0": "a"}},
            {"metadata": {"a": "\udfff"}},
        ):
            with pytest.raises(InvalidParameter):
                await catalog.list_names(asked(**fields))
