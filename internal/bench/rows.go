package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is one experiment. measure starts what it needs in the lab and leaves nothing running.
type row struct {
	name, about string
	measure     func(context.Context, *lab) (figures []figure, notes []string, err error)
}

// allRows lists the rows in the order in which they run and are printed.
func allRows() []row {
	return []row{
		{"get", "GET /sandboxes/{id} through the actor, beside a bare fasthttp handler", measureGet},
		{"exec", "a no-op command over HTTP, beside adb shell forked", measureExec},
		{"flight", "64 commands in flight, beside adb shell forked", measureFlight},
		{"fifty", "200 commands at once on 50 devices, beside one at a time", measureFifty},
		{"transfer", "256 MiB up and down over HTTP, beside adb push and pull", measureTransfer},
		{"listing", "a directory of 10,000 files over HTTP, beside adb shell ls -l", measureListing},
		{"install", "an app of 50 MiB over HTTP, beside adb install", measureInstall},
		{"uitree", "the elements of the screen as JSON, beside uiautomator dump by process/execute", measureUI},
		{"tunnel", "128 MiB through adb-forward and the tunnel, to a port beside adb forward, and by adb itself", measureTunnel},
		{"logcat", "50,000 lines of log a second to a reader that stalls", measureLogcat},
		{"display", "page and signalling through the proxy, beside the operator itself and nginx", measureDisplay},
		{"sockets", "resident memory of 1,000 idle signalling sockets", measureSockets},
		{"snapshot", "snapshots to and from a bucket, beside every byte, rclone and cp", measureSnapshot},
		{"sweep", "health of 100 sandboxes, beside adb and ps forked for each", measureSweep},
		{"memory", "resident memory, goroutines and files, idle and per sandbox", measureMemory},
		{"claim", "a job claimed until its first cvd, beside the durable writes it needs", measureClaim},
		{"crowd", "200 jobs at once on 20 numbers", measureCrowd},
		{"metrics", "GET /metrics with 100 sandboxes, beside a bare fasthttp handler", measureMetrics},
		{"start", "size of the binary, start to listening", measureStart},
	}
}

func rowNames() []string {
	var names []string
	for _, r := range allRows() {
		names = append(names, r.name)
	}
	return names
}

// chooseRows returns the rows that a comma-separated list names, all for an empty one.
func chooseRows(list string) ([]row, error) {
	rows := allRows()
	if list == "" {
		return rows, nil
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("no row is called %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !slices.Contains(names, r.name) }), nil
}

// absentError says that a baseline cannot be had on this machine.
type absentError struct{ why string }

func (e absentError) Error() string { return e.why }

// isAbsent reports whether an error says that a baseline cannot be had here.
func isAbsent(err error) bool {
	var absent absentError
	return errors.As(err, &absent)
}

// scaling shortens a run.
type scaling struct{ divisor int }

func scale(short bool) scaling {
	if short {
		return scaling{4}
	}
	return scaling{1}
}

func (s scaling) span(d time.Duration) time.Duration { return d / time.Duration(s.divisor) }
func (s scaling) count(n int) int                    { return max(1, n/s.divisor) }

// takeTurns calls ours and baseline n times each; who goes first alternates.
func takeTurns(n int, ours, baseline func() error) error {
	for i := range n {
		first, second := ours, baseline
		if i%2 == 1 {
			first, second = baseline, ours
		}
		if err := first(); err != nil {
			return err
		}
		if err := second(); err != nil {
			return err
		}
	}
	return nil
}
