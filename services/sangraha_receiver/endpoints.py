"""All of the receiver's addresses."""

from collections.abc import Mapping

from sangraha.http.app import Endpoint
from sangraha_receiver.buckets import bucket_endpoints
from sangraha_receiver.bulk import bulk_endpoints
from sangraha_receiver.files import file_endpoints
from sangraha_receiver.names import name_endpoints
from sangraha_receiver.object_changes import object_change_endpoints
from sangraha_receiver.objects import object_endpoints
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.requests import request_endpoints


def receiver_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the receiver's routes."""
    return {
        **object_endpoints(receiver),
        **object_change_endpoints(receiver),
        **name_endpoints(receiver),
        **file_endpoints(receiver),
        **bulk_endpoints(receiver),
        **bucket_endpoints(receiver),
        **request_endpoints(receiver),
    }
