package activity

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/guest/intent"
	"github.com/daytonaio/runner-android/internal/sim/guest/packages"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
)

// Caller is who starts something.
type Caller struct{ PID, UID int }

// State is how much had to be done for a start, in Android's words.
type State string

// The states of a start.
const (
	Cold      State = "COLD"
	Warm      State = "WARM"
	Hot       State = "HOT"
	Delivered State = "UNKNOWN (0)" // the activity is in front already and got the intent
)

// Result is a start that worked.
type Result struct {
	Component intent.Component
	State     State
	Time      time.Duration // until the first frame
}

// Errors of a start.
var (
	ErrUnresolved = errors.New("nothing takes the intent")
	ErrNoClass    = errors.New("the activity does not exist")
)

// DeniedError is an activity that is not for others.
type DeniedError struct{ UID int }

// Error says whose it is.
func (e *DeniedError) Error() string { return fmt.Sprintf("not exported from uid %d", e.UID) }

// launcher is the home screen.
const launcher = "com.android.launcher3"

// Start opens what an intent names or describes. An error is ErrUnresolved, ErrNoClass or a
// *DeniedError.
func (m *Manager) Start(in intent.Intent, by Caller) (Result, error) {
	found, err := m.resolve(in)
	if err != nil {
		return Result{}, err
	}
	if len(found) > 1 {
		return m.ask(in, found), nil
	}
	r := found[0]
	if by.UID != 0 && by.UID != r.Package.UID && !r.Activity.Exported {
		return Result{}, &DeniedError{r.Package.UID}
	}
	c := r.Component()
	m.system('I', "ActivityTaskManager", "START u0 {%s} with LAUNCH_MULTIPLE from uid %d (%s) result code=0", withComponent(in, c).Words(), by.UID, "com.android.shell")
	m.mu.Lock()
	cold := m.running[c.Package] == nil
	m.mu.Unlock()
	was, ok := m.phone.Launch(launchOf(in, c))
	if !ok {
		return Result{}, ErrNoClass
	}
	result := Result{Component: c, State: Warm, Time: 63 * time.Millisecond}
	switch {
	case c.Package == launcher:
		result.State, result.Time = Hot, 24*time.Millisecond
	case cold:
		result.State, result.Time = Cold, 318*time.Millisecond
	case was == ui.WasBehind:
		result.State, result.Time = Hot, 24*time.Millisecond
	case was == ui.WasInFront:
		result.State, result.Time = Delivered, 0
	}
	if result.State != Delivered {
		m.system('I', "ActivityTaskManager", "Displayed %s for user 0: +%dms", c.Short(), result.Time.Milliseconds())
	}
	if crash, ok := in.Extra("crash"); ok && crash == "true" && obeysCrash(r.Package) {
		m.crashNow(c.Package, extraCrash)
	}
	return result, nil
}

// resolve finds the activity that is meant, or several of which one must be chosen.
func (m *Manager) resolve(in intent.Intent) ([]packages.Resolved, error) {
	all := m.packages.Resolve(in)
	if in.Component.Class != "" {
		if len(all) == 0 {
			return nil, ErrNoClass
		}
		return all[:1], nil
	}
	var found []packages.Resolved
	for _, r := range all {
		if r.Default && r.Activity.Exported {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil, ErrUnresolved
	}
	if isWeb(in.Data) { // links that no app has proven to be its own are the browser's
		for _, r := range found {
			if r.Package.System {
				return []packages.Resolved{r}, nil
			}
		}
	}
	if found[len(found)-1].Package.Name() == found[0].Package.Name() {
		return found[:1], nil
	}
	return found, nil
}

func isWeb(uri string) bool {
	return strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://")
}

// ask puts the choice on the screen.
func (m *Manager) ask(in intent.Intent, found []packages.Resolved) Result {
	var choices []ui.Choice
	for _, r := range found {
		choices = append(choices, ui.Choice{Label: r.Package.Label(), Launch: launchOf(in, r.Component())})
	}
	w := m.phone.Choose(choices)
	return Result{Component: intent.Component{Package: w.Package, Class: w.Activity}, State: Warm, Time: 63 * time.Millisecond}
}

// withComponent is the intent as it was resolved.
func withComponent(in intent.Intent, c intent.Component) intent.Intent {
	in.Component = c
	in.Flags |= NewTask
	return in
}

// NewTask is FLAG_ACTIVITY_NEW_TASK, which am always adds.
const NewTask = 0x10000000

func launchOf(in intent.Intent, c intent.Component) ui.Launch {
	l := ui.Launch{Package: c.Package, Activity: shortClass(c), Action: in.Action, Data: in.Data}
	for _, e := range in.Extras {
		l.Extras = append(l.Extras, ui.Extra{Name: e.Name, Value: cmp.Or(e.Value, "null")})
	}
	return l
}

// StartIcon opens an app as its icon does. An error is ErrUnresolved.
func (m *Manager) StartIcon(pkg string, by Caller) (Result, error) {
	p := m.packages.Get(pkg)
	if p == nil || !p.Usable() {
		return Result{}, ErrUnresolved
	}
	c, ok := p.Launcher()
	if !ok {
		return Result{}, ErrUnresolved
	}
	return m.Start(intent.Intent{Action: intent.Main, Categories: []string{intent.Launcher}, Component: c}, by)
}
