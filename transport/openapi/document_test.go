package openapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/daytonaio/runner-android/transport/openapi"
)

func model(t *testing.T) *v3.Document {
	t.Helper()
	document, err := libopenapi.NewDocument(openapi.Document("v1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	built, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &built.Model
}

// Ensure the document is OpenAPI 3.1: by its schema, with every reference resolved.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	document, err := libopenapi.NewDocument(openapi.Document("v1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	if got := document.GetVersion(); got != "3.1.0" {
		t.Errorf("version %s", got)
	}
	check, errs := validator.NewValidator(document)
	for _, err := range errs {
		t.Error(err)
	}
	if valid, errs := check.ValidateDocument(); !valid {
		for _, err := range errs {
			t.Errorf("%s: %s: %v", err.Message, err.Reason, err.SchemaValidationErrors)
		}
	}
	if got := model(t).Info.Version; got != "v1.2.3" {
		t.Errorf("it is of version %q, want the program's", got)
	}
}

// inDocument is how the document writes the path of a route: the alias of the toolbox is the toolbox,
// and the rest of a path is a parameter like others.
func inDocument(path string) string {
	path = strings.Replace(path, "/toolbox/proxy/2280", "/toolbox", 1)
	return strings.ReplaceAll(path, ":*}", "}")
}

// Ensure the document describes every route, and no route that is not there.
func TestTheDocumentIsTheRouteTables(t *testing.T) {
	t.Parallel()
	var described []string
	ids := map[string]bool{}
	for path, item := range model(t).Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
			if operation.OperationId == "" || ids[operation.OperationId] || operation.Summary == "" || len(operation.Tags) != 1 {
				t.Errorf("%s %s: wants an operationId of its own, a summary and one tag", method, path)
			}
			ids[operation.OperationId] = true
			if open := len(operation.Security) > 0 || operation.Security != nil; open != (path == "/") {
				t.Errorf("%s %s: says that it is open: %t", method, path, open)
			}
		}
	}
	_, all := serveAll(t)
	var served []string
	for _, r := range all {
		if name := r.Method + " " + inDocument(r.Path); !slices.Contains(served, name) {
			served = append(served, name)
		}
	}
	for _, name := range served {
		if !slices.Contains(described, name) {
			t.Errorf("%s is served and not described", name)
		}
	}
	for _, name := range described {
		if !slices.Contains(served, name) {
			t.Errorf("%s is described and not served", name)
		}
	}
}
