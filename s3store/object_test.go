package s3store_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/s3store"
	"github.com/daytonaio/runner-android/s3store/s3storetest"
)

func TestOptionsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	right := s3store.Options{Endpoint: "http://127.0.0.1:1", Bucket: "b", AccessKey: "AKIDEXAMPLE", SecretKey: "very-secret"}
	open(t, right)
	for name, tc := range map[string]struct {
		change func(*s3store.Options)
		word   string
	}{
		"no address":            {func(o *s3store.Options) { o.Endpoint = "s3.example" }, "endpoint"},
		"a password in it":      {func(o *s3store.Options) { o.Endpoint = "http://u:very-secret@h" }, "endpoint"},
		"no bucket":             {func(o *s3store.Options) { o.Bucket = "" }, "bucket"},
		"a path for a bucket":   {func(o *s3store.Options) { o.Bucket = "a/b" }, "bucket"},
		"no secret":             {func(o *s3store.Options) { o.SecretKey = "" }, "secret key"},
		"parts that are small":  {func(o *s3store.Options) { o.PartSize = MiB }, "part"},
		"parts that are odd":    {func(o *s3store.Options) { o.PartSize = 8*MiB + 1 }, "multiple"},
		"too many at a time":    {func(o *s3store.Options) { o.Parallel = 1000 }, "1000"},
		"a negative patience":   {func(o *s3store.Options) { o.Patience = -1 }, "patience"},
		"a number of attempts":  {func(o *s3store.Options) { o.Attempts = -1 }, "attempts"},
		"a space in the bucket": {func(o *s3store.Options) { o.Bucket = "a b" }, "bucket"},
	} {
		o := right
		tc.change(&o)
		_, err := s3store.Open(o)
		wantKind(t, err, fault.Invalid, tc.word)
		if strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	nobody := httptest.NewServer(nil)
	nobody.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	tls.Config.ErrorLog = nil
	for _, tc := range []struct {
		name   string
		change func(*s3store.Options)
		fault  s3storetest.Fault
		kind   fault.Kind
		words  []string
	}{
		{"no bucket", func(o *s3store.Options) { o.Bucket = "absent" }, s3storetest.Fault{}, fault.Unavailable, []string{"does not exist", `"absent"`}},
		{"an unknown key", func(o *s3store.Options) { o.AccessKey = "AKIDEXAMPLE" }, s3storetest.Fault{}, fault.Forbidden, []string{"does not know the access key"}},
		{"a wrong secret", func(o *s3store.Options) { o.SecretKey = "very-secret" }, s3storetest.Fault{}, fault.Forbidden, []string{"secret key is not that"}},
		{"nobody there", func(o *s3store.Options) { o.Endpoint = nobody.URL }, s3storetest.Fault{}, fault.Unavailable, []string{"connection refused", nobody.URL}},
		{"a strange certificate", func(o *s3store.Options) { o.Endpoint = tls.URL }, s3storetest.Fault{}, fault.Unavailable, []string{"certificate"}},
		{"no such host", func(o *s3store.Options) { o.Endpoint = "http://absent.invalid" }, s3storetest.Fault{}, fault.Unavailable, []string{"absent.invalid"}},
		{"may not", func(*s3store.Options) {}, s3storetest.Fault{Status: 403, Code: "AccessDenied"}, fault.Forbidden, []string{"may not"}},
		{"expired", func(*s3store.Options) {}, s3storetest.Fault{Status: 400, Code: "ExpiredToken"}, fault.Forbidden, []string{"expired"}},
		{"another region", func(*s3store.Options) {}, s3storetest.Fault{Status: 301, Code: "PermanentRedirect"}, fault.Unavailable, []string{"region"}},
		{"a wrong clock", func(*s3store.Options) {}, s3storetest.Fault{Status: 403, Code: "RequestTimeTooSkewed", Times: -1}, fault.Unavailable, []string{"clock"}},
		{"no S3 at all", func(*s3store.Options) {}, s3storetest.Fault{Status: 502, Times: -1}, fault.Unavailable, []string{"bucket"}},
	} {
		proxy.Clear()
		if tc.fault.Status != 0 {
			proxy.Add(tc.fault)
		}
		o := options(server, proxy.Endpoint)
		tc.change(&o)
		err := open(t, o).Check(t.Context())
		t.Logf("%s: %v", tc.name, err)
		wantKind(t, err, tc.kind, tc.words...)
		for _, key := range []string{o.AccessKey, o.SecretKey} {
			if strings.Contains(err.Error(), key) {
				t.Errorf("%s: the error holds a key", tc.name)
			}
		}
	}
}

