package adb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sim/adbd"
)

// TestConformance is one suite over every way to a device.
func TestConformance(t *testing.T) {
	t.Parallel()
	old := func(d *adbd.Device) { d.Lacks = []string{"stat_v2", "ls_v2", "sendrecv_v2"} }
	t.Run("direct, sync v2", func(t *testing.T) {
		t.Parallel()
		s := simulate(t, 256, nil)
		conform(t, s, s.use(t, nil), true)
	})
	t.Run("direct, sync v1", func(t *testing.T) {
		t.Parallel()
		s := simulate(t, 256, old)
		conform(t, s, s.use(t, nil), false)
	})
	t.Run("server, sync v2", func(t *testing.T) {
		t.Parallel()
		addr, _ := realServer(t)
		s := simulate(t, 256, nil)
		conform(t, s, s.use(t, func(o *adb.PoolOptions) { o.Mode, o.Server = adb.Server, addr }), true)
	})
	t.Run("server, sync v1", func(t *testing.T) {
		t.Parallel()
		addr, _ := realServer(t)
		s := simulate(t, 256, old)
		conform(t, s, s.use(t, func(o *adb.PoolOptions) { o.Mode, o.Server = adb.Server, addr }), false)
	})
}

func conform(t *testing.T, s *simulated, d *adb.Device, v2 bool) {
	t.Run("files come back as they were sent", func(t *testing.T) { roundTrips(t, d) })
	t.Run("what stat says", func(t *testing.T) { stats(t, d, v2) })
	t.Run("listings", func(t *testing.T) { listings(t, s, d, v2) })
	t.Run("refusals have their kind", func(t *testing.T) { refusals(t, d) })
	t.Run("a source that fails leaves nothing", func(t *testing.T) { badSources(t, d) })
	t.Run("processes", func(t *testing.T) { processes(t, d) })
	t.Run("streams as net.Conn", func(t *testing.T) { streams(t, d) })
	t.Run("binder commands", func(t *testing.T) { binder(t, d) })
	t.Run("the framebuffer", func(t *testing.T) { frames(t, d) })
	t.Run("HTTP over a stream", func(t *testing.T) { overHTTP(t, d) })
	t.Run("shells", func(t *testing.T) { shells(t, d) })
	if st := d.State(); st.Connects != 1 || !st.Connected {
		t.Errorf("the connection was lost meanwhile: %+v", st)
	}
}

const tmp = "/data/local/tmp/"

// noise is size bytes that no two sizes share.
func noise(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	_, _ = r.Read(b)
	return b
}

func roundTrips(t *testing.T, d *adb.Device) {
	mtime := time.Unix(1_700_000_000, 0)
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 15*64<<10 - 1, 15 * 64 << 10, 15*64<<10 + 1, 5<<20 + 77} {
		path := fmt.Sprintf("%snew/dir, with commas/%d", tmp, size)
		want := noise(size)
		// A reader without Len, which returns little at once and its end with the last of it.
		source := iotest.DataErrReader(io.MultiReader(bytes.NewReader(want[:size/3]), bytes.NewReader(want[size/3:])))
		if n, err := d.Send(within(t), path, 0o640, mtime, source); n != int64(size) || err != nil {
			t.Fatalf("send %d bytes: %d, %v", size, n, err)
		}
		f, err := d.Recv(within(t), path)
		if err != nil {
			t.Fatalf("receive %d bytes: %v", size, err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(f, 5)))
		rest := new(bytes.Buffer)
		if _, copyErr := io.Copy(rest, f); err != nil || copyErr != nil {
			t.Fatalf("receive %d bytes: %v, %v", size, err, copyErr)
		}
		if !bytes.Equal(append(got, rest.Bytes()...), want) {
			t.Errorf("%d bytes came back as %d others", size, len(got)+rest.Len())
		}
		if n, err := f.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		_ = f.Close()
		st, err := d.Stat(within(t), path)
		if err != nil || st.Size != int64(size) || !st.MTime.Equal(mtime) || st.Mode != 0o666 { // the owner's for all
			t.Errorf("stat of %d bytes: %+v, %v", size, st, err)
		}
	}
}

