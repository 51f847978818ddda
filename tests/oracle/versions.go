package main

import (
	"fmt"
	"strconv"
	"time"
	"unicode"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func aboutVersion(args []string) []string {
	v := args[0]
	return []string{
		fmt.Sprint(semver.IsValid(v)), semver.Canonical(v), semver.Major(v), semver.MajorMinor(v),
		semver.Prerelease(v), semver.Build(v),
	}
}

func comparison(args []string) []string {
	return []string{fmt.Sprint(semver.Compare(args[0], args[1]))}
}

func sorted(args []string) []string {
	semver.Sort(args)
	return args
}

func checked(args []string) []string {
	return []string{failure(module.Check(args[0], args[1]))}
}

func aboutPath(args []string) []string {
	path := args[0]
	prefix, pathMajor, ok := module.SplitPathVersion(path)
	return []string{
		failure(module.CheckPath(path)), failure(module.CheckImportPath(path)), failure(module.CheckFilePath(path)),
		prefix, pathMajor, fmt.Sprint(ok), either(module.EscapePath(path)), either(module.UnescapePath(path)),
	}
}

func aboutModuleVersion(args []string) []string {
	v := args[0]
	return []string{module.CanonicalVersion(v), either(module.EscapeVersion(v)), either(module.UnescapeVersion(v))}
}

func aboutMajor(args []string) []string {
	v, pathMajor := args[0], args[1]
	return []string{failure(module.CheckPathMajor(v, pathMajor)), fmt.Sprint(module.MatchPathMajor(v, pathMajor)), majorPrefix(pathMajor)}
}

func majorPrefix(pathMajor string) (prefix string) {
	defer func() {
		if recover() != nil {
			prefix = "!panic"
		}
	}()
	return module.PathMajorPrefix(pathMajor)
}

func matched(args []string) []string {
	return []string{fmt.Sprint(module.MatchPrefixPatterns(args[0], args[1]))}
}

func aboutPseudo(args []string) []string {
	v := args[0]
	t, err := module.PseudoVersionTime(v)
	return []string{
		fmt.Sprint(module.IsPseudoVersion(v)), fmt.Sprint(module.IsZeroPseudoVersion(v)),
		either(fmt.Sprint(t.Unix()), err), either(module.PseudoVersionBase(v)), either(module.PseudoVersionRev(v)),
	}
}

func madePseudo(args []string) []string {
	seconds, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return []string{failure(err)}
	}
	return []string{module.PseudoVersion(args[0], args[1], time.Unix(seconds, 0), args[3])}
}

// aboutRunes lists Unicode's version, all letters, and all characters with the least that each folds to.
func aboutRunes(args []string) []string {
	answer := []string{unicode.Version}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if letter := unicode.IsLetter(r); letter || least != r || unicode.SimpleFold(r) != r {
			answer = append(answer, fmt.Sprint(r, letter, least))
		}
	}
	return answer
}

func quoted(args []string) []string {
	return []string{strconv.Quote(args[0])}
}

func unquoted(args []string) []string {
	return []string{either(strconv.Unquote(args[0]))}
}
