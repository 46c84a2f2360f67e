package adb_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
)

// transferSize is what a transfer benchmark moves at once.
const transferSize = 256 << 20

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// BenchmarkPush and BenchmarkPull move a file of 256 MiB to and from a simulated device: by our
// own client, directly and through an adb server, and by the adb program. Compare within a run:
//
//	go test -run xxx -bench 'Push$|PullFile' -benchtime 4x ./internal/adb
func BenchmarkPush(b *testing.B) {
	for _, way := range transfers(b) {
		b.Run(way.name, func(b *testing.B) { way.measure(b, way.push) })
	}
}

func BenchmarkPullFile(b *testing.B) {
	for _, way := range transfers(b) {
		b.Run(way.name, func(b *testing.B) {
			way.push(b)
			way.measure(b, way.pull)
		})
	}
}

type transfer struct {
	name       string
	push, pull func(b *testing.B)
}

func (transfer) measure(b *testing.B, move func(b *testing.B)) {
	b.SetBytes(transferSize)
	b.ReportAllocs()
	for b.Loop() {
		move(b)
	}
}

func transfers(b *testing.B) []transfer {
	s := simulate(b, 2048, nil)
	server, runADB := realServer(b)
	path := filepath.Join(b.TempDir(), "256M")
	if err := os.WriteFile(path, make([]byte, transferSize), 0o600); err != nil {
		b.Fatal(err)
	}
	byProgram := func(args ...string) func(b *testing.B) {
		return func(b *testing.B) { runADB(append([]string{"-s", s.addr}, args...)...) }
	}
	runADB("connect", s.addr)
	return []transfer{
		byClient("direct", s.use(b, nil)),
		byClient("server", s.use(b, func(o *adb.PoolOptions) { o.Mode, o.Server = adb.Server, server })),
		{"adb", byProgram("push", path, tmp+"bench"), byProgram("pull", tmp+"bench", path+".back")},
	}
}

func byClient(name string, d *adb.Device) transfer {
	return transfer{name,
		func(b *testing.B) {
			n, err := d.Send(context.Background(), tmp+"bench", 0o644, time.Time{}, io.LimitReader(zeros{}, transferSize))
			if n != transferSize || err != nil {
				b.Fatal(n, err)
			}
		},
		func(b *testing.B) {
			f, err := d.Recv(context.Background(), tmp+"bench")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if n, err := f.WriteTo(io.Discard); n != transferSize || err != nil {
				b.Fatal(n, err)
			}
		},
	}
}

// BenchmarkShellWhilePushing is what a shell costs while a large file is on its way.
func BenchmarkShellWhilePushing(b *testing.B) {
	if _, err := exec.LookPath("adb"); err != nil {
		b.Skip("skipped: needs adb")
	}
	s := simulate(b, 2048, nil)
	d := s.use(b, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = d.Send(ctx, tmp+"bench", 0o644, time.Time{}, io.LimitReader(zeros{}, transferSize))
		}
	}()
	defer func() {
		cancel()
		<-done
	}()
	for b.Loop() {
		if res, err := d.Shell(ctx, adb.ShellCommand{Command: "true"}); err != nil || res.ExitCode != 0 {
			b.Fatal(res, err)
		}
	}
}

// BenchmarkStat is one question about a file.
func BenchmarkStat(b *testing.B) {
	d := simulate(b, 64, nil).use(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Stat(b.Context(), "/data"); err != nil {
			b.Fatal(err)
		}
	}
}