func stats(t *testing.T, d *adb.Device, v2 bool) {
	run(t, d, "cd "+tmp+"; mkdir -p stat/d; ln -s d stat/link; ln -s nowhere stat/dangling; echo hi >stat/f; chmod 0751 stat/f")
	st, err := d.Stat(within(t), tmp+"stat/f")
	if err != nil || st.Mode != 0o751 || st.Size != 3 || st.V2 != v2 {
		t.Errorf("a file: %+v, %v", st, err)
	}
	if v2 && (st.UID != 2000 || st.GID != 2000 || st.Ino == 0 || st.Nlink != 1 || st.CTime.IsZero()) {
		t.Errorf("the owner of a file: %+v", st)
	}
	if st, err := d.Lstat(within(t), tmp+"stat/link"); err != nil || st.Mode.Type() != fs.ModeSymlink {
		t.Errorf("a link itself: %+v, %v", st, err)
	}
	want := fs.ModeDir
	if !v2 {
		want = fs.ModeSymlink // version 1 cannot follow
	}
	if st, err := d.Stat(within(t), tmp+"stat/link"); err != nil || st.Mode.Type() != want {
		t.Errorf("what a link leads to: %v, %v; want %v", st.Mode, err, want)
	}
	if _, err := d.Stat(within(t), tmp+"stat/dangling"); v2 && !fault.Is(err, fault.NotFound) {
		t.Errorf("a dangling link: %v", err)
	}
	if st, err := d.Stat(within(t), "/dev/null"); err != nil || st.Mode.Type() != fs.ModeDevice|fs.ModeCharDevice {
		t.Errorf("a device: %v, %v", st.Mode, err)
	}
}

