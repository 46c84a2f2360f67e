package adbd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

const (
	maxSyncPath  = 1024
	maxSyncChunk = 64 << 10
)

// syncService serves file transfers, one request after another (adb's SYNC.TXT).
type syncService struct {
	in    *bufio.Reader
	out   *bufio.Writer
	files *vfs.View
	chunk []byte
}

func newSync(rw io.ReadWriter, files *vfs.View) *syncService {
	return &syncService{in: bufio.NewReaderSize(rw, 64<<10), out: bufio.NewWriterSize(rw, 16*(maxSyncChunk+8)),
		files: files, chunk: make([]byte, 8+maxSyncChunk)}
}

// errQuit ends the stream in peace.
var errQuit = errors.New("quit")

func (s *syncService) serve() {
	for {
		err := s.request()
		if ferr := s.out.Flush(); err != nil || ferr != nil {
			return
		}
	}
}

// request serves one request. An error ends the stream.
func (s *syncService) request() error {
	id, length, err := s.head()
	if err != nil {
		return err
	}
	if id == "QUIT" {
		return errQuit
	}
	if length > maxSyncPath {
		return s.fail("path too long")
	}
	name := make([]byte, length)
	if _, err := io.ReadFull(s.in, name); err != nil {
		return err
	}
	p := string(name)
	switch id {
	case "STAT":
		return s.stat1(p)
	case "STA2":
		return s.stat2(id, p, s.files.Stat)
	case "LST2":
		return s.stat2(id, p, s.files.Lstat)
	case "LIST", "LIS2":
		return s.list(id, p)
	case "RECV":
		return s.send(p)
	case "RCV2":
		if _, err := s.more(id, 1); err != nil {
			return err
		}
		return s.send(p)
	case "SEND":
		return s.receive1(p)
	case "SND2":
		words, err := s.more(id, 2)
		if err != nil {
			return err
		}
		return s.receive(p, words[0])
	}
	return s.fail(fmt.Sprintf("unknown command %08x", binary.LittleEndian.Uint32([]byte(id))))
}

func (s *syncService) head() (id string, n uint32, err error) {
	var b [8]byte
	_, err = io.ReadFull(s.in, b[:])
	return string(b[:4]), binary.LittleEndian.Uint32(b[4:]), err
}

// fail says why and ends the stream.
func (s *syncService) fail(text string) error {
	s.put("FAIL", uint32(len(text)))
	s.out.WriteString(text)
	return errors.New(text)
}

func (s *syncService) put(id string, words ...uint32) {
	b := s.chunk[:0]
	b = append(b, id...)
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	s.out.Write(b)
}

func (s *syncService) stat1(p string) error {
	info, err := s.files.Lstat(p)
	if err != nil {
		s.put("STAT", 0, 0, 0)
		return nil
	}
	s.put("STAT", vfs.UnixMode(info.Mode), uint32(info.Size), uint32(info.ModTime.Unix()))
	return nil
}

func (s *syncService) stat2(id, p string, look func(string) (vfs.Info, error)) error {
	info, err := look(p)
	s.out.Write(appendStat(append(s.chunk[:0], id...), info, err))
	return nil
}

// appendStat appends the fields that STA2, LST2 and DNT2 share.
func appendStat(b []byte, info vfs.Info, err error) []byte {
	if err != nil {
		b = binary.LittleEndian.AppendUint32(b, uint32(vfs.Errno(err)))
		return append(b, make([]byte, 64)...)
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 0xfe05) // device
	b = binary.LittleEndian.AppendUint64(b, info.Inode)
	for _, word := range []uint32{vfs.UnixMode(info.Mode), uint32(info.Nlink), uint32(info.UID), uint32(info.GID)} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(info.Size))
	for range 3 {
		b = binary.LittleEndian.AppendUint64(b, uint64(info.ModTime.Unix()))
	}
	return b
}

// list names what is in directory p; one that cannot be read is empty.
func (s *syncService) list(id, p string) error {
	entries, err := s.files.ReadDir(p)
	if err == nil {
		for _, dot := range []string{"..", "."} {
			if info, serr := s.files.Stat(strings.TrimSuffix(p, "/") + "/" + dot); serr == nil {
				info.Name = dot
				entries = append([]vfs.Info{info}, entries...)
			}
		}
	}
	for _, info := range entries {
		if id == "LIST" {
			s.put("DENT", vfs.UnixMode(info.Mode), uint32(info.Size), uint32(info.ModTime.Unix()), uint32(len(info.Name)))
		} else {
			b := appendStat(append(s.chunk[:0], "DNT2"...), info, nil)
			s.out.Write(binary.LittleEndian.AppendUint32(b, uint32(len(info.Name))))
		}
		s.out.WriteString(info.Name)
	}
	end := 16
	if id == "LIS2" {
		end = 72
	}
	s.out.WriteString("DONE")
	s.out.Write(make([]byte, end))
	return nil
}

