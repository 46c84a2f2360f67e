package main

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"testing"
)

const profile = `goroutine profile: total 14
9 @ 0x1 0x2
#	0x1	time.Sleep+0x1	time.go:1

3 @ 0x3
#	0x3	github.com/valyala/fasthttp.(*workerPool).workerFunc+0x1	workerpool.go:1

2 @
`

func TestGoroutinesAreAddedUpWithoutThoseLeftOut(t *testing.T) {
	t.Parallel()
	got, err := parseGoroutines([]byte(profile), "fasthttp.(*workerPool)")
	if err != nil || got != 11 {
		t.Errorf("got %d, %v; want 11", got, err)
	}
	for _, text := range []string{"", "<html>", "goroutine profile: total 1\nx @ 0x1\n", "goroutine profile: total 1\n1\n"} {
		if got, err := parseGoroutines([]byte(text), "none"); err == nil {
			t.Errorf("%q: %d; want an error", text, got)
		}
	}
}

func TestGoroutineProfileOfThisGoIsUnderstood(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&out, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := parseGoroutines(out.Bytes(), "no such frame"); err != nil || got < 1 || got > 10+2*runtime.NumGoroutine() {
		t.Errorf("got %d, %v of about %d", got, err, runtime.NumGoroutine())
	}
}

func TestMetricIsFoundByItsWholeName(t *testing.T) {
	t.Parallel()
	text := []byte("# HELP go_goroutines many\ngo_goroutines_max 99\ngo_goroutines 12\ngo_mallocs_total 1.5e+06\nbad x\n")
	for name, want := range map[string]float64{"go_goroutines": 12, "go_mallocs_total": 1.5e6} {
		if got, err := parseMetric(text, name); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"go", "bad", "absent"} {
		if got, err := parseMetric(text, name); err == nil {
			t.Errorf("%s: %v; want an error", name, got)
		}
	}
}

func FuzzGoroutines(f *testing.F) {
	f.Add([]byte(profile))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := parseGoroutines(data, "x"); err == nil && n < 0 {
			t.Errorf("%d goroutines", n)
		}
	})
}
