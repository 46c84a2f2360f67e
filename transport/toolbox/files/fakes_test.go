package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles/guestfilestest"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

// base is where the routes are mounted.
const base = "/sandboxes/dev-1/toolbox"

// one is Devices of one.
type one struct{ guestfiles.Device }

func (o one) Get(string) (guestfiles.Device, error) { return o.Device, nil }

// rig is a door with a device whose files lie in dir.
type rig struct {
	*transporttest.Client
	dir  string
	disk *guestfilestest.Disk
}

// shells are what contract tests run with: each has all of them pass.
func shells(t *testing.T, test func(t *testing.T, shell guestshell.Shell)) {
	t.Run("sh", func(t *testing.T) {
		t.Parallel()
		test(t, guestshelltest.Host())
	})
	t.Run("mksh and toybox", func(t *testing.T) {
		t.Parallel()
		test(t, guestshelltest.Genuine(t))
	})
}

func start(t *testing.T, shell guestshell.Shell, disk *guestfilestest.Disk, o Options, limits ...transport.Limits) *rig {
	t.Helper()
	return startLeased(t, shell, disk, nil, o, limits...)
}

func startLeased(t *testing.T, shell guestshell.Shell, disk *guestfilestest.Disk, left <-chan struct{}, o Options, limits ...transport.Limits) *rig {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if o.Dir == "" {
		o.Dir = dir
	}
	options := transport.Options{}
	if len(limits) > 0 {
		options.Limits = limits[0]
	}
	door := New(lease.New(transporttest.Lessor(left), nil), one{disk}, shell, o)
	c := transporttest.Start(t, options, func(s *transport.Server) { toolbox.Mount(s, door.Routes()) })
	return &rig{c, dir, disk}
}

// route is a path with parameters, given as name and value in turn; "@" at the start of a value is the
// rig's directory.
func (r *rig) route(path string, params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], r.at(params[i+1]))
	}
	if len(q) == 0 {
		return base + path
	}
	return base + path + "?" + q.Encode()
}

func (r *rig) at(name string) string {
	if rest, ok := strings.CutPrefix(name, "@"); ok {
		return r.dir + rest
	}
	return name
}

func (r *rig) write(t *testing.T, name, content string) {
	t.Helper()
	name = filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) want(t *testing.T, name, content string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil || string(got) != content {
		t.Errorf("%s holds %.100q (%v), want %.100q", name, got, err, content)
	}
}

func (r *rig) wantNone(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(r.dir, name)); !os.IsNotExist(err) {
		t.Errorf("%s is there (%v)", name, err)
	}
}

// wantTidy fails when there is a part anywhere.
func (r *rig) wantTidy(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(r.dir, func(name string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".part") {
			t.Errorf("left: %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// field is one part of a form: with a file's name it is a file.
type field struct{ name, file, content string }

// form renders parts and returns the header that goes with them.
func form(t testing.TB, fields ...field) (body, header string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		create := func() (io.Writer, error) { return w.CreateFormField(f.name) }
		if f.file != "" {
			create = func() (io.Writer, error) { return w.CreateFormFile(f.name, f.file) }
		}
		part, err := create()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(part, f.content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

// dying is a shell that is lost together with the device, except for what goes before.
type dying struct {
	guestshell.Shell
	dead *bool
}

func (d dying) Run(ctx context.Context, serial string, s guestshell.Script) (guestshell.Result, error) {
	if *d.dead && bytes.Contains(s.Text, []byte("\nrm -f -- ")) {
		return guestshell.Result{ExitCode: -1}, guestfilestest.ErrLost
	}
	return d.Shell.Run(ctx, serial, s)
}

// truncating is a shell that loses half of a file before it is looked at.
type truncating struct{ guestshell.Shell }

func (d truncating) Run(ctx context.Context, serial string, s guestshell.Script) (guestshell.Result, error) {
	if _, rest, ok := bytes.Cut(s.Text, []byte("stat -c %s '")); ok {
		name, _, _ := bytes.Cut(rest, []byte("'"))
		if err := os.Truncate(string(name), 3); err != nil {
			return guestshell.Result{}, err
		}
	}
	return d.Shell.Run(ctx, serial, s)
}