func listings(t *testing.T, s *simulated, d *adb.Device, v2 bool) {
	files := s.device.Guest.Files(true)
	if err := errors.Join(files.Mkdir(tmp+"list", 0o755), files.Mkdir(tmp+"list/empty", 0o755), files.Mkdir(tmp+"list/d", 0o755)); err != nil {
		t.Fatal(err)
	}
	want := []string{"d", "empty", "a b", "line\nbreak", "..."}
	for _, name := range append([]string{}, want[2:]...) {
		f, err := files.Open(tmp+"list/"+name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	var got []string
	err := d.List(within(t), tmp+"list", func(e adb.Entry) error {
		got = append(got, e.Name)
		if e.Err != nil || e.V2 != v2 || e.Mode.IsDir() != (e.Name == "d" || e.Name == "empty") {
			t.Errorf("entry %+v", e)
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for dir, kind := range map[string]fault.Kind{
		tmp + "list/nope": fault.NotFound, tmp + "list/a b": fault.Invalid, "/data/property": fault.Forbidden,
	} {
		if kind == fault.Invalid && !v2 {
			kind = fault.NotFound // version 1 has no reasons
		}
		if err := d.List(within(t), dir, func(adb.Entry) error { return nil }); !fault.Is(err, kind) {
			t.Errorf("list %s: %v (%v), want %v", dir, err, fault.KindOf(err), kind)
		}
	}
	if err := d.List(within(t), tmp+"list/empty", func(adb.Entry) error { return io.ErrUnexpectedEOF }); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	enough := errors.New("enough")
	if err := d.List(within(t), tmp+"list", func(adb.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("who wants no more: %v", err)
	}
}

func refusals(t *testing.T, d *adb.Device) {
	run(t, d, "mkdir -p "+tmp+"refused")
	send := func(path string) error {
		_, err := d.Send(within(t), path, 0o644, time.Time{}, bytes.NewReader(noise(3<<20)))
		return err
	}
	recv := func(path string) error {
		f, err := d.Recv(within(t), path)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		return err
	}
	stat := func(path string) error { return second(d.Stat(within(t), path)) }
	long := "/" + strings.Repeat("x", 1024)
	for _, c := range []struct {
		name string
		err  error
		kind fault.Kind
	}{
		{"send to what cannot be written", send("/system/x"), fault.Forbidden},
		{"send in place of a directory", send(tmp + "refused"), fault.Invalid},
		{"send too long a path", send(long), fault.Invalid},
		{"send a path without room for the mode", send(long[:1022]), fault.Invalid},
		{"receive what is missing", recv("/nope"), fault.NotFound},
		{"receive what cannot be read", recv("/data/property/persistent_properties"), fault.Forbidden},
		{"receive a directory", recv(tmp + "refused"), fault.Invalid},
		{"receive too long a path", recv(long), fault.Invalid},
		{"stat what is missing", stat("/nope"), fault.NotFound},
		{"stat nothing", stat(""), fault.Invalid},
		{"stat a NUL", stat("/a\x00b"), fault.Invalid},
		{"send a link", second(d.Send(within(t), tmp+"l", fs.ModeSymlink, time.Time{}, strings.NewReader("x"))), fault.Invalid},
	} {
		if !fault.Is(c.err, c.kind) {
			t.Errorf("%s: %v (%v), want %v", c.name, c.err, fault.KindOf(c.err), c.kind)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// badSources: a body that was cut must not become a file.
func badSources(t *testing.T, d *adb.Device) {
	for _, cause := range []error{io.ErrUnexpectedEOF, fault.New(fault.Cancelled, "the client left")} {
		source := io.MultiReader(bytes.NewReader(noise(100_000)), iotest.ErrReader(cause))
		_, err := d.Send(within(t), tmp+"cut", 0o644, time.Time{}, source)
		if !errors.Is(err, cause) || fault.KindOf(err) != fault.KindOf(cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
		eventually(t, "half a file is removed", func() bool {
			return fault.Is(second(d.Stat(within(t), tmp+"cut")), fault.NotFound)
		})
	}
	_, err := d.Send(within(t), tmp+"cut", 0o644, time.Time{}, iotest.ErrReader(nil))
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source without end or data: %v", err)
	}
}

func run(t *testing.T, d *adb.Device, script string) string {
	t.Helper()
	res, err := d.Shell(within(t), adb.ShellCommand{Command: script})
	if err != nil || res.ExitCode != 0 {
		t.Fatalf("%s: %+v, %v", script, res, err)
	}
	return string(res.Output)
}

func processes(t *testing.T, d *adb.Device) {
	p, err := d.StartShell(within(t), adb.ShellStart{Env: []string{"GREETING=it's me"}, Dir: tmp})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := io.WriteString(p, "echo \"$GREETING\"; pwd; echo bad >&2; read x; echo \"got $x\"; exit 7\n"); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	wrote := false
	for {
		stream, data, err := p.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the end: %v", err)
			}
			break
		}
		if stream == adb.Stdout {
			out.Write(data)
		} else {
			errs.Write(data)
		}
		if !wrote && strings.Contains(out.String(), tmp[:len(tmp)-1]) {
			wrote = true
			io.WriteString(p, "an answer\n")
		}
	}
	if exit, err := p.Wait(); exit != 7 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
	if out.String() != "it's me\n"+tmp[:len(tmp)-1]+"\ngot an answer\n" || errs.String() != "bad\n" {
		t.Errorf("got %q and %q", out.String(), errs.String())
	}

	p, err = d.StartShell(within(t), adb.ShellStart{Command: "cat; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	big := noise(1 << 20)
	go func() {
		p.Write(big)
		p.CloseStdin()
	}()
	out.Reset()
	if exit, err := p.Copy(&out, nil); exit != 3 || err != nil || !bytes.Equal(out.Bytes(), big) {
		t.Errorf("cat: exit %d, %v, %d bytes", exit, err, out.Len())
	}

	p, err = d.StartShell(within(t), adb.ShellStart{PTY: true, Rows: 40, Cols: 120, Command: "echo $TERM; cat"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Resize(50, 100); err != nil {
		t.Error(err)
	}
	if _, data, err := p.Next(); string(data) != "xterm-256color\r\n" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := p.Next(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Next after Close: %v", err)
		}
	})
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if exit, err := p.Wait(); exit != adb.NoExit || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Wait after Close: %d, %v", exit, err)
	}
	for _, bad := range []adb.ShellStart{{Env: []string{"A-B=1"}}, {Env: []string{"x"}}, {PTY: true, Term: "a:b"}, {Command: "a\x00b"}} {
		if _, err := d.StartShell(within(t), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func streams(t *testing.T, d *adb.Device) {
	for _, service := range []string{"tcp:7", "localabstract:echo"} {
		c, err := d.Dial(within(t), service)
		if err != nil {
			t.Fatal(err)
		}
		want := noise(300_000)
		go c.Write(want)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: bytes differ, %v", service, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err = c.Read(got)
		//nolint:errorlint // net/http asks this way too, so it must not need unwrapping
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !fault.Is(err, fault.Timeout) {
			t.Errorf("%s: a read in vain: %v", service, err)
		}
		_ = c.SetDeadline(time.Time{})
		if _, err := io.WriteString(c, "on"); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, got[:2]); string(got[:2]) != "on" || err != nil {
			t.Errorf("%s: after the deadline: %q, %v", service, got[:2], err)
		}
		if name, _, _ := strings.Cut(service, ":"); c.RemoteAddr().String() != d.Serial()+"/"+name {
			t.Errorf("address %v", c.RemoteAddr())
		}
		_ = c.Close()
		if _, err := c.Read(got); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: read after Close: %v", service, err)
		}
	}
	for _, service := range []string{"tcp:9", "localabstract:nobody", "nonsense:"} {
		if _, err := d.Dial(within(t), service); !errors.Is(err, adb.ErrRefused) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", service, err)
		}
	}
}

func binder(t *testing.T, d *adb.Device) {
	res, err := d.ABB(within(t), []string{"package", "list", "it's $x"})
	if err != nil || res.ExitCode != 3 || string(res.Output) != "package|list|it's $x!" {
		t.Errorf("got %q, %d, %v", res.Output, res.ExitCode, err)
	}
	s, err := d.ABBExec(within(t), []string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	io.WriteString(s, "bytes")
	got := make([]byte, 5)
	if _, err := io.ReadFull(s, got); string(got) != "bytes" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range [][]string{nil, {"package", ""}, {"a\x00b"}} {
		if _, err := d.ABB(within(t), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	e, err := d.Exec(within(t), "echo raw")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got, err := io.ReadAll(e); string(got) != "raw\n" || err != nil {
		t.Errorf("exec: %q, %v", got, err)
	}
}

func frames(t *testing.T, d *adb.Device) {
	h, r, err := d.Framebuffer(within(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if h.Version != 2 || h.Width != 720 || h.Height != 1280 || h.Blue.Offset != 16 || h.Green.Offset != 8 {
		t.Errorf("header %+v", h)
	}
	pixels, err := io.ReadAll(r)
	want, _ := testScreen{}.Frame(t.Context())
	if err != nil || !bytes.Equal(pixels, want.Pixels) {
		t.Errorf("%d bytes of pixels differ, %v", len(pixels), err)
	}
}

// overHTTP: what goes out comes back, so the server's answer must be in the request's body.
func overHTTP(t *testing.T, d *adb.Device) {
	c, err := d.Dial(within(t), "tcp:7")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	// The stream is the server's end, so that its deadlines and background reads are used.
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		w.Header().Set("Connection", "close")
		io.WriteString(w, r.URL.Path)
	})}
	l := &oneListener{conns: make(chan net.Conn, 1)}
	l.conns <- c
	go srv.Serve(l)
	io.WriteString(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
	<-served
	_ = srv.Close()
}

type oneListener struct{ conns chan net.Conn }

func (l *oneListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneListener) Close() error   { close(l.conns); return nil }
func (l *oneListener) Addr() net.Addr { return adb.Addr{} }

func shells(t *testing.T, d *adb.Device) {
	big := noise(2 << 20)
	res, err := d.Shell(within(t), adb.ShellCommand{Command: "cat; echo bad >&2; exit 9", Stdin: io.MultiReader(bytes.NewReader(big))})
	if err != nil || res.ExitCode != 9 || !bytes.Equal(res.Output, append(big, "bad\n"...)) {
		t.Errorf("exit %d, %d bytes, %v", res.ExitCode, len(res.Output), err)
	}
	if err := d.Ping(within(t)); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if got := run(t, d, fmt.Sprintf("echo %d", i)); got != fmt.Sprintf("%d\n", i) {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
}
