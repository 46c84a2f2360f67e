package operator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

const notFound = "404 page not found\n"

// pageServer is a device's file server that says what it was sent.
func pageServer(t *testing.T) (port int, seen func() *http.Request) {
	t.Helper()
	requests := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		io.WriteString(w, "page "+r.URL.Path+"?"+r.URL.RawQuery)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err = strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port, func() *http.Request { return <-requests }
}

// Ensure every route answers with the very bytes that the real operator does.
func TestRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	port, _ := pageServer(t)
	r.register("a b", port, `{"adb_port":0}`)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := gone.Addr().(*net.TCPAddr).Port
	gone.Close()
	r.register("dead", closed, fmt.Sprintf(`{"adb_port":%d}`, closed))
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"a descriptor", "GET", "/devices/a%20b", "", 200, `{"device_id":"a b","group_name":"","adb_port":0,"registration_info":{"adb_port":0}}` + "\n"},
		{"no device", "GET", "/devices/x", "", 404, notFound},
		{"no device, with a slash", "GET", "/devices/", "", 404, notFound},
		{"a device with a slash", "GET", "/devices/dead/", "", 404, notFound},
		{"another method", "POST", "/devices", "", 404, notFound},
		{"a head", "HEAD", "/devices/a%20b/files/client.html", "", 404, ""},
		{"a file", "GET", "/devices/a%20b/files/js/app.js?x=1", "", 200, "page /js/app.js?x=1"},
		{"no file", "GET", "/devices/a%20b/files", "", 404, notFound},
		{"no file, with a slash", "GET", "/devices/a%20b/files/", "", 404, notFound},
		{"a file of no device", "GET", "/devices/x/files/client.html", "", 404, notFound},
		{"a file server that is gone", "GET", "/devices/dead/files/client.html", "", 502, ""},
		{"the operator's own file works even so", "GET", "/devices/dead/files/js/server_connector.js", "", 200, "-"},
		{"a path that is not clean", "GET", "/devices//dead", "", 301, "-"},
		{"a plain connect", "GET", "/devices/dead/connect", "", 400, "Bad Request\n"},
		{"a connect to nobody", "GET", "/devices/x/connect", "", 404, "Device not found\n"},
		{"adb of nobody", "GET", "/devices/x/adb", "", 404, "Device not found\n"},
		{"adb without a port", "GET", "/devices/a%20b/adb", "", 404, "Cannot find adb port for the device\n"},
		{"adb that refuses", "GET", "/devices/dead/adb", "", 200, ""},
		{"services of no device here", "GET", "/devices/dead/services", "", 404, notFound},
		{"no router", "GET", "/devices/dead/openwrt/x", "", 404, notFound},
		{"the constant", "GET", "/infra_config", "", 200, config + "\n"},
		{"the constant, posted", "POST", "/infra_config", "", 404, notFound},
		{"polling nobody", "POST", "/polled_connections", `{"device_id":"x"}`, 404, "Device not found\n"},
		{"polling nonsense", "POST", "/polled_connections", `{`, 400, "unexpected EOF\n"},
		{"getting polled connections", "GET", "/polled_connections", "", 404, notFound},
		{"messages of no connection", "GET", "/polled_connections/x/messages", "", 404, notFound},
		{"forwarding on no connection", "POST", "/polled_connections/x/:forward", "{}", 404, notFound},
		{"what was long ago", "GET", "/connect_client", "", 404, notFound},
		{"the list of devices for people", "GET", "/", "", 200, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(tt.method, tt.path, tt.body)
			if got.status != tt.status || tt.want != "-" && got.body != tt.want {
				t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, got.status, got.body, tt.status, tt.want)
			}
			if cors := got.header.Get("Access-Control-Allow-Origin"); cors != "" {
				t.Errorf("CORS for %q", cors)
			}
			if got.status == 502 && got.header.Get("x-cutf-proxy") != "op-device" {
				t.Errorf("the 502 says %v", got.header)
			}
		})
	}
}

// Ensure the list has the form of the operator's version and leaves out what is empty.
func TestList(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.55.2": `[{"device_id":"d","group_name":"","adb_port":0}]`, "0.9.29": `[{"device_id":"d","group_id":""}]`, "0.9.27": `["d"]`,
	} {
		v, err := simroot.ParseVersion(version)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, operator.Options{Version: v})
		if got := r.do("GET", "/devices", nil); got.body != "[]\n" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: no devices are %q, %v", version, got.body, got.header)
		}
		r.register("d", 1, "")
		if got := r.do("GET", "/devices", nil); got.body != want+"\n" {
			t.Errorf("%s: %q, want %s", version, got.body, want)
		}
	}
}

