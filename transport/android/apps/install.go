package apps

import (
	"archive/zip"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/apps/apk"
	"github.com/daytonaio/runner-android/transport/android/apps/archive"
)

// installed is the answer.
type installed struct {
	Package     string   `json:"package,omitempty"` // absent where neither the APK nor the device could tell
	VersionCode int64    `json:"versionCode,omitempty"`
	VersionName string   `json:"versionName,omitempty"`
	APKs        int      `json:"apks"`
	Bytes       int64    `json:"bytes"`
	LeftOut     []string `json:"leftOut,omitempty"` // of an archive: the APKs that this device does not need
	Seconds     float64  `json:"seconds"`
}

func (d *Door) install(c *transport.Ctx) error {
	var w wish
	if err := w.fromQuery(c); err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return err
	}
	u, err := d.kit.Take(c, d.Install)
	if err != nil {
		return err
	}
	leave, err := enter(u.Context, d.installs)
	if err != nil {
		u.End()
		return err
	}
	began := time.Now()
	events := strings.Contains(c.Header("Accept"), "text/event-stream")
	p, err := d.receive(c, &w, !events)
	j := &job{door: d, use: u, wish: &w, payload: p, pm: pm{d.guest, u.Serial}, began: began}
	j.end = func() {
		p.close()
		leave()
		u.End()
	}
	if err != nil {
		j.end()
		return err
	}
	if events {
		d.follow(c, j)
		return nil
	}
	defer j.end()
	done, err := j.run(u.Context, nobody{})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done)
}

// job is one installation.
type job struct {
	door    *Door
	use     *android.Use
	wish    *wish
	payload *payload
	pm      pm
	began   time.Time
	end     func()
}

// part is one APK on its way into the device.
type part struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
}

// plan is what is installed together.
type plan struct {
	parts   []part
	about   func() (apk.Manifest, bool) // what the base says, asked when it is over
	leftOut []string
}

func (p *plan) total() (sum int64) {
	for _, one := range p.parts {
		sum += one.size
	}
	return sum
}

// run installs the payload. It ends with ctx.
func (j *job) run(ctx context.Context, tell listener) (*installed, error) {
	tell.progress("receiving", j.payload.size, j.payload.size)
	if j.payload.url != "" {
		if err := j.fetch(ctx, tell); err != nil {
			return nil, err
		}
	}
	what, err := j.plan(ctx)
	if err != nil {
		return nil, err
	}
	leave, err := j.door.turns.take(ctx, j.use.Serial)
	if err != nil {
		return nil, err
	}
	defer leave()
	if len(what.parts) == 1 {
		err = j.single(ctx, what, tell)
	} else {
		err = j.session(ctx, what, tell)
	}
	if err != nil {
		return nil, err
	}
	done := &installed{APKs: len(what.parts), Bytes: what.total(), LeftOut: what.leftOut}
	if m, known := what.about(); known {
		asking, end := j.asking(ctx)
		defer end()
		if err := identify(asking, m, done); err != nil {
			return nil, err
		}
	}
	done.Seconds = seconds(time.Since(j.began))
	return done, nil
}

// asking is the use of the device for a question, which takes less time than an installation may.
func (j *job) asking(ctx context.Context) (u *android.Use, end context.CancelFunc) {
	asking := *j.use
	asking.Context, end = context.WithTimeoutCause(ctx, j.door.Query, fault.Timeoutf("the device did not answer within %s", j.door.Query))
	return &asking, end
}

// fetch gets the file of the payload's URL.
func (j *job) fetch(ctx context.Context, tell listener) error {
	got, err := j.door.fetcher.Get(ctx, j.payload.url)
	if err != nil {
		return err
	}
	j.payload.release = func() { _ = got.Body.Close() }
	if got.Size > j.door.MaxAPK {
		return fault.New(fault.TooLarge, "the file is over the limit of %d bytes", j.door.MaxAPK)
	}
	return j.door.take(j.payload, readerOf(counted{got.Body, &tally{phase: "fetching", total: got.Size, tell: tell}}), got.Size, true)
}

// plan decides what of the payload goes into the device.
func (j *job) plan(ctx context.Context) (*plan, error) {
	if f := j.payload.stream; f != nil {
		base := part{"base.apk", f.size, func() (io.ReadCloser, error) { return io.NopCloser(f), nil }}
		return &plan{parts: []part{base}, about: f.seen.Manifest}, nil
	}
	if len(j.payload.spools) == 1 {
		s := j.payload.spools[0]
		z, err := apk.OpenZIP(s.file, s.size)
		if err != nil {
			return nil, err
		}
		if archive.Is(z) {
			return j.planArchive(ctx, z)
		}
	}
	return planSplits(j.payload.spools)
}

