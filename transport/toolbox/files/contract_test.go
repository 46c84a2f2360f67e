package files

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles/guestfilestest"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// forbidding is a device that may not touch what is called "forbidden".
func forbidding() *guestfilestest.Disk {
	return &guestfilestest.Disk{Fail: func(op, name string) error {
		if strings.HasSuffix(name, "/forbidden") && op != "lstat" {
			return fault.New(fault.Forbidden, "permission denied")
		}
		return nil
	}}
}

// Ensure every failure of a route has the status of Daytona's daemon, and a body that says why.
func TestFailures(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, forbidding(), Options{})
		r.write(t, "file", "x")
		r.write(t, "dir/inside", "x")
		r.write(t, "other", "x")
		if err := syscall.Mkfifo(r.dir+"/fifo", 0o644); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("n", 300)
		multi, header := form(t, field{"file", "a", "content"})
		none, noneHeader := form(t, field{"other", "a", "content"})
		tests := []struct {
			name, method, path string
			body, header       string
			status             int
			message            string // part of it
		}{
			{"list what is missing", "GET", r.route("/files", "path", "@/none"), "", "", 404, "not found: "},
			{"list a file", "GET", r.route("/files", "path", "@/file"), "", "", 400, "bad request: "},
			{"list what is forbidden", "GET", r.route("/files", "path", "@/forbidden"), "", "", 403, "forbidden: permission denied"},
			{"info without a path", "GET", r.route("/files/info"), "", "", 400, "the parameter path is required"},
			{"info on what is missing", "GET", r.route("/files/info", "path", "@/none"), "", "", 404, "not found: "},
			{"info on what is forbidden", "GET", r.route("/files/info", "path", "@/forbidden"), "", "", 403, "forbidden: "},
			{"info below a file", "GET", r.route("/files/info", "path", "@/file/x"), "", "", 400, "bad request: "},
			{"info with NUL", "GET", r.route("/files/info", "path", "@/a\x00b"), "", "", 400, "must not contain NUL"},
			{"info on 4 KiB", "GET", r.route("/files/info", "path", "@/"+strings.Repeat("n", 4096)), "", "", 400, "the device takes 1024"},
			{"info on a long name", "GET", r.route("/files/info", "path", "@/"+long), "", "", 400, "bad request: "},
			{"download without a path", "GET", r.route("/files/download"), "", "", 400, "the parameter path is required"},
			{"download of a directory", "GET", r.route("/files/download", "path", "@/dir"), "", "", 400, "path points to a directory"},
			{"download of what is missing", "GET", r.route("/files/download", "path", "@/none"), "", "", 404, "not found: "},
			{"download of what is forbidden", "GET", r.route("/files/download", "path", "@/forbidden"), "", "", 403, "forbidden: "},
			{"download of a FIFO", "GET", r.route("/files/download", "path", "@/fifo"), "", "", 400, "no regular file"},
			{"download of a device", "GET", r.route("/files/download", "path", "/dev/zero"), "", "", 400, "no regular file"},
			{"upload without a path", "POST", r.route("/files/upload"), multi, header, 400, "the parameter path is required"},
			{"upload without a file", "POST", r.route("/files/upload", "path", "@/new"), none, noneHeader, 400, `no field "file"`},
			{"upload that is no form", "POST", r.route("/files/upload", "path", "@/new"), "content", "", 400, "no multipart form"},
			{"upload that breaks off", "POST", r.route("/files/upload", "path", "@/new"), multi[:len(multi)-70], header, 400, "malformed request"},
			{"upload onto a directory", "POST", r.route("/files/upload", "path", "@/dir"), multi, header, 400, "is a directory"},
			{"upload onto a FIFO", "POST", r.route("/files/upload", "path", "@/fifo"), multi, header, 400, "is no regular file"},
			{"upload below a file", "POST", r.route("/files/upload", "path", "@/file/new"), multi, header, 400, "bad request: "},
			{"upload to a long name", "POST", r.route("/files/upload", "path", "@/"+long), multi, header, 400, "bad request: "},
			{"bulk-upload that is no form", "POST", r.route("/files/bulk-upload"), "x", "", 400, ""},
			{"bulk-download of nothing", "POST", r.route("/files/bulk-download"), `{"paths":[]}`, "", 400, ""},
			{"bulk-download of no JSON", "POST", r.route("/files/bulk-download"), `paths`, "", 400, ""},
			{"folder without a path", "POST", r.route("/files/folder"), "", "", 400, "the parameter path is required"},
			{"folder where a file is", "POST", r.route("/files/folder", "path", "@/file"), "", "", 400, "File exists"},
			{"folder below a file", "POST", r.route("/files/folder", "path", "@/file/x"), "", "", 400, "Not a directory"},
			{"folder with a bad mode", "POST", r.route("/files/folder", "path", "@/d", "mode", "9"), "", "", 400, "invalid mode format"},
			{"folder with a long mode", "POST", r.route("/files/folder", "path", "@/d", "mode", "17777"), "", "", 400, "invalid mode format"},
			{"move without a source", "POST", r.route("/files/move", "destination", "@/x"), "", "", 400, "the parameter source is required"},
			{"move without a destination", "POST", r.route("/files/move", "source", "@/file"), "", "", 400, "the parameter destination is required"},
			{"move of what is missing", "POST", r.route("/files/move", "source", "@/none", "destination", "@/x"), "", "", 404, "not found: "},
			{"move to no directory", "POST", r.route("/files/move", "source", "@/file", "destination", "@/none/x"), "", "", 404, "not found: "},
			{"move onto a file", "POST", r.route("/files/move", "source", "@/file", "destination", "@/other"), "", "", 409, "conflict: destination already exists"},
			{"move onto a directory", "POST", r.route("/files/move", "source", "@/file", "destination", "@/dir"), "", "", 409, "destination already exists"},
			{"move onto itself", "POST", r.route("/files/move", "source", "@/file", "destination", "@/./file"), "", "", 409, "destination already exists"},
			{"move into itself", "POST", r.route("/files/move", "source", "@/dir", "destination", "@/dir/x"), "", "", 400, "bad request: "},
			{"move of the system", "POST", r.route("/files/move", "source", "/system", "destination", "@/x"), "", "", 400, "belongs to the system"},
			{"delete without a path", "DELETE", r.route("/files"), "", "", 400, "the parameter path is required"},
			{"delete of a directory", "DELETE", r.route("/files", "path", "@/dir"), "", "", 400, "without recursive flag"},
			{"delete with another word", "DELETE", r.route("/files", "path", "@/dir", "recursive", "1"), "", "", 400, "without recursive flag"},
			{"delete of what is missing", "DELETE", r.route("/files", "path", "@/none"), "", "", 404, "not found: "},
			{"delete of all", "DELETE", r.route("/files", "path", "/", "recursive", "true"), "", "", 400, "belongs to the system"},
			{"delete of all, in disguise", "DELETE", r.route("/files", "path", "@/../../../../../../../..", "recursive", "true"), "", "", 400, "belongs to the system"},
			{"delete of the system", "DELETE", r.route("/files", "path", "/system", "recursive", "true"), "", "", 400, "belongs to the system"},
			{"delete of the sdcard", "DELETE", r.route("/files", "path", "//storage//emulated/0/", "recursive", "true"), "", "", 400, "belongs to the system"},
			{"search without a pattern", "GET", r.route("/files/search", "path", "@"), "", "", 400, "the parameter pattern is required"},
			{"search without a path", "GET", r.route("/files/search", "pattern", "*"), "", "", 400, "the parameter path is required"},
			{"find without a pattern", "GET", r.route("/files/find", "path", "@"), "", "", 400, "the parameter pattern is required"},
			{"find without a path", "GET", r.route("/files/find", "pattern", "x"), "", "", 400, "the parameter path is required"},
			{"replace without files", "POST", r.route("/files/replace"), `{"pattern":"a","newValue":"b"}`, "", 400, "are required"},
			{"replace of nothing", "POST", r.route("/files/replace"), `{"files":[],"pattern":"","newValue":"b"}`, "", 400, "are required"},
			{"replace by nothing said", "POST", r.route("/files/replace"), `{"files":[],"pattern":"a"}`, "", 400, "are required"},
			{"permissions without a path", "POST", r.route("/files/permissions", "mode", "600"), "", "", 400, "the parameter path is required"},
			{"permissions of what is missing", "POST", r.route("/files/permissions", "path", "@/none", "mode", "600"), "", "", 404, "not found: "},
			{"permissions of what is forbidden", "POST", r.route("/files/permissions", "path", "@/forbidden", "mode", "600"), "", "", 403, "forbidden: "},
			{"a bad mode", "POST", r.route("/files/permissions", "path", "@/file", "mode", "rwx"), "", "", 400, "invalid mode format"},
			{"an unknown user", "POST", r.route("/files/permissions", "path", "@/file", "owner", "no-such-user"), "", "", 400, "user"},
			{"an unknown group", "POST", r.route("/files/permissions", "path", "@/file", "group", "no-such-group"), "", "", 400, "group"},
			{"a user that is none", "POST", r.route("/files/permissions", "path", "@/file", "owner", "--reference=/"), "", "", 400, "user not found"},
			{"a group that is none", "POST", r.route("/files/permissions", "path", "@/file", "group", "a:b"), "", "", 400, "group not found"},
			{"a stopped sandbox", "GET", "/sandboxes/stopped/toolbox/files", "", "", 409, "is the sandbox started?"},
			{"an unknown sandbox", "GET", "/sandboxes/gone/toolbox/files", "", "", 404, "does not exist"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				headers := []string{}
				if tt.header != "" {
					headers = append(headers, tt.header)
				}
				got := r.For(t).Do(tt.method, tt.path, tt.body, headers...)
				if got.Status != tt.status || tt.message != "" && !strings.Contains(got.Field(t, "message"), tt.message) {
					t.Errorf("got %d %s\nwant %d %s", got.Status, got.Body, tt.status, tt.message)
				}
				if tt.message != "" && (got.Field(t, "statusCode") != fmt.Sprint(tt.status) || strings.Contains(got.Field(t, "path"), "sandboxes")) {
					t.Errorf("body %s", got.Body)
				}
			})
		}
		r.want(t, "file", "x")
		r.want(t, "other", "x")
		r.want(t, "dir/inside", "x")
		r.wantNone(t, "new")
		r.wantTidy(t)
	})
}

