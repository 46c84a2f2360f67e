package cvd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/host"
)

// FlagSet is the launch flags that a host package knows.
type FlagSet struct {
	// Assumed says why the host package could not be asked, so that the flags that every supported
	// package has are taken for granted. Empty when it answered.
	Assumed string

	names map[string]bool
}

// Has reports whether the host package listed the flag. Hyphens count as underscores. An assumed
// set lists nothing.
func (s FlagSet) Has(name string) bool { return s.names[flagKey(name)] }

// Len returns how many flags were listed.
func (s FlagSet) Len() int { return len(s.names) }

func flagKey(name string) string { return strings.ReplaceAll(strings.TrimLeft(name, "-"), "-", "_") }

const maxCachedFlags = 64 // host packages; a host has one for each base image

type flagCache struct {
	mu   sync.Mutex
	sets map[string]cachedFlags // by path of the program
}

type cachedFlags struct {
	size    int64
	modTime time.Time
	inode   uint64
	set     FlagSet
}

// Flags asks the host package below hostPath which launch flags it knows. The answer is kept until
// the program changes. A package that does not answer is not an error: the set then says why it is
// only assumed, and the next call asks again. A package without the program is Unavailable.
func (c *Client) Flags(ctx context.Context, hostPath string) (FlagSet, error) {
	program := hostPath + "/bin/cvd_internal_start"
	info, err := c.h.Stat(ctx, program)
	if err != nil {
		if missing(err) {
			return FlagSet{}, &fault.Error{Kind: fault.Unavailable, Op: "probe " + program,
				Msg: rules[NoHostTools].means + ": " + rules[NoHostTools].hint, Err: err}
		}
		return FlagSet{}, fault.Op("probe "+program, err)
	}
	fresh := cachedFlags{size: info.Size, modTime: info.ModTime, inode: info.Inode}
	if set, ok := c.flags.get(program, fresh); ok {
		return set, nil
	}
	set, reason := c.askFlags(ctx, program)
	if reason != "" {
		if err := ctx.Err(); err != nil {
			return FlagSet{}, fault.Op("probe "+program, err)
		}
		c.log.Warn("launch flags assumed", zap.String("program", program), zap.String("reason", reason))
		return FlagSet{Assumed: reason}, nil
	}
	fresh.set = set
	c.flags.put(program, fresh)
	return set, nil
}

// askFlags returns the flags, or the reason why there are none.
func (c *Client) askFlags(ctx context.Context, program string) (FlagSet, string) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	res, err := c.h.Run(ctx, host.Command{
		Args: []string{program, "--helpxml"},
		// Without the mark that cvd gives its children, newer programs hand over to "cvd create".
		Env:  []string{"_STARTED_BY_CVD_SERVER_=true"},
		Wait: termGrace,
	})
	var exit *host.ExitError // gflags exits 1 after printing help, so only the XML counts
	if err != nil && !errors.As(err, &exit) {
		return FlagSet{}, err.Error()
	}
	set := parseFlags(res.Stdout)
	if !set.Has("cpus") || !set.Has("memory_mb") {
		return FlagSet{}, program + " --helpxml did not list the launch flags"
	}
	return set, ""
}

func (f *flagCache) get(program string, want cachedFlags) (FlagSet, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, ok := f.sets[program]
	same := ok && have.size == want.size && have.inode == want.inode && have.modTime.Equal(want.modTime)
	return have.set, same
}

func (f *flagCache) put(program string, entry cachedFlags) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sets) >= maxCachedFlags {
		clear(f.sets)
	}
	f.sets[program] = entry
}

// parseFlags reads the names out of gflags' XML. It looks at the <flag> elements alone, because the
// launcher prints the documents of its tools one after the other with log lines between them, which
// no XML parser accepts.
func parseFlags(out []byte) FlagSet {
	set := FlagSet{names: map[string]bool{}}
	for {
		_, rest, ok := bytes.Cut(out, []byte("<flag>"))
		if !ok {
			return set
		}
		element, after, ok := bytes.Cut(rest, []byte("</flag>"))
		if !ok {
			return set
		}
		if name, ok := between(element, "<name>", "</name>"); ok && validFlag(name) {
			set.names[flagKey(name)] = true
		}
		out = after
	}
}

func between(b []byte, open, end string) (string, bool) {
	_, rest, ok := bytes.Cut(b, []byte(open))
	if !ok {
		return "", false
	}
	inner, _, ok := bytes.Cut(rest, []byte(end))
	return strings.TrimSpace(string(inner)), ok
}

func validFlag(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	return strings.Trim(name, "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
