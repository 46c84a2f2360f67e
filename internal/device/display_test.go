package device

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daytonaio/runner-android/internal/operator"
)

// listsFor is an operator that answers everything with a device for a while, and with status afterwards; 0 is never.
func listsFor(t *testing.T, while time.Duration, status int) *operator.Client {
	t.Helper()
	until := time.Now().Add(while)
	answer := func(conn net.Conn) {
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		resp := http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Close: true}
		if time.Now().Before(until) {
			resp.StatusCode, resp.Body = http.StatusOK, io.NopCloser(strings.NewReader(`{"device_id":"dev0"}`))
		}
		if resp.StatusCode != 0 {
			_ = resp.Write(conn)
		} else {
			_, _ = conn.Read(make([]byte, 1)) // until the client leaves
		}
	}
	client, err := operator.New(operator.Options{
		URL: "http://127.0.0.1:1080",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go answer(theirs)
			return ours, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Ensure the end of an entry is awaited for a while, that one that stays is named with what to do about it, and that
// an operator that does not answer as one holds up no destroy.
func TestEntriesThatOutliveTheirDevice(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		while  time.Duration
		status int
		left   bool
		took   time.Duration // at most, and half of it at least
	}{
		{"it is gone", 0, http.StatusNotFound, false, 0},
		{"it goes", 4 * time.Second, http.StatusNotFound, false, 5 * time.Second},
		{"it stays", time.Hour, http.StatusNotFound, true, 16 * time.Second},
		{"the operator is broken", time.Second, http.StatusInternalServerError, false, 2 * time.Second},
		{"the operator hangs", 0, 0, false, askOperator},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := devicesOn(t, &scriptedHost{}, 1)[0]
				d.o.Operator = listsFor(t, tc.while, tc.status)
				began := time.Now()
				left := d.awaitUnregistered(t.Context(), "dev0")
				if took := time.Since(began); took > tc.took || took < tc.took/2 {
					t.Errorf("it took %s", took)
				}
				if said := strings.Join(left, "; "); (said != "") != tc.left || tc.left && !strings.Contains(said, `"dev0"`) {
					t.Errorf("left: %q", said)
				}
			})
		})
	}
}
