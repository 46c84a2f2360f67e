package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

// Install is how an app shall be installed.
type Install struct {
	NoReplace bool   // fail if the app is there (-R)
	Downgrade bool   // take a lower version (-d)
	TestOnly  bool   // take an app that is for tests (-t)
	Grant     bool   // grant all runtime permissions (-g)
	LowTarget bool   // take an app for a release that is too old (--bypass-low-target-sdk-block)
	Inherit   string // add to this app's files (-p)
	Installer string // who installs (-i)
	Size      int64  // bytes to come, 0 if they are not known (-S)
}

// session is an install on its way.
type session struct {
	id      int
	install Install
	files   []string // names that are staged, sorted
	busy    int      // writes on their way
	sealed  bool     // no more writes: it is being committed
	ended   bool
}

func (s *session) dir() string { return fmt.Sprintf("%s/vmdl%d.tmp", appDir, s.id) }

// maxSessions is how many installs one user may have open, as in AOSP's PackageInstallerService.
const maxSessions = 50

// Create begins an install. An error is a *Failure or *Misuse.
func (m *Manager) Create(o Install) (id int, err error) {
	if total, used := m.files.Usage(); o.Size > total-used {
		return 0, failf(codeStorage, "Requested internal only, but not enough space")
	}
	m.mu.Lock()
	if len(m.sessions) >= maxSessions {
		m.mu.Unlock()
		return 0, misuse("IllegalStateException", "Too many active sessions for UID 2000")
	}
	for id == 0 || m.sessions[id] != nil {
		id = int(rand.Int32())
	}
	s := &session{id: id, install: o}
	m.sessions[id] = s
	m.mu.Unlock()
	if err := m.makeDir(s.dir(), 0o775, 1000); err != nil {
		m.forget(s)
		return 0, failf(codeStorage, "Failed to prepare session dir: %s: %s", s.dir(), vfs.Reason(err))
	}
	return id, nil
}

// session finds an open session. An error is a *Misuse.
func (m *Manager) session(id int) (*session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessionLocked(id)
}

func (m *Manager) sessionLocked(id int) (*session, error) {
	s := m.sessions[id]
	if s == nil || s.sealed {
		return nil, misuse("SecurityException", "Caller has no access to session %d", id)
	}
	return s, nil
}

func (m *Manager) forget(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s.id)
}

// ErrShort is a stream that ended before the bytes it had announced.
var ErrShort = errors.New("unexpected end of stream")

// Write stages one file of size bytes, or of all that r has if size is negative. It stops soon after
// ctx is done. A file that did not come whole is not there.
func (m *Manager) Write(ctx context.Context, id int, name string, size int64, r io.Reader) (int64, error) {
	if !fileGrammar.MatchString(name) {
		return 0, misuse("IllegalArgumentException", "Invalid name: %s", name)
	}
	m.mu.Lock()
	s, err := m.sessionLocked(id)
	if err == nil {
		s.busy++
	}
	m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := m.stage(ctx, s.dir()+"/"+name, size, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	s.busy--
	if err == nil && s.ended {
		err = misuse("SecurityException", "Session %d was abandoned", id)
	}
	if err == nil && !slices.Contains(s.files, name) {
		s.files = append(s.files, name)
		slices.Sort(s.files)
	}
	if s.ended && s.busy == 0 {
		_ = m.removeAll(s.dir()) // whoever ended it could not; the next boot sweeps
	}
	return n, err
}

func (m *Manager) stage(ctx context.Context, path string, size int64, r io.Reader) (n int64, err error) {
	f, err := m.files.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	n, err = copyBytes(ctx, f, r, size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = m.files.Chown(path, 1000, 1000)
	}
	if err != nil {
		_ = m.files.Remove(path) // the session's end removes its directory anyway
	}
	return n, err
}

// copyBuffer is how much of a stream is in memory at a time.
const copyBuffer = 256 << 10

func copyBytes(ctx context.Context, w io.Writer, r io.Reader, size int64) (n int64, err error) {
	buf := make([]byte, copyBuffer)
	for size < 0 || n < size {
		part := buf
		if size >= 0 && size-n < int64(len(part)) {
			part = part[:size-n]
		}
		got, rerr := r.Read(part)
		if _, err := w.Write(part[:got]); err != nil {
			return n, err
		}
		n += int64(got)
		switch {
		case ctx.Err() != nil:
			return n, ctx.Err()
		case rerr != nil && size >= 0 && n < size:
			return n, ErrShort
		case errors.Is(rerr, io.EOF):
			return n, nil
		case rerr != nil && n != size:
			return n, rerr
		}
	}
	return n, nil
}

// IsFull tells the error of a disk without room.
func IsFull(err error) bool { return vfs.Errno(err) == syscall.ENOSPC }

// Abandon ends an install and removes what is staged. An error is a *Misuse.
func (m *Manager) Abandon(id int) error {
	s, err := m.session(id)
	if err != nil {
		return err
	}
	m.end(s)
	return nil
}

// end closes a session for everybody. What is staged goes with it, or with its last write.
func (m *Manager) end(s *session) {
	m.mu.Lock()
	s.ended = true
	delete(m.sessions, s.id)
	busy := s.busy > 0
	m.mu.Unlock()
	if !busy {
		_ = m.removeAll(s.dir()) // a device that cannot write keeps it until its next boot
	}
}

// Sessions are the ids of the installs on their way.
func (m *Manager) Sessions() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []int
	for id := range m.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
