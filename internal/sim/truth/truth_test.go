package truth_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/daytonaio/runner-android/internal/sim/truth"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		truth.Cleanup()
		os.Exit(status)
	}))
}

// files is what the scripts of the tables find.
var files = map[string]string{
	"f": "hello world\nfoo bar\nhello again\n", "d/e/g": "hello\n", "d/bin": "hello\x00y\n", "a b": "a\n",
	"m": "a\n", "n": "b\n", "p/.hidden": "", "p/x.txt": "1\n", "p/y": "2\n", "empty": "", "noend": "no end",
}

// TestCommandsAreToyboxs compares commands line by line: output, messages and exit status.
func TestCommandsAreToyboxs(t *testing.T) {
	t.Parallel()
	for _, line := range commands {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			truth.Compare(t, truth.Script{Text: line, Files: files})
		})
	}
}

// TestTheShellIsMksh compares scripts, by -c and on the shell's input.
func TestTheShellIsMksh(t *testing.T) {
	t.Parallel()
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			truth.Compare(t, truth.Script{Text: script, Files: files})
			truth.Compare(t, truth.Script{Text: script + "\n", Files: files, OnStdin: true})
		})
	}
}

// TestWhatDiffersStillDoes fails when a known difference is gone: it then belongs into the table.
func TestWhatDiffersStillDoes(t *testing.T) {
	t.Parallel()
	for _, script := range differing {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			simulated, genuine := truth.Both(t, truth.Script{Text: script + "\n", Files: files, OnStdin: true})
			if simulated == genuine {
				t.Errorf("%s: both give %q, %q, %d", script, genuine.Out, genuine.Err, genuine.Status)
			}
		})
	}
}
