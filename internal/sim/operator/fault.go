package operator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// faultKinds is the catalogue: true is an act that happens at once, false a rule that holds. docs/simulator.md
// explains each.
func faultKinds() map[string]bool {
	return map[string]bool{
		"vanish": true, "ws_reset": true, "restart": true, "tls": true,
		"slow": false, "trickle": false, "duplicate_id": false, "legacy": false, "fix_panic": false, "error_frame": false,
	}
}

// TLS manners, the arguments of tls.
var tlsManners = []string{"good", "expired", "key", "plain", "changed"}

// rule is one way in which the operator misbehaves.
type rule struct {
	ID     string `json:"id"`
	Fault  string `json:"fault"`
	Device string `json:"device,omitempty"` // empty: all devices, and what is about none
	Times  int    `json:"times,omitempty"`  // at most so often; 0 = until cleared
	Used   int    `json:"used"`
}

func (r rule) name() string {
	name, _, _ := strings.Cut(r.Fault, ":")
	return name
}

func (r rule) argument() string {
	_, argument, _ := strings.Cut(r.Fault, ":")
	return argument
}

// duration reads the argument as seconds or as a duration.
func (r rule) duration(fallback time.Duration) time.Duration {
	return inject.Fault{Arg: r.argument()}.Seconds(fallback)
}

// check says what would be right.
func (r rule) check() error {
	if _, known := faultKinds()[r.name()]; !known {
		return fmt.Errorf("fault %q is not known; there are %s", r.Fault, strings.Join(slices.Sorted(maps.Keys(faultKinds())), ", "))
	}
	if r.name() == "tls" && !slices.Contains(tlsManners, r.argument()) {
		return fmt.Errorf("fault %q: want tls: and one of %s", r.Fault, strings.Join(tlsManners, ", "))
	}
	if r.Times < 0 {
		return fmt.Errorf("times is %d: want 0 or more", r.Times)
	}
	return nil
}

// faults are the rules that hold.
type faults struct {
	mu    sync.Mutex
	last  int
	rules []rule
}

// maxRules bounds them.
const maxRules = 100

func (f *faults) add(r rule) (rule, error) {
	if err := r.check(); err != nil {
		return r, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rules) == maxRules {
		return r, fmt.Errorf("there are %d faults already", maxRules)
	}
	f.last++
	r.ID = fmt.Sprintf("f%d", f.last)
	f.rules = append(f.rules, r)
	return r, nil
}

func (f *faults) list() []rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]rule{}, f.rules...)
}

// clear removes one rule, or all when id is empty, and tells whether there was any.
func (f *faults) clear(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r rule) bool { return id == "" || r.ID == id })
	return len(f.rules) < before
}

// find returns the rule of that name that holds for a device; "" asks for one about no device in particular.
func (f *faults) find(name, device string) (rule, bool) { return f.search(name, device, false) }

// take does the same and counts.
func (f *faults) take(name, device string) (rule, bool) { return f.search(name, device, true) }

func (f *faults) search(name, device string, count bool) (rule, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.rules {
		r := &f.rules[i]
		if r.name() != name || r.Device != "" && r.Device != device || r.Times > 0 && r.Used >= r.Times {
			continue
		}
		if count {
			r.Used++
		}
		return *r, true
	}
	return rule{}, false
}
