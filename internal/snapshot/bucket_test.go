package snapshot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/image"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/internal/sim/qcow2"
	"github.com/daytonaio/runner-android/internal/snapshot"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

// cloud is a real S3 server behind a proxy.
type cloud struct {
	t      *testing.T
	server *s3storetest.Server
	proxy  *s3storetest.Proxy
	bucket *s3store.Store
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	server := s3storetest.Start(t)
	c := &cloud{t: t, server: server, proxy: server.Proxy(t)}
	var err error
	c.bucket, err = s3store.Open(s3store.Options{
		Endpoint: c.proxy.Endpoint, Bucket: server.Bucket, Region: server.Region, AccessKey: server.AccessKey, SecretKey: server.SecretKey,
		PartSize: snapshot.ChunkSize, RetryDelay: time.Millisecond, Attempts: 3,
	})
	must(t, err)
	t.Cleanup(c.bucket.Close)
	return c
}

// world is a host that shares the bucket.
func (c *cloud) world(h host.Host) *world {
	c.t.Helper()
	w := newWorld(c.t, h)
	w.store = c.store(w, h)
	return w
}

func (c *cloud) store(w *world, h host.Host) *snapshot.Store {
	return snapshot.New(snapshot.Options{Host: h, Artifacts: w.artifacts, Bucket: c.bucket, Images: image.NewCatalog(h, w.artifacts, w.home)})
}

