package files

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles/guestfilestest"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func random(t testing.TB, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

// Ensure a download has the daemon's headers.
func TestDownloadHeaders(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	const name = `ä€ "x".bin`
	r.write(t, name, "0123456789")
	at := time.Date(2026, 2, 8, 7, 6, 5, 0, time.UTC)
	if err := os.Chtimes(r.dir+"/"+name, at, at); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Content-Type": "application/octet-stream", "Content-Length": "10", "Last-Modified": "Sun, 08 Feb 2026 07:06:05 GMT",
		"Content-Disposition": "attachment; filename=\"\xe4_ \\\"x\\\".bin\"; filename*=utf-8''%C3%A4%E2%82%AC%20%22x%22.bin",
		"Content-Description": "File Transfer", "Content-Transfer-Encoding": "binary", "Expires": "0",
		"Cache-Control": "must-revalidate", "Pragma": "public", "Accept-Ranges": "bytes",
	}
	for _, method := range []string{"GET", "HEAD"} {
		got := r.Do(method, r.route("/files/download", "path", "@/"+name), "")
		if body := map[string]string{"GET": "0123456789", "HEAD": ""}[method]; got.Status != 200 || got.Body != body {
			t.Errorf("%s: %d %q", method, got.Status, got.Body)
		}
		for header, value := range want {
			if got.Header.Get(header) != value {
				t.Errorf("%s: %s is %q, want %q", method, header, got.Header.Get(header), value)
			}
		}
	}
}

// Ensure ranges are served as HTTP has them.
func TestDownloadRanges(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	data := random(t, 300_000)
	r.write(t, "file", string(data))
	r.write(t, "empty", "")
	at := time.Date(2026, 2, 8, 7, 6, 5, 0, time.UTC)
	if err := os.Chtimes(r.dir+"/file", at, at); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		file, header, other string
		status              int
		from, to            int
		contentRange        string
	}{
		{"file", "", "", 200, 0, 300_000, ""},
		{"file", "bytes=0-0", "", 206, 0, 1, "bytes 0-0/300000"},
		{"file", "bytes=10-", "", 206, 10, 300_000, "bytes 10-299999/300000"},
		{"file", "bytes=70000-280000", "", 206, 70_000, 280_001, "bytes 70000-280000/300000"},
		{"file", "bytes=-5", "", 206, 299_995, 300_000, "bytes 299995-299999/300000"},
		{"file", "bytes=-500000", "", 206, 0, 300_000, "bytes 0-299999/300000"},
		{"file", "bytes=299999-999999999999999999999", "", 206, 299_999, 300_000, "bytes 299999-299999/300000"},
		{"file", "bytes=300000-", "", 416, 0, 0, "bytes */300000"},
		{"file", "bytes=-0", "", 416, 0, 0, "bytes */300000"},
		{"empty", "bytes=0-", "", 416, 0, 0, "bytes */0"},
		{"empty", "", "", 200, 0, 0, ""},
		{"file", "bytes=5-3", "", 200, 0, 300_000, ""},
		{"file", "bytes=0-1,5-6", "", 200, 0, 300_000, ""},
		{"file", "lines=0-1", "", 200, 0, 300_000, ""},
		{"file", "bytes=0-1", "If-Range: Sun, 08 Feb 2026 07:06:05 GMT", 206, 0, 2, "bytes 0-1/300000"},
		{"file", "bytes=0-1", "If-Range: Sun, 08 Feb 2026 07:06:06 GMT", 200, 0, 300_000, ""},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			headers := []string{"Range: " + tt.header}
			if tt.other != "" {
				headers = append(headers, tt.other)
			}
			got := r.Do(method, r.route("/files/download", "path", tt.file), "", headers...)
			if got.Status != tt.status || got.Header.Get("Content-Range") != tt.contentRange {
				t.Errorf("%s %q: %d %s, want %d %s", method, tt.header, got.Status, got.Header.Get("Content-Range"), tt.status, tt.contentRange)
			}
			if method == "GET" && tt.status != 416 && got.Body != string(data[tt.from:tt.to]) {
				t.Errorf("%q: %d bytes, want %d", tt.header, len(got.Body), tt.to-tt.from)
			}
			if want := fmt.Sprint(tt.to - tt.from); tt.status != 416 && got.Header.Get("Content-Length") != want {
				t.Errorf("%s %q: length %s, want %s", method, tt.header, got.Header.Get("Content-Length"), want)
			}
		}
	}
}

// Ensure files that do not tell their size are sent whole.
func TestDownloadOfProc(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	want, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/proc/version", "/proc/self/root/proc/version"} {
		if got := r.Do("GET", r.route("/files/download", "path", name), ""); got.Status != 200 || got.Body != string(want) {
			t.Errorf("%s: %d %q", name, got.Status, got.Body)
		}
	}
}