// Ensure the routes that change names do what they say, whatever the names are.
func TestChanges(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, &guestfilestest.Disk{}, Options{})
		for _, name := range []string{"plain", "a b", "-rf", "--", "it's", `"q"`, "new\nline", "$(id)", "`id`", "a;b&c|d", "*", "ä€😀",
			"\xff\xfe", `back\slash`, "#x", "~", ".hidden", "end ", strings.Repeat("n", 255)} {
			t.Run(name, func(t *testing.T) {
				c := r.For(t)
				name := strings.ReplaceAll(name, "/", "")
				body, header := form(t, field{"file", "x", "content of " + name})
				steps := []struct {
					method, path, body string
					status             int
				}{
					{"POST", r.route("/files/folder", "path", "@/in/"+name, "mode", "750"), "", 201},
					{"POST", r.route("/files/folder", "path", "@/in/"+name), "", 201},
					{"POST", r.route("/files/upload", "path", "@/in/"+name+"/"+name), body, 200},
					{"POST", r.route("/files/permissions", "path", "@/in/"+name+"/"+name, "mode", "640", "owner", fmt.Sprint(os.Getuid())), "", 200},
					{"POST", r.route("/files/move", "source", "@/in/"+name+"/"+name, "destination", "@/in/"+name+"/moved"), "", 200},
					{"POST", r.route("/files/move", "source", "@/in/"+name+"/moved", "destination", "in/"+name+"/../"+name+"/"+name), "", 200},
				}
				for _, s := range steps {
					if got := c.Do(s.method, s.path, s.body, header); got.Status != s.status || got.Body != "" {
						t.Fatalf("%s %s: %d %s", s.method, s.path, got.Status, got.Body)
					}
				}
				r.want(t, "in/"+name+"/"+name, "content of "+name)
				dir, err := os.Stat(filepath.Join(r.dir, "in", name))
				file, err2 := os.Stat(filepath.Join(r.dir, "in", name, name))
				if err != nil || err2 != nil || dir.Mode().Perm() != 0o750 || file.Mode().Perm() != 0o640 {
					t.Errorf("modes %v, %v (%v, %v)", dir.Mode(), file.Mode(), err, err2)
				}
				if got := c.Do("GET", r.route("/files/download", "path", "@/in/"+name+"/"+name), ""); got.Status != 200 || got.Body != "content of "+name {
					t.Errorf("download: %d %.200s", got.Status, got.Body)
				}
				if got := c.Do("DELETE", r.route("/files", "path", "@/in/"+name+"/"+name), ""); got.Status != 204 || got.Body != "" {
					t.Errorf("delete: %d %s", got.Status, got.Body)
				}
				r.wantNone(t, "in/"+name+"/"+name)
				if got := c.Do("DELETE", r.route("/files", "path", "@/in/"+name, "recursive", "true"), ""); got.Status != 204 {
					t.Errorf("delete: %d %s", got.Status, got.Body)
				}
				r.wantNone(t, "in/"+name)
			})
		}
	})
}