func (c *cloud) keys() (keys []string) {
	c.t.Helper()
	for o, err := range c.bucket.List(c.t.Context(), "") {
		must(c.t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func (c *cloud) put(key, content string) {
	c.t.Helper()
	must(c.t, c.bucket.Put(c.t.Context(), key, []byte(content), false))
}

// taken makes a world with a snapshot acme/golden that is in the bucket.
func (c *cloud) taken() *world {
	c.t.Helper()
	w := c.world(local(c.t))
	_, err := w.store.Take(c.t.Context(), "acme/golden", w.source(instance(c.t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(c.t, err)
	must(c.t, w.store.Push(c.t.Context(), "acme/golden", quietly))
	return w
}

// wantSame fails unless a snapshot of one world is that of another, byte for byte, and a device gets its data from it.
func wantSame(t *testing.T, a, b *world, name string) {
	t.Helper()
	for _, file := range []string{
		"manifest.json", "instance_data/overlay.img", "instance_data/sdcard.img", "instance_data/NVChip",
		"instance_data/internal/factory_reset_protected.img", "super.img", "boot.img",
	} {
		if read(t, a.artifacts, "snapshots", name, file) != read(t, b.artifacts, "snapshots", name, file) {
			t.Errorf("%s differs", file)
		}
	}
	dir := filepath.Join(b.artifacts, "snapshots", name)
	m, _, err := b.store.Read(t.Context(), dir)
	must(t, err)
	other := instance(t, "lost", qcow2.New, size)
	must(t, b.store.Graft(t.Context(), dir, m, other))
	if got := onDisk(t, other); got != "kept" {
		t.Errorf("the device holds %q", got)
	}
	checkByQemu(t, filepath.Join(other, "overlay.img"))
}

// Ensure a snapshot is in the bucket as the specification has it, and is the same on another host, by name, by hash and by
// content; and that who has the base image fetches none.
func TestPushAndPull(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here := c.taken()
	want := []string{"boot.img", "instance_data/NVChip", "instance_data/internal/factory_reset_protected.img", "instance_data/metadata.img",
		"instance_data/overlay.img", "instance_data/sdcard.img", "manifest.json", "super.img"}
	for i := range want {
		want[i] = "snapshots/acme/golden/" + want[i]
	}
	if got := c.keys(); !slices.Equal(got, want) {
		t.Errorf("the bucket holds %q", got)
	}
	object, err := c.bucket.Get(t.Context(), "snapshots/acme/golden/instance_data/overlay.img", 1<<30)
	if must(t, err); string(object) != read(t, here.artifacts, "snapshots/acme/golden/instance_data/overlay.img") {
		t.Error("the overlay in the bucket is another")
	}
	if names, err := here.store.Pending(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("pending: %q, %v", names, err)
	}
	there := c.world(local(t))
	far, err := there.store.Remote(t.Context(), "acme/golden")
	must(t, err)
	near, err := image.NewCatalog(local(t), here.artifacts, here.home).Inspect(t.Context(), "acme/golden")
	if must(t, err); far != near || far.Bytes < 5 {
		t.Errorf("in the bucket %+v, on the host %+v", far, near)
	}
	for range 2 { // again is success
		must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	}
	wantSame(t, here, there, "acme/golden")
	if target, err := os.Readlink(there.artifacts + "/snapshots/acme/golden/super.img"); err != nil || target != filepath.Join(there.base, "super.img") {
		t.Errorf("super.img leads to %q, %v", target, err)
	}
	must(t, here.store.Push(t.Context(), "acme/golden", quietly)) // again, too
	_, err = there.store.Remove(t.Context(), "acme/golden")
	must(t, err)
	_, err = there.store.Take(t.Context(), "acme/golden", there.source(instance(t, "else", qcow2.Old, size), snapshot.Stopped), quietly)
	wantKind(t, err, fault.Conflict, "there is one in the bucket already")
	there.save(t, snapshot.New(snapshot.Options{Host: local(t), Artifacts: there.artifacts}), "else") // when the bucket did not answer
	wantKind(t, there.store.Push(t.Context(), "acme/golden", quietly), fault.Conflict, "has another snapshot of that name")
	must(t, here.store.RemoveRemote(t.Context(), "acme/golden"))
	if got := c.keys(); len(got) != 0 {
		t.Errorf("left %q", got)
	}
	_, err = there.store.Remote(t.Context(), "acme/golden")
	wantKind(t, err, fault.NotFound, "nor in the bucket")
}

// Ensure a host whose base images are others gets the snapshot's own, keeps them for as long as anything leads to them, and
// notices when the operator replaces one that a snapshot needs.
func TestBaseImagesComeAlong(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here, there := c.taken(), c.world(local(t))
	put(t, "another", there.base, "super.img")
	must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	wantSame(t, here, there, "acme/golden")
	kept := filepath.Join(there.artifacts, ".images", hexOf("super"))
	if target, err := os.Readlink(there.artifacts + "/snapshots/acme/golden/super.img"); err != nil || target != kept {
		t.Errorf("super.img leads to %q, %v", target, err)
	}
	if removed, err := there.store.Sweep(t.Context()); err != nil || len(removed) != 0 {
		t.Errorf("swept %q, %v", removed, err)
	}
	must(t, os.Remove(filepath.Join(there.base, "boot.img"))) // the one that was taken from the host
	must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	wantSame(t, here, there, "acme/golden")
	replaced := put(t, "booT", here.base, "boot.img")
	later := time.Now().Add(time.Minute)
	must(t, os.Chtimes(replaced, later, later))
	must(t, here.store.Pull(t.Context(), "acme/golden", quietly))
	if got := read(t, here.artifacts, "snapshots/acme/golden/boot.img"); got != "boot" {
		t.Errorf("boot.img holds %q", got)
	}
	_, err := there.store.Remove(t.Context(), "acme/golden")
	must(t, err)
	if removed, err := there.store.Sweep(t.Context()); err != nil || len(removed) != 2 {
		t.Errorf("swept %q, %v", removed, err)
	}
}

// Ensure two who want the same snapshot at once both get it, and that it is fetched once.
func TestPullsOfOneNameTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here, there := c.taken(), c.world(local(t))
	put(t, "another", there.base, "super.img")
	var moved [2]atomic.Int64
	var pulls errgroup.Group
	for i := range moved {
		pulls.Go(func() error {
			return there.store.Pull(t.Context(), "acme/golden", func(p sandbox.Progress) { moved[i].Store(p.Moved) })
		})
	}
	must(t, pulls.Wait())
	wantSame(t, here, there, "acme/golden")
	if a, b := moved[0].Load(), moved[1].Load(); (a == 0) == (b == 0) {
		t.Errorf("%d and %d bytes were fetched", a, b)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := there.store.Pull(ended, "acme/golden", quietly); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// Ensure base images that snapshots use stay where the artifacts are behind a link.
func TestImagesBehindALinkAreInUse(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here, there := c.taken(), c.world(local(t))
	put(t, "another", there.base, "super.img")
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(there.artifacts, link))
	store := snapshot.New(snapshot.Options{Host: local(t), Artifacts: link, Bucket: c.bucket})
	must(t, store.Pull(t.Context(), "acme/golden", quietly))
	if removed, err := store.Sweep(t.Context()); err != nil || len(removed) != 0 {
		t.Errorf("swept %q, %v", removed, err)
	}
	wantSame(t, here, there, "acme/golden")
}

// big makes an instance with a card of n chunks of noise.
func big(t *testing.T, seed byte, changed int, n int) string {
	t.Helper()
	dir := instance(t, "kept", qcow2.Old, size)
	rng := rand.NewChaCha8([32]byte{1})
	f, err := os.Create(filepath.Join(dir, "sdcard.img"))
	must(t, err)
	for i := range n {
		chunk := make([]byte, snapshot.ChunkSize)
		rng.Read(chunk)
		if i == changed {
			chunk[5] = seed
		}
		if i > 0 && i < n/2 {
			clear(chunk)
		}
		_, err := f.Write(chunk)
		must(t, err)
	}
	must(t, f.Close())
	return dir
}

// Ensure of a second snapshot only what has changed is sent, and zeros never.
func TestWhatTheBucketHasIsNotSent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	sent := map[string]int64{}
	for i, name := range []string{"acme/one", "acme/two", "other/three"} {
		_, err := w.store.Take(t.Context(), name, w.source(big(t, byte(i), 6, 8), snapshot.Stopped), quietly)
		must(t, err)
		before := c.proxy.Sent("UploadPart") + c.proxy.Sent("PutObject")
		var last int64
		must(t, w.store.Push(t.Context(), name, func(p sandbox.Progress) { last = p.Done - p.Total }))
		if last != 0 {
			t.Errorf("%s: at the end %d bytes are missing", name, -last)
		}
		sent[name] = c.proxy.Sent("UploadPart") + c.proxy.Sent("PutObject") - before
	}
	chunk := int64(snapshot.ChunkSize)
	if n := sent["acme/one"]; n < 5*chunk || n > 5*chunk+s3store.MinPart+2<<20 { // and a block of zeros
		t.Errorf("the first: %d bytes", n)
	}
	if n := sent["acme/two"]; n > chunk+2<<20 {
		t.Errorf("the second: %d bytes", n)
	}
	if n := sent["other/three"]; n < 5*chunk {
		t.Errorf("that of another organisation: %d bytes", n)
	}
	there := c.world(local(t))
	must(t, there.store.Pull(t.Context(), "acme/two", quietly))
	wantSame(t, w, there, "acme/two")
}

// Ensure a compressed snapshot says so in its names, and comes back as it was; and that a stream that holds more, or less,
// than its manifest says is refused.
func TestCompressed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := newWorld(t, local(t))
	w.store = snapshot.New(snapshot.Options{Host: local(t), Artifacts: w.artifacts, Bucket: c.bucket, Compress: true})
	_, err := w.store.Take(t.Context(), "acme/small", w.source(big(t, 1, 1, 4), snapshot.Stopped), quietly)
	must(t, err)
	must(t, w.store.Push(t.Context(), "acme/small", quietly))
	if keys := c.keys(); !slices.Contains(keys, "snapshots/acme/small/instance_data/overlay.img.zst") || !slices.Contains(keys, "snapshots/acme/small/super.img") {
		t.Errorf("the bucket holds %q", keys)
	}
	there := c.world(local(t))
	must(t, there.store.Pull(t.Context(), "acme/small", quietly))
	wantSame(t, w, there, "acme/small")
	small, err := c.bucket.Get(t.Context(), "snapshots/acme/small/instance_data/NVChip.zst", 1<<20)
	must(t, err)
	for says, content := range map[string]string{"zstd stream": string(small[:len(small)-4]), "holds more": string(small) + string(small)} {
		c.put("snapshots/acme/small/instance_data/NVChip.zst", content)
		other := c.world(local(t))
		wantKind(t, other.store.Pull(t.Context(), "acme/small", quietly), fault.Invalid, says)
	}
}

// Ensure a push and a pull that are killed at any step are done by doing them again, and that before their end there is no
// snapshot.
func TestAKillDuringATransfer(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	_, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped), quietly)
	must(t, err)
	for n := 0; ; n++ {
		err := c.store(w, &dying{Host: local(t), n: n}).Push(t.Context(), "acme/golden", quietly)
		_, missing := w.store.Remote(t.Context(), "acme/golden")
		if names, failed := w.store.Pending(t.Context()); err != nil && missing != nil && (failed != nil || !slices.Equal(names, []string{"acme/golden"})) {
			t.Errorf("killed at %d: pending %q, %v", n, names, failed)
		}
		must(t, w.store.Push(t.Context(), "acme/golden", quietly))
		if err == nil {
			break
		}
		must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
		must(t, os.MkdirAll(w.artifacts+"/snapshots/acme/.push-golden", 0o755))
	}
	for n := 0; ; n++ {
		there := c.world(local(t))
		put(t, "another", there.base, "super.img")
		err := c.store(there, &dying{Host: local(t), n: n}).Pull(t.Context(), "acme/golden", quietly)
		if err != nil && !errors.Is(err, errDead) {
			t.Errorf("killed at %d: %v", n, err)
		}
		if _, _, err := there.store.Read(t.Context(), there.artifacts+"/snapshots/acme/golden"); err == nil {
			wantSame(t, w, there, "acme/golden") // whole, or not at all
		}
		must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
		if got := read(t, there.artifacts, "snapshots/acme/golden/super.img"); got != "super" {
			t.Errorf("killed at %d: super.img holds %q", n, got)
		}
		if hidden, _ := filepath.Glob(there.artifacts + "/snapshots/acme/.*"); len(hidden) > 0 {
			t.Errorf("killed at %d: left %q", n, hidden)
		}
		if err == nil {
			break
		}
	}
}

// Ensure what the bucket does wrong is told, and leaves no snapshot.
func TestABucketThatFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here := c.taken()
	overlay := "snapshots/acme/golden/instance_data/overlay.img"
	whole, err := c.bucket.Get(t.Context(), overlay, 1<<30)
	must(t, err)
	spoilt := bytes.Clone(whole)
	spoilt[200<<10] ^= 1
	for _, tt := range []struct {
		name, says string
		kind       fault.Kind
		spoil      func()
		mend       func()
	}{
		{"other bytes", "is damaged in the bucket", fault.Invalid, func() { c.put(overlay, string(spoilt)) }, func() { c.put(overlay, string(whole)) }},
		{"fewer bytes", "the manifest says", fault.Invalid, func() { c.put(overlay, "x") }, func() { c.put(overlay, string(whole)) }},
		{"a lost object", "there is no such object", fault.NotFound, func() { must(t, c.bucket.Delete(t.Context(), overlay)) }, func() { c.put(overlay, string(whole)) }},
		{"an image that is another", "is damaged in the bucket", fault.Invalid, func() { c.put("snapshots/acme/golden/super.img", "repus") }, func() { c.put("snapshots/acme/golden/super.img", "super") }},
		{"an expired key", "the keys have expired", fault.Forbidden, func() { c.proxy.Add(s3storetest.Fault{Times: -1, Status: 403, Code: "ExpiredToken"}) }, c.proxy.Clear},
		{"a server that is down", "asks for fewer requests", fault.Unavailable, func() { c.proxy.Add(s3storetest.Fault{Times: -1, Status: 503, Code: "SlowDown"}) }, c.proxy.Clear},
	} {
		there := c.world(local(t))
		put(t, "another", there.base, "super.img")
		tt.spoil()
		wantKind(t, there.store.Pull(t.Context(), "acme/golden", quietly), tt.kind, tt.says)
		if _, err := os.Stat(there.artifacts + "/snapshots/acme/golden"); err == nil {
			t.Errorf("%s: there is a snapshot", tt.name)
		}
		tt.mend()
		must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
		wantSame(t, here, there, "acme/golden")
	}
	put(t, "anothe", here.base, "super.img")
	must(t, here.store.RemoveRemote(t.Context(), "acme/golden"))
	wantKind(t, here.store.Push(t.Context(), "acme/golden", quietly), fault.Conflict, "has changed since the snapshot was taken")
	if slices.Contains(c.keys(), "snapshots/acme/golden/manifest.json") {
		t.Error("the bucket has the manifest of what is not whole")
	}
}

// Ensure hostile manifests are refused before anything is written.
func TestHostileManifestsInTheBucket(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here := c.taken()
	var good map[string]any
	must(t, json.Unmarshal([]byte(read(t, here.artifacts, "snapshots/acme/golden/manifest.json")), &good))
	for says, spoil := range map[string]func(file, image map[string]any){
		"is none that a snapshot has": func(file, _ map[string]any) { file["name"] = "instance_data/../../../../etc/passwd" },
		"is no name of a file":        func(_, image map[string]any) { image["name"] = "/etc/passwd" },
		"a size of":                   func(file, _ map[string]any) { file["size"] = -1 },
		"digest":                      func(file, _ map[string]any) { file["sha256"] = "../../x" },
		"is there twice":              func(_, image map[string]any) { image["name"] = "super.img" },
		"encoding":                    func(file, _ map[string]any) { file["encoding"] = "tar" },
		"image":                       func(_, image map[string]any) { image["name"] = strings.Repeat("x", 1<<20) },
	} {
		var m map[string]any
		text, err := json.Marshal(good)
		must(t, err)
		must(t, json.Unmarshal(text, &m))
		spoil(m["files"].([]any)[0].(map[string]any), m["images"].([]any)[0].(map[string]any))
		text, err = json.Marshal(m)
		must(t, err)
		c.put("snapshots/evil/snap/manifest.json", string(text))
		there := c.world(&dying{Host: local(t)})
		wantKind(t, there.store.Pull(t.Context(), "evil/snap", quietly), fault.Invalid, says)
	}
	there := c.world(&dying{Host: local(t)})
	wantKind(t, there.store.Pull(t.Context(), "../x", quietly), fault.Invalid, "want ORGANISATION/NAME")
}

// Ensure a disk that is full, or would be, is said to, that a device goes on whose data do not fit, and that a pull that was
// begun is gone on with.
func TestADiskWithoutRoom(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	here := c.taken()
	for n := range 6 {
		w := newWorld(t, &full{Host: local(t), free: 1 << 40, writes: n})
		_, err := w.store.Take(t.Context(), "acme/golden", w.source(instance(t, "kept", qcow2.Old, size), snapshot.Paused), quietly)
		wantKind(t, err, fault.Exhausted, "no space left")
		if left, _ := filepath.Glob(w.artifacts + "/snapshots/acme/*"); w.resumes != 1 || len(left) > 0 {
			t.Errorf("resumed %d times, left %q", w.resumes, left)
		}
	}
	there := c.world(local(t))
	wantKind(t, c.store(there, &full{Host: local(t), writes: 9}).Pull(t.Context(), "acme/golden", quietly), fault.Exhausted, "make room in")
	without := c.world(local(t))
	put(t, "another", without.base, "super.img")
	wantKind(t, c.store(without, &filling{Host: local(t)}).Pull(t.Context(), "acme/golden", quietly), fault.Exhausted, "super.img: it needs")
	for n := range 5 {
		err := c.store(there, &full{Host: local(t), free: 1 << 40, writes: n}).Pull(t.Context(), "acme/golden", quietly)
		wantKind(t, err, fault.Exhausted, "no space left")
	}
	must(t, there.store.Pull(t.Context(), "acme/golden", quietly))
	wantSame(t, here, there, "acme/golden")
}

// Ensure a copy counts as unused when the bucket has the same, nothing was made of it for a time, and no reference leads to it.
func TestUnused(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.taken()
	unused := func(since time.Duration, want ...string) {
		t.Helper()
		if got, err := w.store.Unused(t.Context(), since); err != nil || !slices.Equal(got, want) {
			t.Errorf("unused: %q, %v; want %q", got, err, want)
		}
	}
	unused(time.Hour)
	unused(0, "acme/golden")
	long := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(w.artifacts+"/snapshots/acme/golden/manifest.json", long, long))
	unused(time.Hour, "acme/golden")
	must(t, w.store.Pull(t.Context(), "acme/golden", quietly)) // as a create does
	unused(time.Hour)
	refs := w.artifacts + "/snapshots/.refs"
	must(t, errors.Join(os.MkdirAll(refs, 0o755), os.Symlink(w.artifacts+"/snapshots/acme/golden", refs+"/"+hexOf("x"))))
	unused(0)
	must(t, os.RemoveAll(refs))
	must(t, w.store.RemoveRemote(t.Context(), "acme/golden"))
	unused(0)
}

