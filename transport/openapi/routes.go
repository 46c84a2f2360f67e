package openapi

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"

	"github.com/daytonaio/runner-android/transport"
)

//go:embed document/*.yaml
var fragments embed.FS

// noVersion is what the document says instead of a version.
const noVersion = "0.0.0-unreleased"

// Document is the API's description, with the program's version in it.
func Document(version string) []byte {
	document := join()
	if version == "" {
		return document
	}
	return bytes.Replace(document, []byte(noVersion), []byte(version), 1)
}

// join puts the fragments one behind the other, in the order of their names.
func join() (document []byte) {
	names, err := fs.Glob(fragments, "document/*.yaml")
	for _, name := range names {
		var fragment []byte
		if fragment, err = fragments.ReadFile(name); err != nil {
			break
		}
		document = append(document, fragment...)
	}
	if err != nil { // the files are in the program: cannot happen
		panic(err)
	}
	return document
}

// Routes serves the document.
func Routes(version string) []transport.Route {
	text := Document(version)
	return []transport.Route{{Method: http.MethodGet, Path: "/openapi.yaml", Handler: func(c *transport.Ctx) error {
		c.Text("application/yaml", text)
		return nil
	}}}
}