// Ensure links are removed and not followed, and written through.
func TestLinks(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, &guestfilestest.Disk{}, Options{})
		r.write(t, "target/file", "old")
		for link, to := range map[string]string{"to-dir": "target", "to-file": "target/file", "dangling": "target/later", "loop": "loop"} {
			if err := os.Symlink(to, r.dir+"/"+link); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(r.dir+"/target/file", 0o604); err != nil {
			t.Fatal(err)
		}
		body, header := form(t, field{"file", "x", "new"})
		for link, status := range map[string]int{"to-file": 200, "dangling": 200, "to-dir": 400, "loop": 400} {
			if got := r.Do("POST", r.route("/files/upload", "path", "@/"+link), body, header); got.Status != status {
				t.Errorf("upload to %s: %d %s", link, got.Status, got.Body)
			}
		}
		r.want(t, "target/file", "new")
		r.want(t, "target/later", "new")
		if info, err := os.Lstat(r.dir + "/to-file"); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link is now %v (%v)", info.Mode(), err)
		}
		if info, err := os.Stat(r.dir + "/target/file"); err != nil || info.Mode().Perm() != 0o604 {
			t.Errorf("the mode is now %v (%v)", info.Mode(), err)
		}
		for link, query := range map[string]string{"to-file": "", "to-dir": "true", "loop": ""} {
			if got := r.Do("DELETE", r.route("/files", "path", "@/"+link, "recursive", query), ""); got.Status != 204 {
				t.Errorf("delete %s: %d %s", link, got.Status, got.Body)
			}
			r.wantNone(t, link)
		}
		r.want(t, "target/file", "new")
		r.wantTidy(t)
	})
}

