package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

func TestUploadStoresWhatTheSourceHolds(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	for name, c := range map[string]*content{
		"empty": {}, "small": new(content).data(100), "one part": new(content).data(s3store.MinPart),
		"several parts": new(content).data(3*s3store.MinPart + 12345),
		"few zeros":     new(content).data(MiB).zeros(2 * MiB).data(MiB),
		"only zeros":    new(content).zeros(21*MiB + 5),
		"mixed":         new(content).data(100).zeros(20 * MiB).data(MiB).zeros(6 * MiB).data(7*MiB + 1),
		"odd key+ü %2F": new(content).data(10),
	} {
		counts := upload(t, server, store, "snap/"+name+".img", c)
		if counts.Sent == 0 && len(c.bytes) > 0 && name != "only zeros" {
			t.Errorf("%s: nothing was counted as sent: %+v", name, counts)
		}
	}
	if n := unfinished(t, store); n != 0 {
		t.Errorf("%d uploads are unfinished", n)
	}
}

func TestZerosCostNoBandwidth(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(16 * MiB).zeros(112 * MiB) // 1/8 of it is data, as in 8 GiB that hold 1 GiB
	first := upload(t, server, store, "a.img", c)
	const words = 8 << 10 // of requests that are no content
	const seed = s3store.MinPart + words
	if first.Sent > 16*MiB+seed+words || first.Copied != 112*MiB {
		t.Errorf("sent %d, copied %d; want %d and a block of zeros, and %d", first.Sent, first.Copied, 16*MiB, 112*MiB)
	}
	proxy.Clear()
	// Another runner finds the blocks that are there.
	second := upload(t, server, open(t, options(server, proxy.Endpoint)), "b.img", c)
	if second.Sent > 16*MiB+words || proxy.Sent("UploadPart")+proxy.Sent("PutObject") != 16*MiB {
		t.Errorf("sent %d (%d seen by the proxy); want %d", second.Sent, proxy.Sent("UploadPart"), 16*MiB)
	}
	for obj, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if obj.Key != "a.img" && obj.Key != "b.img" {
			t.Errorf("the list shows %s", obj.Key)
		}
	}
}

func TestUnchangedRangesAreCopiedFromTheEarlierObject(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	before := new(content).data(60 * MiB)
	upload(t, server, store, "before.img", before)
	after := new(content).copied(before, "before.img", 0, 30*MiB).data(5*MiB).copied(before, "before.img", 35*MiB, 25*MiB)
	if counts := upload(t, server, store, "after.img", after); counts.Sent>>10 != 5<<10 || counts.Copied != 55*MiB {
		t.Errorf("sent %d, copied %d; want %d, %d", counts.Sent, counts.Copied, 5*MiB, 55*MiB)
	}
}

func TestRangesThatCannotBeCopiedAreSent(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	before := new(content).data(20 * MiB)
	upload(t, server, store, "before.img", before)
	etag := func(c *content, tag string) *content {
		for i := range c.plan {
			c.plan[i].From.ETag = tag
		}
		return c
	}
	gone := filepath.Join(server.Dir, "before.img")
	for _, tc := range []struct {
		name  string
		c     *content
		fault s3storetest.Fault
	}{
		{"absent beforehand", new(content).copied(before, "absent.img", 0, 20*MiB), s3storetest.Fault{}},
		{"another version", etag(new(content).copied(before, "before.img", 0, 20*MiB), `"x"`), s3storetest.Fault{}},
		{"too short", func() *content {
			c := new(content).data(20 * MiB)
			c.plan[0] = s3store.Piece{Length: 20 * MiB, Kind: s3store.Copy, From: s3store.Origin{Key: "before.img", Offset: 1}}
			return c
		}(), s3storetest.Fault{}},
		{"refused", new(content).copied(before, "before.img", 0, 20*MiB), s3storetest.Fault{Op: "UploadPartCopy", Status: 403, Code: "AccessDenied"}},
		{"removed meanwhile", new(content).copied(before, "before.img", 0, 20*MiB), s3storetest.Fault{Op: "UploadPartCopy", Do: func() { os.Remove(gone) }}},
	} {
		proxy.Clear()
		if tc.fault.Op != "" {
			proxy.Add(tc.fault)
		}
		if counts := upload(t, server, store, "after.img", tc.c); counts.Sent>>10 != 20<<10 || counts.Copied != 0 {
			t.Errorf("%s: %+v; want all of it sent", tc.name, counts)
		}
	}
}