// Ensure references of backups lead to the same names everywhere, and that of one sandbox's backups the newest stay.
func TestBackups(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := c.world(local(t))
	for ref, want := range map[string]string{
		"h:5000/p/backup-a1:2026-11-23T18-38-50-082Z": "backups/backup-a1_2026-11-23T18-38-50-082Z",
		"acme/golden":                  "acme/golden",
		"h/p/x y:1":                    "backups/" + hexOf("h/p/x y:1"),
		"android-LATEST":               "",
		"a/b/c":                        "",
		strings.Repeat("x", 999) + ":": "",
	} {
		if got, err := w.store.NameOf(ref); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%.40s: %q, %v", ref, got, err)
		}
	}
	take := func(sandbox, name string) {
		src := w.source(instance(t, "kept", qcow2.Old, size), snapshot.Stopped)
		src.Sandbox = sandbox
		_, err := w.store.Take(t.Context(), name, src, quietly)
		must(t, err)
		must(t, w.store.Push(t.Context(), name, quietly))
	}
	take("b", "backups/backup-dev1_0")
	for _, tag := range []string{"1", "2", "3"} {
		take("dev1", "backups/backup-dev1_"+tag)
	}
	removed, err := w.store.SettleBackup(t.Context(), "backups/backup-dev1_3")
	if err != nil || !slices.Equal(removed, []string{"backups/backup-dev1_1"}) {
		t.Errorf("removed %q, %v", removed, err)
	}
	if removed, err := w.store.SettleBackup(t.Context(), "acme/golden"); err != nil || removed != nil {
		t.Errorf("of no backup: removed %q, %v", removed, err)
	}
}

// Ensure without a bucket it is said what is missing.
func TestWithoutABucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, local(t))
	wantKind(t, w.store.Push(context.Background(), "acme/x", quietly), fault.Unsupported, "AWS_DEFAULT_BUCKET")
	wantKind(t, w.store.Pull(context.Background(), "acme/x", quietly), fault.NotFound, "no bucket to look into")
}
