package host

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"
)

// Host is the machine that the devices run on. All methods are safe for concurrent use,
// return errors with a fault kind, and honour the context's deadline. Paths are absolute.
//
// Commands run as the user that owns the devices; files are touched as the runner itself.
type Host interface {
	// Run runs cmd to its end and returns what it printed. A non-zero exit is an *ExitError
	// beside the result. When ctx ends first the command's process group is killed and the
	// error is Timeout or Cancelled.
	Run(ctx context.Context, cmd Command) (Result, error)

	// Launch starts cmd in a session of its own with its output in the two files (created,
	// appended to; parents must exist) and returns at once. The process outlives the runner;
	// ctx bounds only the start.
	Launch(ctx context.Context, cmd Command, stdout, stderr string) (ProcessID, error)

	// Await returns when the process is gone, or a zombie. The code is its exit status where
	// this runner launched it (128+n for signal n) and nobody was told it before, else
	// ExitUnknown. Awaiting a process that is already gone returns at once.
	Await(ctx context.Context, id ProcessID) (code int, err error)

	// Processes reads the process table once. Processes that vanish meanwhile are left out.
	Processes(ctx context.Context) ([]Process, error)

	// Environ returns the environment of one process; nil when it is gone or not readable.
	Environ(ctx context.Context, id ProcessID) ([]string, error)

	// Signal sends sig to the process, or to its whole process group. It does nothing when
	// the process is gone or its pid now belongs to another (the start times differ).
	Signal(ctx context.Context, id ProcessID, sig syscall.Signal, group bool) error

	// Dial connects to "tcp" or "unix" addresses of the host.
	Dial(ctx context.Context, network, address string) (net.Conn, error)

	Files
}

// Files are the host's files.
type Files interface {
	// ReadFile returns at most limit bytes from the end of the file when it is longer, so
	// that a log's tail can be had cheaply; limit 0 means the whole file, up to 16 MiB.
	ReadFile(ctx context.Context, path string, limit int64) ([]byte, error)
	// WriteFile replaces path durably: temporary file, fsync, rename, fsync of the directory.
	// When it fails the old content stands. A kill in the midst may leave a temporary file
	// beside path, named "." + base name + digits.
	WriteFile(ctx context.Context, path string, data []byte, perm fs.FileMode) error
	Stat(ctx context.Context, path string) (FileInfo, error)  // follows links
	Lstat(ctx context.Context, path string) (FileInfo, error) // does not
	ReadDir(ctx context.Context, path string) ([]FileInfo, error)
	// MkdirAll makes path and missing parents, durably; an existing directory is success.
	MkdirAll(ctx context.Context, path string, perm fs.FileMode) error
	// Symlink makes path a link to target; Conflict when path exists.
	Symlink(ctx context.Context, target, path string) error
	EvalSymlinks(ctx context.Context, path string) (string, error)
	// Rename moves within a file system, durably. It replaces a file, or an empty directory;
	// Conflict for a directory that holds something.
	Rename(ctx context.Context, from, to string) error
	// RemoveAll removes path and what is below it; a missing path is success.
	RemoveAll(ctx context.Context, path string) error
	// CreateSparse makes a file of the given size with no blocks allocated; Conflict when
	// path exists.
	CreateSparse(ctx context.Context, path string, size int64, perm fs.FileMode) error
	// Chtimes sets the modification time.
	Chtimes(ctx context.Context, path string, mtime time.Time) error
	// GiveToDeviceUser makes the user that owns the devices the owner of path itself.
	GiveToDeviceUser(ctx context.Context, path string) error
	// DiskFree returns total and available bytes of the file system that holds path.
	DiskFree(ctx context.Context, path string) (total, available int64, err error)
	// SHA256 returns the hex digest of a file, reading it on the host.
	SHA256(ctx context.Context, path string) (string, error)
	// Copy makes a new file, with the content, the holes and the permissions of a regular one, durably; blocks are
	// shared where the file system can. It returns how many bytes had to be copied. Conflict when to exists. When
	// it fails there is no to.
	Copy(ctx context.Context, from, to string) (copied int64, err error)
	// Overwrite replaces the first n bytes of the file to, which exists, by those of from, durably.
	Overwrite(ctx context.Context, from, to string, n int64) error
	// Open opens a regular file to be read. The caller closes it.
	Open(ctx context.Context, path string) (Reader, error)
	// Create makes a new file of the given size, all holes, to be written; Conflict when path exists. The caller
	// closes it, and has to remove it when something failed.
	Create(ctx context.Context, path string, size int64) (Writer, error)
}

