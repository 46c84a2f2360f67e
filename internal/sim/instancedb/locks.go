package instancedb

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Locks are the lock files of the instance numbers, shared by all users of the host.
type Locks struct {
	dir     string
	foreign bool
}

// OpenLocks names the directory; it is made at first use.
func OpenLocks(dir string) *Locks { return &Locks{dir: dir} }

// Foreign are the same locks for a user to whom the directory does not belong: its mode is 0755, so that nobody
// else can make files in it. Those that are there have the mode 0666.
func (l *Locks) Foreign() *Locks { return &Locks{dir: l.dir, foreign: true} }

// Lock is a number that is being taken or given back. Close releases the flock and nothing else.
type Lock struct {
	Number int
	file   *os.File
}

// Path is the lock file of number n.
func (l *Locks) Path(n int) string {
	return filepath.Join(l.dir, fmt.Sprintf("local-instance-%d.lock", n))
}

// Take locks a number that the caller asked for. It waits for as long as another process holds it,
// and ignores the byte inside, as cvd does for --instance_nums.
func (l *Locks) Take(n int) (*Lock, error) {
	f, err := l.open(n)
	if err != nil {
		return nil, err
	}
	if err := flock(f, unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock instance number %d: %w", n, err)
	}
	return &Lock{Number: n, file: f}, nil
}

// TakeFree locks the first number up to limit that nobody holds and whose byte does not say in use.
func (l *Locks) TakeFree(limit int) (*Lock, error) {
	for n := 1; n <= limit; n++ {
		f, err := l.open(n)
		if err != nil {
			return nil, err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && !marked(f) {
			return &Lock{Number: n, file: f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("no free instance number up to %d", limit)
}

// InUse reports whether the byte of number n says in use.
func (l *Locks) InUse(n int) bool {
	f, err := os.Open(l.Path(n))
	if err != nil {
		return false
	}
	defer f.Close()
	return marked(f)
}

// Remove deletes the lock file of number n.
func (l *Locks) Remove(n int) error {
	if err := os.Remove(l.Path(n)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the lock of instance number %d: %w", n, err)
	}
	return nil
}

// RemoveAll deletes all lock files of the directory.
func (l *Locks) RemoveAll() error {
	files, err := filepath.Glob(filepath.Join(l.dir, "local-instance-*.lock"))
	if err != nil {
		return fmt.Errorf("remove instance locks: %w", err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove instance locks: %w", err)
		}
	}
	return nil
}

// MarkInUse writes the byte that says in use.
func (l *Lock) MarkInUse() error {
	if _, err := l.file.WriteAt([]byte("I"), 0); err != nil {
		return fmt.Errorf("mark instance number %d: %w", l.Number, err)
	}
	return nil
}

// Close releases the flock.
func (l *Lock) Close() { l.file.Close() }

func marked(f *os.File) bool {
	var b [1]byte
	n, _ := f.ReadAt(b[:], 0)
	return n == 1 && b[0] == 'I'
}

func (l *Locks) open(n int) (*os.File, error) {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, fmt.Errorf("instance locks: %w", err)
	}
	flags := os.O_CREATE | os.O_RDWR
	if l.foreign {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(l.Path(n), flags, 0o666)
	if l.foreign && os.IsNotExist(err) {
		return nil, simroot.Saidf("open(\"%s\"): Permission denied", l.Path(n)) // lock_file.cpp: OpenLockFile
	}
	if err != nil {
		return nil, fmt.Errorf("lock instance number %d: %w", n, err)
	}
	return f, nil
}
