package pty

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// Ensure each route answers with the daemon's fields, and no others: old Go SDKs refuse them.
func TestShapes(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	if got := c.Do("GET", base, ""); got.Status != 200 || got.Body != `{"sessions":[]}` {
		t.Errorf("no terminals: %d %s", got.Status, got.Body)
	}
	if got := c.Do("POST", base+"/", `{"id":"a/b c","cols":1000,"rows":1000,"envs":null,"cwd":null}`); got.Status != 201 || got.Body != `{"sessionId":"a/b c"}` {
		t.Errorf("create: %d %s", got.Status, got.Body)
	}
	const one = base + "/a%2Fb%20c"
	var all struct{ Sessions []json.RawMessage }
	if err := json.Unmarshal([]byte(c.Do("GET", base+"/", "").Body), &all); err != nil || len(all.Sessions) != 1 {
		t.Fatalf("%d terminals, %v", len(all.Sessions), err)
	}
	want := map[string]string{
		"id": `"a/b c"`, "cwd": `""`, "envs": `{}`, "cols": "1000", "rows": "1000", "active": "true", "lazyStart": "false",
	}
	for name, body := range map[string]string{
		"get": c.Do("GET", one, "").Body, "list": string(all.Sessions[0]), "resize": c.Do("POST", one+"/resize", `{"cols":1000,"rows":1000}`).Body,
	} {
		var got map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, body)
		}
		for field, value := range want {
			if string(got[field]) != value {
				t.Errorf("%s: %s is %s, want %s", name, field, got[field], value)
			}
		}
		if fields := slices.Sorted(maps.Keys(got)); !slices.Equal(fields, []string{"active", "cols", "createdAt", "cwd", "envs", "id", "lazyStart", "rows"}) {
			t.Errorf("%s: fields %q", name, fields)
		}
	}
	for _, status := range []int{200, 404} {
		if got := c.Do("DELETE", one, ""); got.Status != status {
			t.Errorf("delete: %d %s", got.Status, got.Body)
		}
	}
	// A word of the routes is no name of a terminal, and is answered as one that is not there.
	for method, path := range map[string]string{"DELETE": "/create-connect", "GET": "/none"} {
		if got := c.Do(method, base+path, ""); got.Status != 404 || got.Field(t, "error") != "PTY session not found" || got.Field(t, "code") != "NOT_FOUND" {
			t.Errorf("%s %s: %d %s", method, path, got.Status, got.Body)
		}
	}
}

// Ensure whatever a client sends is typed, and the size is the usual one unless it says another.
func TestTextIsTypedToo(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	s := c.socket(base+"/create-connect?id=p&DAYTONA_SANDBOX_AUTH_KEY=x", "X-Daytona-SDK-Version~0.218.0", "X-Daytona-SDK-Version~0.218.0")
	s.says("connected")
	if err := s.WriteMessage(websocket.TextMessage, []byte("stty size; echo do''ne\n")); err != nil {
		t.Fatal(err)
	}
	s.prints("24 80\r\ndone\r\n")
	if err := s.WriteMessage(websocket.TextMessage, []byte("exit 4\n")); err != nil {
		t.Fatal(err)
	}
	s.closes(1011, `{"exitCode":4,"exitReason":"non-zero exit"}`) // all that those hear who did not ask for more
	if len(s.controls) != 1 || s.controls[0] != connected {
		t.Errorf("said %q", s.controls)
	}
}

// Ensure a client whose terminal is not there is told so once, in a message, and the socket is closed.
func TestNothingToConnectTo(t *testing.T) {
	t.Parallel()
	c := start(t, guestshelltest.Host(), Options{})
	envs := protocolEnvs + base64.RawURLEncoding.EncodeToString([]byte(`{"A-B":""}`))
	for path, want := range map[string]string{
		"/none/connect":                 "PTY session none not found",
		"/create-connect?id=":           "session ID is required",
		"/create-connect?id=x":          "invalid environment variable name: 'A-B'",
		"/create-connect?id=x&cols=-1":  "invalid environment variable name: 'A-B'",
		"/create-connect?id=x&rows=9z9": "invalid value for rows",
	} {
		s := c.socket(base+path, envs, "other", envs)
		s.until(func() bool { return false })
		if len(s.controls) != 1 || s.printed != "" || s.closed == nil ||
			!strings.HasPrefix(s.controls[0], `{"type":"control","status":"error","error":"Failed to connect to PTY session: `+want) {
			t.Errorf("%s: said %q, printed %q, closed with %v", path, s.controls, s.printed, s.closed)
		}
	}
	for _, path := range []string{"/none/connect", "/create-connect?id=x"} {
		if got := c.Do("GET", base+path, ""); got.Status != 400 || !strings.HasPrefix(got.Field(t, "error"), "Bad Request") || got.Field(t, "code") != "BAD_REQUEST" {
			t.Errorf("%s without a socket: %d %s", path, got.Status, got.Body)
		}
	}
	if got := c.Do("GET", base, ""); got.Body != `{"sessions":[]}` {
		t.Errorf("left: %s", got.Body)
	}
}
