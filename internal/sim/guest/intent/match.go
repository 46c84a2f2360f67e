package intent

import (
	"net/url"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
)

// Match tells whether a filter's offer fits an intent.
func Match(in Intent, f apk.Filter) bool {
	if in.Action != "" && !slices.Contains(f.Actions, in.Action) {
		return false
	}
	for _, category := range in.Categories {
		if !slices.Contains(f.Categories, category) {
			return false
		}
	}
	return matchType(in, f) && matchData(in, f)
}

// IsDefault tells whether an activity with this filter is found by an intent that shall start
// something; others are only listed. The icon of many apps is not: am has to name its activity.
func IsDefault(f apk.Filter) bool { return slices.Contains(f.Categories, apk.CategoryDefault) }

func matchType(in Intent, f apk.Filter) bool {
	if in.Type == "" || len(f.Types) == 0 {
		return in.Type == "" && len(f.Types) == 0
	}
	major, _, _ := strings.Cut(in.Type, "/")
	return slices.ContainsFunc(f.Types, func(t string) bool {
		return t == in.Type || t == "*/*" || t == major+"/*"
	})
}

func matchData(in Intent, f apk.Filter) bool {
	if in.Data == "" {
		return len(f.Schemes) == 0 || in.Type != ""
	}
	scheme, rest, ok := strings.Cut(in.Data, ":")
	switch {
	case !ok:
		return len(f.Schemes) == 0
	case len(f.Schemes) == 0: // a filter of types alone takes what content providers and files hold
		return len(f.Types) > 0 && (scheme == "content" || scheme == "file")
	case !slices.Contains(f.Schemes, scheme):
		return false
	case len(f.Hosts) == 0:
		return true
	}
	host, path := hostAndPath(in.Data, rest)
	return slices.ContainsFunc(f.Hosts, func(h string) bool { return matchHost(h, host) }) && matchPath(path, f)
}

func hostAndPath(data, rest string) (host, path string) {
	if u, err := url.Parse(data); err == nil {
		return strings.ToLower(u.Hostname()), u.Path
	}
	host, path, _ = strings.Cut(strings.TrimPrefix(rest, "//"), "/")
	return strings.ToLower(host), "/" + path
}

func matchHost(offer, host string) bool {
	if suffix, ok := strings.CutPrefix(offer, "*"); ok {
		return strings.HasSuffix(host, strings.ToLower(suffix))
	}
	return strings.EqualFold(offer, host)
}

func matchPath(path string, f apk.Filter) bool {
	if len(f.Paths)+len(f.Prefixes)+len(f.PathPattern) == 0 {
		return true
	}
	return slices.Contains(f.Paths, path) ||
		slices.ContainsFunc(f.Prefixes, func(p string) bool { return strings.HasPrefix(path, p) }) ||
		slices.ContainsFunc(f.PathPattern, func(p string) bool { return matchPattern(p, path) })
}

// matchPattern knows .* for anything, which is what patterns are used for.
func matchPattern(pattern, path string) bool {
	parts := strings.Split(pattern, ".*")
	if len(parts) == 1 {
		return pattern == path
	}
	rest, ok := strings.CutPrefix(path, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
