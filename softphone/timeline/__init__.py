"""One timeline per call: what this phone saw, what the PBX said of it, and the CDR, joined, with the differences named.

facts.py        one thing that one side told, as data; made of the events on the bus
joining.py      which facts belong to the same call (pure)
record.py       the facts of one call -> its timeline (pure)
differences.py  where the sides do not agree, in words (pure)
book.py         all timelines that may still change, in memory
store.py        SQLite, in a thread of its own
keeper.py       listens to the bus, keeps book and store in step, and tells
"""
