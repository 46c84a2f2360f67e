package ui

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
	"github.com/daytonaio/runner-android/transport/toolbox/computer/window"
)

const (
	// maxWords bounds what is read beside the dump.
	maxWords = 64 << 10
	// maxKept is the largest tree that is kept between requests, in nodes: a device is to cost little.
	maxKept = 4000
	// fresh is how long a sight counts as the one before the next.
	fresh = 30 * time.Second
)

// lookScript has the screen described: parameters are a name, the seconds it may take, and how many bytes are
// read. What is in front is asked for while uiautomator waits for rest. The file is removed by the shell, after
// uiautomator, also when nobody listens any more; what a shell left that was killed goes with the next look, for
// there is one at a time.
const lookScript = `d=${TMPDIR:-/data/local/tmp}
f=$d/.ui-%[1]s.xml
rm -f "$d"/.ui-*.xml
trap 'rm -f "$f"' EXIT
trap 'exit 1' HUP INT TERM PIPE
dumpsys window </dev/null 2>/dev/null | grep -e mCurrentFocus= -e ' cur=' | head -c 8192 &
{ timeout -s KILL %[2]s uiautomator dump "$f" </dev/null 2>&1; echo " ended with $?"; } | head -c 8192
wait
echo
echo '--%[1]s'
head -c %[3]d "$f" 2>/dev/null`

// Reasons why there is no sight, which may pass.
var (
	errMoving = errors.New("the screen does not come to rest")
	errSlow   = errors.New("the device did not describe its screen in time")
	errNoRoot = errors.New("the screen shows no window (is it off?)")
	errTaken  = errors.New("another program has the device's accessibility to itself (a test of uiautomator's, or Appium)")
)

// sight is what one look saw. It is not changed any more.
type sight struct {
	tree          *tree.Tree // nil: it could not be had
	front         string     // package and activity in front, "" when the device does not say
	activity      string
	width, height int
	at            time.Time
	acts          uint64 // on this screen, up to then
}

// look looks once, for no longer than the request has time. The caller has the turn. Beside an error that may
// pass, the sight has no tree, but what is in front.
func (v *visit) look() (*sight, error) {
	left := v.left()
	if left <= 0 {
		return &sight{}, v.reason(errSlow)
	}
	name, begun := rand.Text(), time.Now()
	said, err := v.use.Ask(fmt.Sprintf(lookScript, name, strconv.FormatFloat(left.Seconds(), 'f', 3, 64), tree.MaxBytes+1), maxWords+tree.MaxBytes+1)
	if err != nil {
		return nil, err
	}
	words, dump, found := bytes.Cut(said, []byte("--"+name+"\n"))
	if !found {
		return nil, fault.Unavailablef("the device's shell broke off while it described the screen: %s", tree.Short(string(words), 200))
	}
	v.took = time.Since(begun)
	s := &sight{at: time.Now(), acts: v.screen.turn.Acts()}
	s.front, s.activity, _ = window.InFront(words)
	s.width, s.height, _ = window.Size(words)
	if err := judge(string(words)); err != nil {
		return s, v.reason(err)
	}
	if len(dump) == 0 {
		return nil, fault.Unavailablef("the device wrote no description of its screen (is its disk full?)")
	}
	if s.tree, err = tree.Parse(dump); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "read the screen", err)
	}
	s.complete()
	v.remember(s)
	return s, nil
}

// reason is err, unless it says only that the time of the last look was up and an earlier one knew more: of a screen
// that never rests the last look is always cut short.
func (v *visit) reason(err error) error {
	v.moving = v.moving || errors.Is(err, errMoving)
	if v.moving && errors.Is(err, errSlow) {
		return errMoving
	}
	return err
}

// remember makes s the last sight, and the one that was the one before it, if the screen was not touched since.
func (v *visit) remember(s *sight) {
	if v.before = v.screen.last; v.before == nil {
		v.before = v.own
	}
	if v.before != nil && (v.before.acts != s.acts || s.at.Sub(v.before.at) > fresh) {
		v.before = nil
	}
	v.own, v.screen.last = s, nil
	if s.tree.Size <= maxKept {
		v.screen.last = s
	}
}

// judge is what became of uiautomator, by its words: it ends with 0 whatever happens.
func judge(words string) error {
	switch {
	case strings.Contains(words, "UI hierchary dumped to:"), strings.Contains(words, "UI hierarchy dumped to:"):
		return nil
	case strings.Contains(words, "could not get idle state"):
		return errMoving
	case strings.Contains(words, " ended with 137"), strings.Contains(words, " ended with 124"):
		return errSlow
	case strings.Contains(words, "null root node"):
		return errNoRoot
	case strings.Contains(words, "already registered"):
		return errTaken
	case strings.Contains(words, " ended with 127"), strings.Contains(words, " ended with 126"):
		return fault.Unsupportedf("the device has no uiautomator, which describes the screen")
	}
	return fault.Unavailablef("the device does not describe its screen: %s", tree.Short(strings.TrimSpace(complaint(words)), 300))
}

// complaint is words without those of the question for what is in front.
func complaint(words string) string {
	var own strings.Builder
	for line := range strings.Lines(words) {
		if !strings.Contains(line, "mCurrentFocus=") && !strings.Contains(line, " cur=") {
			own.WriteString(line)
		}
	}
	return own.String()
}

// complete makes a sight consistent: the tree says which package it is of, and where no size was told, how large
// the screen is.
func (s *sight) complete() {
	root := s.tree.Root
	if s.front != root.Package {
		s.front, s.activity = root.Package, "" // another window had the focus a moment earlier
	}
	if s.width == 0 {
		s.width, s.height = root.Bounds.Max.X, root.Bounds.Max.Y
	}
}

// passes reports whether a reason may pass by itself.
func passes(err error) bool {
	return errors.Is(err, errMoving) || errors.Is(err, errSlow) || errors.Is(err, errNoRoot) || errors.Is(err, errTaken)
}
