package truth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
)

// Script is what runs on both sides.
type Script struct {
	Text string
	// Files are made first; a name that ends in a slash is a directory. All are as old as the epoch.
	Files map[string]string
	// OnStdin feeds the text to the shell's input instead of -c.
	OnStdin bool
	// Stdin is the input of a script that runs by -c.
	Stdin string
}

// Result is what one side made of it.
type Result struct {
	Out, Err string
	Status   int
}

// limit is how long a script may take on either side.
const limit = 20 * time.Second

// Compare runs s on both sides and reports where they differ.
func Compare(t testing.TB, s Script) {
	t.Helper()
	simulated, genuine := Both(t, s)
	if simulated != genuine {
		t.Errorf("%s\n  guest %q %q %d\n  real  %q %q %d", s.Text, simulated.Out, simulated.Err, simulated.Status,
			genuine.Out, genuine.Err, genuine.Status)
	}
}

// Both runs s in the guest and in the real shell.
func Both(t testing.TB, s Script) (simulated, genuine Result) {
	t.Helper()
	bin := programs(t)
	return inGuest(t, s), inReality(t, bin, s)
}

// genuineBin is the directory with the real commands, made at its first use.
var genuineBin struct {
	sync.Mutex
	dir string
}

// Cleanup removes what the first comparison has made. A package that compares calls it at the end
// of its TestMain.
func Cleanup() {
	genuineBin.Lock()
	defer genuineBin.Unlock()
	if genuineBin.dir != "" {
		_ = os.RemoveAll(genuineBin.dir)
		genuineBin.dir = ""
	}
}

// programs is a directory with the real commands: toybox under all its names, and mksh as sh.
func programs(t testing.TB) string {
	t.Helper()
	toybox, err := exec.LookPath("toybox")
	if err != nil {
		t.Skip("skipped: needs toybox")
	}
	mksh, err := exec.LookPath("mksh")
	if err != nil {
		t.Skip("skipped: needs mksh")
	}
	genuineBin.Lock()
	defer genuineBin.Unlock()
	if genuineBin.dir != "" {
		return genuineBin.dir
	}
	names, err := exec.CommandContext(t.Context(), toybox).Output()
	must(t, err)
	dir, err := os.MkdirTemp("", "truth")
	must(t, err)
	genuineBin.dir = dir
	must(t, os.Symlink(mksh, filepath.Join(dir, "sh")))
	for _, name := range strings.Fields(string(names)) {
		if err := os.Symlink(toybox, filepath.Join(dir, name)); !errors.Is(err, os.ErrExist) {
			must(t, err)
		}
	}
	return dir
}

func inReality(t testing.TB, bin string, s Script) Result {
	t.Helper()
	dir := t.TempDir()
	epoch := time.Unix(0, 0)
	for name, content := range s.Files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
		must(t, os.Chtimes(path, epoch, epoch))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "sh"), "-c", s.Text)
	cmd.Stdin = strings.NewReader(s.Stdin)
	if s.OnStdin {
		cmd.Args = cmd.Args[:1]
		cmd.Stdin = strings.NewReader(s.Text)
	}
	cmd.Args[0] = "sh"
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin, "HOME=/", "TZ=UTC", "LC_ALL=C.UTF-8", "TMPDIR=/data/local/tmp"}
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("real shell: %v", err)
	}
	status := cmd.ProcessState.ExitCode()
	if ctx.Err() != nil {
		t.Fatalf("the real shell does not end; out %.200q", out.String())
	}
	return Result{out.String(), even(errs.String()), status}
}

var marks = regexp.MustCompile(`(?m)^[EW]: `)

// even removes what differs by the way a shell was built or called.
func even(text string) string {
	return strings.ReplaceAll(marks.ReplaceAllString(text, ""), "/system/bin/sh: ", "sh: ")
}

func inGuest(t testing.TB, s Script) Result {
	t.Helper()
	g := boot(t)
	view := g.Files(os.Geteuid() == 0)
	const dir = "/data/local/tmp/truth"
	must(t, view.Mkdir(dir, 0o755))
	epoch := time.Unix(0, 0)
	for name, content := range s.Files {
		path := dir + "/" + name
		for i := len(dir) + 1; i < len(path); i++ {
			if path[i] == '/' {
				_ = view.Mkdir(path[:i], 0o755)
			}
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		f, err := view.Open(path, os.O_WRONLY|os.O_CREATE, 0o644)
		must(t, err)
		_, err = io.WriteString(f, content)
		must(t, errors.Join(err, f.Close(), view.Chtimes(path, epoch)))
	}
	spec := guest.Spec{Script: s.Text, Dir: dir, Stdin: strings.NewReader(s.Stdin), Root: os.Geteuid() == 0}
	if s.OnStdin {
		spec.Script, spec.Stdin = "sh", strings.NewReader(s.Text)
	}
	var out, errs buffer
	spec.Stdout, spec.Stderr = &out, &errs
	session, err := g.Start(spec)
	must(t, err)
	select {
	case <-session.Done():
	case <-time.After(limit):
		t.Fatalf("the guest's shell does not end; out %.200q", out.String())
	}
	return Result{out.String(), even(errs.String()), session.Wait()}
}

// boot starts a guest on a disk in memory for the time of the test.
func boot(t testing.TB) *guest.Guest {
	t.Helper()
	fsys, err := guestfs.Open(&disk{data: make([]byte, 16<<20)}, guestfs.Options{})
	must(t, err)
	g, err := guest.Boot(vfs.OnDisk(fsys), guest.Options{})
	must(t, err)
	t.Cleanup(func() {
		g.Shutdown()
		must(t, fsys.Close())
	})
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk is a disk in memory; guestfs uses it from one goroutine at a time.
type disk struct{ data []byte }

func (d *disk) Size() int64 { return int64(len(d.data)) }
func (d *disk) Sync() error { return nil }

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if n := copy(p, d.data[off:]); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) { return copy(d.data[off:], p), nil }

// buffer is written to by several processes at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