// Ensure a device that dies on the way gives an error, not a short success.
func TestDeviceDiesDuringDownload(t *testing.T) {
	t.Parallel()
	disk := &guestfilestest.Disk{Cut: func(op, name string) (int64, bool) {
		if strings.HasSuffix(name, "early") {
			return 1000, op == "recv"
		}
		return 600_000, op == "recv"
	}}
	r := start(t, guestshelltest.Host(), disk, Options{})
	for _, name := range []string{"early", "late"} {
		r.write(t, name, strings.Repeat("x", 1_000_000))
	}
	if got := r.Do("GET", r.route("/files/download", "path", "early"), ""); got.Status != 503 || got.Field(t, "code") != "UNAVAILABLE" {
		t.Errorf("before the first block: %d %.300s", got.Status, got.Body)
	}
	got, err := r.Try("GET", r.route("/files/download", "path", "late"), nil)
	if err == nil || len(got.Body) >= 1_000_000 {
		t.Errorf("a short success: %d, %d bytes", got.Status, len(got.Body))
	}
	for _, name := range []string{"early", "late"} {
		got, err = r.Try("POST", r.route("/files/bulk-download"), strings.NewReader(`{"paths":["`+name+`"]}`))
		if err == nil || strings.Contains(got.Body, "--"+boundary+"--") {
			t.Errorf("%s: the form ended: %d, %d bytes", name, got.Status, len(got.Body))
		}
	}
	if n := disk.Active.Load(); n != 0 {
		t.Errorf("%d transfers are still under way", n)
	}
}

// part is one of an answer to bulk-download.
type part struct {
	header, body string
}

func parts(t *testing.T, got transporttest.Answer) []*part {
	t.Helper()
	_, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || params["boundary"] != "DAYTONA-FILE-BOUNDARY" || !strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/form-data; ") {
		t.Fatalf("type %s (%v)", got.Header.Get("Content-Type"), err)
	}
	var out []*part
	for in := multipart.NewReader(strings.NewReader(got.Body), params["boundary"]); ; {
		p, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &part{fmt.Sprintf("%s|%s|%s", p.Header.Get("Content-Disposition"), p.Header.Get("Content-Length"), p.Header.Get("Content-Type")), string(body)})
	}
}

// Ensure bulk-download has one part for each path, in order, with the daemon's headers and codes.
func TestBulkDownload(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), forbidding(), Options{})
	big := string(random(t, 500_000))
	r.write(t, "big.bin", big)
	r.write(t, "ä \"b\".txt", "text")
	r.write(t, "dir/x", "")
	paths, err := json.Marshal(map[string]any{"paths": []string{"big.bin", "ä \"b\".txt", "none", "dir", "", "a\x00b", "forbidden", r.dir + "/dir/x", "/proc/version"}})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Do("POST", r.route("/files/bulk-download"), string(paths), "Accept: multipart/form-data")
	all := parts(t, got)
	if len(all) != 9 {
		t.Fatalf("%d parts", len(all))
	}
	if p := all[0]; p.header != `form-data; name="file"; filename="big.bin"; filename*=utf-8''big.bin|500000|application/octet-stream` || p.body != big {
		t.Errorf("part %s, %d bytes", p.header, len(p.body))
	}
	if p := all[1]; p.header != "form-data; name=\"file\"; filename=\"\xe4 \\\"b\\\".txt\"; filename*=utf-8''%C3%A4%20%22b%22.txt|4|text/plain; charset=utf-8" || p.body != "text" {
		t.Errorf("part %s %s", p.header, p.body)
	}
	if p := all[7]; !strings.Contains(p.header, `filename="`+r.dir+`/dir/x"; filename*=utf-8''%2F`) || !strings.Contains(p.header, "|0|") || p.body != "" {
		t.Errorf("part %s %s", p.header, p.body)
	}
	if p := all[8]; !strings.Contains(p.body, "Linux") || !strings.Contains(p.header, fmt.Sprintf("|%d|", len(p.body))) {
		t.Errorf("part %s %s", p.header, p.body)
	}
	for i, want := range map[int]string{
		2: "404 FILE_NOT_FOUND file not found: none", 3: "400 INVALID_FILE_PATH invalid file path: path points to a directory: " + r.dir + "/dir",
		4: "400 INVALID_FILE_PATH invalid file path: path is empty", 5: "400 INVALID_FILE_PATH invalid file path: the path must not contain NUL",
		6: "403 FILE_ACCESS_DENIED file access denied: forbidden",
	} {
		var p problem
		if err := json.Unmarshal([]byte(all[i].body), &p); err != nil || fmt.Sprintf("%d %s %s", p.StatusCode, p.Code, p.Message) != want {
			t.Errorf("part %d: %v %s, want %s", i, err, all[i].body, want)
		}
		if !strings.HasPrefix(all[i].header, `form-data; name="error"; `) || !strings.HasSuffix(all[i].header, "|application/json; charset=utf-8") {
			t.Errorf("part %d: %s", i, all[i].header)
		}
	}
	for _, body := range []string{`{"paths":[]}`, "", "{}", "[]"} {
		got := r.Do("POST", r.route("/files/bulk-download"), body)
		if got.Status != 400 || got.Body != `{"error":"request body must be {\"paths\": [ ... ]} and non-empty"}` {
			t.Errorf("%q: %d %s", body, got.Status, got.Body)
		}
	}
}

