package guestfiles

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/daytonaio/runner-android/internal/adb"
)

// linkWorkers is how many links are followed at a time.
const linkWorkers = 8

// Entry is one name of a directory and what it leads to.
type Entry struct {
	Name     string
	Mode     fs.FileMode
	UID, GID uint32
	Size     int64
	MTime    int64 // seconds of the epoch
}

// EntryOf is what st says of a file called name.
func EntryOf(name string, st adb.FileStat) Entry {
	return Entry{name, st.Mode, st.UID, st.GID, st.Size, st.MTime.Unix()}
}

// List lists a directory by name, in the order of bytes. Links are followed; those that lead nowhere, and what
// the device could not look at, are left out. A directory of more than limit names is refused (ErrTooMany).
// Other errors are those of adb.Device.List.
func (f *Files) List(ctx context.Context, dir string, limit int) ([]Entry, error) {
	entries := []Entry{}
	var links []int
	seen := 0
	err := f.device.List(ctx, dir, func(e adb.Entry) error {
		if seen++; seen > limit {
			return ErrTooMany
		}
		if e.Err != nil {
			return nil
		}
		if e.Mode&fs.ModeSymlink != 0 {
			links = append(links, len(entries))
		}
		entries = append(entries, EntryOf(e.Name, e.FileStat))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := f.follow(ctx, dir, entries, links); err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Name == "" })
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

// ErrTooMany is wrapped by the error of a List over its limit.
var ErrTooMany = errors.New("too many entries")

// follow replaces links by what they lead to. Those that lead nowhere lose their name.
func (f *Files) follow(ctx context.Context, dir string, entries []Entry, links []int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan int)
	var wg sync.WaitGroup
	for range min(linkWorkers, len(links)) {
		wg.Go(func() {
			for i := range todo {
				name := entries[i].Name
				st, err := f.device.Stat(ctx, child(dir, name))
				switch {
				case err == nil:
					entries[i] = EntryOf(name, st)
				case lost(err):
					cancel(err)
				default:
					entries[i].Name = ""
				}
			}
		})
	}
	for _, i := range links {
		if ctx.Err() != nil {
			break
		}
		todo <- i
	}
	close(todo)
	wg.Wait()
	return context.Cause(ctx)
}

// child is the path of a name in a directory.
func child(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}
