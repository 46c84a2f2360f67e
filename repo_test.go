// Package runnerandroid_test guards the repository as a whole: layers, package comments, and
// what no file may contain. It needs the Go tool and no linter.
package runnerandroid_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module       = "github.com/daytonaio/runner-android"
	actorLibrary = "github.com/asynkron/protoactor-go"
	simulator    = "internal/sim"
	testHelpers  = "internal/testkit"
	maxFileLines = 500
)

// anyButSimulator is the rule of the program that wires everything together.
const anyButSimulator = "*"

// layers says what each package may import from this module, tests aside. A package below
// another has the rule of the nearest one above it, and packages of one rule may import each
// other. ARCHITECTURE.md explains the order.
var layers = map[string][]string{
	// 0: nouns
	"internal/sandbox":  {},
	"internal/fault":    {},
	"internal/jsonkeep": {},
	"configs":           {},
	// 1: one foreign language each
	"internal/obs":      {"configs", "internal/fault"},
	"internal/host":     {"internal/fault"},
	"internal/adb":      {"internal/fault"},
	"internal/operator": {"internal/fault"},
	"internal/qcow2":    {"internal/fault"},
	"internal/daytona":  {"internal/sandbox", "internal/fault"},
	"internal/relay":    {},
	"internal/forward":  {"internal/relay", "internal/fault"},
	"s3store":           {"internal/fault"},
	// 2: mechanisms
	"internal/cvd":          {"internal/host", "internal/sandbox", "internal/fault"},
	"internal/ledger":       {"internal/jsonkeep", "internal/host", "internal/sandbox", "internal/fault"},
	"internal/image":        {"internal/snapshot", "internal/host", "internal/sandbox", "internal/fault"},
	"internal/capacity":     {"internal/host", "internal/sandbox", "internal/fault"},
	"internal/doctor":       {"internal/host", "internal/cvd", "internal/sandbox", "internal/fault"},
	"internal/snapshot":     {"s3store", "internal/host", "internal/qcow2", "internal/jsonkeep", "internal/sandbox", "internal/fault"},
	"internal/disktemplate": {"internal/host", "internal/qcow2", "internal/fault"},
	"internal/device": {
		"internal/cvd", "internal/adb", "internal/operator", "internal/image", "internal/ledger", "internal/snapshot",
		"internal/disktemplate", "internal/obs", "internal/host", "internal/sandbox", "internal/fault",
	},
	// 3: what is said
	"messages": {"internal/sandbox", "internal/fault"},
	// 4: who decides
	"actors/kernel": {"internal/obs", "internal/fault"},
	"actors":        {"actors/kernel", "messages", "internal/obs", "internal/sandbox", "internal/fault"},
	// 5: doors
	"transport": {"messages", "internal/daytona/wire", "internal/obs", "internal/sandbox", "internal/fault"},
	"transport/toolbox": {
		"transport", "transport/lease", "messages", "internal/adb", "internal/relay", "internal/obs", "internal/sandbox", "internal/fault",
	},
	"transport/android": {
		"transport", "transport/lease", "transport/toolbox", "messages", "internal/adb", "internal/relay", "internal/obs", "internal/sandbox", "internal/fault",
	},
	"transport/jobs":   {"transport", "messages", "internal/daytona", "internal/obs", "internal/sandbox", "internal/fault"},
	"transport/states": {"transport", "messages", "internal/daytona", "internal/obs", "internal/sandbox", "internal/fault"},
	"transport/health": {
		"transport", "messages", "internal/daytona", "internal/capacity", "internal/doctor", "internal/obs", "internal/sandbox", "internal/fault",
	},
	"proxy": {"transport", "transport/lease", "transport/toolbox", "messages", "internal/operator", "internal/adb", "internal/obs", "internal/sandbox", "internal/fault"},
	// 6: wiring
	"cmd/runner-android": {anyButSimulator},
	// beside the layers
	simulator:        {"internal/adb/wire", "internal/sandbox"},
	"cmd/cvd-sim":    {simulator},
	testHelpers:      {"internal/sandbox", "internal/fault"},
	"internal/bench": {anyButSimulator},
}

// usesActors lists who may import the actor library.
var usesActors = []string{"actors", "cmd/runner-android", testHelpers}

