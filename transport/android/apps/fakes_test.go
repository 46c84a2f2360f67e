package apps_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

const base = "/sandboxes/dev-1/toolbox/android"

// device is a guest whose shell is mksh with stubs of Android's programs, and whose package service is scripted.
type device struct {
	*guestshelltest.Guest
	t    *testing.T
	left chan struct{} // for the test to close: the device leaves started
	dir  string        // of spools

	mu        sync.Mutex
	old       bool                     // no abb
	answer    func(verb string) string // what the service says; empty: Success
	refuse    string                   // said before anything of an APK was taken
	stall     chan struct{}            // when set, an APK is taken when it is closed
	took      map[string][]byte        // whole APKs, by session and name; "install" for those without session
	log       []string                 // what the service was told
	open      int                      // conversations under way
	abandoned []string
}

// start serves the door of one device.
func start(t *testing.T, programs map[string]string, o apps.Options) (*transporttest.Client, *device) {
	t.Helper()
	d := &device{t: t, left: make(chan struct{}), took: map[string][]byte{}, dir: t.TempDir()}
	stubs := map[string]string{
		"getprop": `case $1 in ro.product.cpu.abilist) echo x86_64,x86;; *) echo 320;; esac`, "wm": "echo 'Physical density: 320'",
		"dumpsys": "true", "pm": "true", "cmd": "true", "am": "true", "pidof": "false", "logcat": "true", "date": "echo +0100",
	}
	for name, script := range programs {
		stubs[name] = script
	}
	d.Guest = guestshelltest.New(t, stubs)
	o.SpoolDir = d.dir
	if o.Watch == 0 {
		o.Watch = 50 * time.Millisecond
	}
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		kit := android.NewKit(lease.New(transporttest.Lessor(d.left), nil), d)
		android.Mount(s, apps.New(kit, d, starter{d.Guest}, o).Routes())
	})
	t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if left, _ := filepath.Glob(d.dir + "/*"); len(left) > 0 {
			t.Errorf("left on the host: %v", left)
		}
	})
	return c, d
}

// starter starts commands beside their caller.
type starter struct{ guest *guestshelltest.Guest }

// Start implements guestshell.Starter.
func (s starter) Start(_ context.Context, _ string, o adb.ShellStart) (guestshell.Process, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.guest.Command(ctx, "-c", o.Command)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &process{out: out, cancel: cancel, wait: cmd.Wait}, nil
}

// process is a command that is only listened to.
type process struct {
	guestshell.Process
	out    io.ReadCloser
	cancel context.CancelFunc
	once   sync.Once
	wait   func() error
	buf    [4096]byte
}

func (p *process) Next() (int, []byte, error) {
	n, err := p.out.Read(p.buf[:])
	if n > 0 {
		return adb.Stdout, p.buf[:n], nil
	}
	return 0, nil, err
}

func (p *process) Close() error {
	p.once.Do(func() {
		p.cancel()
		_ = p.wait()
	})
	return nil
}

// ABBExec implements apps.Guest.
func (d *device) ABBExec(_ context.Context, serial string, args []string) (net.Conn, error) {
	if d.old {
		return nil, fault.Unsupportedf("adb %s has no abb_exec", serial)
	}
	if slices.Contains(args, "") || args[0] != "package" {
		return nil, fault.Invalidf("%q", args)
	}
	return d.converse(args[1:]), nil
}

// Exec implements apps.Guest.
func (d *device) Exec(_ context.Context, _, command string) (net.Conn, error) {
	words, ok := strings.CutPrefix(command, "cmd package ")
	args := strings.Split(strings.Trim(words, "'"), "' '")
	if !ok || words != guestcommand.Line(args...) {
		return nil, fault.Invalidf("%s", command)
	}
	return d.converse(args), nil
}

func (d *device) converse(args []string) net.Conn {
	ours, theirs := net.Pipe()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open++
	d.log = append(d.log, strings.Join(args, " "))
	go func() {
		defer ours.Close()
		said := d.serve(ours, args)
		d.mu.Lock()
		d.open--
		d.mu.Unlock()
		_, _ = io.WriteString(ours, said)
	}()
	return theirs
}

// serve is the package service, for one conversation.
func (d *device) serve(conn net.Conn, args []string) string {
	verb := args[0]
	if d.answer != nil {
		if said := d.answer(verb); said != "" && verb != "install" && verb != "install-write" {
			return said
		}
	}
	switch verb {
	case "install-create":
		return "Success: created install session [1234]\n"
	case "install-abandon":
		d.mu.Lock()
		defer d.mu.Unlock()
		d.abandoned = append(d.abandoned, args[1])
		return "Success\n"
	case "install", "install-write":
		return d.swallow(conn, args)
	}
	return "Success\n"
}

func (d *device) swallow(conn net.Conn, args []string) string {
	if d.refuse != "" {
		return d.refuse
	}
	if d.stall != nil {
		<-d.stall
	}
	size, err := strconv.Atoi(args[slices.Index(args, "-S")+1])
	if err != nil {
		return err.Error()
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(conn, data); err != nil {
		return "Failure [INSTALL_FAILED_ABORTED]"
	}
	name := "install"
	if args[0] == "install-write" {
		name = strings.Join(args[3:5], " ")
	}
	d.mu.Lock()
	d.took[name] = data
	d.mu.Unlock()
	if d.answer != nil {
		if said := d.answer(args[0]); said != "" {
			return said
		}
	}
	return "Success\n"
}

// told is what the service was told since the last time.
func (d *device) told() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.log
	d.log = nil
	return log
}

// has compares an APK that the service took.
func (d *device) has(name string, want []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !bytes.Equal(d.took[name], want) {
		return fmt.Errorf("%s: %d bytes, want %d; there are %d", name, len(d.took[name]), len(want), len(d.took))
	}
	return nil
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// installed is what dumpsys says of an app, as Android 14 does, abridged.
func dumpOf(t *testing.T, d *device, pkg, code, name string) {
	t.Helper()
	text := "Packages:\n  Package [" + pkg + "] (a1b2c3):\n    appId=10123\n    codePath=/data/app/~~x==/" + pkg + "-y==\n    versionCode=" + code +
		" minSdk=21 targetSdk=34\n    versionName=" + name + "\n"
	if err := os.WriteFile(filepath.Join(d.Dir(), "dump"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Program("dumpsys", "cat '"+d.Dir()+"/dump'")
}

// Write makes a file of the guest's, for its programs.
func (d *device) Write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.Dir(), name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}
