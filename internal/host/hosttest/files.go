package hosttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

type fileCase = struct {
	name string
	test func(*testing.T, host.Host)
}

func fileCases() []fileCase {
	return []fileCase{
		{"files: a written file is read back, whole or its end", readBack},
		{"files: a write replaces and leaves nothing beside", writeReplaces},
		{"files: a failed write leaves the old content", writeFails},
		{"files: what is missing is NotFound", missing},
		{"files: relative paths are Invalid", relative},
		{"files: an ended context stops every method", endedContext},
		{"files: pipes are refused", pipes},
		{"files: links are told from what they point to", links},
		{"files: directories are listed, made, renamed and removed", directories},
		{"files: a sparse file has its size and no blocks", sparse},
		{"files: the modification time can be set", chtimes},
		{"files: the disk has room", diskFree},
		{"files: a copy has content, holes and permissions", copies},
		{"files: an open file tells its data from its holes", opens},
		{"files: a created file is written anywhere", creates},
		{"files: the digest is that of the content", digest},
		{"files: the device user can be made the owner", give},
	}
}

func readBack(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, h.WriteFile(t.Context(), path, []byte("0123456789"), 0o600))
	for limit, want := range map[int64]string{0: "0123456789", 4: "6789", 10: "0123456789", 99: "0123456789"} {
		got, err := h.ReadFile(t.Context(), path, limit)
		if err != nil || string(got) != want {
			t.Errorf("limit %d: got %q, %v, want %q", limit, got, err, want)
		}
	}
	must(t, os.Truncate(path, 16<<20+1))
	_, err := h.ReadFile(t.Context(), path, 0)
	wantKind(t, err, fault.TooLarge)
}

func writeReplaces(t *testing.T, h host.Host) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"old and long", "new"} {
		must(t, h.WriteFile(t.Context(), path, []byte(content), 0o644))
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("got %q, %v", got, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o644 {
		t.Errorf("got mode %v", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("got %v, want the file alone", entries)
	}
}

func writeFails(t *testing.T, h host.Host) {
	dir := t.TempDir()
	wantKind(t, h.WriteFile(t.Context(), filepath.Join(dir, "no", "f"), nil, 0o600), fault.NotFound)
	full := filepath.Join(dir, "full")
	must(t, os.MkdirAll(filepath.Join(full, "x"), 0o755))
	if err := h.WriteFile(t.Context(), full, []byte("new"), 0o600); err == nil {
		t.Error("a file replaced a directory")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("got %v, want no temporary file", entries)
	}
}

func missing(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "no")
	for name, call := range calls(h, path) {
		if name != "RemoveAll" && name != "MkdirAll" && name != "CreateSparse" && name != "WriteFile" && name != "Symlink" {
			if err := call(t.Context()); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: got %v, want NotFound", name, err)
			}
		}
	}
	must(t, h.RemoveAll(t.Context(), path))
}

func relative(t *testing.T, h host.Host) {
	for _, path := range []string{"relative", "", "/nul\x00"} {
		for name, call := range calls(h, path) {
			if err := call(t.Context()); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s(%q): got %v, want Invalid", name, path, err)
			}
		}
	}
}

func endedContext(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "f")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(h, path) {
		if err := call(ctx); !fault.Is(err, fault.Cancelled) {
			t.Errorf("%s: got %v, want Cancelled", name, err)
		}
	}
}

