"""The getter's addresses, by operation of the route table."""

from collections.abc import Mapping

from sangraha.http.app import Endpoint
from sangraha_getter.buckets import bucket_endpoints
from sangraha_getter.getter import Getter
from sangraha_getter.listings import listing_endpoints
from sangraha_getter.names import name_endpoints
from sangraha_getter.objects import object_endpoints


def getter_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of all of them."""
    return {
        **object_endpoints(getter),
        **name_endpoints(getter),
        **listing_endpoints(getter),
        **bucket_endpoints(getter),
    }