// goPackage is what "go list -json" says about one package; paths are relative to the module.
type goPackage struct {
	ImportPath, Dir, Name, Doc         string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func TestImportsPointDownTheLayers(t *testing.T) {
	t.Parallel()
	for _, pkg := range listPackages(t) {
		rule, known := ruleFor(pkg.ImportPath)
		if !known {
			t.Errorf("%s is not in the layer map: decide what it may import", pkg.ImportPath)
			continue
		}
		for _, imported := range pkg.Imports {
			inside, ok := strings.CutPrefix(imported, module+"/")
			if ok && !mayImport(rule, inside) {
				t.Errorf("%s imports %s, which its layer does not allow", pkg.ImportPath, inside)
			}
		}
	}
}

func TestOnlyTheActorsKnowTheActorLibrary(t *testing.T) {
	t.Parallel()
	for _, pkg := range listPackages(t) {
		if slices.ContainsFunc(usesActors, func(user string) bool { return within(pkg.ImportPath, user) }) {
			continue
		}
		for _, imported := range slices.Concat(pkg.Imports, pkg.TestImports, pkg.XTestImports) {
			if within(imported, actorLibrary) {
				t.Errorf("%s imports %s: send messages through transport.Asker instead", pkg.ImportPath, imported)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, pkg := range listPackages(t) {
		switch {
		case len(pkg.GoFiles) == 0:
		case pkg.Doc == "":
			t.Errorf("%s has no package comment", pkg.ImportPath)
		case len(pkg.GoFiles) > 1 && pkg.Name != "main" && !slices.Contains(pkg.GoFiles, "doc.go"):
			t.Errorf("%s has %d files and no doc.go", pkg.ImportPath, len(pkg.GoFiles))
		}
	}
}

func TestModuleReplacesNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"go.mod", "tools/go.mod"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^\s*replace\b`).Match(data) {
			t.Errorf("%s has a replace directive: nobody else could build from it", file)
		}
	}
}

func TestNoFileIsTooLongToRead(t *testing.T) {
	t.Parallel()
	generated := regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	for file, text := range textFiles(t) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || generated.Match(text) {
			continue
		}
		if lines := bytes.Count(text, []byte("\n")); lines > maxFileLines {
			t.Errorf("%s has %d lines; %d are the limit", file, lines, maxFileLines)
		}
	}
}

func TestNoFileNamesOneMachine(t *testing.T) {
	t.Parallel()
	// In pieces, so that this file passes its own test.
	forbidden := map[string]*regexp.Regexp{
		"a directory of one machine": regexp.MustCompile(`(^|[^\w.)}-])/` + `work/`),
		"a package registry": regexp.MustCompile(`(proxy|sum)\.golang` + `\.org|registry\.npmjs` + `\.org|pypi` +
			`\.org|pythonhosted` + `\.org|crates` + `\.io|deb\.debian` + `\.org`),
	}
	for file, text := range textFiles(t) {
		for what, pattern := range forbidden {
			if found := pattern.Find(text); found != nil {
				t.Errorf("%s names %s: %q", file, what, found)
			}
		}
	}
}

// ruleFor returns the name of the rule of a package: its own, or that of the nearest above it.
func ruleFor(pkg string) (rule string, known bool) {
	for dir := pkg; dir != "."; dir = path.Dir(dir) {
		if _, ok := layers[dir]; ok {
			return dir, true
		}
	}
	return "", false
}

// mayImport reports whether packages under rule may import the package imported. An entry of
// the rule opens that package and what lies below it under the same rule.
func mayImport(rule, imported string) bool {
	itsRule, _ := ruleFor(imported)
	if itsRule == rule {
		return true
	}
	for _, allowed := range layers[rule] {
		if allowed == anyButSimulator {
			return itsRule != simulator && itsRule != testHelpers
		}
		if allowedRule, _ := ruleFor(allowed); within(imported, allowed) && itsRule == allowedRule {
			return true
		}
	}
	return false
}

// within reports whether the import path is parent or lies below it.
func within(importPath, parent string) bool {
	return importPath == parent || strings.HasPrefix(importPath, parent+"/")
}

// listPackages asks the Go tool, without network, for every package that exists.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	const fields = "ImportPath,Dir,Name,Doc,GoFiles,Imports,TestImports,XTestImports"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json="+fields, "./...")
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v\n%s", err, stderr.Bytes())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg goPackage
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		pkg.ImportPath = strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		if pkg.ImportPath != "" {
			packages = append(packages, pkg)
		}
	}
}

// textFiles returns the source tree's text by path; what git ignores and go.sum are left out.
func textFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", ".demo", "bin", "node_modules", ".venv"}, entry.Name()) {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || entry.Name() == "go.sum" {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.ContainsRune(data[:min(len(data), 8192)], 0) {
			files[filepath.ToSlash(file)] = data
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
