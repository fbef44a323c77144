"""What the bytes of a body are, by their structure; never by a header or a file name.

A body at hand is judged by `judge`; one that streams past is watched by a `Watcher`, and what that
saw is judged by `judge_seen`. `load_libmagic` spares the first of them the loading. Nothing here
decodes pixels, runs scripts or does I/O.
"""

from sangraha.content_types.content_type import ContentType
from sangraha.content_types.judge import encoded, judge, judge_seen
from sangraha.content_types.libmagic import load as load_libmagic
from sangraha.content_types.patterns import allows, checked_patterns, takes_anything
from sangraha.content_types.watcher import Watcher

__all__ = [
    "ContentType",
    "Watcher",
    "allows",
    "checked_patterns",
    "encoded",
    "judge",
    "judge_seen",
    "load_libmagic",
    "takes_anything",
]
