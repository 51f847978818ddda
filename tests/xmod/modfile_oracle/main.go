// Answers, for each go.mod on standard input (base64, one a line), what x/mod's modfile makes of it: one JSON array a
// line, of the strict parse, the lax parse and the module path. A parse is an object of values, or the error's text.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"

	"golang.org/x/mod/modfile"
)

type row = []any

func values(f *modfile.File) map[string]any {
	m := map[string]any{"module": nil, "go": "", "toolchain": ""}
	if f.Module != nil {
		m["module"] = row{f.Module.Mod.Path, f.Module.Deprecated, f.Module.Syntax.Start.Line}
	}
	if f.Go != nil {
		m["go"] = f.Go.Version
	}
	if f.Toolchain != nil {
		m["toolchain"] = f.Toolchain.Name
	}
	lists := map[string]row{
		"godebug": {}, "require": {}, "exclude": {}, "replace": {}, "retract": {}, "tool": {}, "ignore": {},
	}
	add := func(name string, value any) { lists[name] = append(lists[name], value) }
	for _, x := range f.Godebug {
		add("godebug", row{x.Key, x.Value, x.Syntax.Start.Line})
	}
	for _, x := range f.Require {
		add("require", row{x.Mod.Path, x.Mod.Version, x.Indirect, x.Syntax.Start.Line})
	}
	for _, x := range f.Exclude {
		add("exclude", row{x.Mod.Path, x.Mod.Version, x.Syntax.Start.Line})
	}
	for _, x := range f.Replace {
		add("replace", row{x.Old.Path, x.Old.Version, x.New.Path, x.New.Version, x.Syntax.Start.Line})
	}
	for _, x := range f.Retract {
		add("retract", row{x.Low, x.High, x.Rationale, x.Syntax.Start.Line})
	}
	for _, x := range f.Tool {
		add("tool", x.Path)
	}
	for _, x := range f.Ignore {
		add("ignore", x.Path)
	}
	for name, list := range lists {
		m[name] = list
	}
	return m
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for in.Scan() {
		data, err := base64.StdEncoding.DecodeString(in.Text())
		if err != nil {
			panic(err)
		}
		answer := row{}
		for _, parse := range []func(string, []byte, modfile.VersionFixer) (*modfile.File, error){
			modfile.Parse, modfile.ParseLax,
		} {
			if f, err := parse("go.mod", data, nil); err != nil {
				answer = append(answer, err.Error())
			} else {
				answer = append(answer, values(f))
			}
		}
		if err := encoder.Encode(append(answer, modfile.ModulePath(data))); err != nil {
			panic(err)
		}
	}
}
