package logd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/guest/logd"
)

// Ensure a buffer keeps the last entries, as many as fit, and others are not touched by it.
func TestBuffersAreBounded(t *testing.T) {
	t.Parallel()
	l := logd.New()
	l.Add(logd.Entry{Buffer: logd.Crash, Tag: "keep", Text: "me"})
	for range 10_000 {
		l.Add(logd.Entry{Tag: "flood", Text: strings.Repeat("x", 100)})
	}
	entries, at := l.Read(logd.All, 0, 100_000)
	if entries[0].Tag != "keep" || at != l.Last() || at != 10_001 {
		t.Errorf("first %+v, at %d of %d", entries[0], at, l.Last())
	}
	if limit, used := l.Size(logd.Main); used > limit || used < limit-1000 || len(entries) > limit/100 {
		t.Errorf("%d of %d bytes, %d entries", used, limit, len(entries))
	}
	if l.Resize(logd.All, 1) || !l.Resize(logd.All, logd.MinSize) {
		t.Error("sizes are not checked")
	}
	l.Clear(1 << logd.Main)
	if rest, _ := l.Read(logd.All, 0, 100); len(rest) != 1 {
		t.Errorf("%d are left", len(rest))
	}
}

// Ensure who reads gets each entry once and in order, whatever the buffer, and who waits is woken.
func TestReadersFollow(t *testing.T) {
	t.Parallel()
	l := logd.New()
	for i, b := range []logd.Buffer{logd.Main, logd.System, logd.Main, logd.Radio, logd.System} {
		l.Add(logd.Entry{Buffer: b, PID: i})
	}
	got := []int{}
	for at := uint64(0); ; {
		entries, next := l.Read(logd.Default, at, 2)
		if at = next; len(entries) == 0 {
			break
		}
		for _, e := range entries {
			got = append(got, e.PID)
		}
	}
	if len(got) != 4 || got[0] != 0 || got[1] != 1 || got[2] != 2 || got[3] != 4 {
		t.Errorf("%v", got)
	}
	woken := make(chan error, 1)
	last := l.Last()
	go func() { woken <- l.Wait(t.Context(), last) }()
	l.Add(logd.Entry{})
	if err := <-woken; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, l.Last()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
