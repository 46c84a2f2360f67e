package record

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// State is how far a recording is.
type State string

// The states, in Daytona's words.
const (
	Running   State = "recording"
	Completed State = "completed"
	Failed    State = "failed" // Reason says why; there may be a film that no player opens
)

// Recording is one film. The times are the runner's, the durations the device's.
type Recording struct {
	ID               string     `json:"id"`
	Label            string     `json:"label,omitempty"`
	FileName         string     `json:"fileName"`
	FilePath         string     `json:"filePath"` // in the device
	Status           State      `json:"status"`
	Reason           string     `json:"reason,omitempty"`
	StartTime        time.Time  `json:"startTime"`
	EndTime          *time.Time `json:"endTime,omitempty"`
	DurationSeconds  *float64   `json:"durationSeconds,omitempty"`
	SizeBytes        *int64     `json:"sizeBytes,omitempty"`
	TimeLimitSeconds int        `json:"timeLimitSeconds"`
	BitRate          int        `json:"bitRate,omitempty"` // as asked for; 0: Android's
	Size             string     `json:"size,omitempty"`    // as asked for; empty: the screen's
}

// about is what a device keeps of what was asked for.
type about struct {
	ID        string    `json:"id"`
	Label     string    `json:"label"`
	FileName  string    `json:"fileName"`
	StartTime time.Time `json:"startTime"`
	TimeLimit int       `json:"timeLimitSeconds"`
	BitRate   int       `json:"bitRate"`
	Size      string    `json:"size"`
}

// idName is a UUID as this package makes them.
var idName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// grace is how long a recorder may take from its directory to its process.
const grace = 10

// parse reads what the script of describe prints: for each recording a line "=ID" and seven more. What makes no
// sense is left out.
func parse(said string) []Recording {
	recordings := []Recording{}
	for piece := range strings.SplitSeq("\n"+said, "\n=") {
		lines := strings.SplitN(piece, "\n", 9)
		if len(lines) < 8 || !idName.MatchString(lines[0]) {
			continue
		}
		if r, ok := assemble(lines); ok {
			recordings = append(recordings, r)
		}
	}
	return recordings
}

// assemble makes a recording of: id, about, began, exit, alive, size and time of the film, now, the log.
func assemble(lines []string) (r Recording, ok bool) {
	var a about
	if json.Unmarshal([]byte(lines[1]), &a) != nil || a.ID != lines[0] || !fileName.MatchString(a.FileName) {
		return r, false
	}
	r = Recording{
		ID: a.ID, Label: a.Label, FileName: a.FileName, FilePath: directory + "/" + a.ID + "/" + a.FileName, StartTime: a.StartTime,
		TimeLimitSeconds: a.TimeLimit, BitRate: a.BitRate, Size: a.Size,
	}
	began := seconds(lines[2])
	code, end, exited := strings.Cut(lines[3], " ")
	sizeText, modified, filmed := strings.Cut(lines[5], " ")
	if size, err := strconv.ParseInt(sizeText, 10, 64); filmed && err == nil {
		r.SizeBytes = &size
	}
	now := seconds(lines[6])
	alive := lines[4] == "alive" || lines[4] == "" && !exited && now-began < grace
	until := now
	switch {
	case exited && code == "0" && r.SizeBytes != nil && *r.SizeBytes > 0:
		r.Status, until = Completed, seconds(end)
	case exited:
		r.Status, until = Failed, seconds(end)
		r.Reason = "screenrecord ended with status " + code
		if log := strings.TrimSpace(lines[7]); log != "" {
			r.Reason += ": " + log
		}
	case alive:
		r.Status = Running
	default:
		r.Status, until = Failed, seconds(modified)
		r.Reason = "the recorder is gone and has not finished the file: the device went down, or it was killed"
	}
	if took := until - began; began > 0 && took >= 0 && took < 1e7 {
		r.DurationSeconds = &took
		if r.Status != Running {
			at := r.StartTime.Add(time.Duration(took * float64(time.Second)))
			r.EndTime = &at
		}
	}
	return r, true
}

// seconds reads a time of the device; 0 when it is none.
func seconds(text string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || n < 0 || n > 1e11 {
		return 0
	}
	return n
}