// send is RECV: the device sends a file.
func (s *syncService) send(p string) error {
	f, err := s.files.Open(p, os.O_RDONLY, 0)
	if err != nil {
		return s.fail("open failed: " + vfs.Reason(err))
	}
	defer f.Close()
	for {
		n, err := f.Read(s.chunk[8:])
		if n > 0 {
			copy(s.chunk, "DATA")
			binary.LittleEndian.PutUint32(s.chunk[4:], uint32(n))
			if _, err := s.out.Write(s.chunk[:8+n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			s.put("DONE", 0)
			return nil
		}
		if err != nil {
			return s.fail("read failed: " + vfs.Reason(err))
		}
	}
}

// more reads the second half of a request of version 2: its id once more and n words, of which the
// last are the flags. Nothing is compressed here, and no dry run is needed.
func (s *syncService) more(id string, n int) ([]uint32, error) {
	b := make([]byte, 4+4*n)
	if _, err := io.ReadFull(s.in, b); err != nil {
		return nil, err
	}
	words := make([]uint32, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	if again := string(b[:4]); again != id || words[n-1] != 0 {
		return nil, s.fail(fmt.Sprintf("unsupported %q with flags %d", again, words[n-1]))
	}
	return words, nil
}

// receive1 is SEND, where the mode stands behind the last comma.
func (s *syncService) receive1(spec string) error {
	at := strings.LastIndexByte(spec, ',')
	if at < 0 {
		return s.fail("missing , in ID_SEND_V1")
	}
	bits, err := strconv.ParseUint(spec[at+1:], 0, 32)
	if err != nil {
		return s.fail("bad mode")
	}
	return s.receive(spec[:at], uint32(bits))
}

// receive takes a file from the host. After a failure it says so at once and drops the rest of the
// data, so that the host, which may still be writing, comes to read it.
func (s *syncService) receive(p string, mode uint32) error {
	t := &transfer{s: s, path: p, mode: mode}
	err := t.begin()
	var mtime uint32
	if err == nil {
		mtime, err = t.data()
	}
	if err == nil {
		err = t.finish(time.Unix(int64(mtime), 0))
	}
	if err == nil {
		s.put("OKAY", 0)
		return nil
	}
	t.abandon()
	var wire wireError
	if errors.As(err, &wire) {
		return err
	}
	s.fail(err.Error())
	if s.out.Flush() == nil {
		s.drain()
	}
	return err
}

// wireError is the host's end being gone, or talking nonsense.
type wireError struct{ error }

// drain drops data until the host is done.
func (s *syncService) drain() {
	for {
		id, n, err := s.head()
		if err != nil || id != "DATA" || n > maxSyncChunk {
			return
		}
		if _, err := s.in.Discard(int(n)); err != nil {
			return
		}
	}
}

// transfer is one file on its way in.
type transfer struct {
	s       *syncService
	path    string
	mode    uint32
	file    vfs.File
	target  []byte // of a link
	created bool
}

func (t *transfer) isLink() bool { return t.mode&0o170000 == 0o120000 }

// begin makes way for the file: its parents are made, what is there is unlinked.
func (t *transfer) begin() error {
	files := t.s.files
	if err := makeParents(files, path.Dir(t.path)); err != nil {
		return fmt.Errorf("secure_mkdirs() failed: %s", vfs.Reason(err))
	}
	if info, err := files.Lstat(t.path); err == nil && (info.Mode.IsRegular() || info.Mode&fs.ModeSymlink != 0) {
		files.Remove(t.path)
	}
	if t.isLink() {
		return nil
	}
	f, err := files.Open(t.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("couldn't create file: %s", vfs.Reason(err))
	}
	t.file, t.created = f, true
	return nil
}

func makeParents(files *vfs.View, dir string) error {
	if info, err := files.Stat(dir); err == nil {
		if !info.Mode.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	}
	if dir == "/" || dir == "." {
		return syscall.ENOENT
	}
	if err := makeParents(files, path.Dir(dir)); err != nil {
		return err
	}
	if err := files.Mkdir(dir, 0o775); err != nil && vfs.Errno(err) != syscall.EEXIST {
		return err
	}
	return nil
}

// data takes the file's content and returns the time that ends it.
func (t *transfer) data() (uint32, error) {
	for {
		id, n, err := t.s.head()
		switch {
		case err != nil:
			return 0, wireError{err}
		case id == "DONE":
			return n, nil
		case id != "DATA" || n > maxSyncChunk:
			return 0, errors.New("invalid data message")
		}
		chunk := t.s.chunk[:n]
		if _, err := io.ReadFull(t.s.in, chunk); err != nil {
			return 0, wireError{err}
		}
		if t.isLink() {
			if t.target = append(t.target, chunk...); len(t.target) > 4096 {
				return 0, errors.New("path too long")
			}
			continue
		}
		if _, err := t.file.Write(chunk); err != nil {
			return 0, fmt.Errorf("write failed: %s", vfs.Reason(err))
		}
	}
}

// finish gives the file its mode and time. The owner's bits count for group and others too.
func (t *transfer) finish(mtime time.Time) error {
	files := t.s.files
	if t.isLink() {
		target := strings.TrimRight(string(t.target), "\x00")
		if err := files.Symlink(target, t.path); err != nil {
			return fmt.Errorf("couldn't create symlink: %s", vfs.Reason(err))
		}
		return nil
	}
	err := t.file.Close()
	t.file = nil
	if err != nil {
		return fmt.Errorf("write failed: %s", vfs.Reason(err))
	}
	mode := t.mode & 0o777
	mode |= mode>>3&0o070 | mode>>6&0o007
	files.Chmod(t.path, vfs.FileMode(mode)) // refused on the sdcard, as by the device; adbd goes on
	files.Chtimes(t.path, mtime)
	return nil
}

// abandon removes what was begun.
func (t *transfer) abandon() {
	if t.file != nil {
		t.file.Close()
	}
	if t.created {
		t.s.files.Remove(t.path)
	}
}
