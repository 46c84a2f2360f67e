package inject

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Match says what a rule applies to. Empty fields match everything.
type Match struct {
	Command  string `json:"command,omitempty"`  // create, start, stop, rm, fleet, status, …; call faults only
	Group    string `json:"group,omitempty"`    // group name
	Instance int    `json:"instance,omitempty"` // instance number
	Nth      int    `json:"nth,omitempty"`      // only from the nth matching call on, from 1
	Times    int    `json:"times,omitempty"`    // at most so often; 0 = always
}

// Rule is one line of the script.
type Rule struct {
	ID    string `json:"id,omitempty"`
	Match Match  `json:"match"`
	Fault string `json:"fault"`
}

// Event is something that rules may match.
type Event struct {
	Command  string
	Group    string
	Instance int // 0 = not known yet, or not about one instance; matches rules for any instance only
}

func (m Match) matches(e Event) bool {
	return (m.Command == "" || m.Command == e.Command) &&
		(m.Group == "" || m.Group == e.Group) &&
		(m.Instance == 0 || m.Instance == e.Instance)
}

// Script is the rules of a host, shared by all its processes.
type Script struct{ path string }

// Open names the file of the rules; a missing one means no rules.
func Open(path string) *Script { return &Script{path: path} }

// Rules reads the rules. A file that is no list of known rules is an error.
func (s *Script) Rules() ([]Rule, error) {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the injection rules: %w", err)
	}
	var rules []Rule
	if err := json.Unmarshal(data, &rules); err != nil {
		return nil, fmt.Errorf("injection rules %s: %w", s.path, err)
	}
	for i, r := range rules {
		if _, err := ParseFault(r.Fault); err != nil {
			return nil, fmt.Errorf("injection rules %s: rule %d: %w", s.path, i+1, err)
		}
	}
	return rules, nil
}

// ModTime tells when the rules changed last; zero when there are none.
func (s *Script) ModTime() time.Time {
	info, err := os.Stat(s.path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Take returns the call faults of one call and counts it.
func (s *Script) Take(e Event) (Faults, error) {
	var taken Faults
	err := s.count(onCall, e, func(f Fault) { taken = append(taken, f) }, func(Fault) bool { return true })
	return taken, err
}

// Device returns the device faults that hold for an instance. It counts nothing.
func (s *Script) Device(group string, instance int) (Faults, error) {
	rules, err := s.Rules()
	if err != nil {
		return nil, err
	}
	var found Faults
	for _, r := range rules {
		f, err := ParseFault(r.Fault)
		m := r.Match
		m.Command = ""
		if err == nil && kinds()[f.Name] == onDevice && m.matches(Event{Group: group, Instance: instance}) {
			found = append(found, f)
		}
	}
	return found, nil
}

// Host returns the faults of the host as a whole. Whatever their rules match is of no account.
func (s *Script) Host() (Faults, error) {
	rules, err := s.Rules()
	if err != nil {
		return nil, err
	}
	var found Faults
	for _, r := range rules {
		if f, err := ParseFault(r.Fault); err == nil && kinds()[f.Name] == onHost {
			found = append(found, f)
		}
	}
	return found, nil
}

// Claim counts one effect of a device fault that happens at a moment (a VM that dies) and reports
// whether it may still happen.
func (s *Script) Claim(group string, instance int, name string) (bool, error) {
	_, claimed, err := s.ClaimFault(group, instance, func(f Fault) bool { return f.Name == name })
	return claimed, err
}

// ClaimFault is Claim for the first fault that is wanted.
func (s *Script) ClaimFault(group string, instance int, wanted func(Fault) bool) (fault Fault, claimed bool, err error) {
	err = s.count(onDevice, Event{Group: group, Instance: instance}, func(f Fault) {
		if !claimed {
			fault, claimed = f, true
		}
	}, wanted)
	return fault, claimed, err
}

// counter is what happened to a rule so far.
type counter struct {
	Seen int `json:"seen"`
	Used int `json:"used"`
}

func (s *Script) count(want kind, e Event, use func(Fault), wanted func(Fault) bool) error {
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return nil // the usual case costs no lock
	}
	return s.locked(func() error {
		rules, err := s.Rules()
		if err != nil {
			return err
		}
		counts, err := s.counts()
		if err != nil {
			return err
		}
		for i, r := range rules {
			f, err := ParseFault(r.Fault)
			if err != nil || kinds()[f.Name] != want || !wanted(f) {
				continue
			}
			m := r.Match
			if want == onDevice {
				m.Command = ""
			}
			if !m.matches(e) {
				continue
			}
			c := counts[r.key(i)]
			c.Seen++
			if c.Seen >= m.Nth && (m.Times == 0 || c.Used < m.Times) {
				c.Used++
				use(f)
			}
			counts[r.key(i)] = c
		}
		return s.write(s.path+".counts", counts)
	})
}

func (r Rule) key(index int) string {
	if r.ID != "" {
		return r.ID
	}
	return fmt.Sprintf("#%d %s", index, r.Fault)
}

func (s *Script) counts() (map[string]counter, error) {
	counts := map[string]counter{}
	data, err := os.ReadFile(s.path + ".counts")
	if errors.Is(err, fs.ErrNotExist) {
		return counts, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &counts)
	}
	if err != nil {
		return nil, fmt.Errorf("read the counts of the injection rules: %w", err)
	}
	return counts, nil
}

// Add appends a rule and returns its id, which it makes up when the rule has none.
func (s *Script) Add(r Rule) (string, error) {
	if _, err := ParseFault(r.Fault); err != nil {
		return "", err
	}
	err := s.locked(func() error {
		rules, err := s.Rules()
		if err != nil {
			return err
		}
		taken := map[string]bool{}
		for _, other := range rules {
			taken[other.ID] = true
		}
		if taken[r.ID] && r.ID != "" {
			return fmt.Errorf("there is a rule %q already", r.ID)
		}
		for i := len(rules) + 1; r.ID == ""; i++ {
			if id := fmt.Sprintf("r%d", i); !taken[id] {
				r.ID = id
			}
		}
		if err := s.forget(r.ID); err != nil {
			return err
		}
		return s.write(s.path, append(rules, r))
	})
	return r.ID, err
}

// Clear removes the rule with that id, or all rules when id is empty.
func (s *Script) Clear(id string) error {
	return s.locked(func() error {
		rules, err := s.Rules()
		if err != nil && id != "" {
			return err
		}
		kept := []Rule{}
		for _, r := range rules {
			if id != "" && r.ID != id {
				kept = append(kept, r)
			}
		}
		if id != "" && len(kept) == len(rules) {
			return fmt.Errorf("there is no rule %q", id)
		}
		if id == "" {
			if err := s.write(s.path+".counts", map[string]counter{}); err != nil {
				return err
			}
		}
		return s.write(s.path, kept)
	})
}

// forget drops the count of an id that is used anew.
func (s *Script) forget(id string) error {
	counts, err := s.counts()
	if err != nil {
		return err
	}
	delete(counts, id)
	return s.write(s.path+".counts", counts)
}

func (s *Script) write(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("injection rules: %w", err)
	}
	// Other processes read without the lock.
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("injection rules: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("injection rules: %w", err)
	}
	return nil
}

func (s *Script) locked(do func() error) error {
	f, err := os.OpenFile(s.path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("lock the injection rules: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock the injection rules: %w", err)
	}
	return do()
}
