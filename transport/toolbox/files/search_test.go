package files

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles/guestfilestest"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// Ensure search matches as Go's filepath.Match on the names of a filepath.Walk.
func TestSearch(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, &guestfilestest.Disk{}, Options{})
		for _, name := range []string{"tree/a.txt", "tree/b.txt/inside", "tree/sub/a.txt", "tree/sub.d/x", "tree/new\nline.txt", "tree/-n.txt", "tree/é.txt",
			"tree/\xff.txt", "tree/[x].txt", `tree/back\slash`, "tree/a1", "tree/a^", "tree/.hidden"} {
			r.write(t, name, "")
		}
		for link, to := range map[string]string{"tree/link.txt": "nowhere", "tree/dir-link": "sub", "root-link": "tree"} {
			if err := os.Symlink(to, r.dir+"/"+link); err != nil {
				t.Fatal(err)
			}
		}
		for _, pattern := range []string{"*.txt", "*", "?.txt", "a*", "[a-b].txt", "[^a].txt", "a[0-9]", `\[x\].txt`, `*\\*`, "tree", "é*", "a[^]", "[", "a[", `\`, "*.TXT",
			"-*", ".h*", "a.txt", "s??", "*ine*", "$(id)", "'", "[!a].txt", "*[*", "a[\\^]"} {
			want := []string{}
			if _, err := path.Match(pattern, ""); err == nil {
				_ = filepath.Walk(r.dir+"/tree", func(name string, info os.FileInfo, _ error) error {
					if ok, _ := filepath.Match(pattern, info.Name()); ok {
						want = append(want, strings.ToValidUTF8(name, "\ufffd"))
					}
					return nil
				})
			}
			got := r.Do("GET", r.route("/files/search", "path", "@/tree", "pattern", pattern), "")
			var answer struct{ Files []string }
			if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 200 || answer.Files == nil || !slices.Equal(answer.Files, want) {
				t.Errorf("%q: %d %s\nwant %q", pattern, got.Status, got.Body, want)
			}
		}
		if got := r.Do("GET", r.route("/files/search", "path", "root-link", "pattern", "a1"), ""); got.Body != `{"files":["`+r.dir+`/root-link/a1"]}` {
			t.Errorf("a link as root: %s", got.Body)
		}
		for _, root := range []string{"@/none", "@/tree/a.txt/x"} {
			if got := r.Do("GET", r.route("/files/search", "path", root, "pattern", "*"), ""); got.Status != 200 || got.Body != `{"files":[]}` {
				t.Errorf("%s: %d %s", root, got.Status, got.Body)
			}
		}
	})
}

// Ensure find returns lines as the daemon does: text, not a pattern; no binary files; no links.
func TestFind(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		r := start(t, shell, &guestfilestest.Disk{}, Options{})
		r.write(t, "in/a.txt", "one\ntwo needle\r\nthree\nneedle needle")
		r.write(t, "in/a:7:b\nc.txt", "needle\n")
		r.write(t, "in/binary", "needle\n\x00")
		r.write(t, "in/late-binary", strings.Repeat("x", 600)+"\na\x00 needle\n")
		r.write(t, "in/z/deep", "a.*b needle\n\nneedle")
		r.write(t, "in/long", "needle\n"+strings.Repeat("y", 70_000)+"\nneedle\n")
		r.write(t, "in/none", "nothing")
		if err := os.Symlink("a.txt", r.dir+"/in/link"); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(r.dir+"/in/fifo", 0o644); err != nil {
			t.Fatal(err)
		}
		line := func(name string, number int, content string) string {
			return `{"file":"` + r.dir + "/in/" + name + `","line":` + fmt.Sprint(number) + `,"content":"` + content + `"}`
		}
		tests := map[string]string{
			"needle": strings.Join([]string{
				line("a.txt", 2, "two needle"), line("a.txt", 4, "needle needle"), line(`a:7:b\nc.txt`, 1, "needle"),
				line("late-binary", 2, `a\u0000 needle`), line("long", 1, "needle"), line("z/deep", 1, "a.*b needle"), line("z/deep", 3, "needle"),
			}, ","),
			"a.*b":            line("z/deep", 1, "a.*b needle"),
			"needle needle":   line("a.txt", 4, "needle needle"),
			"two\nneedle":     "",
			"$(touch x)":      "",
			"-e":              "",
			"'":               "",
			"not there":       "",
			" needle\r":       "",
			"NEEDLE":          "",
			"needle\x00":      "",
			"wo needl":        line("a.txt", 2, "two needle"),
			"\xff":            "",
			"nothing\nneedle": "",
		}
		for text, want := range tests {
			if got := r.Do("GET", r.route("/files/find", "path", "@/in", "pattern", text), ""); got.Status != 200 || got.Body != "["+want+"]" {
				t.Errorf("%q: %d %s\nwant [%s]", text, got.Status, got.Body, want)
			}
		}
		if got := r.Do("GET", r.route("/files/find", "path", "@/none", "pattern", "x"), ""); got.Status != 200 || got.Body != "[]" {
			t.Errorf("no root: %d %s", got.Status, got.Body)
		}
	})
}

// Ensure searches are cut off at their limit, which a header says, and fail when the device is lost.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	lost := false
	disk := &guestfilestest.Disk{Fail: func(string, string) error {
		if lost {
			return guestfilestest.ErrLost
		}
		return nil
	}}
	r := start(t, guestshelltest.Host(), disk, Options{MaxFound: 5})
	for i := range 20 {
		r.write(t, fmt.Sprintf("f%02d", i), "needle\n")
	}
	for _, limit := range []struct {
		path, pattern string
		more          string
	}{{"/files/search", "f*", "5"}, {"/files/find", "needle", "5"}, {"/files/search", "f0[0-4]", ""}} {
		got := r.Do("GET", r.route(limit.path, "path", "@", "pattern", limit.pattern), "")
		if n := strings.Count(got.Body, r.dir); got.Status != 200 || n != 5 || got.Header.Get("X-Daytona-Results-Truncated") != limit.more {
			t.Errorf("%s: %d, %d results, %v", limit.path, got.Status, n, got.Header)
		}
	}
	lost = true
	if got := r.Do("GET", r.route("/files/find", "path", "@", "pattern", "needle"), ""); got.Status != 503 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Ensure replace works file by file, keeps modes, and leaves alone what has nothing to replace.
func TestReplace(t *testing.T) {
	t.Parallel()
	shells(t, func(t *testing.T, shell guestshell.Shell) {
		disk := &guestfilestest.Disk{Fail: func(op, name string) error {
			if op == "send" && strings.Contains(name, ".forbidden.") {
				return fault.New(fault.Forbidden, "permission denied")
			}
			return nil
		}}
		r := start(t, shell, disk, Options{})
		r.write(t, "a", "x.y x.y")
		r.write(t, "same", "nothing")
		r.write(t, "forbidden", "x.y")
		big := strings.Repeat("x.", 200_000)
		r.write(t, "big", big)
		if err := os.Chmod(r.dir+"/a", 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(r.dir + "/same")
		if err != nil {
			t.Fatal(err)
		}
		got := r.Do("POST", r.route("/files/replace"), `{"files":["a","`+r.dir+`/same","none","","big","forbidden","."],"pattern":"x.","newValue":"long "}`)
		var answer []replaced
		if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 200 || len(answer) != 7 {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
		for i, ok := range []bool{true, true, false, false, true, false, false} {
			if answer[i].Success != ok || (answer[i].Error == "") != ok {
				t.Errorf("file %d: %+v", i, answer[i])
			}
		}
		r.want(t, "a", "long y long y")
		r.want(t, "big", strings.ReplaceAll(big, "x.", "long "))
		r.want(t, "forbidden", "x.y")
		after, err := os.Stat(r.dir + "/same")
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("a file without the text was written (%v)", err)
		}
		if info, err := os.Stat(r.dir + "/a"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v %v", info.Mode(), err)
		}
		if got := r.Do("POST", r.route("/files/replace"), `{"files":["a"],"pattern":"long ","newValue":""}`); got.Status != 200 || got.Body != `[{"file":"a","success":true}]` {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		r.want(t, "a", "y y")
		if got := r.Do("POST", r.route("/files/replace"), `{"files":[],"pattern":"x","newValue":"y"}`); got.Status != 200 || got.Body != "[]" {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
		r.wantTidy(t)
	})
}