// calls names every method that takes one path, but for GiveToDeviceUser, which may be idle.
func calls(h host.Host, path string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"ReadFile":     func(ctx context.Context) error { _, err := h.ReadFile(ctx, path, 0); return err },
		"WriteFile":    func(ctx context.Context) error { return h.WriteFile(ctx, path, nil, 0o600) },
		"Stat":         func(ctx context.Context) error { _, err := h.Stat(ctx, path); return err },
		"Lstat":        func(ctx context.Context) error { _, err := h.Lstat(ctx, path); return err },
		"ReadDir":      func(ctx context.Context) error { _, err := h.ReadDir(ctx, path); return err },
		"MkdirAll":     func(ctx context.Context) error { return h.MkdirAll(ctx, path, 0o755) },
		"Symlink":      func(ctx context.Context) error { return h.Symlink(ctx, "x", path) },
		"EvalSymlinks": func(ctx context.Context) error { _, err := h.EvalSymlinks(ctx, path); return err },
		"Rename":       func(ctx context.Context) error { return h.Rename(ctx, path, path+"2") },
		"RemoveAll":    func(ctx context.Context) error { return h.RemoveAll(ctx, path) },
		"CreateSparse": func(ctx context.Context) error { return h.CreateSparse(ctx, path, 1, 0o600) },
		"Chtimes":      func(ctx context.Context) error { return h.Chtimes(ctx, path, time.Unix(1, 0)) },
		"DiskFree":     func(ctx context.Context) error { _, _, err := h.DiskFree(ctx, path); return err },
		"SHA256":       func(ctx context.Context) error { _, err := h.SHA256(ctx, path); return err },
	}
}

func pipes(t *testing.T, h host.Host) {
	_, err := h.ReadFile(within(t, patience), "/dev/zero", 10)
	wantKind(t, err, fault.Invalid)
	path := filepath.Join(t.TempDir(), "fifo")
	_, err = h.Run(within(t, patience), host.Command{Args: []string{"mkfifo", path}})
	must(t, err)
	_, err = h.ReadFile(within(t, patience), path, 0)
	wantKind(t, err, fault.Invalid)
}

func links(t *testing.T, h host.Host) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	must(t, h.WriteFile(t.Context(), target, []byte("four"), 0o600))
	must(t, h.Symlink(t.Context(), "target", link))
	wantKind(t, h.Symlink(t.Context(), "other", link), fault.Conflict)
	through, err := h.Stat(t.Context(), link)
	must(t, err)
	itself, err := h.Lstat(t.Context(), link)
	must(t, err)
	if through.Size != 4 || !through.Mode.IsRegular() || itself.Mode&fs.ModeSymlink == 0 || through.Inode == itself.Inode {
		t.Errorf("got %+v through the link, %+v itself", through, itself)
	}
	if got, err := h.EvalSymlinks(t.Context(), link); got != target || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, target)
	}
}

func directories(t *testing.T, h host.Host) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	must(t, h.MkdirAll(t.Context(), deep, 0o755))
	must(t, h.MkdirAll(t.Context(), deep, 0o755))
	must(t, h.WriteFile(t.Context(), filepath.Join(deep, "f"), []byte("x"), 0o600))
	must(t, h.Rename(t.Context(), filepath.Join(dir, "a"), filepath.Join(dir, "c")))
	list, err := h.ReadDir(t.Context(), filepath.Join(dir, "c", "b"))
	must(t, err)
	if len(list) != 1 || list[0].Name != "f" || list[0].Size != 1 {
		t.Errorf("got %+v", list)
	}
	must(t, h.MkdirAll(t.Context(), deep, 0o755))
	wantKind(t, h.Rename(t.Context(), filepath.Join(dir, "c"), filepath.Join(dir, "a")), fault.Conflict)
	must(t, h.RemoveAll(t.Context(), filepath.Join(dir, "c")))
	must(t, h.RemoveAll(t.Context(), filepath.Join(dir, "a")))
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if err := h.RemoveAll(t.Context(), "/"); err == nil {
		t.Error("RemoveAll of / was not refused")
	}
}

func sparse(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "userdata.img")
	must(t, h.CreateSparse(t.Context(), path, 20<<30, 0o644))
	info, err := h.Stat(t.Context(), path)
	must(t, err)
	if info.Size != 20<<30 || info.Blocks != 0 || info.Mode.Perm() != 0o644 {
		t.Errorf("got %+v", info)
	}
	wantKind(t, h.CreateSparse(t.Context(), path, 1, 0o644), fault.Conflict)
	if again, _ := h.Stat(t.Context(), path); again.Size != info.Size {
		t.Error("an existing file was touched")
	}
}

// mixed makes a file of 8 MiB with data at 1 MiB and at 5 MiB.
func mixed(t *testing.T, h host.Host) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mixed")
	w, err := h.Create(t.Context(), path, 8<<20)
	must(t, err)
	for _, at := range []int64{1 << 20, 5 << 20} {
		_, err := w.WriteAt([]byte("data"), at)
		must(t, err)
	}
	must(t, w.Close())
	return path
}

