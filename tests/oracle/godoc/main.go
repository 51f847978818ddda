// The Go standard library's own reading of packages, for a comparison: a folder a line in, a JSON object a line out.
package main

import (
	"bufio"
	"encoding/json"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type pkg struct {
	Name, Synopsis, Doc string
	Imports, Symbols    []string
	Examples            []string
}

func main() {
	context := build.Context{GOOS: "linux", GOARCH: "amd64", CgoEnabled: true, Compiler: "gc", ReleaseTags: build.Default.ReleaseTags}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		out.Encode(read(&context, lines.Text()))
	}
}

func read(context *build.Context, folder string) *pkg {
	files := token.NewFileSet()
	var parsed []*ast.File
	imports := map[string]bool{}
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if ok, err := context.MatchFile(folder, entry.Name()); err != nil || !ok || !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(files, filepath.Join(folder, entry.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil
		}
		parsed = append(parsed, file)
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			for _, each := range file.Imports {
				if path := strings.Trim(each.Path.Value, "`\""); path != "C" {
					imports[path] = true
				}
			}
		}
	}
	found, err := doc.NewFromFiles(files, parsed, "x")
	if err != nil {
		return nil
	}
	made := &pkg{Name: found.Name, Synopsis: found.Synopsis(found.Doc), Doc: found.Doc}
	for path := range imports {
		made.Imports = append(made.Imports, path)
	}
	add := func(kind, owner string, names ...string) {
		for _, name := range names {
			if token.IsExported(name) {
				made.Symbols = append(made.Symbols, kind+" "+owner+name)
			}
		}
	}
	examples := func(of string, all []*doc.Example) {
		for _, each := range all {
			made.Examples = append(made.Examples, of+" "+each.Suffix)
		}
	}
	values := func(owner, kind string, all []*doc.Value) {
		for _, each := range all {
			add(kind, owner, each.Names...)
		}
	}
	funcs := func(owner, kind, of string, all []*doc.Func) {
		for _, each := range all {
			if each.Level == 0 {
				add(kind, owner, each.Name)
				examples(of+each.Name, each.Examples)
			}
		}
	}
	values("", "const", found.Consts)
	values("", "var", found.Vars)
	funcs("", "func", "", found.Funcs)
	examples("", found.Examples)
	for _, each := range found.Types {
		add("type", "", each.Name)
		examples(each.Name, each.Examples)
		values(each.Name+": ", "const", each.Consts)
		values(each.Name+": ", "var", each.Vars)
		funcs(each.Name+": ", "func", "", each.Funcs)
		funcs(each.Name+".", "method", each.Name+".", each.Methods)
	}
	sort.Strings(made.Imports)
	sort.Strings(made.Symbols)
	sort.Strings(made.Examples)
	return made
}
