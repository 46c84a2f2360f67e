package record

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
)

// Bounds of what can be asked for.
const (
	maxSeconds = 180
	leastRate  = 100_000
	mostRate   = 200_000_000
	leastSide  = 16
	mostSide   = 4096
)

var (
	label = regexp.MustCompile(`^[A-Za-z0-9\s_-][A-Za-z0-9.\s_-]{0,99}$`)
	space = regexp.MustCompile(`\s`)
)

// Mistakes of a caller that Daytona's daemon has words of its own for.
var (
	errNone   = fault.NotFoundf("recording not found")
	errActive = fault.Conflictf("cannot delete an active recording, stop it first")
)

// noEncoder says that a device cannot film: Unsupported.
const noEncoder = "recordings: the device has no screenrecord"

// order begins a recording. A device that films already is a Conflict; one whose screenrecord fails at once is 422
// with its words, and one that has none Unsupported.
func (d *Door) order(u *android.Use, a about) (Recording, error) {
	a.ID, a.StartTime = uuid.NewString(), time.Now().UTC().Truncate(time.Millisecond)
	name := space.ReplaceAllString(a.Label, "_")
	if name == "" {
		name = "session"
	}
	a.FileName = a.ID + "_" + name + "_" + a.StartTime.Format("20060102_150405") + ".mp4"
	text, err := json.Marshal(a)
	if err != nil {
		return Recording{}, fault.Wrap(fault.Internal, "describe the recording", err)
	}
	said, err := ask(u, begin(a, string(text), d.keep))
	if err != nil {
		return Recording{}, err
	}
	before, rest, _ := strings.Cut("\n"+said, "\n=")
	word := strings.TrimSpace(before)
	if busy, ok := strings.CutPrefix(word, "busy "); ok {
		return Recording{}, fault.Conflictf("the screen is being recorded already: stop %s first", busy)
	}
	made := parse("=" + rest)
	if len(made) == 1 {
		r := made[0]
		if begun := strings.HasSuffix(word, "begun") && r.SizeBytes != nil && *r.SizeBytes > 0; begun || r.Status != Failed {
			return r, nil
		}
		_, _ = ask(u, erase(a.ID)) // a film that never began is none
		return Recording{}, unable(r.Reason)
	}
	return Recording{}, transport.Unprocessablef("the device cannot keep a recording: %s", firstOf(word))
}

// unable is why a recorder ended at once.
func unable(reason string) error {
	if strings.Contains(reason, "status 127") || strings.Contains(reason, "status 126") {
		return fault.Unsupportedf("%s; the device says: %s", noEncoder, reason)
	}
	return transport.Unprocessablef("%s", reason)
}

func firstOf(said string) string {
	if first, _, _ := strings.Cut(said, "\n"); first != "" {
		return first
	}
	return "it does not say why"
}

// ask runs a script.
func ask(u *android.Use, script string) (string, error) {
	said, err := u.Ask(script, maxSaid)
	return string(said), err
}

// all lists what the device keeps, the newest first.
func (d *Door) all(u *android.Use) ([]Recording, error) {
	said, err := ask(u, describeAll())
	if err != nil {
		return nil, err
	}
	recordings := parse(said)
	slices.SortStableFunc(recordings, func(a, b Recording) int { return b.StartTime.Compare(a.StartTime) })
	return recordings, nil
}

// find looks at one; NotFound.
func (d *Door) find(u *android.Use, id string) (Recording, error) {
	return d.one(u, id, describe)
}

// finish ends one that may have ended; NotFound. A recorder that does not end is a Timeout.
func (d *Door) finish(u *android.Use, id string) (Recording, error) {
	r, err := d.one(u, id, end)
	if err == nil && r.Status == Running {
		err = fault.Timeoutf("the recorder was told to stop and has not ended; it may still")
	}
	return r, err
}

func (d *Door) one(u *android.Use, id string, script func(string) string) (Recording, error) {
	if !idName.MatchString(id) {
		return Recording{}, errNone
	}
	said, err := ask(u, script(id))
	if err != nil {
		return Recording{}, err
	}
	if found := parse(said); len(found) == 1 {
		return found[0], nil
	}
	return Recording{}, errNone
}

// discard removes one; NotFound, and Conflict while it is made.
func (d *Door) discard(u *android.Use, id string) error {
	r, err := d.find(u, id)
	if err != nil {
		return err
	}
	if r.Status == Running {
		return errActive
	}
	said, err := ask(u, erase(id))
	if err == nil && strings.TrimSpace(said) != "" {
		err = transport.Unprocessablef("the device did not remove the recording: %s", firstOf(strings.TrimSpace(said)))
	}
	return err
}
