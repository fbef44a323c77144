"""What the bytes of a body are, by their structure; never by a header or a file name.

`judge` is all that is used from outside. Nothing here decodes pixels, runs scripts or does I/O.
"""

from sangraha.content_types.judge import ContentType, judge

__all__ = ["ContentType", "judge"]
