package ports

import (
	"bytes"
	"context"
	"net"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10123        0 20000 1 0000000000000000 100 0 0 10 0
   1: 00000000:15B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2000        0 20001 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000 10123        0 20002 1 0000000000000000 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 10123
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 10123
`

func TestListening(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table string
		want        []int
	}{
		{"both tables, each port once", table, []int{80, 5555, 8080}},
		{"nothing listens", table[:97], []int{}},
		{"nothing", "", []int{}},
		{"cut in a line", "0: 0100007F:1F90 00000000:0000 0A\n1: 0100007F:1F9", []int{8080}},
		{"no port", "0: 0100007F 0 0A\n0: 0100007F:zz 0 0A\n0: 0100007F:0000 0 0A\n0: 0100007F:10000 0 0A", []int{}},
	} {
		if got := listening([]byte(tt.table)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzListening(f *testing.F) {
	f.Add([]byte(table))
	f.Fuzz(func(t *testing.T, table []byte) {
		got := listening(bytes.Clone(table))
		if got == nil || !slices.IsSorted(got) || len(got) > bytes.Count(table, []byte("\n"))+1 {
			t.Fatalf("got %v", got)
		}
		if len(got) > 0 && (got[0] < 1 || got[len(got)-1] > 65535) {
			t.Fatalf("got %v", got)
		}
	})
}

func TestPorts(t *testing.T) {
	t.Parallel()
	guest := &fakeGuest{run: func(_ context.Context, script string) (guestshell.Result, error) {
		return guestshell.Result{ExitCode: 1, Output: []byte(table)}, nil // no tcp6
	}}
	guest.serveRaw(t, 8080, func(net.Conn) {})
	guest.serve(8081, func(ctx context.Context) (net.Conn, error) {
		return nil, fault.Unavailablef("no adb connection")
	})
	guest.serve(8082, func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
	c := start(t, guest, nil, Options{Dial: 50 * time.Millisecond})
	for _, tt := range []struct {
		path   string
		status int
		body   string // or the message
	}{
		{base + "/port", 200, `{"ports":[80,5555,8080]}`},
		{base + "/port/8080/in-use", 200, `{"isInUse":true}`},
		{base + "/port/8088/in-use", 200, `{"isInUse":false}`},
		{base + "/port/3000/in-use", 200, `{"isInUse":false}`},
		{base + "/port/9999/in-use/", 200, `{"isInUse":false}`},
		{base + "/port/2999/in-use", 400, "bad request: port 2999 is not between 3000 and 9999"},
		{base + "/port/10000/in-use", 400, "bad request: port 10000 is not between 3000 and 9999"},
		{base + "/port/x/in-use", 400, `bad request: "x" in the path is no port`},
		{base + "/port/08080/in-use", 400, `bad request: "08080" in the path is no port`},
		{base + "/port/8081/in-use", 503, "unavailable: reach port 8081 of the guest: no adb connection"},
		{base + "/port/8082/in-use", 504, "timeout: reach port 8082 of the guest: port 8082 of the guest took no connection within 50ms"},
		{"/sandboxes/stopped/toolbox/port", 409, "conflict: sandbox stopped is stopped: is the sandbox started?"},
		{"/sandboxes/stopped/toolbox/port/8080/in-use", 409, "conflict: sandbox stopped is stopped: is the sandbox started?"},
		{"/sandboxes/dev-2/toolbox/port", 404, "not found: sandbox dev-2 does not exist on this runner"},
	} {
		got := c.Do("GET", tt.path, "")
		text := got.Body
		if tt.status != 200 {
			text = got.Field(t, "message")
		}
		if got.Status != tt.status || text != tt.body {
			t.Errorf("%s: got %d %s", tt.path, got.Status, got.Body)
		}
	}
}

func TestPortsOfALostDevice(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	answer := make(chan error, 1)
	guest := &fakeGuest{run: func(ctx context.Context, _ string) (guestshell.Result, error) {
		select {
		case err := <-answer:
			return guestshell.Result{}, err
		case <-ctx.Done():
			return guestshell.Result{}, ctx.Err()
		}
	}}
	c := start(t, guest, left, Options{})
	answer <- nil
	if got := c.Do("GET", base+"/port", ""); got.Status != 503 || got.Field(t, "message") !=
		"unavailable: the guest does not let its shell read /proc/net/tcp" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	answer <- fault.Unavailablef("connection lost")
	if got := c.Do("GET", base+"/port", ""); got.Status != 503 || got.Field(t, "message") != "unavailable: connection lost" {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	time.AfterFunc(10*time.Millisecond, func() { close(left) })
	if got := c.Do("GET", base+"/port", ""); got.Status != 409 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure the script says what this machine's kernel says, in Android's shell.
func TestListScript(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	guest := guestshelltest.New(t, nil)
	res, err := guest.Run(t.Context(), "", guestshell.Script{Text: []byte(listScript + "\n"), MaxOutput: maxList})
	_, text, _ := net.SplitHostPort(ln.Addr().String())
	port, _ := strconv.Atoi(text)
	if ports := listening(res.Output); err != nil || !slices.Contains(ports, port) {
		t.Errorf("%d is not in %v (%v)", port, ports, err)
	}
}