func TestNoCredentialThatIsEchoedGetsIntoAnError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Error><Code>Odd</Code><Message>very-secret of AKIDEXAMPLE: %s</Message></Error>", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	store := open(t, s3store.Options{Endpoint: server.URL, Bucket: "b", AccessKey: "AKIDEXAMPLE", SecretKey: "very-secret", RetryDelay: time.Millisecond})
	_, err := store.Get(t.Context(), "k", 10)
	wantKind(t, err, fault.Invalid, "Odd")
	if strings.Contains(err.Error(), "very-secret") || strings.Contains(err.Error(), "AKIDEXAMPLE") {
		t.Errorf("the error holds a key: %v", err)
	}
}

func TestAnAbsentBucketIsNoAbsentObject(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	o := options(server, server.Endpoint)
	o.Bucket = "absent"
	store := open(t, o)
	_, err := store.Stat(t.Context(), "a")
	wantKind(t, err, fault.Unavailable, "does not exist")
	_, err = store.Get(t.Context(), "a", 10)
	wantKind(t, err, fault.Unavailable, "does not exist")
	_, _, err = store.Open(t.Context(), "a")
	wantKind(t, err, fault.Unavailable, "does not exist")
	wantKind(t, store.Delete(t.Context(), "a"), fault.Unavailable, "does not exist")
}

func TestPutIsACommitMarker(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	key := "org/snap/manifest.json"
	proxy.Add(s3storetest.Fault{Op: "PutObject", LoseAnswer: true}) // it is there, and the attempt after finds it
	if err := store.Put(t.Context(), key, []byte("{}"), true); err != nil {
		t.Fatalf("an answer that was lost: %v", err)
	}
	wantKind(t, store.Put(t.Context(), key, []byte("{1}"), true), fault.Conflict, "already", key)
	checkStored(t, server, store, key, []byte("{}"))
	if err := store.Put(t.Context(), key, []byte("{2}"), false); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Get(t.Context(), key, 3); err != nil || string(got) != "{2}" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := store.Get(t.Context(), key, 2)
	wantKind(t, err, fault.TooLarge, "2 are the limit")
	_, err = store.Get(t.Context(), "absent", 2)
	wantKind(t, err, fault.NotFound, "absent")
}

