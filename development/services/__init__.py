"""`make services`: every part as a process of its own, supervised, on one machine."""
