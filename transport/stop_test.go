package transport_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// Ensure a stop answers what is in flight, takes no new connections, and ends.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	c := start(t, transport.Options{}, transport.Route{Method: "POST", Path: "/work", Slow: true, Handler: func(c *transport.Ctx) error {
		close(entered)
		<-release
		return c.JSON(201, "worked")
	}})
	worked := make(chan transporttest.Answer, 1)
	go func() {
		got, _ := c.Try("POST", "/work", http.NoBody)
		worked <- got
	}()
	<-entered
	c.BeginStop()
	waitFor(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", c.Addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	letGo()
	if got := <-worked; got.Status != 201 {
		t.Errorf("the one in flight was answered %d %s", got.Status, got.Body)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// Ensure a stop ends in time although handlers wait: they are told, and their clients too.
func TestStopEndsInTime(t *testing.T) {
	t.Parallel()
	c := start(t, transport.Options{Limits: transport.Limits{Drain: 2 * time.Second}})
	waited := make(chan transporttest.Answer, 1)
	conn := c.Dial()
	_, _ = io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+transporttest.Token+"\r\n\r\n")
	go func() { waited <- c.ReadAnswer(conn, "GET") }()
	if got := c.Do("GET", "/", ""); got.Status != 200 {
		t.Fatal(got)
	}
	if err := c.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if got := <-waited; got.Status != 503 || !strings.Contains(got.Body, "continues, ask again") {
		t.Errorf("the one in flight was answered %d %s", got.Status, got.Body)
	}
}

// Ensure a port in use is an error that says so, at once.
