package openapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/daytonaio/runner-android/transport"
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

// inDocument is how the document writes the path of a route: the rest of a path is a parameter like others.
func inDocument(path string) string { return strings.ReplaceAll(once(path), ":*}", "}") }

// once is the one of the places where a route is served that is described for all of them.
func once(path string) string {
	path = strings.Replace(path, "/toolbox/proxy/2280", "/toolbox", 1)
	path = strings.Replace(path, "/proxy/6080", "/proxy/{port}", 1) // the display's port is one of them
	for _, family := range []string{"android", "adb", "tcp", "display"} {
		path = strings.Replace(path, "/toolbox/"+family+"/", "/"+family+"/", 1)
	}
	return path
}

// methodsOf are the methods that the document describes of a route. Of any method it describes all that
// clients are generated for: TRACE is left out, and CONNECT is none of OpenAPI's.
func methodsOf(r transport.Route) []string {
	if r.Method == "*" {
		return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
	}
	return []string{r.Method}
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
			if open := len(operation.Security) > 0 || operation.Security != nil; open != (path == "/" || strings.HasPrefix(path, "/display/")) {
				t.Errorf("%s %s: says that it is open: %t", method, path, open)
			}
		}
	}
	_, all := serveAll(t)
	var served []string
	for _, r := range all {
		for _, method := range methodsOf(r) {
			if name := method + " " + inDocument(r.Path); !slices.Contains(served, name) {
				served = append(served, name)
			}
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

// refused are the operations that only ever say no, with another status than 501.
var refused = []string{"getBuildLogs", "getEntrypoint", "getEntrypointLogs", "restartProcess", "getProcessLogs", "getProcessErrors"}

// Ensure each operation says what comes when all goes well, or 501, and what comes otherwise.
func TestEveryOperationHasItsAnswers(t *testing.T) {
	t.Parallel()
	for path, item := range model(t).Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			well := false
			for status := range operation.Responses.Codes.KeysFromOldest() {
				well = well || strings.HasPrefix(status, "2") || status == "101" || status == "501"
			}
			if well == slices.Contains(refused, operation.OperationId) {
				t.Errorf("%s %s: says that all may go well: %t", method, path, well)
			}
			if fails := operation.Responses.Default != nil; fails != (path != "/") {
				t.Errorf("%s %s: says that it may fail: %t", method, path, fails)
			}
		}
	}
}

// Ensure the parameters in each path are those that its operations describe.
func TestEveryPathHasItsParameters(t *testing.T) {
	t.Parallel()
	for path, item := range model(t).Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			rest := path
			for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
				if p.In != "path" {
					continue
				}
				without := strings.Replace(rest, "{"+p.Name+"}", "", 1)
				if without == rest || p.Required == nil || !*p.Required {
					t.Errorf("%s %s: the parameter %s is not in the path, or not required", method, path, p.Name)
				}
				rest = without
			}
			if strings.Contains(rest, "{") {
				t.Errorf("%s %s: not all of its parameters are described", method, path)
			}
		}
	}
}