func copies(t *testing.T, h host.Host) {
	from := mixed(t, h)
	must(t, os.Chmod(from, 0o640))
	to := from + ".copy"
	copied, err := h.Copy(t.Context(), from, to)
	must(t, err)
	was, err := h.Stat(t.Context(), from)
	must(t, err)
	is, err := h.Stat(t.Context(), to)
	must(t, err)
	if copied > 4<<20 || is.Size != was.Size || is.Blocks > was.Blocks+64 || is.Mode != was.Mode || is.Inode == was.Inode {
		t.Errorf("%d bytes copied of %+v to %+v", copied, was, is)
	}
	one, err := h.SHA256(t.Context(), from)
	must(t, err)
	if two, err := h.SHA256(t.Context(), to); err != nil || one != two {
		t.Errorf("digest %s, %v; want %s", two, err, one)
	}
	_, err = h.Copy(t.Context(), from, to)
	wantKind(t, err, fault.Conflict)
	_, err = h.Copy(t.Context(), from+".not", to+"2")
	wantKind(t, err, fault.NotFound)
	_, err = h.Copy(t.Context(), t.TempDir(), to+"3")
	wantKind(t, err, fault.Invalid)
	if _, err := os.Lstat(to + "3"); err == nil {
		t.Error("a copy that failed is there")
	}
}

func opens(t *testing.T, h host.Host) {
	f, err := h.Open(t.Context(), mixed(t, h))
	must(t, err)
	defer func() { must(t, f.Close()) }()
	buf := make([]byte, 4)
	if _, err := f.ReadAt(buf, 5<<20); err != nil || string(buf) != "data" {
		t.Errorf("got %q, %v", buf, err)
	}
	var found int64
	for at := int64(0); ; {
		start, end, err := f.NextData(at)
		must(t, err)
		if start == 8<<20 {
			break
		}
		found += end - start
		at = end
	}
	if found == 0 || found > 2<<20 {
		t.Errorf("%d bytes may be data", found)
	}
	_, err = h.Open(t.Context(), t.TempDir())
	wantKind(t, err, fault.Invalid)
}

func creates(t *testing.T, h host.Host) {
	path := mixed(t, h)
	_, err := h.Create(t.Context(), path, 1)
	wantKind(t, err, fault.Conflict)
	info, err := h.Stat(t.Context(), path)
	must(t, err)
	if info.Size != 8<<20 || info.Blocks*512 > 2<<20 {
		t.Errorf("got %+v", info)
	}
}

func chtimes(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, h.WriteFile(t.Context(), path, nil, 0o600))
	want := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	must(t, h.Chtimes(t.Context(), path, want))
	info, err := h.Stat(t.Context(), path)
	must(t, err)
	if !info.ModTime.Equal(want) {
		t.Errorf("got %v, want %v", info.ModTime, want)
	}
}

func diskFree(t *testing.T, h host.Host) {
	total, available, err := h.DiskFree(t.Context(), t.TempDir())
	must(t, err)
	if total <= 0 || available < 0 || available > total {
		t.Errorf("got %d of %d bytes", available, total)
	}
}

func digest(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "f")
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	must(t, h.WriteFile(t.Context(), path, content, 0o600))
	want := sha256.Sum256(content)
	got, err := h.SHA256(t.Context(), path)
	if err != nil || got != hex.EncodeToString(want[:]) || got != strings.ToLower(got) {
		t.Errorf("got %q, %v", got, err)
	}
}

func give(t *testing.T, h host.Host) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, h.WriteFile(t.Context(), path, nil, 0o600))
	must(t, h.GiveToDeviceUser(t.Context(), path))
	res, err := h.Run(within(t, patience), host.Command{Args: []string{"id", "-u"}, Dir: "/"})
	must(t, err)
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	stat, err := h.Run(within(t, patience), host.Command{Args: []string{"stat", "-c", "%u", path}, Dir: "/"})
	if err == nil && !bytes.Equal(res.Stdout, stat.Stdout) {
		t.Errorf("owner %s, want %s", stat.Stdout, res.Stdout)
	}
}
