package s3store_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

func TestDownloadKeepsHoles(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	c := new(content).data(MiB + 17).zeros(40 * MiB).data(100).zeros(2*MiB + 5)
	upload(t, server, store, "a.img", c)
	file, err := os.Create(filepath.Join(t.TempDir(), "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var progress s3store.Progress
	obj, err := store.Download(t.Context(), "a.img", file, s3store.DownloadOptions{Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file.Name())
	if err != nil || !bytes.Equal(got, c.bytes) {
		t.Fatalf("the file is not what was stored: %d bytes, %v", len(got), err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(file.Name(), &stat); err != nil {
		t.Fatal(err)
	}
	if used := stat.Blocks * 512; used > 2*MiB {
		t.Errorf("the file takes %d bytes; want no more than its data", used)
	}
	size := int64(len(c.bytes))
	if counts := progress.Read(); obj.Size != size || counts.Done != size || counts.Total != size || counts.Received != size || counts.Skipped < 41*MiB {
		t.Errorf("object of %d bytes, %+v; want %d", obj.Size, counts, size)
	}

	planned := &sink{}
	var counts s3store.Progress
	_, err = store.Download(t.Context(), "a.img", planned, s3store.DownloadOptions{Plan: c.plan, Progress: &counts})
	if got := counts.Read(); err != nil || !bytes.Equal(planned.bytes, c.bytes) || got.Received != MiB+17+100 || got.Done != size {
		t.Errorf("with a plan: %+v, %v", got, err)
	}
	dense := new(content).data(7 * MiB)
	upload(t, server, store, "dense", dense)
	for says, plan := range map[string][]s3store.Piece{
		"checksum":           {{Length: 5 * MiB}, {Length: 2 * MiB, Kind: s3store.Zero}},
		"the plan is of 5 b": {{Length: 5}},
	} {
		if _, err := store.Download(t.Context(), "dense", &sink{}, s3store.DownloadOptions{Plan: plan}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("a wrong plan: %v; want %q", err, says)
		}
	}
	upload(t, server, store, "empty", new(content))
	if obj, err := store.Download(t.Context(), "empty", &sink{}, s3store.DownloadOptions{}); err != nil || obj.Size != 0 {
		t.Errorf("an empty object: %+v, %v", obj, err)
	}
}

func TestDownloadSurvives(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(35*MiB + 3)
	upload(t, server, store, "a.img", c)
	for _, tc := range []struct {
		name     string
		fault    s3storetest.Fault
		received int64 // by the client at most, in all
	}{
		{"503 twice", s3storetest.Fault{Op: "GetObject", Times: 2, Status: 503, Code: "SlowDown"}, int64(len(c.bytes))},
		{"a connection that breaks, and breaks again", s3storetest.Fault{Op: "GetObject", Times: 3, CutAnswer: 2*MiB + 1001}, int64(len(c.bytes))},
		{"a break before the first byte", s3storetest.Fault{Op: "GetObject", LoseAnswer: true}, int64(len(c.bytes))},
		{"more breaks than attempts, with progress between", s3storetest.Fault{Op: "GetObject", Times: 20, CutAnswer: MiB + 1}, int64(len(c.bytes))},
	} {
		proxy.Clear()
		proxy.Add(tc.fault)
		var progress s3store.Progress
		got := &sink{}
		if _, err := store.Download(t.Context(), "a.img", got, s3store.DownloadOptions{Progress: &progress}); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if !bytes.Equal(got.bytes, c.bytes) {
			t.Errorf("%s: other bytes arrived", tc.name)
		}
		if n := progress.Read().Received; n > tc.received || proxy.Happened() == 0 {
			t.Errorf("%s: %d bytes came in, %d faults happened; want %d", tc.name, n, proxy.Happened(), tc.received)
		}
	}
}

func TestDownloadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(35 * MiB)
	upload(t, server, store, "a.img", c)
	obj, err := store.Stat(t.Context(), "a.img")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(server.Dir, "a.img")
	change := func() {
		other := new(content).data(36 * MiB)
		if _, err := open(t, options(server, server.Endpoint)).Upload(t.Context(), "a.img", other, other.plan, s3store.UploadOptions{}); err != nil {
			t.Error(err)
		}
	}
	for _, tc := range []struct {
		name  string
		fault s3storetest.Fault
		dst   *sink
		etag  string
		kind  fault.Kind
		words []string
	}{
		{"wrong bytes", s3storetest.Fault{Op: "GetObject", FlipAnswer: MiB}, &sink{}, "", fault.Unavailable, []string{"checksum", "a.img"}},
		{"a full disk", s3storetest.Fault{}, &sink{full: syscall.ENOSPC}, "", fault.Exhausted, []string{"no space"}},
		{"a destination that fails", s3storetest.Fault{}, &sink{full: errors.New("boom")}, "", fault.Internal, []string{"boom"}},
		{"another version than wanted", s3storetest.Fault{}, &sink{}, `"other"`, fault.Conflict, []string{"changed"}},
		{"an expired key", s3storetest.Fault{Op: "GetObject", Times: -1, Status: 400, Code: "ExpiredToken"}, &sink{}, "", fault.Forbidden, []string{"expired"}},
		{"a connection that always breaks", s3storetest.Fault{Op: "GetObject", Times: -1, LoseAnswer: true}, &sink{}, "", fault.Unavailable, nil},
		{"a range that is cut short", s3storetest.Fault{Op: "GetObject", Times: -1, Status: 200}, &sink{}, "", fault.Unavailable, []string{"asked for"}},
		{"an object that changes meanwhile", s3storetest.Fault{Op: "GetObject", Do: change}, &sink{}, obj.ETag, fault.Conflict, []string{"changed"}},
		{"an object that is removed meanwhile", s3storetest.Fault{Op: "GetObject", Do: func() { os.Remove(path) }}, &sink{}, "", fault.NotFound, []string{"removed"}},
		{"an absent object", s3storetest.Fault{}, &sink{}, "", fault.NotFound, []string{"a.img", `"bucket"`}},
	} {
		proxy.Clear()
		if tc.fault.Op != "" {
			proxy.Add(tc.fault)
		}
		_, err := store.Download(t.Context(), "a.img", tc.dst, s3store.DownloadOptions{ETag: tc.etag})
		t.Logf("%s: %v", tc.name, err)
		wantKind(t, err, tc.kind, tc.words...)
	}
}

func TestAnOpenObjectGoesOnAfterABreak(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(11 * MiB)
	upload(t, server, store, "a.img", c)
	read := func(t *testing.T) ([]byte, error) {
		t.Helper()
		r, obj, err := store.Open(t.Context(), "a.img")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if obj.Size != int64(len(c.bytes)) || obj.ETag == "" {
			t.Errorf("opened %+v", obj)
		}
		return io.ReadAll(r)
	}
	proxy.Clear()
	proxy.Add(s3storetest.Fault{Op: "GetObject", Times: 3, CutAnswer: MiB + 13})
	if got, err := read(t); err != nil || !bytes.Equal(got, c.bytes) || proxy.Count("GetObject") != 4 {
		t.Errorf("%d bytes, %v, in %d requests; want %d in 4", len(got), err, proxy.Count("GetObject"), len(c.bytes))
	}
	proxy.Clear()
	proxy.Add(s3storetest.Fault{Op: "GetObject", FlipAnswer: MiB})
	_, err := read(t)
	wantKind(t, err, fault.Unavailable, "checksum")

	proxy.Clear()
	proxy.Add(s3storetest.Fault{Op: "GetObject", CutAnswer: MiB})
	proxy.Add(s3storetest.Fault{Op: "GetObject", Do: func() {
		if err := open(t, options(server, server.Endpoint)).Put(t.Context(), "a.img", []byte("other"), false); err != nil {
			t.Error(err)
		}
	}})
	_, err = read(t)
	wantKind(t, err, fault.Conflict, "changed")

	_, _, err = store.Open(t.Context(), "absent")
	wantKind(t, err, fault.NotFound, "absent")
	r, _, err := store.Open(t.Context(), "a.img")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a read after the close says %v", err)
	}
}
