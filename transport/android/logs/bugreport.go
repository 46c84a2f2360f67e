package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/adb"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/toolbox/guestcommand"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
)

// bugreport makes a report and sends it; with progress=true it tells how far it has come, and where to fetch it.
func (d *Door) bugreport(c *transport.Ctx) error {
	progress, err := wantsProgress(c)
	if err != nil {
		return err
	}
	if c.Fasthttp().IsHead() {
		c.Text(zipType, nil)
		return nil
	}
	use, err := d.kit.Take(c, d.Report)
	if err != nil {
		return err
	}
	if !d.reports.begin(use.ID) {
		use.End()
		return fault.Conflictf("a bug report of sandbox %s is being made: one at a time", use.ID)
	}
	end := func() {
		use.End()
		d.reports.end(use.ID)
	}
	if progress {
		d.streamProgress(c, use, end)
		return nil
	}
	body, err := d.report(use)
	if err != nil {
		end()
		return err
	}
	d.send(c, use, reportName(use), transport.Unsized, body, end)
	return nil
}

const zipType = "application/zip"

func wantsProgress(c *transport.Ctx) (bool, error) {
	text := c.Optional("progress")
	if text == "" {
		return false, nil
	}
	progress, err := strconv.ParseBool(text)
	if err != nil {
		return false, fault.Invalidf("progress: %q is neither true nor false", clip(text))
	}
	return progress, nil
}

func reportName(use *android.Use) string {
	return fmt.Sprintf("bugreport-%s-%s.zip", use.ID, time.Now().UTC().Format("20060102-150405"))
}

// send streams a report; end is called when that has come to its end, whichever.
func (d *Door) send(c *transport.Ctx, use *android.Use, name string, size int, body io.ReadCloser, end func()) {
	c.SetHeader("Content-Disposition", `attachment; filename="`+name+`"`)
	c.StreamSized(http.StatusOK, zipType, size, func(ctx context.Context, w *bufio.Writer) error {
		defer end()
		defer func() { _ = body.Close() }()
		defer context.AfterFunc(use.Context, func() { _ = body.Close() })()
		defer context.AfterFunc(ctx, func() { _ = body.Close() })()
		if size == transport.Unsized {
			_, err := io.Copy(w, body)
			return err
		}
		_, err := io.CopyN(w, body, int64(size)) // a guest that lied about the size would break the connection
		return err
	})
}

// report begins a report: as a stream where the release can, else as a file that is made first.
func (d *Door) report(use *android.Use) (io.ReadCloser, error) {
	said, err := use.Ask("bugreportz -v", maxSaid)
	if err != nil {
		return nil, err
	}
	version := strings.TrimSpace(string(said))
	if !startsWithDigit(version) {
		return nil, fault.Unsupportedf("this image has no bugreportz: %s", clip(version))
	}
	if canStream(version) {
		return d.streamed(use)
	}
	path, err := d.produce(use, func(int, int) error { return nil })
	if err != nil {
		return nil, err
	}
	return d.openFile(use, path)
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// canStream is true from version 1.2 of bugreportz on, which came with Android 13.
func canStream(version string) bool {
	major, minor, _ := strings.Cut(version, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA == nil && (a > 1 || a == 1 && errB == nil && b >= 2)
}

// archive is how a zip file begins.
var archive = []byte("PK\x03\x04")

// streamed is a report as it is made. It waits for the beginning, so that a refusal is an answer.
func (d *Door) streamed(use *android.Use) (io.ReadCloser, error) {
	p, err := d.guest.Start(use.Context, use.Serial, adb.ShellStart{Command: "exec bugreportz -s"})
	if err != nil {
		return nil, guestcommand.CauseOf(use.Context, err)
	}
	s := &processOutput{process: p}
	stop := context.AfterFunc(use.Context, func() { _ = p.Close() })
	defer stop()
	head := make([]byte, len(archive))
	n, err := io.ReadFull(s, head)
	if err == nil && bytes.Equal(head, archive) {
		s.rest = append(head, s.rest...)
		return s, nil
	}
	said := string(head[:n]) + string(s.rest) + string(s.said)
	_ = p.Close()
	if cause := context.Cause(use.Context); cause != nil {
		return nil, cause
	}
	return nil, transport.Unprocessablef("the device made no bug report: %s", clip(strings.TrimSpace(said)))
}

// processOutput is what a command prints. It ends with io.EOF only when the command ended with 0.
type processOutput struct {
	process guestshell.Process
	rest    []byte
	said    []byte // of stderr
}

func (o *processOutput) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		kind, data, err := o.process.Next()
		switch {
		case errors.Is(err, io.EOF):
			if code, _ := o.process.Wait(); code != 0 { // it has ended
				return 0, fault.Unavailablef("the command ended with exit code %d: %s", code, clip(strings.TrimSpace(string(o.said))))
			}
			return 0, io.EOF
		case err != nil:
			return 0, err
		case kind == adb.Stderr:
			o.said = append(o.said, data[:min(len(data), maxSaid-len(o.said))]...)
		default:
			o.rest = data
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// Close hangs up on the command.
func (o *processOutput) Close() error { return o.process.Close() }

// produce makes a report as a file of the device, tells each step, and returns the file's path.
func (d *Door) produce(use *android.Use, step func(done, total int) error) (path string, err error) {
	p, err := d.guest.Start(use.Context, use.Serial, adb.ShellStart{Command: "exec bugreportz -p"})
	if err != nil {
		return "", guestcommand.CauseOf(use.Context, err)
	}
	out := &processOutput{process: p}
	defer func() { _ = out.Close() }()
	defer context.AfterFunc(use.Context, func() { _ = out.Close() })()
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 0, 1<<10), 16<<10)
	last, begun := "", ""
	defer func() {
		if err != nil && begun != "" { // what was given up leaves nothing
			d.remove(use, begun)
		}
	}()
	for lines.Scan() {
		last = lines.Text()
		switch word, rest, _ := strings.Cut(last, ":"); word {
		case "BEGIN":
			if isReport(rest) {
				begun = rest
			}
		case "PROGRESS":
			done, total, _ := strings.Cut(rest, "/")
			a, errA := strconv.Atoi(done)
			b, errB := strconv.Atoi(total)
			if errA != nil || errB != nil {
				continue
			}
			if err := step(a, b); err != nil {
				return "", err
			}
		case "OK":
			if !isReport(rest) {
				return "", fault.Unavailablef("the device put its bug report into %q, which is no place for one", clip(rest))
			}
			return rest, nil
		case "FAIL":
			return "", transport.Unprocessablef("the device made no bug report: %s", clip(rest))
		}
	}
	if cause := context.Cause(use.Context); cause != nil {
		return "", cause
	}
	return "", transport.Unprocessablef("the device made no bug report, its last words: %q", clip(strings.TrimSpace(last+" "+string(out.said))))
}

// isReport tells whether a path may be one of an archive: the guest may say anything.
func isReport(path string) bool {
	for _, r := range path {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
		if !ok {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && strings.HasSuffix(path, ".zip") && !strings.Contains(path, "..") && len(path) < 512
}

// openFile is a report that lies in the device; it is deleted when it is closed.
func (d *Door) openFile(use *android.Use, path string) (io.ReadCloser, error) {
	body, err := d.guest.Recv(use.Context, use.Serial, path)
	if err != nil {
		d.remove(use, path)
		return nil, guestcommand.CauseOf(use.Context, err)
	}
	return &onceFile{ReadCloser: body, remove: func() { d.remove(use, path) }}, nil
}
