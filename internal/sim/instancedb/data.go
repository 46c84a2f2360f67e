package instancedb

import (
	"slices"
	"strings"
	"time"
)

// State is what cvd last knew about an instance.
type State int32

// The states, with the numbers of InstanceState in cvd_persistent_data.proto.
const (
	Unspecified   State = 0
	Preparing     State = 1
	Starting      State = 2
	Running       State = 3
	Stopping      State = 4
	Stopped       State = 5
	PrepareFailed State = 6
	BootFailed    State = 7
	Unreachable   State = 8
	Cancelled     State = 9
)

// States lists all states.
func States() []State {
	return []State{
		Unspecified, Preparing, Starting, Running, Stopping, Stopped, PrepareFailed, BootFailed, Unreachable, Cancelled,
	}
}

// String is the state as cvd prints it.
func (s State) String() string {
	switch s {
	case Preparing:
		return "Preparing"
	case Starting:
		return "Starting"
	case Running:
		return "Running"
	case Stopping:
		return "Stopping"
	case Stopped:
		return "Stopped"
	case PrepareFailed:
		return "Prepare Failed"
	case BootFailed:
		return "Boot Failed"
	case Unreachable:
		return "Unreachable"
	case Cancelled:
		return "Cancelled"
	default:
		return "Unspecified"
	}
}

// Active reports whether cvd treats the state as running or about to.
func (s State) Active() bool {
	switch s {
	case Preparing, Starting, Running, Stopping, Unreachable:
		return true
	default:
		return false
	}
}

// Data is the content of the database.
type Data struct{ Groups []Group }

// Group is a set of instances that start and stop together.
type Group struct {
	Name        string
	Home        string // <group dir>/home
	HostPath    string
	ProductPath string
	StartTime   time.Time // zero = never started
	Instances   []Instance
}

// Instance is one device.
type Instance struct {
	ID       int // the instance number
	Name     string
	State    State
	DeviceID string // under which the operator shows it
}

// Group returns the group of that name, nil when there is none. The pointer is into d.
func (d *Data) Group(name string) *Group {
	for i := range d.Groups {
		if d.Groups[i].Name == name {
			return &d.Groups[i]
		}
	}
	return nil
}

// Remove drops the group of that name.
func (d *Data) Remove(name string) {
	d.Groups = slices.DeleteFunc(d.Groups, func(g Group) bool { return g.Name == name })
}

// Owner returns the group that has the instance number, and the instance.
func (d *Data) Owner(id int) (group string, instance string, ok bool) {
	for _, g := range d.Groups {
		for _, i := range g.Instances {
			if i.ID == id {
				return g.Name, i.Name, true
			}
		}
	}
	return "", "", false
}

// Active reports whether an instance of the group is active.
func (g *Group) Active() bool {
	return slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.State.Active() })
}

// SetStates puts all instances into a state.
func (g *Group) SetStates(s State) {
	for i := range g.Instances {
		g.Instances[i].State = s
	}
}

// First returns the number of the first instance, 0 without one.
func (g *Group) First() int {
	if len(g.Instances) == 0 {
		return 0
	}
	return g.Instances[0].ID
}

// Dir is the group's directory: the parent of its home.
func (g *Group) Dir() string { return strings.TrimSuffix(g.Home, "/home") }
