"""What the bytes of a body are, by their structure; never by a header or a file name.

`judge` is what is used from outside; `load_libmagic` spares its first call the loading. Nothing
here decodes pixels, runs scripts or does I/O.
"""

from sangraha.content_types.judge import ContentType, judge
from sangraha.content_types.libmagic import load as load_libmagic

__all__ = ["ContentType", "judge", "load_libmagic"]
