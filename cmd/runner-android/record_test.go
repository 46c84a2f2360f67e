package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// recording is one in an answer.
type recording struct {
	ID, Status, Reason, FilePath string
	SizeBytes                    int
}

func recordingOf(t *testing.T, got reply) (r recording) {
	t.Helper()
	if err := json.Unmarshal(got.body, &r); err != nil || r.ID == "" {
		t.Fatalf("%v: %s", err, got.body)
	}
	return r
}

// frames takes an MP4 apart: its samples of video, each as it is in the file.
func frames(t *testing.T, data []byte) (all [][]byte) {
	t.Helper()
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil || file.Moov == nil {
		t.Fatalf("no MP4 of %d bytes: %v", len(data), err)
	}
	track := file.Moov.Trak
	at := track.Mdia.Minf.Stbl.Stco.ChunkOffset[0]
	for i := range track.GetNrSamples() {
		size := track.Mdia.Minf.Stbl.Stsz.GetSampleSize(int(i + 1))
		all = append(all, data[at:at+size])
		at += size
	}
	return all
}

// Ensure a film shows what was done on the screen while it was made: a tap, and another app.
func TestRecordings(t *testing.T) {
	t.Parallel()
	r := startRunner(startHost(t))
	r.create("dev1")
	const base = "/sandboxes/dev1/toolbox/android/record"
	const computer = "/sandboxes/dev1/toolbox/computeruse"
	made := recordingOf(t, r.want(http.StatusCreated, "POST", base+"/start", `{"label":"a tap","timeLimitSeconds":120}`))
	grown := func(least int, what string) int {
		t.Helper()
		var size int
		eventually(t, 20*time.Second, what, func() error {
			size = recordingOf(t, r.want(http.StatusOK, "GET", base+"/"+made.ID, nil)).SizeBytes
			if size <= least {
				return fmt.Errorf("the film has %d bytes", size)
			}
			return nil
		})
		return size
	}
	first := grown(1000, "the first frame comes")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/toolbox/android/url", `{"url":"https://example.com/"}`)
	second := grown(first, "another app is filmed")
	r.want(http.StatusOK, "POST", computer+"/mouse/click", map[string]any{"x": 360, "y": 100})
	grown(second, "a tap is filmed")
	r.want(http.StatusConflict, "POST", computer+"/recordings/start", nil)
	ended := recordingOf(t, r.want(http.StatusOK, "POST", base+"/stop", nil))
	if ended.ID != made.ID || ended.Status != "completed" {
		t.Errorf("ended %+v", ended)
	}
	film := r.want(http.StatusOK, "GET", computer+"/recordings/"+made.ID+"/download", nil)
	if got := film.header.Get("Content-Type"); got != "video/mp4" || len(film.body) != ended.SizeBytes {
		t.Errorf("%s, %d bytes", got, len(film.body))
	}
	all := frames(t, film.body)
	distinct := map[string]bool{}
	for _, frame := range all {
		distinct[string(frame)] = true
	}
	if len(distinct) < 3 {
		t.Errorf("%d frames, %d of them distinct", len(all), len(distinct))
	}
	r.want(http.StatusNoContent, "DELETE", base+"/"+made.ID, nil)
	if got := r.exec("dev1", "ls /data/local/tmp/recordings"); got != "" {
		t.Errorf("left: %s", got)
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("skipped: needs ffmpeg")
	}
	name := filepath.Join(t.TempDir(), "a.mp4")
	if err := os.WriteFile(name, film.body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffmpeg", "-loglevel", "error", "-xerror", "-i", name, "-fps_mode", "passthrough", "-f", "framemd5", "-").CombinedOutput()
	if n := strings.Count(string(out), "\n0,"); err != nil || n != len(all) {
		t.Errorf("ffmpeg decodes %d frames of %d: %v: %s", n, len(all), err, lastLines(string(out)))
	}
}

// Ensure a recording outlives the runner, and not the device.
func TestARecordingOutlivesTheRunner(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	const base = "/sandboxes/dev1/android/record"
	made := recordingOf(t, r.want(http.StatusCreated, "POST", base+"/start", nil))
	r.kill()
	r = startRunner(h)
	r.wantState("dev1", "started")
	if got := recordingOf(t, r.want(http.StatusOK, "GET", base+"/"+made.ID, nil)); got.Status != "recording" {
		t.Errorf("%+v", got)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", `{"force":true}`)
	r.want(http.StatusConflict, "GET", base, nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", `{}`)
	r.wantState("dev1", "started")
	eventually(t, 20*time.Second, "the recording has failed", func() error {
		// What a power cut leaves of a file that was being written is for the file system to say.
		got, err := r.do("GET", base+"/"+made.ID, nil)
		if err == nil && got.status == http.StatusOK && strings.Contains(string(got.body), `"status":"recording"`) {
			err = errors.New(string(got.body))
		}
		return err
	})
	next := recordingOf(t, r.want(http.StatusCreated, "POST", base+"/start", nil))
	if got := recordingOf(t, r.want(http.StatusOK, "POST", base+"/stop", nil)); got.ID != next.ID || got.Status != "completed" {
		t.Errorf("%+v", got)
	}
}
