package adb

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// step is one direction's turn in a transcript.
type step struct {
	host bool // the host sends it
	raw  []byte
}

// readTranscript reads "H hex", "D hex", "H= text" and "D= text" lines; \0 in text is a NUL.
func readTranscript(t *testing.T, path string) []step {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for line := range strings.Lines(string(file)) {
		mark, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var raw []byte
		switch mark {
		case "H", "D":
			if raw, err = hex.DecodeString(strings.ReplaceAll(rest, " ", "")); err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
		case "H=", "D=":
			raw = []byte(strings.ReplaceAll(rest, `\0`, "\x00"))
		default:
			continue
		}
		steps = append(steps, step{mark[0] == 'H', raw})
	}
	return steps
}

// play acts the device's part and checks every byte of the host's.
func play(t *testing.T, nc net.Conn, steps []step) {
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	for i, s := range steps {
		if !s.host {
			if _, err := nc.Write(s.raw); err != nil {
				t.Errorf("step %d: %v", i, err)
				return
			}
			continue
		}
		got := make([]byte, len(s.raw))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, s.raw) {
			t.Errorf("step %d: got % x (%q), %v; want % x", i, got, got, err, s.raw)
			return
		}
	}
}

func TestShellTranscripts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, command string
		output              string
		code                int
	}{
		{"a command that only exits", "testdata/shell_exit5.txt", "exit 5", "", 5},
		{"a command that prints", "testdata/shell_echo.txt", "echo hi", "hi\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host, device := tcpPair(t)
			steps := readTranscript(t, tt.file)
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = device.Close() }()
				play(t, device, steps)
			}()
			c, err := Connect(within(t), host, ConnOptions{Serial: "s"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			res, err := c.Shell(within(t), ShellCommand{Command: tt.command})
			if err != nil || res.ExitCode != tt.code || string(res.Output) != tt.output {
				t.Errorf("got %+v, %v; want exit %d and %q", res, err, tt.code, tt.output)
			}
			<-done
		})
	}
}
