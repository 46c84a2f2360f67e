package instancedb

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DB is the instance database of one user. Any number of processes may use it at the same time.
type DB struct{ path string }

// Open names the database; the file is made at first use.
func Open(path string) *DB { return &DB{path: path} }

// Read returns the whole content, under a shared lock.
func (db *DB) Read() (Data, error) {
	f, err := db.open(unix.LOCK_SH)
	if err != nil {
		return Data{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return Data{}, fmt.Errorf("read the instance database: %w", err)
	}
	return Unmarshal(content), nil
}

// Update lets change work on the content under an exclusive lock and writes it back, unless change
// returns an error. Pointers into the data must not be kept.
func (db *DB) Update(change func(*Data) error) error {
	f, err := db.open(unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read the instance database: %w", err)
	}
	data := Unmarshal(content)
	if err := change(&data); err != nil {
		return err
	}
	content = Marshal(data)
	if _, err := f.WriteAt(content, 0); err != nil {
		return fmt.Errorf("write the instance database: %w", err)
	}
	if err := f.Truncate(int64(len(content))); err != nil {
		return fmt.Errorf("write the instance database: %w", err)
	}
	return nil
}

// Damage leaves of the content what a write that was cut short would, so that the last group does not parse. With all
// gone nothing parses.
func (db *DB) Damage(all bool) error {
	f, err := db.open(unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("damage the instance database: %w", err)
	}
	content = content[:max(0, len(content)-1)]
	if all {
		content = []byte("\xff\xff\xff\xffnot a database\n")
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		return fmt.Errorf("damage the instance database: %w", err)
	}
	if err := f.Truncate(int64(len(content))); err != nil {
		return fmt.Errorf("damage the instance database: %w", err)
	}
	return nil
}

// open returns the file with the lock, which closing it releases.
func (db *DB) open(how int) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(db.path), 0o750); err != nil {
		return nil, fmt.Errorf("open the instance database: %w", err)
	}
	f, err := os.OpenFile(db.path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the instance database: %w", err)
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the instance database: %w", err)
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			return err
		}
	}
}
