package main

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// aboutZip reports on the zip file args[2] of the module version args[0]@args[1]: its h1 hash, whether it could be
// read at all, and the report of zip.CheckZip.
func aboutZip(args []string) []string {
	h1 := either(dirhash.HashZip(args[2], dirhash.Hash1))
	checked, err := zip.CheckZip(module.Version{Path: args[0], Version: args[1]}, args[2])
	if err != nil && checked.Err() == nil {
		return []string{h1, failure(err)}
	}
	answer := []string{h1, "", failure(checked.SizeError)}
	for _, name := range checked.Valid {
		answer = append(answer, "valid "+name)
	}
	for _, file := range checked.Omitted {
		answer = append(answer, "omitted "+file.Error())
	}
	for _, file := range checked.Invalid {
		answer = append(answer, "invalid "+file.Error())
	}
	return answer
}

// aboutModFile parses the go.mod args[1], strictly or (args[0]) lax, and lists what it says.
func aboutModFile(args []string) []string {
	parse := modfile.Parse
	if args[0] == "lax" {
		parse = modfile.ParseLax
	}
	file, err := parse("go.mod", []byte(args[1]), nil)
	if err != nil {
		return []string{failure(err)}
	}
	answer := []string{""}
	add := func(format string, values ...any) { answer = append(answer, fmt.Sprintf(format, values...)) }
	if file.Module != nil {
		add("module %q deprecated %q line %d", file.Module.Mod.Path, file.Module.Deprecated, file.Module.Syntax.Start.Line)
	}
	if file.Go != nil {
		add("go %s", file.Go.Version)
	}
	if file.Toolchain != nil {
		add("toolchain %s", file.Toolchain.Name)
	}
	for _, g := range file.Godebug {
		add("godebug %q=%q line %d", g.Key, g.Value, g.Syntax.Start.Line)
	}
	for _, r := range file.Require {
		add("require %q %q indirect %v line %d", r.Mod.Path, r.Mod.Version, r.Indirect, r.Syntax.Start.Line)
	}
	for _, e := range file.Exclude {
		add("exclude %q %q line %d", e.Mod.Path, e.Mod.Version, e.Syntax.Start.Line)
	}
	for _, r := range file.Replace {
		add("replace %q %q => %q %q line %d", r.Old.Path, r.Old.Version, r.New.Path, r.New.Version, r.Syntax.Start.Line)
	}
	for _, r := range file.Retract {
		add("retract %q %q rationale %q line %d", r.Low, r.High, r.Rationale, r.Syntax.Start.Line)
	}
	for _, t := range file.Tool {
		add("tool %q", t.Path)
	}
	for _, i := range file.Ignore {
		add("ignore %q", i.Path)
	}
	return answer
}

func modulePath(args []string) []string {
	return []string{modfile.ModulePath([]byte(args[0]))}
}

// inflated is the length and the checksum of what the deflate stream args[0] holds, of at most 64 KiB.
func inflated(args []string) []string {
	const limit = 1 << 16
	content, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader([]byte(args[0]))), limit+1))
	if err != nil || len(content) > limit {
		return []string{"!"}
	}
	return []string{fmt.Sprintf("%d %08x", len(content), crc32.ChecksumIEEE(content))}
}
