package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/loopback"
	"github.com/daytonaio/runner-android/internal/sim/s3"
)

// client talks to a store as an SDK does in path style.
type client struct {
	t   *testing.T
	url string // of the bucket
}

func newClient(t *testing.T, dir string) client {
	t.Helper()
	store, err := s3.Open(dir, "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s3.Handler(store))
	t.Cleanup(server.Close)
	return client{t, server.URL + "/snapshots"}
}

// limited is a client of HTTP that gives up.
func limited() *http.Client { return &http.Client{Timeout: time.Minute} }

func (c client) do(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := limited().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(text)
}

// ok wants a status of success.
func (c client) ok(method, path, body string, header ...string) (*http.Response, string) {
	c.t.Helper()
	resp, text := c.do(method, path, strings.NewReader(body), header...)
	if resp.StatusCode/100 != 2 {
		c.t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, text)
	}
	return resp, text
}

// refused wants the status and code of an error.
func (c client) refused(status int, code, method, path, body string, header ...string) {
	c.t.Helper()
	if resp, text := c.do(method, path, strings.NewReader(body), header...); resp.StatusCode != status || !strings.Contains(text, "<Code>"+code+"</Code>") {
		c.t.Errorf("%s %s: %s, want %d %s\n%s", method, path, resp.Status, status, code, text)
	}
}

func etag(content string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(content))) }

// list are the keys and prefixes of a listing.
func (c client) list(query string) (keys, prefixes []string, truncated bool, next string) {
	c.t.Helper()
	_, text := c.ok(http.MethodGet, "?list-type=2&"+query, "")
	var result struct {
		Contents       []struct{ Key string }
		CommonPrefixes []struct{ Prefix string }
		IsTruncated    bool
		Next           string `xml:"NextContinuationToken"`
	}
	if err := xml.Unmarshal([]byte(text), &result); err != nil {
		c.t.Fatal(err)
	}
	for _, o := range result.Contents {
		keys = append(keys, o.Key)
	}
	for _, p := range result.CommonPrefixes {
		prefixes = append(prefixes, p.Prefix)
	}
	return keys, prefixes, result.IsTruncated, result.Next
}

func TestObjectsAreFilesThatOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClient(t, dir)
	resp, _ := c.ok(http.MethodPut, "/org/one/manifest.json", "content", "X-Amz-Meta-Who", "me")
	if got := resp.Header.Get("Etag"); got != etag("content") {
		t.Errorf("etag %s, want %s", got, etag("content"))
	}
	if b, err := os.ReadFile(filepath.Join(dir, "snapshots", "org", "one", "manifest.json")); err != nil || string(b) != "content" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	c = newClient(t, dir)
	if resp, text := c.ok(http.MethodGet, "/org/one/manifest.json", ""); text != "content" || resp.Header.Get("X-Amz-Meta-Who") != "me" {
		t.Errorf("after a restart: %q, %v", text, resp.Header)
	}
	if resp, text := c.ok(http.MethodGet, "/org/one/manifest.json", "", "Range", "bytes=2-4"); text != "nte" || resp.StatusCode != http.StatusPartialContent {
		t.Errorf("a range reads %q, %s", text, resp.Status)
	}
	if resp, _ := c.ok(http.MethodHead, "/org/one/manifest.json", ""); resp.ContentLength != 7 || resp.Header.Get("Etag") != etag("content") {
		t.Errorf("HEAD: %d bytes, %v", resp.ContentLength, resp.Header)
	}
	c.refused(http.StatusNotFound, "NoSuchKey", http.MethodGet, "/org/one", "")
	c.refused(http.StatusNotFound, "NoSuchKey", http.MethodGet, "/org/one/manifest.json/x", "")
	c.refused(http.StatusPreconditionFailed, "PreconditionFailed", http.MethodPut, "/org/one/manifest.json", "other", "If-None-Match", "*")
	c.refused(http.StatusBadRequest, "BadDigest", http.MethodPut, "/new", "other", "Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww==")
	c.refused(http.StatusNotFound, "NoSuchKey", http.MethodGet, "/new", "")

	// By hand, as a person would.
	if err := os.WriteFile(filepath.Join(dir, "snapshots", "mine"), []byte("by hand"), 0o644); err != nil {
		t.Fatal(err)
	}
	if resp, text := c.ok(http.MethodGet, "/mine", ""); text != "by hand" || resp.Header.Get("Etag") != etag("by hand") {
		t.Errorf("a file that was put there: %q, %v", text, resp.Header)
	}

	c.ok(http.MethodPut, "/org/two/manifest.json", "", "X-Amz-Copy-Source", "/snapshots/org/one/manifest.json")
	c.ok(http.MethodPut, "/org/two/manifest.json", "", "X-Amz-Copy-Source", "/snapshots/org/one/manifest.json") // again
	c.ok(http.MethodPut, "/org/one/manifest.json", "changed")
	if _, text := c.ok(http.MethodGet, "/org/two/manifest.json", ""); text != "content" {
		t.Errorf("a copy reads %q after its origin changed", text)
	}
	c.ok(http.MethodDelete, "/org/two/manifest.json", "")
	c.ok(http.MethodDelete, "/org/two/manifest.json", "")
	_, text := c.ok(http.MethodPost, "?delete", "<Delete><Object><Key>org/one/manifest.json</Key></Object><Object><Key>none</Key></Object></Delete>")
	if strings.Count(text, "<Deleted>") != 2 {
		t.Errorf("delete: %s", text)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "snapshots")); err != nil || len(entries) != 1 {
		t.Errorf("left in the bucket: %v, %v; want mine", entries, err)
	}
}

func TestKeysOfAllKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClient(t, dir)
	// As they stand in a URL, and as they are.
	keys := map[string]string{
		"/a%20b%2Bc": "a b+c", "/..%2F..%2Fescape": "../../escape", "/%2E%2E/x": "../x", "/x%2F%2Fy": "x//y", "/d%2F": "d/", "/%C3%A4%25%3F": "ä%?",
	}
	var want []string
	for path, key := range keys {
		c.ok(http.MethodPut, path, key)
		if _, text := c.ok(http.MethodGet, path, ""); text != key {
			t.Errorf("%s reads %q, want %q", path, text, key)
		}
		want = append(want, key)
	}
	slices.Sort(want)
	if got, _, _, _ := c.list(""); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("beside the store: %v, %v", entries, err)
	}
}

func TestListingsHavePagesAndPrefixes(t *testing.T) {
	t.Parallel()
	c := newClient(t, t.TempDir())
	for _, key := range []string{"a", "b/1", "b/2", "c/1", "d"} {
		c.ok(http.MethodPut, "/"+key, "x")
	}
	var keys, prefixes []string
	token := ""
	for pages := 1; ; pages++ {
		k, p, truncated, next := c.list("max-keys=1&delimiter=/" + token)
		keys, prefixes, token = append(keys, k...), append(prefixes, p...), "&continuation-token="+next
		if !truncated || pages > 9 {
			break
		}
	}
	if !slices.Equal(keys, []string{"a", "d"}) || !slices.Equal(prefixes, []string{"b/", "c/"}) {
		t.Errorf("by pages: %q and %q", keys, prefixes)
	}
	if keys, _, _, _ := c.list("prefix=b/"); !slices.Equal(keys, []string{"b/1", "b/2"}) {
		t.Errorf("below b/: %q", keys)
	}
}

// begin starts a multipart upload and returns its id.
func (c client) begin(key string) string {
	c.t.Helper()
	_, text := c.ok(http.MethodPost, key+"?uploads", "")
	var result struct {
		ID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal([]byte(text), &result); err != nil || result.ID == "" {
		c.t.Fatalf("%v: %s", err, text)
	}
	return result.ID
}

func complete(parts ...string) string {
	var b strings.Builder
	for i, tag := range parts {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, strings.ReplaceAll(tag, `"`, "&quot;"))
	}
	return "<CompleteMultipartUpload>" + b.String() + "</CompleteMultipartUpload>"
}

func TestMultipartUploadsLiveOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClient(t, dir)
	id := c.begin("/big")
	c.ok(http.MethodPut, "/big?partNumber=2&uploadId="+id, "world")
	c.ok(http.MethodPut, "/big?partNumber=1&uploadId="+id, "wrong")
	c.ok(http.MethodPut, "/big?partNumber=1&uploadId="+id, "hello ")
	c.refused(http.StatusNotFound, "NoSuchKey", http.MethodGet, "/big", "")

	c = newClient(t, dir) // a restart in between
	if _, text := c.ok(http.MethodGet, "?uploads", ""); !strings.Contains(text, id) {
		t.Errorf("uploads: %s", text)
	}
	if _, text := c.ok(http.MethodGet, "/big?uploadId="+id, ""); strings.Count(text, "<Part>") != 2 {
		t.Errorf("parts: %s", text)
	}
	c.refused(http.StatusBadRequest, "InvalidPart", http.MethodPost, "/big?uploadId="+id, complete(etag("none")))
	_, text := c.ok(http.MethodPost, "/big?uploadId="+id, complete(etag("hello "), etag("world")))
	if !strings.Contains(text, fmt.Sprintf("%x", md5.Sum([]byte(strings.ReplaceAll(etag("hello ")+etag("world"), `"`, ""))))) {
		t.Errorf("completed as %s", text)
	}
	if _, text := c.ok(http.MethodGet, "/big", ""); text != "hello world" {
		t.Errorf("the object reads %q", text)
	}
	other := c.begin("/other")
	c.refused(http.StatusNotFound, "NoSuchUpload", http.MethodPut, "/big?partNumber=1&uploadId="+other, "x")
	c.refused(http.StatusNotFound, "NoSuchUpload", http.MethodPut, "/big?partNumber=1&uploadId=..", "x")
	c.ok(http.MethodDelete, "/other?uploadId="+other, "")
	c.refused(http.StatusNotFound, "NoSuchUpload", http.MethodGet, "/other?uploadId="+other, "")
	if left, err := filepath.Glob(filepath.Join(dir, ".store", "*", "*-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClient(t, dir)
	c.ok(http.MethodPut, "/a", "old")
	body, writer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url+"/a", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 1 << 20
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := limited().Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("half an upload: %s", resp.Status)
		}
	}()
	if _, err := writer.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	writer.CloseWithError(ctx.Err())
	<-done
	if _, text := c.ok(http.MethodGet, "/a", ""); text != "old" {
		t.Errorf("the object reads %d bytes", len(text))
	}
}

func TestFramedBodiesAreUnpacked(t *testing.T) {
	t.Parallel()
	c := newClient(t, t.TempDir())
	id := c.begin("/part")
	const signed, trailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	framed := "5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n"
	withTrailer := "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
	for _, tt := range []struct{ path, kind, body string }{
		{"/a", signed, framed}, {"/b", trailer, withTrailer}, {"/part?partNumber=1&uploadId=" + id, trailer, withTrailer},
	} {
		resp, _ := c.ok(http.MethodPut, tt.path, tt.body, "X-Amz-Content-Sha256", tt.kind, "X-Amz-Decoded-Content-Length", "11", "Content-Encoding", "aws-chunked")
		if got := resp.Header.Get("Etag"); got != etag("hello world") {
			t.Errorf("%s as %s: etag %s", tt.path, tt.kind, got)
		}
	}
	for name, body := range map[string]string{"no size": "x\r\n", "torn": "b\r\nhello", "overlong": "1\r\nhello world\r\n0\r\n\r\n"} {
		resp, text := c.do(http.MethodPut, "/c", strings.NewReader(body), "X-Amz-Content-Sha256", trailer, "X-Amz-Decoded-Content-Length", "11")
		if resp.StatusCode < 400 {
			t.Errorf("%s: %s %s", name, resp.Status, text)
		}
	}
	c.refused(http.StatusNotFound, "NoSuchKey", http.MethodGet, "/c", "")
}

// Ensure memory does not grow with objects. It runs alone, because it looks at the process's heap.
func TestLargeObjectsDoNotNeedMemory(t *testing.T) { //nolint:paralleltest // as said
	c := newClient(t, t.TempDir())
	const size = 96 << 20
	part := bytes.Repeat([]byte("x"), 1<<20)
	body := func() io.Reader {
		var pieces []io.Reader
		for range size >> 20 {
			pieces = append(pieces, bytes.NewReader(part))
		}
		return io.LimitReader(io.MultiReader(pieces...), size)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	id := c.begin("/big")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.url+"/big?partNumber=1&uploadId="+id, body())
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	resp, err := limited().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.ok(http.MethodPost, "/big?uploadId="+id, complete(resp.Header.Get("Etag")))
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d MiB allocated for an object of %d MiB", grown>>20, size>>20)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store, err := s3.Open(t.TempDir(), "snapshots")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := loopback.Listen("S3", "read and write its objects", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s3.Serve(ctx, listener, store) }()
	c := client{t, "http://" + listener.Addr().String() + "/snapshots"}
	c.ok(http.MethodHead, "", "")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := s3.Open(t.TempDir(), "No Bucket"); err == nil {
		t.Error("a bucket of that name was opened")
	}
}