// Ensure bulk-upload writes what it can and lists what it cannot, and that a body in chunks is streamed.
func TestBulkUpload(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, &guestfilestest.Disk{}, Options{})
		r.write(t, "file", "x")
		big := string(random(t, 3<<20))
		body, header := form(t, field{name: "files[0].path", content: " new/dir/a b.txt\n"}, field{"files[0].file", "a b.txt", big},
			field{name: "other", content: "ignored"}, field{name: "files[x].path", content: r.dir + "/ä"}, field{"files[x].file", "blob", ""})
		got, err := r.Try("POST", r.route("/files/bulk-upload"), struct{ io.Reader }{strings.NewReader(body)}, header)
		want := fmt.Sprintf(`{"files":[{"path":"new/dir/a b.txt","bytes":%d},{"path":"%s/ä","bytes":0}]}`, len(big), r.dir)
		if err != nil || got.Status != 200 || got.Body != want {
			t.Errorf("got %d %s %v\nwant %s", got.Status, got.Body, err, want)
		}
		r.want(t, "new/dir/a b.txt", big)
		r.want(t, "ä", "")
		for _, dir := range []string{"new", "new/dir"} {
			if info, err := os.Stat(r.dir + "/" + dir); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%s: %v %v", dir, info.Mode(), err)
			}
		}
		body, header = form(t, field{"files[0].file", "x", "lost"}, field{name: "files[1].path", content: " "}, field{name: "files[2].path", content: "file/below"},
			field{"files[2].file", "x", "lost"}, field{name: "files[3].path", content: "good"}, field{"files[3].file", "x", "good"})
		got = r.Do("POST", r.route("/files/bulk-upload"), body, header)
		var answer struct {
			Errors []string
			Files  []uploaded
		}
		if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 400 || len(answer.Errors) != 3 || len(answer.Files) != 1 {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
		if answer.Errors[0] != "file[0]: missing .path metadata" || answer.Errors[1] != "path[1]: empty path" || !strings.HasPrefix(answer.Errors[2], "file/below: ") {
			t.Errorf("errors %q", answer.Errors)
		}
		r.want(t, "good", "good")
		for _, cut := range []int{10, 40, 80, 120, len(body) - 10} { // in the closing boundary, a content, a header, the first boundary
			got = r.Do("POST", r.route("/files/bulk-upload"), body[:len(body)-cut], header)
			if got.Status != 400 || !strings.Contains(got.Body, "malformed request") {
				t.Errorf("without the last %d bytes: %d %s", cut, got.Status, got.Body)
			}
		}
		if got := r.Do("POST", r.route("/files/bulk-upload"), "x"); got.Status != 400 || got.Body != `{"errors":["invalid multipart form"]}` {
			t.Errorf("no form: %d %s", got.Status, got.Body)
		}
		r.wantTidy(t)
	})
}

// Ensure a client that vanishes half-way leaves nothing, not under the final name nor any other.
func TestClientVanishes(t *testing.T) {
	t.Parallel()
	disk := &guestfilestest.Disk{}
	r := start(t, guestshelltest.Host(), disk, Options{})
	r.write(t, "kept", "old")
	for _, path := range []string{"/files/upload", "/files/bulk-upload"} {
		for _, chunked := range []bool{false, true} {
			body, header := form(t, field{name: "files[0].path", content: "kept"}, field{"files[0].file", "x", strings.Repeat("x", 1<<20)})
			if path == "/files/upload" {
				body, header = form(t, field{"file", "x", strings.Repeat("x", 1<<20)})
			}
			conn := r.Dial()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n", r.route(path, "path", "kept"), transporttest.Token, header)
			if chunked {
				fmt.Fprintf(conn, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(body), body[:len(body)/2])
			} else {
				fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", len(body), body[:len(body)/2])
			}
			waitFor(t, "the upload has begun", func() bool { return disk.Active.Load() == 1 })
			_ = conn.Close()
			waitFor(t, "the upload has ended", func() bool { return disk.Active.Load() == 0 })
		}
	}
	waitFor(t, "the parts are gone", func() bool {
		entries, err := os.ReadDir(r.dir)
		return err == nil && len(entries) == 1
	})
	r.want(t, "kept", "old")
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
		<-time.After(time.Millisecond)
	}
}

