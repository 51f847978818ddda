package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A pair is a proxy and its database. Honest at first; `do` names how it misbehaves:
//
//	grow         no misbehaviour: the log grows to n records
//	record       lookups show the record of the forged content, everything else is honest
//	leaf         and the tile that holds the record's hash is forged to fit it (what CVE-2026-56865 let through)
//	tiles        and so are all tiles, each with its parents: only the signed head is not theirs
//	log          and so is the head, which is signed with another key
//	key          all is honest, and signed with another key
//	keyhash      the same, under the hash of the honest key
//	lines        the signed head of a true record is followed by lines of what was asked (CVE-2026-56864)
//	other        lookups show the true record of another version
//	bits         a bit of each hash tile is flipped
//	fork         from now on the log is another one, of the same size: its first record is forged
//	rollback     from now on the log has its first n records only
//	notfound, gone, busy, silent    lookups are answered 404, 410, 500, or never
//	notiles      hash tiles are answered 404
//	honest       what a fork or a rollback left, served honestly
type pair struct {
	mu   sync.Mutex
	mode string
	log  *history
	lie  *history
}

func (p *pair) do(mode string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch mode {
	case "grow":
		p.log.grow(n)
		return
	case "fork":
		p.log = newHistory(*skey, forgedFirst(p.log.order[0]), p.log.order)
	case "rollback":
		p.log = newHistory(*skey, sums(*root), p.log.order[:n])
	case "log":
		p.lie = newHistory(*other, sums(*forged), p.log.order)
	case "tiles", "leaf", "record":
		p.lie = newHistory(*skey, sums(*forged), p.log.order)
	case "key", "keyhash":
		p.lie = newHistory(*other, sums(*root), p.log.order)
	}
	p.mode = mode
}

func forgedFirst(first module.Version) func(path, version string) ([]byte, error) {
	return func(path, version string) ([]byte, error) {
		if path == first.Path && version == first.Version {
			return sums(*forged)(path, version)
		}
		return sums(*root)(path, version)
	}
}

// now returns what the pair does at this moment.
func (p *pair) now() ops {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ops{history: p.log, lie: p.lie, mode: p.mode}
}

// folder returns where the proxy's files are: who forges a record has content that fits it.
func (p *pair) folder() string {
	switch p.now().mode {
	case "record", "leaf", "tiles", "log":
		return *forged
	}
	return *root
}

func (p *pair) database(w http.ResponseWriter, r *http.Request) {
	ops := p.now()
	if r.URL.Path == "/supported" {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/lookup/") {
		switch ops.mode {
		case "notfound":
			http.Error(w, "not found", http.StatusNotFound)
			return
		case "gone":
			http.Error(w, "gone", http.StatusGone)
			return
		case "busy":
			http.Error(w, "fetch timed out", http.StatusInternalServerError)
			return
		case "silent":
			<-r.Context().Done()
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, "/tile/") && ops.mode == "notiles" {
		http.NotFound(w, r)
		return
	}
	sumdb.NewServer(&ops).ServeHTTP(w, r)
}

// ops answers one request.
type ops struct {
	*history
	lie   *history
	mode  string
	asked module.Version
}

func (o *ops) Lookup(ctx context.Context, mv module.Version) (int64, error) {
	o.asked = mv
	if o.mode == "other" || o.mode == "lines" {
		mv = o.history.order[0]
	}
	if o.lie != nil {
		if _, err := o.lie.Lookup(ctx, mv); err != nil {
			return 0, err
		}
	}
	return o.history.Lookup(ctx, mv)
}

func (o *ops) ReadRecords(ctx context.Context, id, n int64) ([][]byte, error) {
	switch o.mode {
	case "record", "leaf", "tiles", "log":
		return o.lie.ReadRecords(ctx, id, n)
	}
	return o.history.ReadRecords(ctx, id, n)
}

func (o *ops) ReadTileData(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if o.mode == "tiles" || o.mode == "log" || o.mode == "leaf" && t.L == 0 {
		return o.lie.ReadTileData(ctx, t)
	}
	data, err := o.history.ReadTileData(ctx, t)
	if o.mode == "bits" && err == nil {
		data[len(data)/2] ^= 0x80
	}
	return data, err
}

func (o *ops) Signed(ctx context.Context) ([]byte, error) {
	switch o.mode {
	case "log", "key":
		return o.lie.Signed(ctx)
	case "keyhash":
		signed, err := o.lie.Signed(ctx)
		if err != nil {
			return nil, err
		}
		return underHonestHash(signed)
	case "lines":
		return o.withLines(ctx)
	}
	return o.history.Signed(ctx)
}

// underHonestHash replaces the key hash in a signature by that of the honest key.
func underHonestHash(signed []byte) ([]byte, error) {
	signer, err := note.NewSigner(*skey)
	if err != nil {
		return nil, err
	}
	at := bytes.LastIndexByte(signed, ' ') + 1
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(signed[at:])))
	if err != nil {
		return nil, err
	}
	hash := signer.KeyHash()
	copy(raw, []byte{byte(hash >> 24), byte(hash >> 16), byte(hash >> 8), byte(hash)})
	return append(signed[:at:at], base64.StdEncoding.EncodeToString(raw)+"\n"...), nil
}

// withLines signs, with the honest key, a true tree head that is followed by lines of the forged content.
func (o *ops) withLines(ctx context.Context) ([]byte, error) {
	signed, err := o.history.Signed(ctx)
	if err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	lines, err := sums(*forged)(o.asked.Path, o.asked.Version)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(*skey)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text + "\n" + string(lines)}, signer)
}
