// Sumdbserver is a module proxy and the checksum database behind it: golang.org/x/mod's own server over its own log.
//
// It serves any number of pairs, each below a prefix of its own: /CASE/<module files>, /CASE/sumdb/NAME/... The files are
// those of a folder (-root), and the log hashes them with Go's dirhash when they are first looked up. A POST to /CASE
// with do=... changes what a pair does from then on: hostile.go. It ends when its standard input does.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	root   = flag.String("root", "", "folder of the honest modules, laid out as GOPROXY=file:// wants it")
	forged = flag.String("forged", "", "folder of the same versions with other content")
	name   = flag.String("name", "", "name of the database")
	skey   = flag.String("skey", "", "its secret key")
	other  = flag.String("other", "", "secret key of the same name that is not its own")
)

const filler = "example.com/filler"

// A history is a log, and the order in which it grew: replaying it with other sums makes another log.
type history struct {
	*sumdb.TestServer
	mu    sync.Mutex
	order []module.Version
	known map[module.Version]int64
}

func newHistory(key string, gosum func(path, version string) ([]byte, error), order []module.Version) *history {
	made := &history{TestServer: sumdb.NewTestServer(key, gosum), known: map[module.Version]int64{}}
	for _, mv := range order {
		if _, err := made.Lookup(context.Background(), mv); err != nil {
			log.Fatal(err)
		}
	}
	return made
}

func (h *history) Lookup(ctx context.Context, mv module.Version) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id, ok := h.known[mv]; ok {
		return id, nil
	}
	id, err := h.TestServer.Lookup(ctx, mv)
	if err == nil {
		h.known[mv] = id
		h.order = append(h.order, mv)
	}
	return id, err
}

// ReadTileData refuses what the log has not: TestServer would panic.
func (h *history) ReadTileData(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if (t.N<<t.H+int64(t.W))<<(t.H*t.L) > int64(h.size()) {
		return nil, os.ErrNotExist
	}
	return h.TestServer.ReadTileData(ctx, t)
}

func (h *history) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.order)
}

func (h *history) grow(size int) {
	for n := h.size(); n < size; n++ {
		h.Lookup(context.Background(), module.Version{Path: filler, Version: fmt.Sprintf("v0.0.%d", n)})
	}
}

// sums returns a function that says what go.sum says of a version in a folder.
func sums(folder string) func(path, version string) ([]byte, error) {
	return func(path, version string) ([]byte, error) {
		if path == filler {
			return fmt.Appendf(nil, "%s %s h1:%s=\n", path, version, strings.Repeat("A", 43)), nil
		}
		escaped, err := module.EscapePath(path)
		if err != nil {
			return nil, err
		}
		base := filepath.Join(folder, escaped, "@v", version)
		if _, err := os.Stat(base + ".zip"); err != nil {
			return nil, err
		}
		ofZip, err := dirhash.HashZip(base+".zip", dirhash.Hash1)
		if err != nil {
			return nil, err
		}
		open := func(string) (io.ReadCloser, error) { return os.Open(base + ".mod") }
		ofMod, err := dirhash.Hash1([]string{"go.mod"}, open)
		if err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, ofZip, path, version, ofMod), nil
	}
}

var (
	mu    sync.Mutex
	cases = map[string]*pair{}
)

func pairOf(name string) *pair {
	mu.Lock()
	defer mu.Unlock()
	if cases[name] == nil {
		cases[name] = &pair{log: newHistory(*skey, sums(*root), nil)}
	}
	return cases[name]
}

func serve(w http.ResponseWriter, r *http.Request) {
	which, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	pair := pairOf(which)
	if r.Method == http.MethodPost {
		n, _ := strconv.Atoi(r.FormValue("n"))
		pair.do(r.FormValue("do"), n)
		fmt.Fprintln(w, pair.log.size())
		return
	}
	if sub, ok := strings.CutPrefix(rest, "sumdb/"+*name); ok {
		r.URL.Path = sub
		pair.database(w, r)
		return
	}
	http.ServeFile(w, r, filepath.Join(pair.folder(), filepath.FromSlash(rest)))
}

func main() {
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
