package openapi

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/daytonaio/runner-android/transport"
)

//go:embed openapi.yaml
var document []byte

// noVersion is what the document says instead of a version.
const noVersion = "0.0.0-unreleased"

// Document is the API's description, with the program's version in it.
func Document(version string) []byte {
	if version == "" {
		return document
	}
	return bytes.Replace(document, []byte(noVersion), []byte(version), 1)
}

// Routes serves the document.
func Routes(version string) []transport.Route {
	text := Document(version)
	return []transport.Route{{Method: http.MethodGet, Path: "/openapi.yaml", Handler: func(c *transport.Ctx) error {
		c.Text("application/yaml", text)
		return nil
	}}}
}