func TestZerosAreSentWhenTheirBlockHasVanished(t *testing.T) {
	t.Parallel()
	server, _, store := behindProxy(t)
	c := new(content).data(MiB).zeros(30 * MiB)
	upload(t, server, store, "a.img", c)
	if err := os.RemoveAll(filepath.Join(server.Dir, ".s3store")); err != nil {
		t.Fatal(err)
	}
	if counts := upload(t, server, store, "b.img", c); counts.Copied != 0 {
		t.Errorf("%+v; want all sent", counts)
	}
	if counts := upload(t, server, store, "c.img", c); counts.Copied == 0 {
		t.Errorf("%+v; want the block made again", counts)
	}
}

func TestAServerWithoutCopiesOfPartsGetsEverything(t *testing.T) {
	t.Parallel()
	server := s3storetest.Light(t)
	proxy := server.Proxy(t)
	store := open(t, options(server, proxy.Endpoint))
	before := new(content).data(12 * MiB)
	upload(t, server, store, "before.img", before)
	c := new(content).copied(before, "before.img", 0, 12*MiB).zeros(20 * MiB).data(100)
	upload(t, server, store, "a.img", c)
	tried := proxy.Count("UploadPartCopy")
	upload(t, server, store, "b.img", c)
	if again := proxy.Count("UploadPartCopy"); tried == 0 || again != tried {
		t.Errorf("copies were tried %d times, then %d; want that remembered", tried, again)
	}
	if n := unfinished(t, store); n != 0 {
		t.Errorf("%d uploads are unfinished", n)
	}
}

func TestANotImplementedCopyIsRemembered(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	before := new(content).data(12 * MiB)
	upload(t, server, store, "before.img", before)
	proxy.Add(s3storetest.Fault{Op: "UploadPartCopy", Times: -1, Status: 501, Code: "NotImplemented"})
	c := new(content).copied(before, "before.img", 0, 12*MiB)
	upload(t, server, store, "a.img", c)
	tried := proxy.Count("UploadPartCopy")
	upload(t, server, store, "b.img", c)
	if again := proxy.Count("UploadPartCopy"); tried == 0 || again != tried {
		t.Errorf("copies were tried %d times, then %d", tried, again)
	}
}

func TestUploadSurvives(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(11 * MiB)
	sparse := new(content).data(MiB).zeros(30 * MiB)
	upload(t, server, store, "zeros.img", sparse)
	for _, tc := range []struct {
		name   string
		c      *content
		faults []s3storetest.Fault
	}{
		{"503 twice on one part", c, []s3storetest.Fault{{Op: "UploadPart", Times: 2, Status: 503, Code: "SlowDown"}}},
		{"503 on everything, three times", c, []s3storetest.Fault{{Times: 3, Status: 503, Code: "SlowDown"}}},
		{"a reset in the middle of a part", c, []s3storetest.Fault{{Op: "UploadPart", CutRequest: 3 * MiB, Times: 2}}},
		{"bytes that change on the way", c, []s3storetest.Fault{{Op: "UploadPart", FlipAt: 4 * MiB, Times: 2}}},
		{"bytes of a small object that change", new(content).data(1000), []s3storetest.Fault{{Op: "PutObject", FlipAt: 500}}},
		{"answers that are lost", c, []s3storetest.Fault{
			{Op: "CreateMultipartUpload", LoseAnswer: true}, {Op: "UploadPart", LoseAnswer: true}, {Op: "CompleteMultipartUpload", LoseAnswer: true},
		}},
		{"the end refused for a while", c, []s3storetest.Fault{{Op: "CompleteMultipartUpload", Status: 500, Code: "InternalError", Times: 2}}},
		{"resets of copies", sparse, []s3storetest.Fault{{Op: "UploadPartCopy", LoseAnswer: true}, {Op: "UploadPartCopy", Status: 503, Code: "SlowDown"}}},
	} {
		proxy.Clear()
		for _, f := range tc.faults {
			proxy.Add(f)
		}
		upload(t, server, store, "a.img", tc.c)
		if proxy.Happened() == 0 {
			t.Errorf("%s: no fault happened", tc.name)
		}
	}
	unfinished(t, store) // of the lost answer to a create nobody knows
}

