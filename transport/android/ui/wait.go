package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android/ui/selector"
	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

// verdict is what a look at the screen came to.
type verdict struct {
	ready   bool
	element *tree.Node
	matched int
	why     string // it is not ready: what an element that is there lacks
}

// rest pauses between two looks.
func (v *visit) rest() error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-v.use.Context.Done():
		return context.Cause(v.use.Context)
	}
}

// await looks until judge finds the screen ready, then acts, in the same turn. When the time is up it says why
// nothing was done: want is what was waited for.
func (v *visit) await(want fmt.Stringer, judge func(*sight) verdict, act func(*sight, verdict) error) (verdict, error) {
	var last *sight
	var lately verdict
	for {
		s, found, acted, err := v.turnAt(judge, act)
		switch {
		case acted || err != nil && !passes(err):
			return found, err
		case err == nil:
			last, lately = s, found
		}
		if v.late() {
			return found, v.inVain(want, last, lately, err)
		}
		if err := v.rest(); err != nil {
			return found, err
		}
	}
}

// turnAt is one turn: a look, and the act if it is time.
func (v *visit) turnAt(judge func(*sight) verdict, act func(*sight, verdict) error) (s *sight, found verdict, acted bool, err error) {
	if err := v.screen.turn.Take(v.use.Context); err != nil {
		return nil, found, false, err
	}
	defer v.screen.turn.Give()
	if s, err = v.look(); err != nil {
		return s, found, false, err
	}
	if found = judge(s); !found.ready {
		return s, found, false, nil
	}
	return s, found, true, act(s, found)
}

// inVain says why nothing was done in time.
func (v *visit) inVain(want fmt.Stringer, last *sight, lately verdict, err error) error {
	switch {
	case last == nil:
		return transport.RequestTimeoutf("%v, after %s of waiting; %s", err, v.limit, hint(err))
	case lately.matched > 0 && lately.why != "":
		return transport.RequestTimeoutf("%s: %s, after %s of waiting", short(want), lately.why, v.limit)
	}
	return fault.NotFoundf("%s is not on the screen, after %s of waiting; %s", short(want), v.limit, last.instead(want))
}

func short(want fmt.Stringer) string { return tree.Short(want.String(), 300) }

// instead says what was on the screen instead of what was looked for.
func (s *sight) instead(want fmt.Stringer) string {
	var words []string
	if m, ok := want.(*selector.Matcher); ok {
		words = m.Words()
	}
	said := "in front is " + s.front
	if labels := s.closest(words, 8); len(labels) > 0 {
		said += ", which shows " + strings.Join(labels, ", ")
	}
	return said
}

// closest are the labels on the screen that are most like words, in quotes, each once; with no words the first.
func (s *sight) closest(words []string, most int) (labels []string) {
	type candidate struct {
		label string
		far   int
	}
	var all []candidate
	for n := range s.tree.All() {
		if n.Visible().Empty() || len(all) == 500 {
			continue
		}
		for _, text := range []string{n.Text, n.Description, n.Name()} {
			if text == "" || text == n.Name() && len(words) == 0 {
				continue
			}
			label := fmt.Sprintf("%q", tree.Short(text, 40))
			if slices.ContainsFunc(all, func(c candidate) bool { return c.label == label }) {
				continue
			}
			all = append(all, candidate{label, nearest(text, words)})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.far - b.far })
	for _, c := range all[:min(most, len(all))] {
		labels = append(labels, c.label)
	}
	return labels
}

// nearest is how far text is from the nearest of words, in hundredths of what would have to be changed.
func nearest(text string, words []string) int {
	best := 100
	for _, w := range words {
		_, w = tailOf(w)
		a, b := []rune(strings.ToLower(tree.Short(text, 40))), []rune(strings.ToLower(tree.Short(w, 40)))
		far := 100 * distance(a, b) / max(1, len(a), len(b))
		if strings.Contains(string(a), string(b)) || strings.Contains(string(b), string(a)) {
			far /= 4
		}
		best = min(best, far)
	}
	return best
}

func tailOf(id string) (pkg, name string) {
	if pkg, name, found := strings.Cut(id, ":id/"); found {
		return pkg, name
	}
	return "", id
}

// distance is how many characters have to be changed, put in or left out.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
