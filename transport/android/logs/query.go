package logs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// The limits of what is asked for.
const (
	maxTags    = 64
	maxTag     = 128
	maxPattern = 1 << 10
	maxLines   = 10_000
	maxAgo     = 30 * 24 * time.Hour
)

// query is what a client wants of the log.
type query struct {
	buffers []string
	level   byte            // the least one of tags that say nothing else: one of levels
	tags    map[string]byte // the least level of each; nil: all tags
	app     string          // a package; "" is all
	pid     int             // 0 is all
	pattern *regexp.Regexp  // of messages; nil is all
	since   time.Time       // zero: unless ago is given, all that is there
	ago     time.Duration   // before the device's now; -1: not given
	lines   int             // of the backlog; 0 is all
	follow  bool
	text    bool
}

// levels in their order.
const levels = "VDIWEF"

var (
	known    = []string{"main", "system", "crash", "radio", "events", "kernel"}
	ordinary = []string{"main", "system", "crash"}
)

// parse reads the query; Invalid says which parameter is wrong.
func parse(c *transport.Ctx) (*query, error) {
	q := &query{buffers: ordinary, level: levels[0], ago: -1, follow: true}
	for _, read := range []func(*transport.Ctx) error{
		q.readBuffers, q.readLevel, q.readTags, q.readWho, q.readPattern, q.readSince, q.readShape,
	} {
		if err := read(c); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *query) readBuffers(c *transport.Ctx) error {
	var wanted []string
	for _, list := range c.Fasthttp().QueryArgs().PeekMulti("buffers") {
		for _, b := range strings.Split(string(list), ",") {
			switch {
			case b == "all":
				wanted = append(wanted, known...)
			case b == "default":
				wanted = append(wanted, ordinary...)
			case slices.Contains(known, b):
				wanted = append(wanted, b)
			default:
				return fault.Invalidf("buffers: %q is none of %s, default and all", clip(b), strings.Join(known, ", "))
			}
		}
	}
	if len(wanted) > 0 {
		slices.Sort(wanted)
		q.buffers = slices.Compact(wanted)
	}
	return nil
}

// levelOf reads V, v or verbose; 0 is none.
func levelOf(text string) byte {
	for i, word := range []string{"verbose", "debug", "info", "warn", "error", "fatal"} {
		if strings.EqualFold(text, word) || strings.EqualFold(text, word[:1]) {
			return levels[i]
		}
	}
	return 0
}

func (q *query) readLevel(c *transport.Ctx) error {
	text := c.Optional("level")
	if text == "" {
		return nil
	}
	if q.level = levelOf(text); q.level == 0 {
		return fault.Invalidf("level: %q is none of V, D, I, W, E, F", clip(text))
	}
	return nil
}

func (q *query) readTags(c *transport.Ctx) error {
	given := c.Fasthttp().QueryArgs().PeekMulti("tag")
	if len(given) > maxTags {
		return fault.Invalidf("tag: %d of them are too many, %d may be given", len(given), maxTags)
	}
	for _, spec := range given {
		tag, level := string(spec), q.level
		if i := strings.LastIndexByte(tag, ':'); i >= 0 { // a tag may hold colons itself
			if l := levelOf(tag[i+1:]); l != 0 {
				tag, level = tag[:i], l
			}
		}
		if tag == "" || len(tag) > maxTag {
			return fault.Invalidf("tag: it is TAG or TAG:LEVEL, of at most %d bytes", maxTag)
		}
		if q.tags == nil {
			q.tags = map[string]byte{}
		}
		q.tags[tag] = level
	}
	return nil
}

func (q *query) readWho(c *transport.Ctx) (err error) {
	if text := c.Optional("app"); text != "" {
		if q.app, err = name.Package(text); err != nil {
			return fault.Op("app", err)
		}
	}
	if text := c.Optional("pid"); text != "" {
		if q.pid, err = strconv.Atoi(text); err != nil || q.pid < 1 {
			return fault.Invalidf("pid: %q is no process", clip(text))
		}
	}
	return nil
}

// readPattern compiles the expression; RE2's time is bounded by the length of what it looks at.
func (q *query) readPattern(c *transport.Ctx) (err error) {
	text := c.Optional("regex")
	if text == "" {
		return nil
	}
	if len(text) > maxPattern {
		return fault.Invalidf("regex: it has %d bytes, %d may be", len(text), maxPattern)
	}
	if q.pattern, err = regexp.Compile(text); err != nil {
		return fault.Wrap(fault.Invalid, "regex", err)
	}
	return nil
}

func (q *query) readSince(c *transport.Ctx) (err error) {
	switch text := c.Optional("since"); {
	case text == "":
	case text == "now":
		q.ago = 0
	case strings.ContainsRune(text, 'T'):
		if q.since, err = time.Parse(time.RFC3339, text); err != nil || q.since.Unix() < 0 {
			return fault.Invalidf("since: %q is no time such as 2026-01-31T12:00:00Z", clip(text))
		}
	default:
		if q.ago, err = time.ParseDuration(text); err != nil || q.ago < 0 || q.ago > maxAgo {
			return fault.Invalidf("since: %q is neither now, nor a time such as 2026-01-31T12:00:00Z, nor how long ago, such as 30s", clip(text))
		}
	}
	if text := c.Optional("lines"); text != "" {
		if q.lines, err = strconv.Atoi(text); err != nil || q.lines < 1 || q.lines > maxLines {
			return fault.Invalidf("lines: %q is no number from 1 to %d", clip(text), maxLines)
		}
	}
	return nil
}

func (q *query) readShape(c *transport.Ctx) (err error) {
	if text := c.Optional("follow"); text != "" {
		if q.follow, err = strconv.ParseBool(text); err != nil {
			return fault.Invalidf("follow: %q is neither true nor false", clip(text))
		}
	}
	switch format := c.Optional("format"); format {
	case "":
		accept := c.Header("Accept")
		q.text = strings.Contains(accept, "text/plain") && !strings.Contains(accept, "text/event-stream")
	case "json":
	case "text":
		q.text = true
	default:
		return fault.Invalidf("format: %q is neither json nor text", clip(format))
	}
	return nil
}

// clip keeps a message short.
func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}