func TestAnEndThatIsGoneIsLookedAfter(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	// The first answer is lost, and the server does not know the upload any more, as Amazon after a while.
	proxy.Add(s3storetest.Fault{Op: "CompleteMultipartUpload", LoseAnswer: true})
	proxy.Add(s3storetest.Fault{Op: "CompleteMultipartUpload", Status: 404, Code: "NoSuchUpload"})
	upload(t, server, store, "a.img", new(content).data(11*MiB))

	proxy.Add(s3storetest.Fault{Op: "CompleteMultipartUpload", Status: 404, Code: "NoSuchUpload"})
	c := new(content).data(12 * MiB)
	_, err := store.Upload(t.Context(), "a.img", c, c.plan, s3store.UploadOptions{})
	wantKind(t, err, fault.NotFound, "a.img", "NoSuchUpload")
}

func TestAFailedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(16 * MiB)
	short := new(content).data(16 * MiB)
	short.plan[0].Length++
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		c     *content
		fault s3storetest.Fault
		kind  fault.Kind
		words []string
	}{
		{"an expired key", t.Context(), c, s3storetest.Fault{Op: "UploadPart", Skip: 1, Status: 400, Code: "ExpiredToken", Times: -1}, fault.Forbidden, []string{"expired"}},
		{"a server that never recovers", t.Context(), c, s3storetest.Fault{Op: "UploadPart", Status: 503, Code: "SlowDown", Times: -1}, fault.Unavailable, []string{"fewer requests", "a.img", `"bucket"`}},
		{"a disk that is full", t.Context(), c, s3storetest.Fault{Op: "UploadPart", Status: 507, Code: "XMinioStorageFull", Times: -1}, fault.Exhausted, nil},
		{"parts that vanish", t.Context(), c, s3storetest.Fault{Op: "CompleteMultipartUpload", Status: 400, Code: "InvalidPart", Times: -1}, fault.Invalid, nil},
		{"content that is shorter than its plan", t.Context(), short, s3storetest.Fault{}, fault.Conflict, []string{"ends after 16777216"}},
		{"a caller who leaves", ctx, c, s3storetest.Fault{Op: "UploadPart", Skip: 2, Do: cancel, Hold: make(chan struct{})}, fault.Cancelled, nil},
	} {
		proxy.Clear()
		proxy.Add(tc.fault)
		_, err := store.Upload(tc.ctx, "a.img", tc.c, tc.c.plan, s3store.UploadOptions{})
		t.Log(err)
		wantKind(t, err, tc.kind, tc.words...)
		if strings.Contains(err.Error(), server.SecretKey) || strings.Contains(err.Error(), server.AccessKey) {
			t.Errorf("%s: the error holds a key", tc.name)
		}
		proxy.Clear()
		if n := unfinished(t, store); n != 0 {
			t.Errorf("%s: %d uploads are unfinished", tc.name, n)
		}
		_, err = store.Stat(t.Context(), "a.img")
		wantKind(t, err, fault.NotFound)
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	proxy := server.Proxy(t)
	o := options(server, proxy.Endpoint)
	o.Patience, o.Attempts = 250*time.Millisecond, 2
	store := open(t, o)
	forever := make(chan struct{})
	defer close(forever)
	proxy.Add(s3storetest.Fault{Op: "HeadObject", Hold: forever, Times: -1})
	_, err := store.Stat(t.Context(), "a.img")
	wantKind(t, err, fault.Timeout, "silent for 250ms")
	if n := proxy.Count("HeadObject"); n != 2 {
		t.Errorf("%d attempts; want 2", n)
	}
}

func TestUploadGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	server, proxy, _ := behindProxy(t)
	c := new(content).data(21 * MiB).zeros(20 * MiB)
	other := new(content).data(22 * MiB).zeros(20 * MiB)
	other.plan = c.plan

	// interrupt begins an upload that is cut off when two parts are there.
	interrupt := func(t *testing.T, journal *memory) {
		t.Helper()
		o := options(server, proxy.Endpoint)
		o.Parallel = 1
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		proxy.Clear()
		proxy.Add(s3storetest.Fault{Op: "UploadPart", Skip: 2, Do: cancel, Hold: make(chan struct{})})
		_, err := open(t, o).Upload(ctx, "a.img", c, c.plan, s3store.UploadOptions{Journal: journal, Digest: c.digest()})
		wantKind(t, err, fault.Cancelled)
		proxy.Clear()
	}
	goOn := func(t *testing.T, journal *memory, c *content) s3store.Counts {
		t.Helper()
		var progress s3store.Progress
		store := open(t, options(server, proxy.Endpoint))
		_, err := store.Upload(t.Context(), "a.img", c, c.plan, s3store.UploadOptions{Journal: journal, Digest: c.digest(), Progress: &progress})
		if err != nil {
			t.Fatal(err)
		}
		checkStored(t, server, store, "a.img", c.bytes)
		if n := unfinished(t, store); n != 0 || len(journal.entries) != 0 {
			t.Errorf("%d uploads are unfinished, %d entries are in the journal", n, len(journal.entries))
		}
		return progress.Read()
	}

	t.Run("the parts that are there are not sent again", func(t *testing.T) {
		journal := &memory{}
		interrupt(t, journal)
		counts := goOn(t, journal, c)
		if counts.Skipped != 10*MiB || counts.Sent/MiB != 11 || counts.Done != 41*MiB {
			t.Errorf("%+v; want 10 MiB skipped and 11 MiB sent", counts)
		}
	})
	t.Run("other content begins anew", func(t *testing.T) {
		journal := &memory{}
		interrupt(t, journal)
		other := &content{bytes: bytes.Clone(c.bytes), plan: c.plan}
		other.bytes[0]++
		if counts := goOn(t, journal, other); counts.Skipped != 0 || proxy.Count("AbortMultipartUpload") == 0 {
			t.Errorf("%+v, %d uploads aborted; want nothing skipped, and the old one aborted", counts, proxy.Count("AbortMultipartUpload"))
		}
	})
	t.Run("a part that the server does not have as it was is sent again", func(t *testing.T) {
		journal := &memory{}
		interrupt(t, journal)
		entry := journal.entries["a.img"]
		i := bytes.LastIndex(entry, []byte(`"ETag":"\"`)) + len(`"ETag":"\"`)
		entry[i] ^= 1
		if counts := goOn(t, journal, c); counts.Skipped != 5*MiB {
			t.Errorf("%+v; want 5 MiB skipped", counts)
		}
	})
	t.Run("an upload that the server has dropped begins anew", func(t *testing.T) {
		journal := &memory{}
		interrupt(t, journal)
		unfinished(t, open(t, options(server, proxy.Endpoint)))
		if counts := goOn(t, journal, c); counts.Skipped != 0 {
			t.Errorf("%+v; want nothing skipped", counts)
		}
	})
	t.Run("an upload that had ended is left as it is", func(t *testing.T) {
		journal := &memory{}
		store := open(t, options(server, proxy.Endpoint))
		// versitygw 1.8.0 keeps the metadata of an object that a multipart upload replaces.
		if err := store.Delete(t.Context(), "a.img"); err != nil {
			t.Fatal(err)
		}
		var kept []byte
		proxy.Clear()
		proxy.Add(s3storetest.Fault{Op: "CompleteMultipartUpload", Key: "a.img", Do: func() { kept, _ = journal.Load("a.img") }})
		if _, err := store.Upload(t.Context(), "a.img", c, c.plan, s3store.UploadOptions{Journal: journal, Digest: c.digest()}); err != nil {
			t.Fatal(err)
		}
		journal.Save("a.img", kept) // as if killed before it was forgotten
		if counts := goOn(t, journal, c); counts.Sent/MiB != 0 || counts.Skipped != 41*MiB {
			t.Errorf("%+v; want all skipped", counts)
		}
	})
	t.Run("garbage in the journal begins anew", func(t *testing.T) {
		goOn(t, &memory{entries: map[string][]byte{"a.img": []byte("{]")}}, c)
	})
	t.Run("a journal that cannot be written fails before anything is sent", func(t *testing.T) {
		proxy.Clear()
		store := open(t, options(server, proxy.Endpoint))
		_, err := store.Upload(t.Context(), "a.img", c, c.plan, s3store.UploadOptions{
			Journal: &memory{broken: fault.Exhaustedf("no room")}, Digest: c.digest(),
		})
		wantKind(t, err, fault.Exhausted, "journal", "no room")
		if n := unfinished(t, store); n != 0 || proxy.Count("UploadPart") != 0 {
			t.Errorf("%d unfinished, %d parts sent", n, proxy.Count("UploadPart"))
		}
	})
	t.Run("without a digest it is refused", func(t *testing.T) {
		_, err := open(t, options(server, proxy.Endpoint)).Upload(t.Context(), "a.img", c, c.plan, s3store.UploadOptions{Journal: &memory{}})
		wantKind(t, err, fault.Invalid)
	})
}

