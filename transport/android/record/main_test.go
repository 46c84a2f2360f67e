package record_test

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) {
	if os.Getenv("PLAYS") == "screenrecord" {
		os.Exit(screenrecord(os.Args[1:]))
	}
	transporttest.Main(m)
}

// screenrecord is the device's: it writes a frame, and the index when it is told to stop. A shell could not play it:
// its background jobs ignore SIGINT, and it cannot undo that.
func screenrecord(args []string) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	if slices.Contains(args, "64x64") {
		fmt.Fprintln(os.Stderr, "ERROR: unable to configure video/avc codec at 64x64 (err=-38)")
		return 1
	}
	name := args[len(args)-1]
	if os.WriteFile(name, []byte("frames"), 0o600) != nil {
		return 1
	}
	limit := 30 * time.Second
	if i := slices.Index(args, "--time-limit"); args[i+1] == "1" {
		limit = time.Millisecond
	}
	select {
	case <-stop:
	case <-time.After(limit):
	}
	if os.WriteFile(name, []byte("frames and index"), 0o600) != nil {
		return 1
	}
	return 0
}
