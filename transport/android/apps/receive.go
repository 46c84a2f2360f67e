package apps

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/apps/apk"
	"github.com/daytonaio/runner-android/transport/android/apps/fetch"
)

const (
	// pieceSize is how much is handed on at a time.
	pieceSize = 256 << 10
	// headSize is how much of a file is looked at before it is decided what it is.
	headSize = 64 << 10
	// maxField bounds a field of a form that is no file.
	maxField = 8 << 10
	// maxFiles bounds the files of a form.
	maxFiles = 200
)

// payload is what a request brought.
type payload struct {
	url     string
	stream  *flow    // one APK that goes by; nil: there are spools, or a URL
	spools  []*spool // of which each is a file
	size    int64    // of all that was received
	release func()   // of what the stream reads from; may be nil
}

// flow is an APK of known size that goes by.
type flow struct {
	io.Reader
	size int64
	seen *apk.Watch
}

// Close gives back what the payload holds.
func (p *payload) close() {
	for _, s := range p.spools {
		_ = s.Close()
	}
	if p.release != nil {
		p.release()
	}
}

// receive takes the body of a request. Unless mayFlow, all of it is held when it returns: an answer that began before the
// request has ended would make proxies drop the rest of it. The caller closes the payload, beside an error too.
func (d *Door) receive(c *transport.Ctx, w *wish, mayFlow bool) (*payload, error) {
	p := &payload{}
	kind, _, err := mime.ParseMediaType(c.Header("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		return p, d.receiveForm(c, w, p)
	}
	length := int64(c.Fasthttp().Request.Header.ContentLength())
	if kind != "application/json" && length > d.MaxAPK {
		return p, fault.New(fault.TooLarge, "the APK is over the limit of %d bytes", d.MaxAPK)
	}
	in := bufio.NewReaderSize(c.BodyReader(), headSize)
	first, err := in.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return p, transport.InvalidBodyf("an APK is wanted: as the body, as the field \"file\" of a form, or as {\"url\": …} or {\"apk\": …}")
	case err != nil:
		return p, err
	case kind == "application/json" || first[0] == '{':
		return p, d.receiveJSON(in, w, p)
	}
	if err := d.take(p, in, length, mayFlow); err != nil {
		return p, err
	}
	return p, nil
}

// take lets a file go by, if it can and may, or else holds it. size is negative when nobody said it.
func (d *Door) take(p *payload, in *bufio.Reader, size int64, mayFlow bool) error {
	head, err := in.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) < 4 || string(head[:2]) != "PK" {
		return fault.Invalidf("this is no APK and no archive of APKs: both are ZIP files")
	}
	if mayFlow && size > 0 && size <= d.MaxAPK {
		var look, seen apk.Watch
		_, _ = look.Write(head)
		if look.IsAPK() {
			p.stream, p.size = &flow{io.TeeReader(in, &seen), size, &seen}, size
			return nil
		}
	}
	return d.hold(p, in)
}

// hold puts a file into a spool.
func (d *Door) hold(p *payload, in io.Reader) error {
	s, err := newSpool(d.SpoolDir, d.MaxAPK-p.size)
	if err != nil {
		return err
	}
	p.spools = append(p.spools, s)
	_, err = io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{in}, make([]byte, pieceSize))
	p.size += s.size
	return err
}

// receiveForm takes the files of a form, in any field that is one, and the wishes in others.
func (d *Door) receiveForm(c *transport.Ctx, w *wish, p *payload) error {
	form, err := c.Multipart()
	if err != nil {
		return err
	}
	for {
		part, err := form.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = d.receivePart(part, w, p)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.url == "" && len(p.spools) == 0:
		return fault.Invalidf("the form has no field \"file\" and no \"url\"")
	case p.url != "" && len(p.spools) > 0:
		return fault.Invalidf("the form has both a file and a URL")
	}
	return w.check()
}

func (d *Door) receivePart(part *multipart.Part, w *wish, p *payload) error {
	in := partReader{part}
	if part.FileName() != "" || part.FormName() == "file" {
		if len(p.spools) == maxFiles {
			return fault.Invalidf("the form has more than %d files", maxFiles)
		}
		return d.hold(p, in)
	}
	if name := part.FormName(); name == "url" || slices.Contains(wishNames, name) {
		text, err := io.ReadAll(io.LimitReader(in, maxField+1))
		if err != nil {
			return err
		}
		if len(text) > maxField {
			return fault.Invalidf("the field %s is longer than %d bytes", name, maxField)
		}
		if name == "url" {
			p.url = string(text)
			return fetch.Check(p.url)
		}
		return w.set(name, string(text))
	}
	return nil
}

// partReader gives the errors of a part that breaks off their kind: those of the body have one.
type partReader struct{ part *multipart.Part }

// Read implements io.Reader.
func (r partReader) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err != nil && err != io.EOF && fault.Is(err, fault.Internal) { //nolint:errorlint // wrapped, it is the end of a body that broke off
		err = fault.Invalidf("malformed request: %v", err)
	}
	return n, err
}

// receiveJSON takes {"url": …} or {"apk": base64}, and the wishes beside it.
func (d *Door) receiveJSON(in io.Reader, w *wish, p *payload) error {
	s, err := newSpool(d.SpoolDir, d.MaxAPK)
	if err != nil {
		return err
	}
	p.spools = []*spool{s}
	rest, found, err := cutAPK(bufio.NewReaderSize(&bounded{in, d.MaxJSON}, pieceSize), s)
	if err != nil {
		return err
	}
	body := struct {
		*wish
		URL string `json:"url"`
	}{wish: w}
	if err := transport.DecodeJSON(rest, &body); err != nil {
		return transport.InvalidBodyf("%v", err)
	}
	p.url, p.size = body.URL, s.size
	switch {
	case found == (p.url != ""):
		return transport.InvalidBodyf("one of apk (base64) and url is wanted")
	case found && s.size == 0:
		return transport.InvalidBodyf("apk is empty")
	case !found:
		_ = s.Close()
		p.spools = nil
		if err := fetch.Check(p.url); err != nil {
			return err
		}
	}
	return w.check()
}

// bounded is a reader of a body that may not be longer.
type bounded struct {
	io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.New(fault.TooLarge, "a body in JSON is over the limit: send the APK as the body, or as a form")
	}
	return n, err
}