// Reader is an open file. ReadAt may be called by several goroutines at a time, NextData by one.
type Reader interface {
	io.ReaderAt
	io.Closer
	// NextData returns the next range at or behind at that may hold something else than zeros; start is the
	// file's size when there is none. Where holes are not known the rest of the file is such a range.
	NextData(at int64) (start, end int64, err error)
}

// Writer is a new file. WriteAt may be called by several goroutines at a time; what was written is durable once
// Close has returned without an error.
type Writer interface {
	io.WriterAt
	io.Closer
}

// Command is one command of the host. There is no shell: Args[0] is the program.
type Command struct {
	Args []string
	Env  []string      // added to a minimal environment (PATH, HOME, USER, LOGNAME, TMPDIR)
	Dir  string        // "" = the device user's home
	Out  int64         // bytes kept of stdout; more is an error of kind TooLarge; 0 = 4 MiB
	Wait time.Duration // grace between SIGTERM and SIGKILL when ctx ends; 0 = kill at once
}

// String renders the command for people and logs; it is never run.
func (c Command) String() string { return strings.Join(c.Args, " ") }

// Result is what a finished command printed.
type Result struct {
	Stdout []byte
	Stderr []byte // the last 4 KiB
	Took   time.Duration
}

// ExitUnknown is the exit code of a process that another runner launched.
const ExitUnknown = -1

// ExitError is a command that ended with a non-zero status. It keeps the end of stderr,
// which is where cvd explains itself.
type ExitError struct {
	Args   []string
	Code   int
	Stderr []byte // the last 4 KiB
}

// Error names the program, the status and the last line of stderr.
func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: exit status %d: %s", strings.Join(e.Args, " "), e.Code, lastLine(e.Stderr))
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return "(nothing on stderr)"
}

// ProcessID names a process beyond pid reuse: two processes never share pid and start time.
type ProcessID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // field 22 of /proc/<pid>/stat, in clock ticks since boot
}

// IsZero reports whether the id names no process.
func (id ProcessID) IsZero() bool { return id == ProcessID{} }

// Process is one row of the process table.
type Process struct {
	ProcessID
	PPID   int
	PGID   int
	UID    int
	Zombie bool
	Exe    string   // base name of the executable; of Args[0] where the link is not readable
	Args   []string // the argument vector, split exactly
}

// FileInfo describes a file of the host.
type FileInfo struct {
	Name    string
	Size    int64
	Blocks  int64 // 512-byte blocks allocated
	Mode    fs.FileMode
	ModTime time.Time
	Changed time.Time // when its content, owner, permissions or name changed last; nobody can set it
	Device  uint64    // the file system
	Inode   uint64
	UID     int
}

// Stamp tells a file from others, and from what it was before somebody wrote to it: who knows what was in a file of one
// stamp knows it still, whatever times were set since.
type Stamp struct {
	Device  uint64 `json:"device"`
	Inode   uint64 `json:"inode"`
	Size    int64  `json:"size"`
	Written int64  `json:"written"` // nanoseconds since 1970
	Changed int64  `json:"changed"`
}

// Stamp is that of the file as it was looked at.
func (i FileInfo) Stamp() Stamp {
	return Stamp{Device: i.Device, Inode: i.Inode, Size: i.Size, Written: i.ModTime.UnixNano(), Changed: i.Changed.UnixNano()}
}