// Ensure a device that dies during an upload gives an error, and that the next upload to the directory removes what
// it left, while it leaves alone what is young or somebody else's.
func TestDeviceDiesDuringUpload(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		dead := true
		disk := &guestfilestest.Disk{Cut: func(op, _ string) (int64, bool) { return 100_000, dead && op == "send" }}
		r := start(t, dying{shell, &dead}, disk, Options{})
		r.write(t, "kept", "old")
		body, header := form(t, field{"file", "x", strings.Repeat("x", 300_000)})
		got := r.Do("POST", r.route("/files/upload", "path", "kept"), body, header)
		if got.Status != 503 || got.Field(t, "code") != "UNAVAILABLE" {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		bulk, bulkHeader := form(t, field{name: "files[0].path", content: "kept"}, field{"files[0].file", "x", strings.Repeat("x", 300_000)})
		if got := r.Do("POST", r.route("/files/bulk-upload"), bulk, bulkHeader); got.Status != 503 {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		r.want(t, "kept", "old")
		entries, err := os.ReadDir(r.dir)
		if err != nil || len(entries) != 3 {
			t.Fatalf("left: %v (%v)", entries, err)
		}
		old := time.Now().Add(-time.Hour)
		for _, e := range entries[:1] {
			if err := os.Chtimes(r.dir+"/"+e.Name(), old, old); err != nil {
				t.Fatal(err)
			}
		}
		r.write(t, ".mine.part", "")
		_ = os.Chtimes(r.dir+"/.mine.part", old, old)
		dead = false
		if got := r.Do("POST", r.route("/files/upload", "path", "kept"), body, header); got.Status != 200 {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		r.wantNone(t, entries[0].Name())
		if _, err := os.Stat(r.dir + "/" + entries[1].Name()); err != nil {
			t.Errorf("a young part: %v", err)
		}
		r.want(t, ".mine.part", "")
		r.want(t, "kept", strings.Repeat("x", 300_000))
	})
}

// Ensure a device that keeps less than it was sent is found out.
func TestShortWrite(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, truncating{shell}, &guestfilestest.Disk{}, Options{})
		r.write(t, "kept", "old")
		body, header := form(t, field{"file", "x", "longer"})
		if got := r.Do("POST", r.route("/files/upload", "path", "kept"), body, header); got.Status != 503 || !strings.Contains(got.Body, "3 bytes of 6") {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		r.want(t, "kept", "old")
		r.wantTidy(t)
	})
}

// Ensure no more transfers run at a time than may, and that those who wait come through.
func TestTransfersAreBounded(t *testing.T) {
	t.Parallel()
	disk := &guestfilestest.Disk{}
	r := start(t, guestshelltest.Host(), disk, Options{Transfers: 3})
	body, header := form(t, field{"file", "x", string(random(t, 2<<20))})
	errs := make(chan error, 20)
	for i := range cap(errs) {
		go func() {
			got, err := r.Try("POST", r.route("/files/upload", "path", fmt.Sprintf("file-%d", i)), strings.NewReader(body), header)
			if err == nil && got.Status != 200 {
				err = fmt.Errorf("%d %s", got.Status, got.Body)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if most := disk.Most.Load(); most > 3 {
		t.Errorf("%d transfers at a time", most)
	}
}

// Ensure transfers end with the reason when their device leaves started.
func TestLeaseEndsTransfers(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	r := startLeased(t, guestshelltest.Host(), &guestfilestest.Disk{}, left, Options{}, transport.Limits{BodyTimeout: 2 * time.Second})
	body, header := form(t, field{"file", "x", strings.Repeat("x", 1<<20)})
	in, out := io.Pipe()
	go func() {
		_, _ = io.Copy(out, bytes.NewReader([]byte(body[:1<<19])))
		waitFor(t, "the upload has begun", func() bool { return r.disk.Active.Load() == 1 })
		close(left)
		_, _ = io.Copy(out, bytes.NewReader([]byte(body[1<<19:])))
		_ = out.Close()
	}()
	got, err := r.Try("POST", r.route("/files/upload", "path", "new"), in, header)
	if err != nil || got.Status != http.StatusConflict || !strings.Contains(got.Body, "left started") {
		t.Errorf("got %d %s %v", got.Status, got.Body, err)
	}
	r.wantNone(t, "new")
	r.wantTidy(t)
}
