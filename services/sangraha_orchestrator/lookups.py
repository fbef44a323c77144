"""What the reads of one group need from the catalog, in one statement for each kind of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sangraha.buckets import Bucket
from sangraha.catalog.catalog import Catalog
from sangraha.catalog.located import Deleted, Located, NameKey
from sangraha.errors import Gone, NotFound
from sangraha.messages import GetBucket, GetNamed, GetObject, ReadRequest


@dataclass(frozen=True, slots=True)
class Lookups:
    """The rows of objects by id and by name, and of buckets, that a group asks for."""

    objects: Mapping[UUID, Located | Deleted]
    names: Mapping[NameKey, Located]
    buckets: Mapping[str, Bucket]

    @classmethod
    async def of(cls, catalog: Catalog, requests: Sequence[ReadRequest]) -> "Lookups":
        """Raises CatalogUnavailable."""
        ids = [asked.object_id for asked in requests if isinstance(asked, GetObject)]
        names = [_key(asked) for asked in requests if isinstance(asked, GetNamed)]
        buckets = [asked.bucket for asked in requests if isinstance(asked, GetBucket)]
        return cls(
            await catalog.locate(ids) if ids else {},
            await catalog.locate_names(names) if names else {},
            await catalog.buckets(buckets) if buckets else {},
        )

    def object(self, asked: GetObject | GetNamed) -> Located:
        """Raises NotFound, and Gone for what was deleted for good."""
        if isinstance(asked, GetObject):
            row = self.objects.get(asked.object_id)
            if isinstance(row, Deleted):
                raise Gone(f"the object {asked.object_id} was deleted for good")
            if row is None:
                raise NotFound(f"there is no object {asked.object_id}")
            return row
        found = self.names.get(_key(asked))
        if found is None:
            version = f" in version {asked.version}" if asked.version is not None else ""
            raise NotFound(f"there is no {asked.name}{version} in the bucket {asked.bucket}")
        return found

    def bucket(self, asked: GetBucket) -> Bucket:
        """Raises NotFound."""
        found = self.buckets.get(asked.bucket)
        if found is None:
            raise NotFound(f"there is no bucket {asked.bucket}")
        return found


def _key(asked: GetNamed) -> NameKey:
    return asked.bucket, asked.name, asked.version
