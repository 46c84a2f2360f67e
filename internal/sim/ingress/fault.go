package ingress

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Names of faults. docs/simulator.md explains each.
const (
	oldToolbox         = "old_toolbox"
	plainAuthorization = "plain_authorization"
	doublePost         = "double_post"
	filesSlash         = "files_slash"
)

// Faults are the names of all faults.
func Faults() []string { return []string{oldToolbox, plainAuthorization, doublePost, filesSlash} }

const maxFaults = 100

// faultRule is one fault that holds.
type faultRule struct {
	ID    string `json:"id"`
	Fault string `json:"fault"`
	Times int    `json:"times"` // at most so often; 0 = until cleared
	Used  int    `json:"used"`  // how often it took effect
}

// faultList is the rules that hold.
type faultList struct {
	mu    sync.Mutex
	rules []*faultRule
	last  int // number of the last id
}

// AddFault makes the proxy misbehave, at most so many times; 0 is until it is cleared.
func (p *Proxy) AddFault(name string, times int) error {
	_, err := p.faults.add(faultRule{Fault: name, Times: times})
	return err
}

func (l *faultList) add(rule faultRule) (faultRule, error) {
	if !slices.Contains(Faults(), rule.Fault) {
		return rule, fmt.Errorf("fault %q is not known; there are %s", rule.Fault, strings.Join(Faults(), ", "))
	}
	if rule.Times < 0 {
		return rule, fmt.Errorf("times is a count: want 0 or more, not %d", rule.Times)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rules) >= maxFaults {
		return rule, fmt.Errorf("there are %d rules: clear some with DELETE /sim/faults", maxFaults)
	}
	l.last++
	rule.ID, rule.Used = fmt.Sprintf("f%d", l.last), 0
	l.rules = append(l.rules, &rule)
	return rule, nil
}

// meet counts a request and returns the faults that it meets.
func (l *faultList) meet(r *http.Request, t target) map[string]bool {
	concerned := map[string]bool{
		oldToolbox: t.toolboxForm, plainAuthorization: true, doublePost: r.Method == http.MethodPost,
		filesSlash: t.toolboxForm && strings.HasSuffix(t.path, "/files"),
	}
	met := map[string]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rule := range l.rules {
		if concerned[rule.Fault] && !met[rule.Fault] && (rule.Times == 0 || rule.Used < rule.Times) {
			rule.Used++
			met[rule.Fault] = true
		}
	}
	return met
}

// newDesk makes the routes by which a person or a test sets faults.
func (p *Proxy) newDesk() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		p.faults.mu.Lock()
		defer p.faults.mu.Unlock()
		list := make([]faultRule, 0, len(p.faults.rules))
		for _, rule := range p.faults.rules {
			list = append(list, *rule)
		}
		send(w, http.StatusOK, list)
	})
	mux.HandleFunc("POST /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var rule faultRule
		decoder := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&rule)
		if err == nil {
			rule, err = p.faults.add(rule)
		}
		if err != nil {
			send(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		send(w, http.StatusCreated, rule)
	})
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		p.faults.mu.Lock()
		defer p.faults.mu.Unlock()
		p.faults.rules = nil
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /sim/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		p.faults.mu.Lock()
		defer p.faults.mu.Unlock()
		before := len(p.faults.rules)
		p.faults.rules = slices.DeleteFunc(p.faults.rules, func(rule *faultRule) bool { return rule.ID == r.PathValue("id") })
		if len(p.faults.rules) == before {
			send(w, http.StatusNotFound, map[string]string{"error": "there is no such rule: GET /sim/faults lists them"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
