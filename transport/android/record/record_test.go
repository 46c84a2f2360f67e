package record_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/record"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles"
	"github.com/daytonaio/runner-android/transport/toolbox/guestfiles/guestfilestest"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

const (
	native   = "/sandboxes/dev-1/android/record"
	computer = "/sandboxes/dev-1/toolbox/computeruse/recordings"
	onDevice = "/data/local/tmp/recordings"
)

// device is one whose recordings are in a directory of this machine.
type device struct {
	*guestshelltest.Guest
	*guestfilestest.Disk
	dir string
}

func (d device) Run(ctx context.Context, serial string, s guestshell.Script) (guestshell.Result, error) {
	s.Text = bytes.ReplaceAll(s.Text, []byte(onDevice), []byte(d.dir))
	return d.Guest.Run(ctx, serial, s)
}

func (d device) here(path string) string { return strings.Replace(path, onDevice, d.dir, 1) }

func (d device) Stat(ctx context.Context, path string) (adb.FileStat, error) {
	return d.Disk.Stat(ctx, d.here(path))
}

func (d device) Recv(ctx context.Context, path string) (io.ReadCloser, error) {
	return d.Disk.Recv(ctx, d.here(path))
}

func (d device) Get(string) (guestfiles.Device, error) { return d, nil }

func newDevice(t *testing.T) device {
	t.Helper()
	guest := guestshelltest.New(t, nil)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	guest.Program("screenrecord", "PLAYS=screenrecord exec '"+program+"' \"$@\"")
	mksh, err := exec.LookPath("mksh")
	if err != nil {
		t.Fatal(err)
	}
	guest.Program("sh", "exec '"+mksh+"' \"$@\"")
	guest.Program("date", "exec /bin/date \"$@\"")
	return device{guest, &guestfilestest.Disk{}, filepath.Join(t.TempDir(), "recordings")}
}

func start(t *testing.T, d device, o record.Options) *transporttest.Client {
	t.Helper()
	kit := android.NewKit(lease.New(transporttest.Lessor(nil), nil), d)
	door := record.New(kit, d, d, o)
	return transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		android.Mount(s, door.Routes())
		toolbox.Mount(s, door.ComputerRoutes())
	})
}

// want checks the status and returns the answer.
func want(t *testing.T, got transporttest.Answer, status int, part string) transporttest.Answer {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Body, part) {
		t.Fatalf("got %d %s, want %d %s", got.Status, got.Body, status, part)
	}
	return got
}

// pid is the process that records.
func (d device) pid(t *testing.T, id string) string {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(d.dir, id, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(pid))
}