// Ensure a listing and the info on a file have Daytona's shape.
func TestListAndInfo(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	r.write(t, "b.txt", "hello")
	r.write(t, "a dir/inside", "")
	r.write(t, "\xff", "")
	for link, to := range map[string]string{"c-link": "b.txt", "dangling": "nowhere"} {
		if err := os.Symlink(to, r.dir+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 2, 8, 7, 6, 5, 0, time.UTC)
	for _, name := range []string{"b.txt", "a dir", "\xff"} {
		if err := os.Chtimes(filepath.Join(r.dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(r.dir+"/a dir", 0o777|os.ModeSticky|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	ids := fmt.Sprintf(`"owner":"%d","group":"%d"`, os.Getuid(), os.Getgid())
	const times = `"modTime":"2026-02-08 07:06:05 +0000 UTC","modifiedAt":"2026-02-08T07:06:05Z"`
	file := `"size":5,"mode":"-rw-r--r--",` + times + `,"isDir":false,` + ids + `,"permissions":"0644"}`
	all := r.Do("GET", r.route("/files", "path", "@"), "")
	size := regexpSize(t, all.Body)
	want := `[{"name":"a dir","size":` + size + `,"mode":"dutrwxrwxrwx",` + times + `,"isDir":true,` + ids + `,"permissions":"0777"},` +
		`{"name":"b.txt",` + file + `,{"name":"c-link",` + file + `,` +
		`{"name":"` + "\ufffd" + `","size":0,"mode":"-rw-r--r--",` + times + `,"isDir":false,` + ids + `,"permissions":"0644"}]`
	if all.Status != 200 || all.Body != want || all.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got %d %s\nwant %s", all.Status, all.Body, want)
	}
	for _, path := range []string{r.route("/files"), r.route("/files/"), r.route("/files", "path", "."), r.route("/files", "path", "@/a dir/..")} {
		if got := r.Do("GET", path, ""); got.Body != want {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := r.Do("GET", r.route("/files", "path", "a dir/inside/../../nothing/.."), ""); got.Body != want {
		t.Errorf("dots: %d %s", got.Status, got.Body)
	}
	if err := os.Mkdir(r.dir+"/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := r.Do("GET", r.route("/files", "path", "empty"), ""); got.Status != 200 || got.Body != "[]" {
		t.Errorf("empty: %d %s", got.Status, got.Body)
	}
	for _, name := range []string{"c-link", "@/c-link"} {
		if got := r.Do("GET", r.route("/files/info", "path", name), ""); got.Status != 200 || got.Body != `{"name":"c-link",`+file {
			t.Errorf("info: %d %s", got.Status, got.Body)
		}
	}
	old := strings.Replace(file, `,"modifiedAt":"2026-02-08T07:06:05Z"`, "", 1)
	for version, want := range map[string]string{
		"0.139.0": old, "v0.139.0": old, "0.183.9": old, "0.183.0-rc.1": old, // they refuse what they do not know
		"0.184.0": file, "0.187.9": file, // and these want it
		"0.188.0": file, "1.0.0": file, "": file, "dev": file, "0.0.0-dev": file, "v0.0.0-dev": file, "0.x": file,
	} {
		got := r.Do("GET", r.route("/files/info", "path", "b.txt"), "", "X-Daytona-Source: sdk-go", "X-Daytona-SDK-Version: "+version)
		if got.Body != `{"name":"b.txt",`+want {
			t.Errorf("for version %s of the Go SDK: %s", version, got.Body)
		}
		got = r.Do("GET", r.route("/files", "path", "@"), "", "X-Daytona-Source: sdk-go", "X-Daytona-SDK-Version: "+version)
		if dated := strings.Contains(got.Body, "modifiedAt"); got.Status != 200 || dated != (want == file) {
			t.Errorf("a listing for version %s of the Go SDK: %s", version, got.Body)
		}
	}
	if got := r.Do("GET", r.route("/files/info", "path", "b.txt"), "", "X-Daytona-Source: sdk-python", "X-Daytona-SDK-Version: 0.139.0"); got.Body != `{"name":"b.txt",`+file {
		t.Errorf("for other SDKs: %s", got.Body)
	}
}

// Ensure what is neither file nor directory has Go's name for its mode, in listings too.
func TestInfoOnOtherThings(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	if err := syscall.Mkfifo(r.dir+"/a+b c", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, mode, name, permissions string }{
		{"a+b c", "prw-r--r--", "a+b c", "0644"}, {"/dev/zero", "Dcrw-rw-rw-", "zero", "0666"}, {"/", "d", "/", "0"},
	} {
		got := r.Do("GET", r.route("/files/info", "path", tt.path), "")
		if got.Status != 200 || got.Field(t, "name") != tt.name || !strings.HasPrefix(got.Field(t, "mode"), tt.mode) ||
			!strings.HasPrefix(got.Field(t, "permissions"), tt.permissions) {
			t.Errorf("%s: %d %s", tt.path, got.Status, got.Body)
		}
	}
	if got := r.Do("GET", r.route("/files"), ""); !strings.Contains(got.Body, `"name":"a+b c","size":0,"mode":"prw-r--r--"`) {
		t.Errorf("listing: %d %s", got.Status, got.Body)
	}
}

// Ensure both spellings of the routes without a name, and the SDKs' of a space, are those of one route.
func TestSpellings(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{}, Options{})
	body, header := form(t, field{"file", "x", "content"})
	const base = "/sandboxes/dev-1/toolbox"
	for i, prefix := range []string{base, base + "/proxy/2280"} {
		name := fmt.Sprint("new-", i)
		for _, tt := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "/files/upload?path=" + name + "/deep/a+b.txt", body, 200}, // makes the directories
			{"GET", "/files/info?path=" + name + "/deep/a%20b.txt", "", 200},
			{"GET", "/files/?path=" + name, "", 200},
			{"GET", "/files?path=" + name, "", 200},
			{"DELETE", "/files/?path=" + name + "/deep/a+b.txt", "", 204},
			{"DELETE", "/files?path=" + name + "&recursive=true", "", 204},
		} {
			if got := r.Do(tt.method, prefix+tt.path, tt.body, header); got.Status != tt.status || got.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d %s", tt.method, tt.path, got.Status, got.Body)
			}
		}
		r.wantNone(t, name)
	}
	for _, request := range []string{"POST /files", "PUT /files", "GET /files/upload", "GET /files/none", "POST /files/info"} {
		method, path, _ := strings.Cut(request, " ")
		if got := r.Do(method, base+path, ""); got.Status != 404 || got.Body != "404 page not found" || got.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s: %d %q as %s", request, got.Status, got.Body, got.Header.Get("Content-Type"))
		}
	}
}

// regexpSize is the size of the first entry, which depends on the file system.
func regexpSize(t *testing.T, body string) string {
	t.Helper()
	var all []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	return string(all[0]["size"])
}

// Ensure a directory of 100,000 entries is listed whole and in order, and one over the limit is refused.
func TestListMany(t *testing.T) {
	t.Parallel()
	r := start(t, guestshelltest.Host(), &guestfilestest.Disk{Many: 100_000}, Options{})
	got := r.Do("GET", r.route("/files", "path", "@"), "")
	var all []struct{ Name string }
	if err := json.Unmarshal([]byte(got.Body), &all); err != nil || got.Status != 200 || len(all) != 100_000 {
		t.Fatalf("got %d, %d entries, %v", got.Status, len(all), err)
	}
	for i, e := range all {
		if want := fmt.Sprintf("file-%06d", i); e.Name != want {
			t.Fatalf("entry %d is %s", i, e.Name)
		}
	}
	r = start(t, guestshelltest.Host(), &guestfilestest.Disk{Many: 1001}, Options{MaxEntries: 1000})
	if got := r.Do("GET", r.route("/files", "path", "@"), ""); got.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(got.Body, "more than 1000 entries") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}
