package main_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// toolbox is the path of a route of dev1's toolbox, with parameters as name and value in turn.
func toolbox(route string, params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	if len(q) > 0 {
		route += "?" + q.Encode()
	}
	return "/sandboxes/dev1/toolbox/" + route
}

// send is do with a content type or range and a body that is streamed.
func (r *runner) send(method, path string, body io.Reader, headers map[string]string) (reply, error) {
	req, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

// bulkForm is what the SDKs send for path and content in turn.
func bulkForm(t *testing.T, pairs ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		path, err := w.CreateFormField(fmt.Sprintf("files[%d].path", i/2))
		if err == nil {
			_, err = io.WriteString(path, pairs[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := w.CreateFormFile(fmt.Sprintf("files[%d].file", i/2), "blob")
		if err == nil {
			_, err = io.WriteString(file, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func (r *runner) bulkUpload(pairs ...string) {
	r.t.Helper()
	body, contentType := bulkForm(r.t, pairs...)
	// Without a size in advance, as the SDKs do.
	got, err := r.send("POST", toolbox("files/bulk-upload"), struct{ io.Reader }{bytes.NewReader(body)}, map[string]string{"Content-Type": contentType})
	if err != nil || got.status != 200 {
		r.t.Fatalf("bulk-upload: %d %s %v", got.status, got.body, err)
	}
}

func noise(t *testing.T, size int) string {
	t.Helper()
	data := make([]byte, size)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// listed is one file of a listing.
type listed struct {
	Name, Mode, Permissions, ModifiedAt string
	Size                                int64
	IsDir                               bool
}

func (r *runner) list(dir string) []listed {
	r.t.Helper()
	var out []listed
	if err := json.Unmarshal(r.want(200, "GET", toolbox("files", "path", dir), nil).body, &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// Ensure files go to the device and back over the runner, and are listed, ranged, moved, searched, changed and
// removed there, where the guest's shell sees them too.
func TestFiles(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	for _, route := range []string{"work-dir", "user-home-dir", "project-dir", "workspace"} {
		if got := r.want(200, "GET", toolbox(route), nil); string(got.body) != `{"dir":"/sdcard"}` {
			t.Errorf("%s: %s", route, got.body)
		}
	}
	r.want(200, "GET", toolbox("version"), nil)
	r.want(200, "POST", toolbox("init"), `{"token":"x"}`)

	const dir = "/data/local/tmp/files"
	big, name := noise(t, 5<<20), "a b 'ä€'.txt"
	r.want(201, "POST", toolbox("files/folder", "path", dir, "mode", "750"), nil)
	r.bulkUpload(dir+"/"+name, "one\ntwo needle\n", dir+"/sub/big.bin", big)
	if got := r.exec("dev1", `cd /data/local/tmp/files; cat a*; stat -c %s /data/local/tmp/files/sub/big.bin; stat -c %a /data/local/tmp/files`); got != "one\ntwo needle\n5242880\n750\n" {
		t.Errorf("the guest sees %q", got)
	}
	all := r.list(dir)
	if len(all) != 2 || all[0].Name != name || all[0].Size != 15 || all[0].Mode != "-rw-r--r--" || all[1].Name != "sub" || !all[1].IsDir || all[1].Permissions != "0755" {
		t.Errorf("listed %+v", all)
	}
	if at, err := time.Parse(time.RFC3339Nano, all[0].ModifiedAt); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("modified at %s", all[0].ModifiedAt)
	}
	if got := r.want(200, "GET", toolbox("files/download", "path", dir+"/sub/big.bin"), nil); string(got.body) != big {
		t.Errorf("downloaded %d bytes", len(got.body))
	}
	got, err := r.send("GET", toolbox("files/download", "path", dir+"/sub/big.bin"), nil, map[string]string{"Range": "bytes=1000000-4000000"})
	if err != nil || got.status != 206 || string(got.body) != big[1_000_000:4_000_001] {
		t.Errorf("range: %d, %d bytes, %v", got.status, len(got.body), err)
	}
	r.want(200, "POST", toolbox("files/permissions", "path", dir+"/"+name, "mode", "600"), nil)
	r.want(200, "POST", toolbox("files/move", "source", dir+"/"+name, "destination", dir+"/moved.txt"), nil)
	r.want(409, "POST", toolbox("files/move", "source", dir+"/moved.txt", "destination", dir+"/sub/big.bin"), nil)
	r.want(404, "POST", toolbox("files/move", "source", dir+"/moved.txt", "destination", dir+"/none/x"), nil)
	if got := r.want(200, "GET", toolbox("files/search", "path", dir, "pattern", "[m]*.txt"), nil); string(got.body) != `{"files":["`+dir+`/moved.txt"]}` {
		t.Errorf("search: %s", got.body)
	}
	if got := r.want(200, "GET", toolbox("files/find", "path", dir, "pattern", "needle"), nil); string(got.body) != `[{"file":"`+dir+`/moved.txt","line":2,"content":"two needle"}]` {
		t.Errorf("find: %s", got.body)
	}
	r.want(200, "POST", toolbox("files/replace"), map[string]any{"files": []string{dir + "/moved.txt"}, "pattern": "needle", "newValue": "pins"})
	if got := r.exec("dev1", `cat /data/local/tmp/files/moved.txt; stat -c %a /data/local/tmp/files/moved.txt; ls -A /data/local/tmp/files`); got != "one\ntwo pins\n600\nmoved.txt\nsub\n" {
		t.Errorf("the guest sees %q", got)
	}

	bulk := r.want(200, "POST", toolbox("files/bulk-download"), map[string]any{"paths": []string{dir + "/moved.txt", dir + "/none", dir + "/sub/big.bin"}})
	_, params, err := mime.ParseMediaType(bulk.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	in := multipart.NewReader(bytes.NewReader(bulk.body), params["boundary"])
	for _, want := range []string{"one\ntwo pins\n", "FILE_NOT_FOUND", big} {
		part, err := in.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(part); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("part %s: %d bytes, %v", part.Header, len(body), err)
		}
	}
	if _, err := in.NextRawPart(); err != io.EOF {
		t.Errorf("behind the last part: %v", err)
	}

	r.want(400, "DELETE", toolbox("files", "path", dir), nil)
	r.want(204, "DELETE", toolbox("files", "path", dir+"/moved.txt"), nil)
	r.want(204, "DELETE", toolbox("files", "path", dir, "recursive", "true"), nil)
	r.want(404, "GET", toolbox("files/info", "path", dir), nil)
	r.want(400, "DELETE", toolbox("files", "path", "/", "recursive", "true"), nil)

	// What an upload left whose device died is removed by the next one.
	r.exec("dev1", "cd /data/local/tmp; mkdir t; touch -d 2020-01-01T00:00:00 t/.x.ra-ABCDEFGHIJ.part; touch t/.y.ra-ABCDEFGHIJ.part")
	r.bulkUpload("/data/local/tmp/t/z", "")
	if got := r.exec("dev1", "ls -A /data/local/tmp/t"); got != ".y.ra-ABCDEFGHIJ.part\nz\n" {
		t.Errorf("the guest sees %q", got)
	}

	// The working directory: relative paths, and no modes.
	r.bulkUpload("notes/x.txt", "on the sdcard")
	if got := r.exec("dev1", "cat /sdcard/notes/x.txt"); got != "on the sdcard" {
		t.Errorf("the guest sees %q", got)
	}
	if all := r.list("."); !strings.Contains(fmt.Sprint(all), "{notes ") {
		t.Errorf("listed %+v", all)
	}
	if got := r.want(200, "GET", toolbox("files/search", "path", "/sdcard", "pattern", "x.txt"), nil); string(got.body) != `{"files":["/sdcard/notes/x.txt"]}` {
		t.Errorf("search: %s", got.body)
	}
	r.exec("dev1", "mkfifo /data/local/tmp/fifo")
	r.want(400, "GET", toolbox("files/download", "path", "/data/local/tmp/fifo"), nil)
	r.want(400, "GET", toolbox("files/download", "path", "/dev/zero"), nil)
	if got := r.want(200, "GET", toolbox("files/download", "path", "/proc/uptime"), nil); len(got.body) == 0 {
		t.Error("/proc/uptime is empty")
	}
}

// Ensure a client that vanishes leaves nothing behind, and a device that dies is an error to whoever is served.
func TestTransfersThatBreak(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	const dir = "/data/local/tmp/broken"
	r.bulkUpload(dir+"/kept", "old", dir+"/big", noise(t, 64<<20))

	body, contentType := bulkForm(t, dir+"/kept", noise(t, 4<<20))
	in, out := io.Pipe()
	go func() {
		_, _ = out.Write(body[:len(body)/2])
		_ = out.CloseWithError(fmt.Errorf("the client vanishes"))
	}()
	if got, err := r.send("POST", toolbox("files/bulk-upload"), in, map[string]string{"Content-Type": contentType}); err == nil {
		t.Errorf("a client that vanished was told %d %s", got.status, got.body)
	}
	eventually(t, 20*time.Second, "the part is gone", func() error {
		if got := r.exec("dev1", "ls -A "+dir+"; cat "+dir+"/kept"); got != "big\nkept\nold" {
			return fmt.Errorf("the guest sees %q", got)
		}
		return nil
	})

	req, err := http.NewRequest("POST", r.url+toolbox("files/bulk-download"), strings.NewReader(`{"paths":["`+dir+`/big"]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, err)
	}
	if err := syscall.Kill(h.crosvm(1), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	if err == nil || bytes.Contains(rest, []byte("--DAYTONA-FILE-BOUNDARY--")) {
		t.Errorf("a short success of %d bytes (%v)", len(rest), err)
	}
}
