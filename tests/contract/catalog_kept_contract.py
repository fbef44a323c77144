"""All that there is, page by page."""

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.kept import Kept
from sangraha.messages import CopyObject, DeleteName, DeleteObject
from tests.contract.catalog_samples import MINT, new_object
from tests.contract.catalog_suite import CatalogSuite, made


class KeptContract(CatalogSuite):
    """Every live object, all versions, once; nothing that was deleted for good."""

    async def test_every_version_comes_once_and_in_order(self, catalog: Catalog) -> None:
        news = [new_object(name=name) for name in ("a", "a", "b", None)]
        await catalog.commit(news)
        hidden = new_object(name="hidden")
        gone = new_object(key="default/packs/1", offset=7)
        await catalog.commit([hidden, gone])
        copy = await made(
            catalog,
            CopyObject(
                request_id=MINT.new(), object_id=gone.request_id, bucket="default", name="copy"
            ),
        )
        await catalog.commit(
            [
                DeleteName(request_id=MINT.new(), bucket="default", name="hidden"),
                DeleteObject(request_id=MINT.new(), object_id=gone.request_id),
            ]
        )
        expected = sorted([*(new.request_id for new in (*news, hidden)), copy.object_id])
        for limit in (1, 2, 100):
            found: list[Kept] = []
            while page := await catalog.kept_after(found[-1].object_id if found else None, limit):
                assert len(page) <= limit
                found += page
            assert [kept.object_id for kept in found] == expected
        by_id = {kept.object_id: kept for kept in found}
        assert by_id[news[1].request_id].version == 2
        assert by_id[news[0].request_id].sha256 == news[0].object.sha256
        assert by_id[copy.object_id].location == gone.location

    async def test_how_much_there_is_goes_with_what_is_there(self, catalog: Catalog) -> None:
        assert ((await catalog.totals()).objects, (await catalog.totals()).bytes) == (0, 0)
        small, large = new_object(size=1), new_object(size=5_000_000_000)
        await catalog.commit([small, large])
        totals = await catalog.totals()
        assert (totals.objects, totals.bytes) == (2, 5_000_000_001)
        await catalog.commit([DeleteObject(request_id=MINT.new(), object_id=large.request_id)])
        totals = await catalog.totals()
        assert (totals.objects, totals.bytes) == (1, 1)
