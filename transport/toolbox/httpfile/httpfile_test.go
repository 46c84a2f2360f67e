package httpfile_test

import (
	"bytes"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/transport/toolbox/httpfile"
)

// FuzzRange: a piece lies within the file, and is the one that net/http would send.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-1", "bytes=-5", "bytes=7-", "bytes=0-0,3-4", "bytes= 1 - 2 ", "bytes=9999999999999999999-", "bytes=-", "x"} {
		f.Add(seed, uint16(10))
	}
	f.Fuzz(func(t *testing.T, header string, size uint16) {
		got, partial, err := httpfile.ParseRange(header, int64(size))
		if err != nil {
			return
		}
		if got.Start < 0 || got.Length < 0 || got.Start+got.Length > int64(size) || !partial && got != (httpfile.Range{Length: int64(size)}) {
			t.Fatalf("%q of %d: %+v, %t", header, size, got, partial)
		}
		if !partial {
			return
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Range", header)
		answer := httptest.NewRecorder()
		http.ServeContent(answer, request, "", time.Time{}, bytes.NewReader(make([]byte, size)))
		if answer.Code != http.StatusPartialContent || answer.Header().Get("Content-Range") != got.ContentRange(int64(size)) {
			t.Errorf("%q of %d: %s, net/http says %d %s", header, size, got.ContentRange(int64(size)), answer.Code, answer.Header().Get("Content-Range"))
		}
	})
}

// FuzzDisposition: a header is one line, and gives the name back.
func FuzzDisposition(f *testing.F) {
	for _, seed := range []string{"a.txt", "/a b/ä€.txt", "\"\\\r\n\x00\x7f", "\xff", "a;b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		header := httpfile.Disposition("form-data", "file", name)
		if strings.ContainsAny(header, "\r\n\x00") {
			t.Fatalf("%q", header)
		}
		// The Latin-1 name is for those who cannot read the other; Go's parser takes no bytes beyond ASCII.
		_, utf8Name, _ := strings.Cut(header, "; filename*=")
		_, params, err := mime.ParseMediaType("form-data; filename*=" + utf8Name)
		if err != nil || params["filename"] != name && utf8.ValidString(name) {
			t.Errorf("%q: %q, %v", name, params["filename"], err)
		}
	})
}
