package adb_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
)

// demanding is a device that demands a key; it knows those given.
func demanding(t *testing.T, known ...string) *simulated {
	t.Helper()
	s := simulate(t, 64, nil)
	files := s.device.Guest.Files(true)
	for _, dir := range []string{"/data/misc", "/data/misc/adb"} {
		if _, err := files.Stat(dir); err != nil {
			if err := files.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, err := files.Open("/data/misc/adb/adb_keys", os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("not a key\n" + strings.Join(known, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	s.device.Faults.RequireAuth.Store(true)
	return s
}

func newKey(t *testing.T) *adb.Key {
	t.Helper()
	k, err := adb.NewKey("tests@here")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreTriedInOrder(t *testing.T) {
	t.Parallel()
	stranger, friend := newKey(t), newKey(t)
	s := demanding(t, friend.Public())
	d := s.use(t, func(o *adb.PoolOptions) { o.Keys = []*adb.Key{stranger, friend} })
	if got := run(t, d, "echo in"); got != "in\n" {
		t.Errorf("got %q", got)
	}
	// The second connection signs as well.
	if st, err := d.Stat(within(t), "/data"); err != nil || !st.Mode.IsDir() {
		t.Errorf("stat: %+v, %v", st, err)
	}
	if err := d.List(within(t), "/data", func(adb.Entry) error { return nil }); fault.Is(err, fault.Unavailable) {
		t.Errorf("list: %v", err)
	}
}

func TestWithoutAKeyTheReasonComesAtOnce(t *testing.T) {
	t.Parallel()
	s := demanding(t)
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, err = adb.Connect(within(t), nc, adb.ConnOptions{Serial: s.addr})
	if !fault.Is(err, fault.Forbidden) || !errors.Is(err, adb.ErrAuthRequired) || !strings.Contains(err.Error(), "image") {
		t.Errorf("got %v (%v)", err, fault.KindOf(err))
	}
}

func TestAKeyIsOfferedToWhoSitsAtTheDevice(t *testing.T) {
	t.Parallel()
	s := demanding(t)
	connect := func(limit time.Duration) error {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := adb.Connect(within(t), nc, adb.ConnOptions{Serial: s.addr, Handshake: limit, Keys: []*adb.Key{newKey(t)}})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	err := connect(200 * time.Millisecond) // nobody is there
	if !fault.Is(err, fault.Forbidden) || !errors.Is(err, adb.ErrAuthRequired) || !strings.Contains(err.Error(), "accept it on the device's screen") {
		t.Errorf("got %v (%v)", err, fault.KindOf(err))
	}
	accepted := time.AfterFunc(100*time.Millisecond, func() { s.device.Faults.RequireAuth.Store(false) })
	defer accepted.Stop()
	if err := connect(20 * time.Second); err != nil {
		t.Errorf("accepted: %v", err)
	}
}

// The same words as for a port that cannot be reached, but another kind: waiting does not help.
func TestADeviceThatDemandsAKeyIsForbidden(t *testing.T) {
	t.Parallel()
	s := demanding(t)
	p := adb.NewPool(adb.PoolOptions{Dial: (&net.Dialer{}).DialContext})
	defer p.Close()
	d := p.Attach(s.addr, s.addr, nil)
	eventually(t, "a shell is forbidden", func() bool {
		_, err := d.Shell(within(t), adb.ShellCommand{Command: "true"})
		return fault.Is(err, fault.Forbidden) && errors.Is(err, adb.ErrAuthRequired)
	})
}

func TestKeyFilesAreThoseOfAdb(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("adb")
	if err != nil {
		t.Skip("skipped: needs adb")
	}
	path := filepath.Join(t.TempDir(), "adbkey")
	if out, err := exec.Command(program, "keygen", path).CombinedOutput(); err != nil {
		t.Fatalf("adb keygen: %v: %s", err, out)
	}
	k, err := adb.ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path + ".pub")
	if err != nil || k.Public() != strings.TrimSpace(string(want)) {
		t.Errorf("public half\n%s\nwant\n%s (%v)", k.Public(), want, err)
	}
}

// Ensure all keys that can be read are, and that one which cannot is told of.
func TestKeysOfAFileAndADirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "adbkey")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "bad.adb_key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(filepath.Dir(path), "good.adb_key")); err != nil {
		t.Fatal(err)
	}
	keys, err := adb.ReadKeys(path, "/nope", filepath.Dir(path))
	if len(keys) != 2 || !fault.Is(err, fault.Invalid) {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if _, err := adb.ReadKey("/nope"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a missing key: %v", err)
	}
}

// The server's key is known to the device, ours is not.
func TestADeviceThatKnowsOnlyTheServersKeyIsReachedThroughIt(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	server, runADB := realServerAt(t, home)
	var public string
	eventually(t, "the server has a key", func() bool {
		k, err := adb.ReadKey(filepath.Join(home, ".android", "adbkey"))
		if err == nil {
			public = k.Public()
		}
		return err == nil
	})
	s := demanding(t, public)
	p := adb.NewPool(adb.PoolOptions{Dial: (&net.Dialer{}).DialContext, Server: server})
	defer p.Close()
	d := p.Attach(s.addr, s.addr, nil)
	eventually(t, "the device demands a key", func() bool { return errors.Is(d.State().Err, adb.ErrAuthRequired) })
	if err := d.State().Err; !strings.Contains(err.Error(), "adb server") {
		t.Errorf("the reason does not tell of the server: %v", err)
	}
	if out := runADB("connect", s.addr); !strings.Contains(out, "connected to") {
		t.Fatalf("adb connect: %s", out)
	}
	if err := d.Await(within(t)); err != nil {
		t.Fatal(err)
	}
	if st := d.State(); st.Via != adb.Server || !st.Banner.Has("shell_v2") {
		t.Errorf("state %+v", st)
	}
	if got := run(t, d, "echo through"); got != "through\n" {
		t.Errorf("got %q", got)
	}
	// The server loses the device: so do we, and say so.
	runADB("disconnect", s.addr)
	eventually(t, "the loss is noticed", func() bool {
		_ = d.Ping(within(t))
		return !d.State().Connected
	})
}