// planSplits installs all files of a form: a base, and its splits.
func planSplits(spools []*spool) (*plan, error) {
	var base apk.Manifest
	what := &plan{about: func() (apk.Manifest, bool) { return base, true }}
	for i, s := range spools {
		m, err := apk.Read(s.file, s.size)
		if err != nil {
			return nil, err
		}
		one := part{"split_" + strconv.Itoa(i) + ".apk", s.size, func() (io.ReadCloser, error) { return s.reader(), nil }}
		switch {
		case m.Split != "":
			what.parts = append(what.parts, one)
			continue
		case base.Package != "":
			return nil, fault.Invalidf("the form has two whole apps, %s and %s: send each in a request of its own", base.Package, m.Package)
		}
		one.name, base = "base.apk", m
		what.parts = append([]part{one}, what.parts...)
	}
	if base.Package == "" {
		return nil, fault.Invalidf("only splits were sent: send the base APK in the same request")
	}
	return what, nil
}

// planArchive chooses from an archive what the device needs.
func (j *job) planArchive(ctx context.Context, z *zip.Reader) (*plan, error) {
	asking, end := j.asking(ctx)
	defer end()
	device, err := shape(asking)
	if err != nil {
		return nil, err
	}
	chosen, err := archive.Choose(z, device)
	if err != nil {
		return nil, err
	}
	if chosen.Total() > j.door.MaxAPK {
		return nil, fault.New(fault.TooLarge, "the archive's APKs unpack to more than %d bytes", j.door.MaxAPK)
	}
	var seen apk.Watch
	what := &plan{leftOut: chosen.Left, about: func() (apk.Manifest, bool) {
		if m, found := seen.Manifest(); found {
			return m, true
		}
		return apk.Manifest{Package: chosen.Package}, chosen.Package != ""
	}}
	for i, p := range chosen.Parts {
		open := p.Open
		if i == 0 {
			open = func() (io.ReadCloser, error) {
				r, err := p.Open()
				return watched{r, &seen}, err
			}
		}
		what.parts = append(what.parts, part{p.Name, p.Size, open})
	}
	return what, nil
}

// watched lets a Watch see what is read.
type watched struct {
	io.ReadCloser
	seen *apk.Watch
}

// Read implements io.Reader.
func (w watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	_, _ = w.seen.Write(p[:n])
	return n, err
}

// single installs one APK in one conversation: pm makes the session, and drops it when anything fails.
func (j *job) single(ctx context.Context, what *plan, tell listener) error {
	one := what.parts[0]
	args := slices.Concat([]string{"install"}, j.wish.flags(), []string{"-S", strconv.FormatInt(one.size, 10)})
	said, err := j.write(ctx, one, &tally{phase: "writing", total: one.size, tell: tell}, func() { tell.progress("committing", one.size, one.size) }, args...)
	if err != nil {
		return err
	}
	if !succeeded(said) {
		return refused("install", said)
	}
	return nil
}

// session installs several APKs together, or none.
func (j *job) session(ctx context.Context, what *plan, tell listener) (err error) {
	total := what.total()
	session, err := j.pm.create(ctx, total, j.wish.flags())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // also when ctx has ended
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.door.Abandon)
			defer cancel()
			j.pm.abandon(late, session)
		}
	}()
	count := &tally{phase: "writing", total: total, tell: tell}
	for _, one := range what.parts {
		said, err := j.write(ctx, one, count, nil, "install-write", "-S", strconv.FormatInt(one.size, 10), session, one.name, "-")
		if err != nil {
			return err
		}
		if !succeeded(said) {
			return refused("write "+one.name, said)
		}
	}
	tell.progress("committing", total, total)
	said, err := j.pm.say(ctx, nil, "install-commit", session)
	if err != nil {
		return err
	}
	if !succeeded(said) {
		return refused("install", said)
	}
	return nil
}

// write sends one APK.
func (j *job) write(ctx context.Context, one part, count *tally, done func(), args ...string) (string, error) {
	content, err := one.open()
	if err != nil {
		return "", err
	}
	defer content.Close()
	return j.pm.say(ctx, &source{kinded{content}, one.size, count.add, done}, args...)
}

// kinded makes what a damaged archive gives an error of the request.
type kinded struct{ io.Reader }

// Read implements io.Reader.
func (k kinded) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if err != nil && err != io.EOF && fault.Is(err, fault.Internal) { //nolint:errorlint // wrapped, it is no end
		err = fault.Invalidf("the APK cannot be read: %v", err)
	}
	return n, err
}

// seconds are rounded for people.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