func TestOnlyStaleUploadsAreAborted(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(11 * MiB)
	for _, key := range []string{"snap/a", "snap/b", "other/c"} {
		proxy.Add(s3storetest.Fault{Op: "UploadPart", Key: key, Status: 400, Code: "ExpiredToken", Times: -1})
		_, err := store.Upload(t.Context(), key, c, c.plan, s3store.UploadOptions{Journal: &memory{}, Digest: c.digest()})
		wantKind(t, err, fault.Forbidden)
	}
	for _, step := range []struct {
		prefix string
		age    time.Duration
		want   int
	}{{"snap/", time.Hour, 0}, {"snap/", -time.Hour, 2}, {"", -time.Hour, 1}, {"", -time.Hour, 0}} {
		if n, err := store.AbortStale(t.Context(), step.prefix, step.age); err != nil || n != step.want {
			t.Errorf("older than %s below %q: %d, %v; want %d", step.age, step.prefix, n, err, step.want)
		}
	}
	_ = server
}

func TestUploadStreamStoresWhatItReads(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	for _, size := range []int64{0, 1, s3store.MinPart - 1, s3store.MinPart, s3store.MinPart + 1, 2 * s3store.MinPart, 33 * MiB} {
		c := new(content).data(size)
		var progress s3store.Progress
		obj, err := store.UploadStream(t.Context(), "s.zst", onlyReader{bytes.NewReader(c.bytes)}, s3store.UploadOptions{
			Progress: &progress, Metadata: map[string]string{"kind": "zstd"},
		})
		if err != nil || obj.Size != size {
			t.Fatalf("%d bytes: %+v, %v", size, obj, err)
		}
		checkStored(t, server, store, "s.zst", c.bytes)
		if counts := progress.Read(); counts.Done != size || counts.Total != size || counts.Sent < size || counts.Sent > size+4096 { // and what ends the upload
			t.Errorf("%d bytes: %+v", size, counts)
		}
		if obj, err := store.Stat(t.Context(), "s.zst"); err != nil || obj.Metadata["kind"] != "zstd" {
			t.Errorf("metadata %v, %v", obj.Metadata, err)
		}
	}
}

