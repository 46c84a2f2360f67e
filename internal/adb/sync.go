package adb

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/daytonaio/runner-android/internal/adb/wire"
	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	syncService = "sync:"
	// maxFail bounds the reason a device gives; a real one is a line.
	maxFail = 4 << 10
)

// syncer is a conversation with the sync service: one request after another. After an error
// that the device did not give as the answer to a question, it is good for closing only.
type syncer struct {
	in     linkReader
	stat2  bool
	list2  bool
	trans2 bool

	head      [wire.SyncDent2Size]byte // the longest of the fixed answers
	entryName [wire.MaxSyncName]byte
}

func openSync(ctx context.Context, s session, open func(context.Context, []byte) (link, error)) (*syncer, error) {
	l, err := open(ctx, append(make([]byte, 0, len(syncService)+1), syncService...))
	if err != nil {
		return nil, err
	}
	b := s.Banner()
	return &syncer{
		in:    linkReader{link: l},
		stat2: b.Has("stat_v2"), list2: b.Has("ls_v2") && b.Has("stat_v2"), trans2: b.Has("sendrecv_v2"),
	}, nil
}

func (s *syncer) close() { _ = s.in.link.Close() }

// checkPath refuses what cannot be sent.
func checkPath(path string) error {
	switch {
	case path == "":
		return fault.Invalidf("the path is empty")
	case strings.ContainsRune(path, 0):
		return fault.Invalidf("the path holds a NUL")
	case len(path) > wire.MaxSyncPath:
		return fault.Invalidf("the path has %d bytes, the device takes %d", len(path), wire.MaxSyncPath)
	}
	return nil
}

// ask sends a request about a path.
func (s *syncer) ask(ctx context.Context, id wire.SyncID, path string, more ...byte) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return s.say(ctx, append(wire.AppendSyncRequest(nil, id, path), more...))
}

// say sends what the device must want to hear: that it hung up is a loss.
func (s *syncer) say(ctx context.Context, p []byte) error {
	_, err := s.in.link.write(ctx, p)
	if errors.Is(err, io.ErrClosedPipe) {
		return lostError(s.in.link.name(), errors.New("the device ended the stream"))
	}
	return err
}

// header reads the next message's id and number.
func (s *syncer) header(ctx context.Context) (wire.SyncID, uint32, error) {
	if err := s.in.full(ctx, s.head[:wire.SyncHeaderSize]); err != nil {
		return 0, 0, err
	}
	id, n := wire.ParseSyncHeader(s.head[:])
	return id, n, nil
}

// answer reads a message of a fixed size, its id included, which is one of those wanted. FAIL
// is an error.
func (s *syncer) answer(ctx context.Context, size int, wanted ...wire.SyncID) (wire.SyncID, []byte, error) {
	id, n, err := s.header(ctx)
	if err != nil {
		return 0, nil, err
	}
	for _, w := range wanted {
		if id == w {
			err := s.in.full(ctx, s.head[wire.SyncHeaderSize:size])
			return id, s.head[:size], err
		}
	}
	return 0, nil, s.unexpected(ctx, id, n)
}

// unexpected is the error for a message that no answer begins with, FAIL included.
func (s *syncer) unexpected(ctx context.Context, id wire.SyncID, n uint32) error {
	if id != wire.SyncFail {
		return s.in.lies("%v in answer to a sync request", id)
	}
	if n > maxFail {
		return s.in.lies("a reason of %d bytes", n)
	}
	text := make([]byte, n)
	if err := s.in.full(ctx, text); err != nil {
		return err
	}
	return failError(s.in.link.name(), printable(text))
}

// printable keeps what may be shown of a device's text.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(text))
}

// errnoTexts are bionic's strerror texts, with which adbd ends its reasons, and its own.
var errnoTexts = []struct {
	text string
	kind fault.Kind
}{
	{"No such file or directory", fault.NotFound},
	{"Permission denied", fault.Forbidden},
	{"Operation not permitted", fault.Forbidden},
	{"Read-only file system", fault.Forbidden},
	{"No space left on device", fault.Exhausted},
	{"Quota exceeded", fault.Exhausted}, // bionic's EDQUOT
	{"quota exceeded", fault.Exhausted},
	{"File too large", fault.TooLarge},
	{"File exists", fault.Conflict},
	{"Text file busy", fault.Conflict},
	{"Is a directory", fault.Invalid},
	{"Not a directory", fault.Invalid},
	{"File name too long", fault.Invalid},
	{"Too many symbolic links encountered", fault.Invalid}, // bionic's ELOOP
	{"Too many levels of symbolic links", fault.Invalid},
	{"Invalid argument", fault.Invalid},
	{"path too long", fault.Invalid},
	{"unknown command", fault.Unsupported},
}

// failError gives a FAIL its kind. Only the end of the text is adbd's for certain: what stands
// before may be a name.
func failError(serial, text string) error {
	e := &fault.Error{Kind: fault.Unavailable, Op: "adb " + serial, Err: errors.New(text)}
	for _, known := range errnoTexts {
		if strings.HasSuffix(text, known.text) || strings.HasPrefix(text, known.text) {
			e.Kind = known.kind
			break
		}
	}
	if e.Kind == fault.Exhausted {
		e.Msg, e.Err = text, ErrNoSpace
	}
	return e
}

// errnoKinds are Linux's numbers of the same.
var errnoKinds = map[uint32]struct {
	kind fault.Kind
	text string
}{
	1:  {fault.Forbidden, "operation not permitted"},
	2:  {fault.NotFound, "no such file or directory"},
	13: {fault.Forbidden, "permission denied"},
	20: {fault.Invalid, "not a directory"},
	22: {fault.Invalid, "invalid argument"},
	30: {fault.Forbidden, "read-only file system"},
	36: {fault.Invalid, "file name too long"},
	40: {fault.Invalid, "too many symbolic links"},
}

// errnoError says what an errno of the device means.
func errnoError(errno uint32) error {
	if known, ok := errnoKinds[errno]; ok {
		return fault.New(known.kind, "%s", known.text)
	}
	return fault.Unavailablef("error %d of the device", errno)
}