// Ensure newer operators keep secrets from devices, and older ones do not.
func TestHeadersOnTheWayToADevice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version simroot.Version
		passed  bool
	}{{simroot.Version{Major: 1, Minor: 54}, true}, {simroot.Version{Major: 1, Minor: 55}, false}} {
		r := newRig(t, operator.Options{Version: tt.version})
		port, seen := pageServer(t)
		r.register("d", port, "")
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.service.Place().HTTP+"/devices/d/files/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Cookie", "Authorization", "X-Daytona-Authorization"} {
			req.Header.Set(name, "secret=1")
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := seen()
		for _, name := range []string{"Cookie", "Authorization", "X-Daytona-Authorization"} {
			if (got.Header.Get(name) != "") != tt.passed {
				t.Errorf("%s: %s is %q", tt.version, name, got.Header.Get(name))
			}
		}
		requests := r.service.Hub().Requests()
		if n := len(requests); n == 0 || requests[n-1].Header.Get("Cookie") == "" || requests[n-1].Line != "GET /devices/d/files/x" {
			t.Errorf("the operator remembers %v", requests)
		}
	}
}

// Ensure polled connections keep their messages, and have the real one's errors.
func TestPolling(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator.Options{})
	device := r.register("d", 1, `{"x":1}`)
	var opened struct {
		ID   string          `json:"connection_id"`
		Info json.RawMessage `json:"device_info"`
	}
	if err := json.Unmarshal([]byte(r.do("POST", "/polled_connections", `{"device_id":"d"}`).body), &opened); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9]{64}$`).MatchString(opened.ID) || string(opened.Info) != `{"x":1}` {
		t.Errorf("opened %+v", opened)
	}
	at := "/polled_connections/" + opened.ID
	if got := r.do("POST", at+"/:forward", `{"client_id":77,"payload":{"type":"request-offer"}}`); got.body != "\"ok\"\n" || got.status != 200 {
		t.Errorf("forward: %+v", got)
	}
	device.wants(`{"message_type":"client_msg","client_id":1,"payload":{"type":"request-offer"}}`)
	if got := r.do("POST", at+"/:forward", `nonsense`); got.status != 400 {
		t.Errorf("forward nonsense: %+v", got)
	}
	for i := range 3 {
		device.send(fmt.Sprintf(`{"message_type":"forward","client_id":1,"payload":{"n":%d}}`, i))
	}
	message := func(n int) string { return fmt.Sprintf(`{"message_type":"device_msg","payload":{"n":%d}}`, n) }
	await(t, "messages", func() bool { return strings.Count(r.do("GET", at+"/messages", nil).body, "device_msg") == 3 })
	for query, want := range map[string]string{
		"":                 "[" + message(0) + "," + message(1) + "," + message(2) + "]\n",
		"?start=2":         "[" + message(2) + "]\n",
		"?start=3":         "[]\n",
		"?start=1&count=1": "[" + message(1) + "]\n",
		"?start=x":         "Invalid value for start field\n",
		"?count=x":         "Invalid value for count field\n",
	} {
		if got := r.do("GET", at+"/messages"+query, nil); got.body != want {
			t.Errorf("%s: %q, want %q", query, got.body, want)
		}
	}
	for _, query := range []string{"?start=4", "?start=-1"} {
		if got := r.do("GET", at+"/messages"+query, nil); got.status != 0 || !strings.Contains(got.body, "EOF") {
			t.Errorf("%s: %+v, want a dropped connection", query, got)
		}
	}
	if got := r.do("POST", "/sim/faults", `{"fault":"fix_panic"}`); got.status != 200 {
		t.Fatal(got)
	}
	if got := r.do("GET", at+"/messages?start=4", nil); got.body != "[]\n" {
		t.Errorf("fixed: %+v", got)
	}
	device.conn.Close()
	await(t, "end of the connection", func() bool { return r.do("GET", at+"/messages", nil).body == notFound })
	if got := r.do("POST", at+"/:forward", `{}`); got.body != notFound {
		t.Errorf("forward after the end: %+v", got)
	}
}