func TestGetSurvives(t *testing.T) {
	t.Parallel()
	_, proxy, store := behindProxy(t)
	data := strings.Repeat("manifest ", 1000)
	if err := store.Put(t.Context(), "m", []byte(data), false); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]s3storetest.Fault{
		"a break":      {Op: "GetObject", CutAnswer: 5000, Times: 2},
		"wrong bytes":  {Op: "GetObject", FlipAnswer: 5000, Times: 2},
		"a slow-down":  {Op: "GetObject", Status: 503, Code: "SlowDown", Times: 2},
		"no answer":    {Op: "GetObject", LoseAnswer: true},
		"a bad gatewy": {Op: "GetObject", Status: 502, Times: 2},
	} {
		proxy.Clear()
		proxy.Add(f)
		if got, err := store.Get(t.Context(), "m", 1<<20); err != nil || string(got) != data || proxy.Happened() == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestStatTellsWhatIsThere(t *testing.T) {
	t.Parallel()
	server := s3storetest.Start(t)
	store := open(t, options(server, server.Endpoint))
	c := new(content).data(1000)
	sent, err := store.Upload(t.Context(), "a", c, c.plan, s3store.UploadOptions{Metadata: map[string]string{"sha256": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := store.Stat(t.Context(), "a")
	if err != nil || obj.Key != "a" || obj.Size != 1000 || obj.ETag != sent.ETag || obj.Metadata["sha256"] != "x" || time.Since(obj.Modified) > time.Hour {
		t.Errorf("%+v, %v", obj, err)
	}
	_, err = store.Stat(t.Context(), "b")
	wantKind(t, err, fault.NotFound, `"b"`, `"bucket"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Stat(ctx, "a")
	wantKind(t, err, fault.Cancelled)
}

// files makes objects where the server looks for them.
func files(t *testing.T, server *s3storetest.Server, n int) []string {
	t.Helper()
	keys := make([]string, n)
	if err := os.MkdirAll(filepath.Join(server.Dir, "many"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		keys[i] = fmt.Sprintf("many/%04d", i)
		if err := os.WriteFile(filepath.Join(server.Dir, keys[i]), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func count(t *testing.T, store *s3store.Store, prefix string) (n int) {
	t.Helper()
	last := ""
	for obj, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if obj.Key <= last {
			t.Errorf("%s comes after %s", obj.Key, last)
		}
		last = obj.Key
		n++
	}
	return n
}

func TestMoreThanAPageIsListedAndDeleted(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	keys := files(t, server, 1003)
	if err := store.Put(t.Context(), "other", nil, false); err != nil {
		t.Fatal(err)
	}
	if n := count(t, store, "many/"); n != len(keys) {
		t.Errorf("%d objects are listed; want %d", n, len(keys))
	}
	if err := store.Delete(t.Context(), append(keys, "many/absent")...); err != nil {
		t.Fatal(err)
	}
	if n, left := proxy.Count("DeleteObjects"), count(t, store, ""); n != 2 || left != 1 {
		t.Errorf("%d requests, %d objects are left; want 2, 1", n, left)
	}
	proxy.Add(s3storetest.Fault{Op: "ListObjects", Times: -1, Status: 403, Code: "AccessDenied"})
	for _, err := range store.List(t.Context(), "many/") {
		wantKind(t, err, fault.Forbidden, "list", "many/")
	}
}

func TestServersThatRefuseBatchesAreAskedOneByOne(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	for _, f := range []s3storetest.Fault{
		{Op: "DeleteObjects", Times: -1, Status: 400, Code: "InvalidRequest"},
		{Op: "DeleteObjects", Times: -1, Status: 400, Code: "MissingContentMD5"},
		{Op: "DeleteObjects", Times: -1, Status: 501, Code: "NotImplemented"},
	} {
		proxy.Clear()
		proxy.Add(f)
		store := open(t, options(server, proxy.Endpoint))
		for range 2 {
			if err := store.Delete(t.Context(), files(t, server, 5)...); err != nil {
				t.Errorf("%s: %v", f.Code, err)
			}
		}
		if n, left := proxy.Count("DeleteObjects"), count(t, store, ""); n != 1 || left != 0 || proxy.Count("DeleteObject") != 10 {
			t.Errorf("%s: %d batches, %d single, %d objects left; want 1, 10, 0", f.Code, n, proxy.Count("DeleteObject"), left)
		}
	}
	proxy.Clear()
	proxy.Add(s3storetest.Fault{Op: "DeleteObjects", Status: 403, Code: "AccessDenied", Times: -1})
	wantKind(t, store.Delete(t.Context(), files(t, server, 3)...), fault.Forbidden)
	if n := proxy.Count("DeleteObject"); n != 0 {
		t.Errorf("%d single deletes after a refusal that they would meet too", n)
	}
}

func TestAKeyThatCannotBeDeletedIsNamed(t *testing.T) {
	t.Parallel()
	server, proxy, store := behindProxy(t)
	keys := files(t, server, 4)
	const answer = `<DeleteResult><Error><Key>many/0002</Key><Code>InternalError</Code></Error></DeleteResult>`
	proxy.Add(s3storetest.Fault{Op: "DeleteObjects", Status: 200, Body: answer})
	proxy.Add(s3storetest.Fault{Op: "DeleteObject", Key: "0002", Status: 403, Code: "AccessDenied"})
	wantKind(t, store.Delete(t.Context(), keys...), fault.Forbidden, "many/0002")
}