// Ensure a film is made, found, brought here whole and in parts, and removed.
func TestARecording(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := start(t, d, record.Options{})
	want(t, c.Do("GET", native, ""), 200, `{"recordings":[]}`)
	want(t, c.Do("POST", native+"/stop", ""), 409, "the screen is not being recorded")
	made := want(t, c.Do("POST", native+"/start", `{"label":"my film","timeLimitSeconds":60,"bitRate":4000000,"size":"360x640"}`), 201, `"status":"recording"`)
	id := made.Field(t, "id")
	if name := made.Field(t, "fileName"); !regexp.MustCompile(`^[0-9a-f-]{36}_my_film_\d{8}_\d{6}\.mp4$`).MatchString(name) || made.Field(t, "filePath") != onDevice+"/"+id+"/"+name {
		t.Errorf("got %s", made.Body)
	}
	if got := strings.Join(d.Lines(), "\n"); !strings.Contains(got, "screenrecord --time-limit 60 --bit-rate 4000000 --size 360x640 "+d.dir+"/"+id+"/") {
		t.Errorf("called %s", got)
	}
	want(t, c.Do("POST", native+"/start", ""), 409, "being recorded already: stop "+id+" first")
	want(t, c.Do("POST", computer+"/start", ""), 409, "being recorded already")
	want(t, c.Do("GET", native, ""), 200, `{"active":{"id":"`+id)
	want(t, c.Do("GET", native+"/"+id+"/download", ""), 409, "has no index yet")
	want(t, c.Do("DELETE", native+"/"+id, ""), 409, "stop it first")
	ended := want(t, c.Do("POST", native+"/stop", ""), 200, `"status":"completed"`)
	if ended.Field(t, "sizeBytes") != "16" || ended.Field(t, "endTime") == "" || strings.HasPrefix(ended.Field(t, "durationSeconds"), "-") {
		t.Errorf("got %s", ended.Body)
	}
	want(t, c.Do("POST", native+"/stop", `{"id":"`+id+`"}`), 200, `"status":"completed"`)
	if got := want(t, c.Do("GET", native+"/"+id+"/download", ""), 200, ""); got.Body != "frames and index" || got.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("got %q %v", got.Body, got.Header)
	}
	if got := want(t, c.Do("GET", native+"/"+id+"/download", "", "Range: bytes=-5"), 206, ""); got.Body != "index" || got.Header.Get("Content-Range") != "bytes 11-15/16" {
		t.Errorf("got %q %v", got.Body, got.Header)
	}
	want(t, c.Do("GET", native+"/"+id+"/download", "", "Range: bytes=99-"), 416, "")
	if got := want(t, c.Do("HEAD", native+"/"+id+"/download", ""), 200, ""); got.Header.Get("Content-Length") != "16" {
		t.Errorf("got %v", got.Header)
	}
	want(t, c.Do("DELETE", native+"/"+id, ""), 204, "")
	want(t, c.Do("GET", native+"/"+id, ""), 404, "recording not found")
	want(t, c.Do("DELETE", native+"/..", ""), 404, "")
	want(t, c.Do("GET", native+"/%2e%2e%2f/download", ""), 404, "recording not found")
	if left, _ := os.ReadDir(d.dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// Ensure the runner's restart is not seen, and the end of the device or of the recorder is.
func TestARecordingThatWasCutShort(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	first := start(t, d, record.Options{})
	id := want(t, first.Do("POST", native+"/start", ""), 201, "").Field(t, "id")
	c := start(t, d, record.Options{}) // another runner
	want(t, c.Do("GET", native+"/"+id, ""), 200, `"status":"recording"`)
	kill := func(pid string) {
		if _, err := d.Guest.Run(t.Context(), "", guestshell.Script{Text: []byte("kill -9 " + pid + "\n"), MaxOutput: 100}); err != nil {
			t.Fatal(err)
		}
	}
	kill(d.pid(t, id))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := c.Do("GET", native+"/"+id, "")
		if strings.Contains(got.Body, `"reason":"screenrecord ended with status 137`) && got.Field(t, "status") == "failed" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %s", got.Body)
		}
	}
	want(t, c.Do("GET", native+"/"+id+"/download", ""), 200, "frames")
	// A device that went down: neither the recorder is there, nor what would have noted its end.
	if err := os.Remove(filepath.Join(d.dir, id, "exit")); err != nil {
		t.Fatal(err)
	}
	want(t, c.Do("GET", native+"/"+id, ""), 200, "the device went down, or it was killed")
	// Its pid is somebody else's now.
	if err := os.WriteFile(filepath.Join(d.dir, id, "pid"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, c.Do("POST", native+"/stop", `{"id":"`+id+`"}`), 200, `"status":"failed"`)
	next := want(t, c.Do("POST", native+"/start", `{"timeLimitSeconds":1}`), 201, "").Field(t, "id")
	for end := time.Now().Add(10 * time.Second); c.Do("GET", native+"/"+next, "").Field(t, "status") != "completed"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a recorder whose time is up has not ended")
		}
	}
}

// Ensure what cannot be is refused, by the runner or in the device's words.
func TestWhatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := start(t, d, record.Options{})
	for body, part := range map[string]string{
		`{"timeLimitSeconds":181}`: "timeLimitSeconds must be from 1 to 180", `{"timeLimitSeconds":0}`: "timeLimitSeconds",
		`{"bitRate":5}`: "bitRate must be", `{"size":"3x4"}`: "size must be", `{"size":"720x1281"}`: "size must be", `{"size":"x;reboot"}`: "size must be",
		`{"label":".hidden"}`: "label has", `{"label":"a/b"}`: "label has", `{"label":"` + strings.Repeat("a", 101) + `"}`: "label has", `[]`: "cannot unmarshal",
	} {
		want(t, c.Do("POST", native+"/start", body), 400, part)
	}
	if len(d.Scripts()) != 0 {
		t.Errorf("the device was told %q", d.Scripts())
	}
	want(t, c.Do("POST", native+"/start", `{"size":"64x64"}`), 422, "screenrecord ended with status 1: ERROR: unable to configure video/avc codec at 64x64 (err=-38)")
	want(t, c.Do("GET", native, ""), 200, `{"recordings":[]}`)
	if err := os.Remove(filepath.Join(d.Dir(), "bin", "screenrecord")); err != nil {
		t.Fatal(err)
	}
	want(t, c.Do("POST", native+"/start", ""), 501, "the device has no screenrecord")
	want(t, c.Do("POST", computer+"/start", ""), 400, `{"error":"ffmpeg_not_found","message":"`)
	if err := os.WriteFile(d.dir+"x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.dir += "x"
	broken := start(t, d, record.Options{})
	want(t, broken.Do("POST", native+"/start", ""), 422, "the device cannot keep a recording: mkdir")
	want(t, broken.Do("GET", "/sandboxes/stopped/android/record", ""), 409, "is the sandbox started?")
}

