package apps

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
)

// maxRest bounds a JSON body without its APK.
const maxRest = 1 << 20

// cutAPK reads a JSON object, decodes the base64 of its field "apk" into out as it arrives, and returns the object with
// that field emptied: an APK is never in memory. found tells whether there was one. Bad JSON comes back as it is.
func cutAPK(in *bufio.Reader, out io.Writer) (rest []byte, found bool, err error) {
	var (
		depth  int
		key    []byte // the last one of the outermost object
		isKey  bool   // the next string of the outermost object is one
		isText bool
	)
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return rest, found, nil
		}
		if err != nil {
			return nil, false, err
		}
		if rest = append(rest, b); len(rest) > maxRest {
			return nil, false, fault.New(fault.TooLarge, "the body, without its APK, is over the limit of %d bytes", maxRest)
		}
		switch {
		case isText && b == '\\':
			if b, err = in.ReadByte(); err == nil {
				rest = append(rest, b)
			}
		case isText:
			isText = b != '"'
			if !isText && depth == 1 && isKey {
				key = rest[bytes.LastIndexByte(rest[:len(rest)-1], '"')+1 : len(rest)-1]
			}
		case b == '"' && depth == 1 && !isKey && string(key) == "apk" && !found:
			found = true
			if err := decodeText(in, out); err != nil {
				return nil, true, err
			}
			rest = append(rest, '"')
		case b == '"':
			isText = true
		case b == '{' || b == '[':
			depth++
			isKey = b == '{'
		case b == '}' || b == ']':
			depth--
		case b == ',':
			isKey = true
		case b == ':':
			isKey = false
		}
	}
}

// decodeText decodes the base64 of a JSON string up to its closing quote, which it takes.
func decodeText(in *bufio.Reader, out io.Writer) error {
	text := &jsonText{in: in}
	_, err := io.CopyBuffer(struct{ io.Writer }{out}, base64.NewDecoder(base64.StdEncoding, text), make([]byte, pieceSize))
	var corrupt base64.CorruptInputError
	switch {
	case text.err != nil:
		return text.err
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return transport.InvalidBodyf("apk is no base64: %v", err)
	case err == nil && !text.closed:
		return transport.InvalidBodyf("apk is no base64: it goes on behind its padding")
	}
	return err
}

// jsonText reads a JSON string whose only escapes are those that base64 may have.
type jsonText struct {
	in     *bufio.Reader
	closed bool
	err    error // of the body
}

// Read implements io.Reader; the closing quote is the end.
func (t *jsonText) Read(p []byte) (int, error) {
	if t.closed {
		return 0, io.EOF
	}
	if _, err := t.in.Peek(1); err != nil {
		return 0, t.broken(err)
	}
	ready, err := t.in.Peek(min(t.in.Buffered(), len(p)))
	if err != nil {
		return 0, t.broken(err)
	}
	if i := bytes.IndexAny(ready, `"\`); i > 0 {
		ready = ready[:i]
	} else if i == 0 {
		return t.special(p)
	}
	n := copy(p, ready)
	_, err = t.in.Discard(n)
	return n, err
}

// special takes a quote or an escape.
func (t *jsonText) special(p []byte) (int, error) {
	b, err := t.in.ReadByte()
	if err != nil {
		return 0, t.broken(err)
	}
	if b == '"' {
		t.closed = true
		return 0, io.EOF
	}
	if b, err = t.in.ReadByte(); err != nil {
		return 0, t.broken(err)
	}
	switch b {
	case '/':
		p[0] = '/'
	case 'n', 'r':
		p[0] = '\n' // which base64 passes over
	default:
		t.err = transport.InvalidBodyf("apk is no base64: it holds the escape \\%c", b)
		return 0, t.err
	}
	return 1, nil
}

func (t *jsonText) broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = transport.InvalidBodyf("unexpected end of JSON input")
	}
	t.err = err
	return err
}
