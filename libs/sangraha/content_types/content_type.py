"""What a decision about content says."""

import msgspec

from sangraha.objects import ObjectType


class ContentType(msgspec.Struct, frozen=True):
    """What bytes were found to be; `content_type` is the declared one where that is more exact."""

    type: ObjectType
    content_type: str
