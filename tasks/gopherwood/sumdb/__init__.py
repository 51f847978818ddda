"""A checksum database, verified and mirrored: what Go's client checks, and all of it kept for serving.

For each module version asked for: the record comes with a signed tree head; the signature is the database's; the head
is consistent with the last one trusted (kept in the catalog); the record is in the tree, shown by hash tiles that are
themselves checked against the head. A forgery, a fork or a rewritten history is a ProofError: stop and page. An older
head than ours is checked and otherwise ignored, because caches on the way are late now and then. So a log that was
merely cut short looks like a late cache; once it grows again, it is a fork.

What was verified is mirrored, so that serving answers `/sumdb/<name>/...` with the upstream unplugged. Where it lies:

- catalog.tree_head(name): the signed note of the newest trusted head. Served as `latest`.
- store.lookup_key(name, mv): the record alone, exactly the bytes of tlog.format_record: its number and a newline, the
  text, an empty line. A lookup's answer is these bytes and then the signed head, nothing between.
- store.tile_key(name, tile.path()): hash tiles of height 8, full or partial, `w` hashes of 32 bytes each. A partial
  tile that is absent is the front part of the full one.
- `sumdb/<name>/after/<n>` in the store: the signed head that was trusted after the one of size n. The heads so form one
  chain, which nobody can fork, whatever number of workers run: this key is created only once.
- `sumdb/<name>/misbehaviour/<sha256>` in the store: what shows that it lied, for people to see (evidence.py).

The promise to a client: every mirrored record can be proved in the newest head, and that head can be proved to follow
each head that was served before. It holds because (1) tiles are durable before the head that needs them is trusted,
and records last, so that a record that can be read can be proved; and (2) each advance proves the old head in the new
tree, which takes exactly the tiles at the old tree's right edge at their new width, and those are the only tiles that a
record mirrored earlier can find changed. What the promise cannot cover: a client that has already seen, elsewhere, a
head that we never had may ask for tiles that were never needed here. Serving sends it to the database and notes them;
`discover --source requests` then refreshes the head and mirrors them (`refresh`, `mirror_tiles`).

What is in the store is proved anew whenever it is used here, as Go's client does with its cache: whoever can write into
the store cannot sign.

Authority: golang.org/x/mod/sumdb, client.go; cmd/go/internal/modfetch, sumdb.go; https://go.dev/ref/mod#checksum-database.
"""

from gopherwood.sumdb.choice import Databases
from gopherwood.sumdb.client import Record, SumDB
from gopherwood.sumdb.evidence import integrity_event
from gopherwood.sumdb.setting import Database, parse_databases, parse_gosumdb

__all__ = ["Database", "Databases", "Record", "SumDB", "integrity_event", "parse_databases", "parse_gosumdb"]
