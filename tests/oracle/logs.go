package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// openedNote opens the note args[0] with the verifiers of the keys args[1:].
func openedNote(args []string) []string {
	var verifiers []note.Verifier
	for _, key := range args[1:] {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return []string{failure(err)}
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(args[0]), note.VerifierList(verifiers...))
	if err != nil {
		return []string{failure(err)}
	}
	answer := []string{"", opened.Text}
	for _, sig := range opened.Sigs {
		answer = append(answer, fmt.Sprintf("sig %s %08x %s", sig.Name, sig.Hash, sig.Base64))
	}
	for _, sig := range opened.UnverifiedSigs {
		answer = append(answer, fmt.Sprintf("unverified %s %08x %s", sig.Name, sig.Hash, sig.Base64))
	}
	return answer
}

// aboutKey reads args[0] as a verifier's and as a signer's key, and signs a text with the latter.
func aboutKey(args []string) []string {
	answer := []string{"!", "!"}
	if verifier, err := note.NewVerifier(args[0]); err == nil {
		answer[0] = fmt.Sprintf("%s %08x", verifier.Name(), verifier.KeyHash())
	}
	if signer, err := note.NewSigner(args[0]); err == nil {
		signed, err := note.Sign(&note.Note{Text: "text\n"}, signer)
		answer[1] = either(string(signed), err)
	}
	return answer
}

// aboutTree builds the tree of the records "0", "1", ... up to size args[0], and answers with its hash, the proof of
// the record args[1], the proof of the tree of size args[1], and the tiles of height args[2] that are new since then.
func aboutTree(args []string) []string {
	size, _ := strconv.ParseInt(args[0], 10, 64)
	n, _ := strconv.ParseInt(args[1], 10, 64)
	height, _ := strconv.Atoi(args[2])
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, i := range indexes {
			found = append(found, stored[i])
		}
		return found, nil
	})
	for i := int64(0); i < size; i++ {
		hashes, err := tlog.StoredHashes(i, []byte(strconv.FormatInt(i, 10)), read)
		if err != nil {
			return []string{failure(err)}
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(size, read)
	record, err1 := tlog.ProveRecord(size, n, read)
	tree, err2 := tlog.ProveTree(size, n, read)
	answer := []string{
		either(root.String(), err), orRefusal(hashList(record), err1), orRefusal(hashList(tree), err2),
	}
	for _, tile := range tlog.NewTiles(height, n, size) {
		answer = append(answer, tile.Path())
	}
	return answer
}

// orRefusal is either, but the words of the error do not matter.
func orRefusal(text string, err error) string {
	if err != nil {
		return "!"
	}
	return text
}

func hashList[T ~[]tlog.Hash](hashes T) string {
	var texts []string
	for _, hash := range hashes {
		texts = append(texts, hash.String())
	}
	return strings.Join(texts, " ")
}

func parsedTree(args []string) []string {
	tree, err := tlog.ParseTree([]byte(args[0]))
	if err != nil {
		return []string{"!"}
	}
	return []string{fmt.Sprint(tree.N), tree.Hash.String(), string(tlog.FormatTree(tree))}
}

func parsedRecord(args []string) []string {
	id, text, rest, err := tlog.ParseRecord([]byte(args[0]))
	if err != nil {
		return []string{"!"}
	}
	return []string{fmt.Sprint(id), string(text), string(rest)}
}

func parsedTile(args []string) []string {
	tile, err := tlog.ParseTilePath(args[0])
	if err != nil {
		return []string{"!"}
	}
	return []string{fmt.Sprint(tile.H, tile.L, tile.N, tile.W), tile.Path()}
}