// Ensure the oldest go, and that what else lies there is not taken for a recording.
func TestOldRecordingsAreRemoved(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := start(t, d, record.Options{Keep: 2})
	var ids []string
	for range 4 {
		ids = append(ids, want(t, c.Do("POST", native+"/start", ""), 201, "").Field(t, "id"))
		want(t, c.Do("POST", native+"/stop", ""), 200, "completed")
		at := time.Now().Add(-time.Hour + time.Duration(len(ids))*time.Minute)
		if err := os.Chtimes(filepath.Join(d.dir, ids[len(ids)-1]), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, about := range map[string]string{"11111111-1111-1111-1111-111111111111": "{", "x y": `{"id":"x y"}`, "22222222-2222-2222-2222-222222222222": `{"id":"22222222-2222-2222-2222-222222222222","fileName":"../a.mp4"}`} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.dir, name, "about"), []byte(about), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var list struct{ Recordings []record.Recording }
	if err := json.Unmarshal([]byte(c.Do("GET", native, "").Body), &list); err != nil || len(list.Recordings) != 2 || list.Recordings[0].ID != ids[3] || list.Recordings[1].ID != ids[2] {
		t.Errorf("%v: %+v, made %v", err, list, ids)
	}
}

// Ensure Daytona's clients get Daytona's shapes.
func TestDaytonasRoutes(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := start(t, d, record.Options{})
	want(t, c.Do("GET", computer, ""), 200, `{"recordings":[]}`)
	want(t, c.Do("POST", computer+"/start", `{"label":"../x"}`), 400, `{"error":"invalid_label","message":"`)
	want(t, c.Do("POST", computer+"/stop", `{}`), 400, `{"error":"invalid request: id is required"}`)
	want(t, c.Do("POST", computer+"/stop", `{"id":"x"}`), 404, `{"error":"recording not found"}`)
	made := want(t, c.Do("POST", computer+"/start", `{"label":"a b"}`), 201, `"status":"recording"`)
	id := made.Field(t, "id")
	var fields map[string]any
	if err := json.Unmarshal([]byte(made.Body), &fields); err != nil {
		t.Fatal(err)
	}
	for field := range fields {
		if !slices.Contains([]string{"id", "fileName", "filePath", "startTime", "endTime", "status", "durationSeconds", "sizeBytes"}, field) {
			t.Errorf("Daytona has no field %s", field)
		}
	}
	if _, err := time.Parse(time.RFC3339, made.Field(t, "startTime")); err != nil {
		t.Error(err)
	}
	want(t, c.Do("DELETE", computer+"/"+id, ""), 400, `{"error":"cannot delete an active recording, stop it first"}`)
	want(t, c.Do("POST", computer+"/stop", `{"id":"`+id+`"}`), 200, `"status":"completed"`)
	want(t, c.Do("GET", computer+"/"+id, ""), 200, `"endTime":"`)
	want(t, c.Do("GET", computer, ""), 200, `{"recordings":[{"id":"`+id)
	want(t, c.Do("GET", computer+"/"+id+"/download", ""), 200, "frames and index")
	want(t, c.Do("DELETE", computer+"/"+id, ""), 204, "")
	for _, request := range []string{"GET /" + id, "DELETE /" + id, "GET /" + id + "/download"} {
		method, path, _ := strings.Cut(request, " ")
		want(t, c.Do(method, computer+path, ""), 404, `{"error":"recording not found"}`)
	}
	want(t, c.Do("GET", "/sandboxes/stopped/toolbox/computeruse/recordings", ""), 409, `"code":"CONFLICT"`)
}

// Ensure of many who begin at once one does.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := start(t, d, record.Options{})
	var group sync.WaitGroup
	statuses := make(chan int, 4)
	for range cap(statuses) {
		group.Go(func() {
			got, err := c.Try("POST", native+"/start", strings.NewReader(""))
			if err != nil {
				t.Error(err)
			}
			statuses <- got.Status
		})
	}
	group.Wait()
	close(statuses)
	begun := 0
	for status := range statuses {
		if status == 201 {
			begun++
		} else if status != 409 {
			t.Errorf("status %d", status)
		}
	}
	if begun != 1 {
		t.Errorf("%d have begun", begun)
	}
	want(t, c.Do("POST", native+"/stop", ""), 200, "completed")
}
