package logs

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
)

const (
	// firstApp is the first user id that is an app's own; those below belong to Android.
	firstApp = 10_000
	// perUser is how many ids each of the phone's users has.
	perUser = 100_000
	// again is how often processes are looked at, when unknown ones write.
	again = time.Second
	// maxAnswer bounds the lists that the device answers with.
	maxAnswer = 1 << 20
)

// app recognises what an app writes: by its user id, which survives restarts, and where others have that id too by
// the names of the processes.
type app struct {
	name   string
	uid    int // -1: not known
	shared bool
	look   func(context.Context) (string, error) // "PID NAME" in lines

	ours   map[int]bool // processes that were seen, and whether they are the app's
	looked time.Time
}

// findApp asks the device about a package. NotFound when it is not installed.
func (d *Door) findApp(ctx context.Context, serial, pkg string) (*app, error) {
	ask := func(ctx context.Context, words ...string) (string, error) {
		said, err := d.commands.Ask(ctx, serial, guestcommand.Line(words...), maxAnswer)
		return string(said), err
	}
	list, err := ask(ctx, "cmd", "package", "list", "packages", "-U", pkg)
	if err != nil {
		return nil, err
	}
	uid, found := uidOf(list, pkg)
	if !found {
		return nil, fault.NotFoundf("app %s is not installed", pkg)
	}
	a := &app{name: pkg, uid: uid, shared: uid < firstApp}
	if !a.shared {
		if list, err = ask(ctx, "cmd", "package", "list", "packages", "--uid", strconv.Itoa(uid)); err != nil {
			return nil, err
		}
		a.shared = strings.Count(list, "package:") > 1
	}
	a.look = func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, d.Ask)
		defer cancel()
		return ask(ctx, "ps", "-A", "-o", "PID,NAME")
	}
	return a, nil
}

// uidOf finds "package:NAME uid:10123" or, with several users, "uid:10123,1010123".
func uidOf(list, pkg string) (uid int, found bool) {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "package:"+pkg {
			continue
		}
		for _, f := range fields[1:] {
			ids, ok := strings.CutPrefix(f, "uid:")
			first, _, _ := strings.Cut(ids, ",")
			if n, err := strconv.Atoi(first); ok && err == nil {
				return n % perUser, true
			}
		}
		return -1, true
	}
	return 0, false
}

// wrote reports whether the app wrote a record.
func (a *app) wrote(ctx context.Context, r *record) bool {
	if a.uid >= 0 && r.UID >= 0 {
		if r.UID%perUser != a.uid {
			return false
		}
		if !a.shared {
			return true
		}
	}
	ours, seen := a.ours[r.PID]
	if !seen && time.Since(a.looked) > again {
		a.refresh(ctx)
		ours = a.ours[r.PID]
	}
	return ours
}

// refresh looks which processes there are. If the device does not say, the next unknown one asks again.
func (a *app) refresh(ctx context.Context) {
	list, err := a.look(ctx)
	a.looked = time.Now()
	if err != nil {
		return
	}
	before := a.ours
	a.ours = map[int]bool{}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if pid, err := strconv.Atoi(fields[0]); err == nil {
			a.ours[pid] = fields[1] == a.name || strings.HasPrefix(fields[1], a.name+":")
		}
	}
	for pid, ours := range before { // what a process wrote last may arrive when it is gone
		if _, alive := a.ours[pid]; !alive && ours {
			a.ours[pid] = true
		}
	}
}