func TestAFailedStreamLeavesNothing(t *testing.T) {
	t.Parallel()
	_, proxy, store := behindProxy(t)
	c := new(content).data(23 * MiB)
	broken := errors.New("zstd: bad magic")
	for name, at := range map[string]int{"at once": 1, "after some parts": 17 << 20} {
		r := &failingReader{r: bytes.NewReader(c.bytes), left: at, err: broken}
		_, err := store.UploadStream(t.Context(), "s.zst", r, s3store.UploadOptions{})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v; want the reader's error", name, err)
		}
	}
	proxy.Add(s3storetest.Fault{Op: "UploadPart", Skip: 1, Status: 403, Code: "AccessDenied", Times: -1})
	_, err := store.UploadStream(t.Context(), "s.zst", bytes.NewReader(c.bytes), s3store.UploadOptions{})
	wantKind(t, err, fault.Forbidden)
	proxy.Clear()
	if n := unfinished(t, store); n != 0 {
		t.Errorf("%d uploads are unfinished", n)
	}
}

func TestTransfersHoldLittleInMemory(t *testing.T) {
	// Alone: what is allocated is that of the whole process.
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	c := new(content).data(64 * MiB)
	allocated := func(do func()) int64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc - before.TotalAlloc)
	}
	var err error
	up := allocated(func() { _, err = store.Upload(t.Context(), "a", c, c.plan, s3store.UploadOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	stream := allocated(func() {
		_, err = store.UploadStream(t.Context(), "b", onlyReader{bytes.NewReader(c.bytes)}, s3store.UploadOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	down := allocated(func() { _, err = store.Download(t.Context(), "a", file, s3store.DownloadOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("allocated for 64 MiB: upload %d KiB, stream %d KiB, download %d KiB", up>>10, stream>>10, down>>10)
	if up > 16*MiB || stream > 4*s3store.MinPart+16*MiB || down > 16*MiB {
		t.Errorf("allocated for 64 MiB: upload %d, stream %d, download %d bytes", up, stream, down)
	}
}

func TestUploadsOfOneStoreShareTheirZeros(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	c := new(content).data(10).zeros(20 * MiB)
	errs := make(chan error, 4)
	for i := range cap(errs) {
		go func() {
			_, err := store.Upload(t.Context(), fmt.Sprintf("%d.img", i), c, c.plan, s3store.UploadOptions{})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := proxy.Count("PutObject"); n != 1 {
		t.Errorf("%d blocks of zeros were sent; want 1", n)
	}
	for i := range cap(errs) {
		checkStored(t, server, store, fmt.Sprintf("%d.img", i), c.bytes)
	}
}

func TestAServerWithoutChecksumsIsUsedWithout(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	proxy.Add(s3storetest.Fault{Op: "CreateMultipartUpload", Status: http.StatusBadRequest, Code: "InvalidRequest"})
	upload(t, server, store, "a.img", new(content).data(11*MiB))

	o := options(server, proxy.Endpoint)
	o.PlainRequests = true
	upload(t, server, open(t, o), "b.img", new(content).data(11*MiB))
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	kinds := []s3store.Kind{s3store.Data, s3store.Zero, s3store.Copy, 9}
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, k.String())
	}
	if !slices.Equal(names, []string{"data", "zero", "copy", "kind(9)"}) {
		t.Errorf("kinds are called %v", names)
	}
}

// onlyReader hides what else a reader can do.
type onlyReader struct{ r *bytes.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }

type failingReader struct {
	r    *bytes.Reader
	left int
	err  error
}

func (f *failingReader) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
