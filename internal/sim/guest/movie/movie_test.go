package movie_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/daytonaio/runner-android/internal/sim/guest/h264"
	"github.com/daytonaio/runner-android/internal/sim/guest/movie"
)

// film makes a movie of n frames, each half a second after the one before it, and ends it or not.
func film(t *testing.T, n int, ended bool) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.mp4")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := h264.New(96, 64)
	if err != nil {
		t.Fatal(err)
	}
	m, err := movie.New(f, e.SPS(), e.PPS())
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for i := range n {
		draw.Draw(img, image.Rect(i, i, i+20, i+20), image.NewUniform(color.Gray{byte(60 + i)}), image.Point{}, draw.Src)
		if err := m.Add(h264.Sized(nil, e.Encode(img, false)), time.Duration(i)*time.Second/2, i == 0); err != nil {
			t.Fatal(err)
		}
	}
	if ended {
		if err := m.End(time.Duration(n) * time.Second / 2); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// Ensure frames and times are where players look for them.
func TestAPlayerReadsTheFile(t *testing.T) {
	t.Parallel()
	name := film(t, 10, true)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Moov.Trak.GetNrSamples(); got != 10 || file.Moov.Trak.Tkhd.Width>>16 != 96 {
		t.Errorf("%d samples, width %d", got, file.Moov.Trak.Tkhd.Width>>16)
	}
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("skipped: needs ffprobe")
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-of", "json", "-show_entries",
		"stream=codec_name,profile,width,height,nb_read_frames,nb_frames,duration:format=duration", name).CombinedOutput()
	var got struct {
		Streams []struct {
			CodecName string `json:"codec_name"`
			Profile   string
			Width     int
			Height    int
			Read      string `json:"nb_read_frames"`
			Duration  string
		}
		Format struct{ Duration string }
	}
	if jerr := json.Unmarshal(out, &got); err != nil || jerr != nil || len(got.Streams) != 1 {
		t.Fatalf("%v %v: %s", err, jerr, out)
	}
	if s := got.Streams[0]; s.CodecName != "h264" || s.Profile != "Constrained Baseline" || s.Width != 96 || s.Height != 64 || s.Read != "10" ||
		s.Duration != "5.000000" || got.Format.Duration != "5.000000" {
		t.Errorf("ffprobe says %+v", got)
	}
}

// Ensure a movie that nobody has ended has no index, and one without frames cannot be ended.
func TestAMovieThatWasNotEnded(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(film(t, 3, false))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("mdat")) || bytes.Contains(data, []byte("moov")) {
		t.Errorf("%d bytes, index: %t", len(data), bytes.Contains(data, []byte("moov")))
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "b.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := movie.New(f, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.End(time.Second) == nil {
		t.Error("an empty movie has ended")
	}
}
