package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/tlog"
)

// served is a checksum database that is all in memory: what is at each of its paths.
type served struct {
	key   string
	files map[string]string
	wrong string
}

func (s *served) ReadRemote(path string) ([]byte, error) {
	data, ok := s.files[path]
	if !ok {
		return nil, fmt.Errorf("404: %s", path)
	}
	return []byte(data), nil
}

func (s *served) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(s.key), nil
	}
	return nil, nil // no tree head was seen before
}

func (s *served) WriteConfig(file string, old, new []byte) error { return nil }
func (s *served) ReadCache(file string) ([]byte, error)          { return nil, os.ErrNotExist }
func (s *served) WriteCache(file string, data []byte)            {}
func (s *served) Log(message string)                             {}
func (s *served) SecurityError(message string)                   { s.wrong = message }

// lookedUp asks the database of key args[0], with the paths and bodies args[2:], for args[1], PATH VERSION, as go does.
func lookedUp(args []string) []string {
	ops := &served{key: args[0], files: map[string]string{}}
	for i := 2; i+1 < len(args); i += 2 {
		ops.files[args[i]] = args[i+1]
	}
	path, version, _ := strings.Cut(args[1], " ")
	lines, err := sumdb.NewClient(ops).Lookup(path, version)
	if err != nil || ops.wrong != "" {
		return []string{fmt.Sprintf("!%v %s", err, ops.wrong)}
	}
	return lines
}

// checkedProof checks a proof that a tree (size args[1], hash args[2]) holds as record args[3] the text args[4]; or, when
// args[0] is "tree", that it begins with the tree of size args[3] and hash args[4]. The hashes of the proof are args[5:].
func checkedProof(args []string) []string {
	size, _ := strconv.ParseInt(args[1], 10, 64)
	n, _ := strconv.ParseInt(args[3], 10, 64)
	root, err := tlog.ParseHash(args[2])
	var hashes []tlog.Hash
	for _, text := range args[5:] {
		hash, failed := tlog.ParseHash(text)
		if failed != nil {
			err = failed
		}
		hashes = append(hashes, hash)
	}
	if err == nil && args[0] == "tree" {
		var old tlog.Hash
		if old, err = tlog.ParseHash(args[4]); err == nil {
			err = tlog.CheckTree(hashes, size, root, n, old)
		}
	} else if err == nil {
		err = tlog.CheckRecord(hashes, size, root, n, tlog.RecordHash([]byte(args[4])))
	}
	return []string{failure(err)}
}
