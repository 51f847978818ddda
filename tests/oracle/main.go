// Oracle answers questions about the rules of content with golang.org/x/mod itself.
//
// Each line of its input is a JSON list of byte strings (base64): what is asked, and the arguments. Each line of its
// output is the JSON list of the answers. An error is an answer too: an exclamation mark and its text.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

var answers = map[string]func(args []string) []string{
	"semver":     aboutVersion,
	"compare":    comparison,
	"sort":       sorted,
	"check":      checked,
	"path":       aboutPath,
	"version":    aboutModuleVersion,
	"major":      aboutMajor,
	"match":      matched,
	"pseudo":     aboutPseudo,
	"makepseudo": madePseudo,
	"runes":      aboutRunes,
	"zip":        aboutZip,
	"inflate":    inflated,
	"modfile":    aboutModFile,
	"note":       openedNote,
	"notekey":    aboutKey,
	"tree":       aboutTree,
	"treetext":   parsedTree,
	"recordtext": parsedRecord,
	"tilepath":   parsedTile,
	"lookup":     lookedUp,
	"proof":      checkedProof,
	"modulepath": modulePath,
	"quote":      quoted,
	"unquote":    unquoted,
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for decoder.More() {
		var question [][]byte
		if err := decoder.Decode(&question); err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(2)
		}
		args := make([]string, len(question)-1)
		for i, arg := range question[1:] {
			args[i] = string(arg)
		}
		var answer [][]byte
		for _, text := range answers[string(question[0])](args) {
			answer = append(answer, []byte(text))
		}
		if err := encoder.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(2)
		}
	}
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return "!" + err.Error()
}

// either is the answer of a function that returns a text or an error.
func either(text string, err error) string {
	if err != nil {
		return failure(err)
	}
	return text
}
