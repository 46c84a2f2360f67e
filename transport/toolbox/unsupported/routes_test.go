package unsupported

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

// Ensure what Android has nothing for is refused with a reason that SDKs show, in each generation's spelling.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, Routes()) })
	for _, request := range []string{
		"GET git/branches?path=x", "GET git/status?path=x", "GET git/history?path=x", "POST git/add", "POST git/branches", "POST git/checkout",
		"POST git/clone", "POST git/commit", "POST git/pull", "POST git/push", "DELETE git/branches", "POST git/config/user",
		"POST lsp/start", "POST lsp/stop", "POST lsp/did-open", "POST lsp/did-close", "POST lsp/completions", "GET lsp/document-symbols",
		"GET lsp/workspacesymbols", "GET lsp/workspace-symbols", "GET process/commands/x", "POST process/interpreter/context",
		"DELETE process/interpreter/context/x", "GET process/interpreter/execute", "GET env", "GET system/metrics",
		"POST git/init", "GET git/config", "POST git/credentials",
		"GET git/remotes", "POST git/reset", "POST git/restore", "POST git/branches/", "GET process/commands/x/", "POST process/code-run/", "POST process/code-run",
	} {
		for _, prefix := range []string{"/sandboxes/dev-1/toolbox/", "/sandboxes/dev-1/toolbox/proxy/2280/"} {
			method, path, _ := strings.Cut(request, " ")
			got := c.Do(method, prefix+path, `{"code":"1","language":"python"}`)
			if message := got.Field(t, "message"); got.Status != 501 || got.Field(t, "code") != "NOT_IMPLEMENTED" || len(message) < 30 ||
				!strings.HasPrefix(message, "not implemented: ") {
				t.Errorf("%s: %d %s", request, got.Status, got.Body)
			}
			below, _, _ := strings.Cut(path, "?")
			if got.Field(t, "statusCode") != "501" || got.Field(t, "method") != method || got.Field(t, "path") != "/"+below || got.Field(t, "timestamp") == "" {
				t.Errorf("%s: %s", request, got.Body)
			}
		}
	}
}

func TestWhatCanBeSaid(t *testing.T) {
	t.Parallel()
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) { toolbox.Mount(s, Routes()) })
	const base = "/sandboxes/dev-1/toolbox/process/"
	if got := c.Do("GET", base+"interpreter/context", ""); got.Status != 200 || got.Body != `{"contexts":[]}` {
		t.Errorf("contexts: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", base+"code-run", `{"code":"1","language":"go"}`); got.Status != 400 || got.Field(t, "message") != "bad request: unsupported language: go" {
		t.Errorf("a language: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", base+"code-run", `1`); got.Status != 400 {
		t.Errorf("a bad body: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", base+"code-run", `{"code":"1"}`); got.Status != 501 {
		t.Errorf("no language: %d %s", got.Status, got.Body)
	}
}
