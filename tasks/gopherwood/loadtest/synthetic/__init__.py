"""A made-up world of Go modules to load from: a corpus, its checksum database, and an upstream that serves both.

The same seed makes the same bytes on every machine. It never was anybody's code: what is measured with it harms no
registry, and needs no network.
"""
